"""What a probe found in recordings, in sentences."""

from vp_science.reporting.section import Facts
from vp_science.reporting.words.phrases import NOT, begun, counted, duration, listed, sentences


def annotation_words(facts: Facts, tracks: str) -> str:
    """The paragraph of annotated recordings.

    Args:
        facts: of the section.
        tracks: how the text calls what the probe read.
    """
    length = f"length {NOT}" if facts["seconds"] is None else f"{duration(facts['seconds'])} in all"
    animals = f" and {counted(facts['num_animals'], 'followed animal')} in them" if facts["num_animals"] else ""
    software = f" with {listed(facts['software'])}" if facts["software"] else ""
    was = "was" if facts["num_recordings"] == 1 and not animals else "were"
    read = f", which read {tracks}" if facts["settings"] else ""
    return sentences(
        f"{begun(counted(facts['num_recordings'], 'recording'))} ({length}){animals} {was} annotated{software} "
        f"by the probe {facts['probe']}{read}.",
        _steps(facts),
        _behaviors(facts),
        _failed(facts),
    )


def _steps(facts: Facts) -> str:
    if facts["steps"] is None:
        return ""
    return (
        "Scores of sampled frames were interpolated linearly in time to all frames of the recordings; thresholds and "
        "rules were applied to those."
    )


def _behaviors(facts: Facts) -> str:
    shown = []
    for entry in facts["behaviors"]:
        share = "" if entry["percent"] is None else f", {entry['percent']:.1f} % of the observed time"
        shown.append(f"{entry['name']} ({counted(entry['bouts'], 'bout')}, {duration(entry['seconds'])}{share})")
    if not shown:
        return f"How much of each behavior was found was {NOT} in these files."
    return f"It found {listed(shown)}."


def _failed(facts: Facts) -> str:
    failed = facts["num_failed"]
    if not failed:
        return ""
    return (
        f"{begun(counted(failed, 'recording'))} could not be annotated and {'is' if failed == 1 else 'are'} not part "
        "of these figures."
    )
