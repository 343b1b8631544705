"""How a map was made, in sentences."""

from collections.abc import Mapping
from typing import Any

from vp_science.reporting.section import Facts
from vp_science.reporting.words.phrases import NOT, begun, counted, duration, known, listed, sentences

_LAYOUTS = {
    "umap": "UMAP (McInnes et al., 2018) with {num_neighbors} neighbors, a minimum distance of {min_dist} and "
    "{num_epochs} epochs",
    "tsne": "t-SNE (van der Maaten and Hinton, 2008) with a perplexity of {perplexity}",
    "pacmap": "PaCMAP (Wang et al., 2021) with {num_neighbors} neighbors",
    "pca": "the first two components alone",
}
_CLUSTERINGS = {
    "hdbscan": "HDBSCAN (Campello et al., 2013; at least {min_cluster_size} points per cluster, {min_samples} "
    "neighbors for a dense one)",
    "kmeans": "k-means (k = {num_clusters})",
}
_SPACES = {"map": "on the map", "pca": "among the principal components"}


def map_words(facts: Facts, tracks: str) -> str:
    """The paragraph of a map.

    Args:
        facts: of the section.
        tracks: how the text calls what the map was made of.
    """
    settings = facts["map_settings"]
    recordings = counted(facts["num_recordings"], "recording")
    return sentences(
        f"A map ({facts['id']}) was made of {counted(facts['num_points'], 'point')} of {recordings} "
        f"({duration(facts['seconds'])}): {points_words(facts['point_settings'])} of {tracks}.",
        _prepared(settings),
        _layout(facts),
        _clusters(facts),
        f"The random seed was {settings['seed']}.",
        f"The recordings were placed in an existing map ({facts['placed_in']})." if facts["placed_in"] else "",
        f"Software: {facts['software'] or NOT}, {_versions(facts['versions'])}.",
    )


def points_words(settings: Mapping[str, Any] | None) -> str:
    """What a point is."""
    if not settings:
        return f"moments (what they are was {NOT})"
    unit = settings["unit"]
    whole = "the vectors of windows" if unit == "windows" else "the vectors of single frames"
    pooled = f", averaged over spans of {settings['pool_s']:g} s" if settings["pool_s"] else ""
    context = ""
    if settings["context"] > 1:
        context = f", {settings['context']} of them stacked at steps of {settings['context_step_s']:g} s"
    speed = ", and how fast they changed," if settings["speed"] else ""
    return f"{whole}{pooled}{context}{speed}"


def _prepared(settings: Mapping[str, Any]) -> str:
    done = []
    if settings["unit_length"]:
        done.append("vectors were scaled to unit length")
    if settings["center_recordings"]:
        done.append("the mean of each recording was subtracted")
    return f"{begun(listed(done))}." if done else ""


def _layout(facts: Facts) -> str:
    settings = facts["map_settings"]
    explained = known(facts["explained_percent"], ".1f", " %")
    layout = _LAYOUTS[settings["method"]].format(**settings)
    part = ""
    if facts["num_fit_points"] is not None and facts["num_fit_points"] < facts["num_points"]:
        part = f"; {facts['num_fit_points']:,} points that cover all others were laid out, the others placed among them"
    return (
        f"Vectors were reduced to {counted(settings['num_pca'], 'principal component')} ({explained} of the variance) "
        f"and laid out in two dimensions by {layout}{part}."
    )


def _clusters(facts: Facts) -> str:
    settings = facts["map_settings"]
    if settings["cluster"] is None:
        return ""
    how = _CLUSTERINGS[settings["cluster"]].format(**settings)
    found = f"{counted(facts['num_clusters'], 'cluster')} {'was' if facts['num_clusters'] == 1 else 'were'} found by"
    none = facts["percent_in_no_cluster"]
    outside = f"; {none:.1f} % of the points were in none" if none else ""
    named = f"; named by hand: {listed(facts['cluster_names'])}" if facts["cluster_names"] else ""
    return sentences(
        f"{begun(found)} {how} {_SPACES.get(settings['cluster_space'] or '', '')}{outside}{named}.", _stability(facts)
    )


def _stability(facts: Facts) -> str:
    if facts["least_stability"] is None:
        return "Whether clusters come back in parts of the data was not tested."
    return (
        f"In {counted(facts['map_settings']['stability_repeats'], 'random half', 'random halves')} of the points "
        "clusters came back with a mean Jaccard index (Hennig, 2007) "
        f"from {facts['least_stability']:.2f} to {facts['greatest_stability']:.2f} (adjusted Rand index of all points "
        f"{known(facts['stability_ari'], '.2f')})."
    )


def _versions(versions: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items()) or f"versions of libraries {NOT}"
