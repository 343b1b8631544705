"""What was searched and found, in sentences."""

from vp_science.reporting.section import Facts
from vp_science.reporting.words.map import points_words
from vp_science.reporting.words.phrases import NOT, begun, counted, duration, known, listed, sentences

_METHODS = {
    "prototype": "by the cosine to the mean of the examples, less half of the mean of the counterexamples where there "
    "were any",
    "logistic": "by the probability of a logistic regression that was fitted to examples and counterexamples",
}
_COMMONS = {
    "all": "after the mean over everything that was searched was subtracted",
    "recording": "after the mean of each recording was subtracted",
    "none": "without subtracting a mean",
}


def search_words(facts: Facts, tracks: str) -> str:
    """The paragraph of a search or of a search index.

    Args:
        facts: of the section.
        tracks: how the text calls what was searched.
    """
    return _index(facts, tracks) if facts["what"] == "index" else _results(facts)


def _index(facts: Facts, tracks: str) -> str:
    recordings = counted(facts["num_recordings"], "recording")
    return (
        f"Searches ran over {counted(facts['num_points'], 'moment')} of {recordings} ({duration(facts['seconds'])}): "
        f"{points_words(facts['point_settings'])} of {tracks}. What was looked for is {NOT} in an index: name the "
        "results that were printed with --json too."
    )


def _results(facts: Facts) -> str:
    options = facts["options"] or {}
    number = facts["num_results"]
    scores = ""
    if facts["best_score"] is not None:
        scores = f", with scores from {facts['least_score']:.3f} to {facts['best_score']:.3f}"
    return sentences(
        f"{begun(counted(facts['num_points'], 'moment'))} ({known(facts['unit'])}) of "
        f"{counted(facts['num_tracks'], 'track')} ({duration(facts['seconds'])}) made with {known(facts['model'])} "
        f"were searched for {_wanted(facts)} (search {known(facts['id'])}).",
        f"Moments were ranked {_METHODS.get(facts['method'] or '', f'in a way that was {NOT}')}, "
        f"{_COMMONS.get(str(options.get('common')), f'subtraction of means {NOT}')}; neighbors at most "
        f"{known(options.get('merge_gap_s'), 'g', ' s')} apart became one event.",
        f"{begun(counted(number, 'event'))} {'was' if number == 1 else 'were'} returned{scores}; these are suggestions "
        "that nobody had checked.",
        f"Settings of the tracks were {NOT} in the results: name the tracks or the index too.",
    )


def _wanted(facts: Facts) -> str:
    parts = [f'"{text}"' for text in facts["texts"]]
    for number, what in ((facts["num_like"], "example"), (facts["num_unlike"], "counterexample")):
        if number:
            parts.append(counted(number, what))
    if facts["num_vectors"]:
        parts.append(counted(facts["num_vectors"], "vector"))
    return listed(parts) or f"something that was {NOT}"
