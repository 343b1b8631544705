"""The page that ``vp-science demo`` ends with: all that can be done with one recording, on one page."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vp_science.cli.demo_texts import texts_section

if TYPE_CHECKING:
    import pandas as pd

    from vp_science.maps.map import Map
    from vp_science.pictures import PictureBook
    from vp_science.plots.report import Section
    from vp_science.plots.report_parts import Part
    from vp_science.probes.report import EvaluationReport
    from vp_science.store.reader import Embeddings
    from vp_science.timeline.annotations import Annotations
    from vp_science.timeline.ethogram import Ethogram

NUM_BLOCKS = 4
"""Folds of the evaluation."""

NUM_CLUSTERS = 6
"""Of the map: as many as are good to look at."""

_MOMENTS, _STRIP_FRAMES, _STRIP_HEIGHT = 4, 8, 64

_UNTRAINED = (
    "The encoder of this page is untrained: its weights are random numbers. It turns pixels into numbers that keep "
    "some of what moves and where, and that is all it does. Everything below shows how the software works; none of it "
    "shows how well VideoPrism does. Trained weights: see the end of the page."
)
_SMALL = (
    "The encoder of this page is the small one that comes with the package: 3 million parameters where VideoPrism has "
    "114 million or more, trained for an hour and a half on two processor cores, mostly on drawn animals. Everything "
    "below shows how the software works; none of it shows how well VideoPrism does. Its weights: see the end of the "
    "page."
)
_LEAD = (
    "Two minutes of a male fruit fly that courts a female: embedded once, then compared, mapped, clustered, and read "
    "out by a probe that learned from labels. This is what the same commands make of your own recordings."
)
_LABELS = (
    "The labels of this recording were computed, not marked by people: a rule on key points that SLEAP tracked. The "
    "male extends a wing when it stands more than 35 degrees off his body (he vibrates it: his courtship song); he "
    "walks when he moves faster than 0.8 body lengths per second; otherwise he stands."
)
_SCORES = (
    "All blocks together; F1 of bouts asks for an overlap (intersection over union) of one half. Guessing knows only "
    "how often a behavior happens; pixels are principal components of small pictures, read out in the same way."
)
_SOURCE = (
    "Recording and key points: the SLEAP project (Pereira et al., 20190128_113421.mp4), BSD-3-Clause-Clear, Copyright "
    "(c) 2019 The Trustees of Princeton University."
)


@dataclass(frozen=True, eq=False)
class DemoResults:
    """What the demo made.

    Attributes:
        track: embeddings of the bundled recording.
        labels: what the fly does.
        evaluation: a probe on blocks of time it never saw, with baselines.
        made: a map of the frames.
        files: in the folder of the demo, by what they are.
    """

    track: "Embeddings"
    labels: "Annotations"
    evaluation: "EvaluationReport"
    made: "Map"
    files: dict[str, Path]


def write_demo_report(results: DemoResults, book: "PictureBook", path: Path) -> Path:
    """Write the page.

    Raises:
        FigureError: when it cannot be written.
    """
    from vp_science.plots.report import write_report

    sections = [
        _embedded(results),
        _alike(results, book),
        _map(results, book),
        _clusters(results, book),
        _labels(results),
        texts_section(results.track, results.labels, book),
        _probe(results),
        _next(results),
    ]
    return write_report(
        path,
        "A courting fruit fly, seen through embeddings",
        [section for section in sections if section is not None],
        lead=_LEAD,
        warning=_warning(results.track),
        footer=_SOURCE,
    )


def _warning(track: "Embeddings") -> str:
    from vp_science.checkpoints.registry import is_included

    if track.untrained:
        return _UNTRAINED
    return _SMALL if is_included(track.provenance.model) else ""


def whole_prediction(report: "EvaluationReport") -> "Ethogram":
    """The predictions of all folds of one recording, one after the other: each by a probe that never saw that time."""
    from dataclasses import replace

    parts = sorted((one.prediction for one in report.probe.tested), key=lambda part: float(part.time_s[0]))
    scores = [part.scores for part in parts if part.scores is not None]
    return replace(
        parts[0],
        time_s=np.concatenate([part.time_s for part in parts]),
        states=np.concatenate([part.states for part in parts]),
        scores=np.concatenate(scores) if len(scores) == len(parts) else None,
    )


def _section(title: str, text: str, parts: "Sequence[Part]") -> "Section":
    from vp_science.plots.report import Section

    return Section(title, parts, text)


def _figure(axes: Any, alt: str, caption: str = "", **options: Any) -> "Part":
    from vp_science.plots.report_parts import FigurePart

    return FigurePart(axes, alt, caption, **options)


def _embedded(results: DemoResults) -> "Section":
    from vp_science.plots.report_parts import FactsPart

    track, plan = results.track, results.track.provenance
    rate = plan.grid.get("sample_fps")
    seconds = float(track.time_s[-1] - track.time_s[0])
    facts = {
        "recording": f"{track.recording_id}, {track.num_frames} frames",
        "encoder": f"{plan.model} ({plan.checkpoint})",
        "sampled": f"{track.grid_size} frames over {seconds:.0f} s" + (f", {rate:g} per second" if rate else ""),
        "windows": f"{len(track.window_start)}, of {plan.num_frames} frames, {plan.stride} apart",
        "embeddings": f"{track.dim} numbers per frame and per window, {plan.dtype}",
        "file": str(results.files["embeddings"]),
    }
    text = (
        "The encoder looks at windows of frames and gives every frame a list of numbers that stands for what is seen "
        "around it. This is computed once; everything else on this page takes seconds."
    )
    return _section("What was embedded", text, [FactsPart(facts)])


def _alike(results: DemoResults, book: "PictureBook") -> "Section":
    from vp_science.plots import self_similarity
    from vp_science.plots.similarity import strip_times

    track = results.track
    frames = [book.frame(track.recording_id, time_s, 96) for time_s in strip_times(track)]
    axes = self_similarity(track, frames=frames, note="")
    caption = (
        "Bright squares on the diagonal are stretches in which little changes; a bright spot off the diagonal is a "
        "moment that looks like an earlier one."
    )
    text = "Every moment compared with every other: the cosine of the angle between their embeddings."
    alt = "Self-similarity matrix of the recording under a strip of ten frames"
    return _section("Which moments look alike", text, [_figure(axes, alt, caption, format="png")])


def _map(results: DemoResults, book: "PictureBook") -> "Section":
    from vp_science.plots import embedding_map

    made = results.made
    middles = (made.start_s + made.stop_s) / 2
    pictures = {
        point: book.frame(results.track.recording_id, float(middles[point]), 96)
        for point in (int(medoid) for medoid in made.clusters["medoid"])
        if point >= 0
    }
    behaviors = embedding_map(
        made, "behavior", labels=results.labels, title="by what the fly does", note="", axes=_small_axes(3.6, 3.3)
    )
    times = embedding_map(made, "time", title="by time", note="", axes=_small_axes(3.6, 3.3))
    clusters = embedding_map(made, "cluster", thumbnails=pictures, title="by cluster", note="")
    parts = [
        _figure(behaviors, "Map of the windows, coloured by behavior"),
        _figure(times, "Map of the windows, coloured by time"),
        _figure(clusters, "Map of the windows, coloured by cluster, with a picture of each", beside=False),
    ]
    window_s = float(np.median(made.stop_s - made.start_s))
    text = (
        f"Each of the {len(made)} points is a window of {window_s:.1f} s; near points have similar embeddings "
        "(principal components, then UMAP). Distances between clouds mean little."
    )
    return _section("A map of the recording", text, parts)


def _small_axes(width: float, height: float) -> Any:
    """Axes of a figure that stands beside another one in its natural size."""
    from vp_science.plots.style import axes_for

    return axes_for(None, width, height)


def _clusters(results: DemoResults, book: "PictureBook") -> "Section":
    from vp_science.maps.moments import representatives
    from vp_science.maps.relation import relate
    from vp_science.plots.report_parts import TablePart

    made, relation = results.made, relate(results.made, results.labels)
    names = [int(number) for number in made.clusters.index]
    sheets = [_sheet(results, book, number, representatives(made, number, _MOMENTS)) for number in names]
    table = made.clusters[["seconds", "stability"]].join(relation.main[["behavior", "share"]]).reset_index()
    table = table.rename(columns={"behavior": "mostly", "share": "share of it"})
    caption = (
        "Stability: how well a cluster is found again when half of the points are left out, from 0 to 1. Adjusted "
        f"mutual information of clusters and labels: {relation.ami:.2f} (0 is chance, 1 is perfect)."
    )
    text = (
        f"{len(names)} clusters of windows (k-means), found without the labels. Each strip is one window; the most "
        "typical one of the cluster comes first, then varied ones. Somebody who knows the animal can name a cluster "
        "from these pictures; named clusters become bouts to check."
    )
    return _section("Clusters, to look at and to name", text, [*sheets, TablePart(table, caption)])


def _sheet(results: DemoResults, book: "PictureBook", number: int, points: Any) -> "Part":
    """Strips of a cluster, one above the other."""
    from vp_science.plots.report_parts import PicturePart

    made, rows = results.made, []
    for point in points.tolist():
        span = float(made.start_s[point]), float(made.stop_s[point])
        strip = book.strip(results.track.recording_id, *span, num_frames=_STRIP_FRAMES, height=_STRIP_HEIGHT)
        rows += [strip, np.full((3, strip.shape[1], 3), 255, np.uint8)]
    starts = ", ".join(f"{made.start_s[point]:.1f}" for point in points.tolist())
    caption = f"cluster {number}: windows that begin at {starts} s"
    return PicturePart(np.concatenate(rows[:-1]), f"Strips of frames of cluster {number}", caption)


def _probe(results: DemoResults) -> "Section":
    from vp_science.plots import confusion, ethogram, precision_recall, reliability
    from vp_science.plots.report_parts import TablePart

    report = results.evaluation
    raster = ethogram(results.labels, whole_prediction(report), title="Labels above, predictions below")
    note = "percent of the frames of each row"
    taken = confusion(report, rows="labels", title="What is taken for what", note=note)
    trust = reliability(report, title="Are the scores probabilities?", note="", axes=_small_axes(3.6, 3.4))
    parts: list[Part] = [
        _figure(raster, "Ethogram: labels above predictions over time", beside=False, scroll=True),
        TablePart(_scores(report), _SCORES),
        _figure(taken, "Confusion matrix"),
        _figure(trust, "Reliability of the scores"),
    ]  # fmt: skip
    for name in report.behaviors.names:
        curve = precision_recall(
            report, name, title=f"Precision and recall: {name}", note="thin: single blocks; dotted: guessing",
            axes=_small_axes(3.2, 3.2),
        )  # fmt: skip
        parts.append(_figure(curve, f"Precision and recall of {name}"))
    text = (
        f"A logistic regression on the embeddings learns from three of {NUM_BLOCKS} blocks of time and is tested on "
        "the fourth, in turn; no frame is seen by both sides.\n\n"
        "Animal, light and camera are the same on both sides, and two minutes hold only a handful of bouts. So the "
        "figures say whether the software works. For figures that mean something, test on animals the probe never saw "
        "(vp-science probe evaluate, which does that unless it is told otherwise)."
    )
    return _section("What a probe finds where it never learned", text, parts)


def _scores(report: "EvaluationReport") -> "pd.DataFrame":
    import pandas as pd

    metrics = {"average_precision": "average precision", "f1": "F1 of frames", "segment_f1@0.5": "F1 of bouts"}
    names = {"probe": "probe", "pixels": "pixels", "majority": "guessing"}
    return pd.DataFrame(
        [
            {"behavior": behavior, "method": names[method]}
            | {title: report.figure(metric, behavior, method)["pooled"] for metric, title in metrics.items()}
            | {"bouts": sum(fold.test_bouts[behavior] for fold in report.folds)}
            for behavior in report.behaviors.names
            for method in names
        ]
    )


def _labels(results: DemoResults) -> "Section":
    from vp_science.plots import time_budget, transitions

    parts = [
        _figure(
            time_budget(results.labels, title="Where the time goes", axes=_small_axes(3.6, 1.3)),
            "Share of time of each behavior",
        ),
        _figure(transitions(results.labels, title="What follows what"), "Graph of what follows what"),
    ]
    return _section("What the fly did", _LABELS, parts)


def _next(results: DemoResults) -> "Section":
    from vp_science.plots.report_parts import CommandsPart

    files = {name: shlex.quote(str(path)) for name, path in results.files.items()}
    song = _singing_cluster(results)
    commands = [
        ("which encoders there are, and where their trained weights come from", "vp-science models"),
        ("embed your recordings (once; it resumes after a crash)",
         'vp-science embed "my_videos/*.mp4" --model videoprism-base --out embeddings'),
        ("test a probe on this recording, as on this page",
         f"vp-science probe evaluate {files['embeddings']} --labels {files['labels']} --folds time-blocks "
         f"--blocks {NUM_BLOCKS} --allow-leakage --baselines majority,pixels --recordings {files['recording']}"),
        ("train a probe on labels (BORIS, ELAN, NWB, CSV, ...), and annotate new recordings with it",
         f"vp-science probe train {files['embeddings']} --labels {files['labels']} --out courtship\n"
         'vp-science annotate "new_videos/*.mp4" --probe courtship --out ethograms'),
        ("look at the clusters of the map, name some, and make them bouts",
         f"vp-science map sheets {files['map']} --tracks {files['embeddings']} --recordings {files['recording']} "
         f"--out sheets\nvp-science map name {files['map']} {song}=song\n"
         f"vp-science map bouts {files['map']} --out song.csv"),
        ("find moments like this one", f"vp-science search {files['embeddings']} --like "
         f"{results.track.recording_id}@74-76"),
    ]  # fmt: skip
    return _section("Next steps", "", [CommandsPart(commands)])


def _singing_cluster(results: DemoResults) -> int:
    """The cluster with the largest share of wing extension."""
    from vp_science.maps.relation import relate

    seconds = relate(results.made, results.labels).table.drop(index=-1)
    return int((seconds["wing extension"] / seconds.sum(axis=1)).idxmax())
