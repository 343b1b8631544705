"""How a probe was evaluated and what was found, in sentences."""

from vp_science.reporting.section import Facts
from vp_science.reporting.words.phrases import NOT, begun, counted, duration, known, listed, sentences
from vp_science.reporting.words.probe import head_words

_WITHIN = {"time-blocks": "blocks of time", "random-windows": "windows drawn at random"}
_BASELINES = {
    "majority": "guessing by the frequencies of the training part",
    "pixels": "the same probe on raw pixels",
    "untrained": "the same probe on an encoder with random weights",
}


def evaluation_words(facts: Facts, tracks: str) -> str:
    """The paragraph of an evaluation.

    Args:
        facts: of the section.
        tracks: how the text calls what was evaluated on.
    """
    return sentences(
        _scheme(facts, tracks),
        _sizes(facts),
        _overall(facts),
        _baselines(facts),
        _behaviors(facts),
        f"Evaluated with {facts['software']}." if facts["software"] else "",
    )


def _scheme(facts: Facts, tracks: str) -> str:
    probe = f"A probe ({head_words(facts['head'])}) on {tracks}"
    if facts["fitted"]:
        return f"The probe {facts['fitted']} on {tracks} was tested as it was, without fitting it again."
    together = " and ".join(facts["groups"])
    what = f"recordings that shared no {together.replace(' and ', ' or ')}" if together else "whole recordings"
    folds, kind = facts["folds"], f"{facts['num_folds']} folds"
    if folds in _WITHIN:
        return (
            f"{probe} was cross-validated in {kind} of {_WITHIN[folds]} inside the recordings, so that training and "
            "test parts shared recordings. The figures say nothing about other recordings."
        )
    one = "leaving out one group at a time" if together else "leaving out one recording at a time"
    how = one if folds == "leave-one-out" else f"in {kind}"
    return (
        f"{probe} was cross-validated over {what}, {how}; training, thresholds and rules were chosen inside the "
        "training part of every fold."
    )


def _sizes(facts: Facts) -> str:
    text = (
        f"{begun(counted(facts['num_recordings'], 'recording'))} with {duration(facts['tested_s'])} of labelled time "
        f"{'was' if facts['num_recordings'] == 1 else 'were'} tested in {counted(facts['num_folds'], 'fold')}."
    )
    return text


def _overall(facts: Facts) -> str:
    titles = {
        "macro_average_precision": "mean average precision of frames",
        "macro_f1": "macro F1 of frames",
        "segment_f1@0.5": "F1 of bouts (intersection over union of at least 0.5)",
        "macro_balanced_accuracy": "balanced accuracy",
    }
    shown = [f"{titles[name]} {_spread(facts['overall'][name])}" for name in titles if facts["overall"].get(name)]
    if not shown:
        return f"Its figures were {NOT}."
    return f"All test parts together gave {listed(shown)}."


def _spread(figure: Facts) -> str:
    """Pooled; in brackets mean and standard deviation over the folds."""
    pooled, mean, sd = (figure[name] for name in ("pooled", "mean", "sd"))
    if pooled is None:
        return "that does not exist"
    over = f" ({mean:.2f} ± {sd:.2f} over folds)" if mean is not None and sd is not None else ""
    return f"{pooled:.2f}{over}"


def _baselines(facts: Facts) -> str:
    shown = []
    for entry in facts["baselines"]:
        figure = entry["macro_average_precision"]
        if figure and figure["pooled"] is not None:
            shown.append(f"{_BASELINES.get(entry['name'], entry['name'])} {figure['pooled']:.2f}")
    return f"Mean average precision of baselines in the same folds: {listed(shown)}." if shown else ""


def _behaviors(facts: Facts) -> str:
    shown = [f"{entry['name']}: {_behavior(entry)}" for entry in facts["behaviors"]]
    return f"By behavior: {'; '.join(shown)}." if shown else ""


def _behavior(entry: Facts) -> str:
    pooled = {
        name: (entry[name] or {}).get("pooled") for name in ("average_precision", "chance", "f1", "segment_f1@0.5")
    }
    return (
        f"average precision {known(pooled['average_precision'], '.2f')} (chance {known(pooled['chance'], '.2f')}), F1 "
        f"{known(pooled['f1'], '.2f')}, F1 of bouts {known(pooled['segment_f1@0.5'], '.2f')}, "
        f"{counted(entry['bouts'], 'bout')}"
    )
