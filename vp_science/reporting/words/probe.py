"""How a probe was trained, in sentences."""

from collections.abc import Mapping
from typing import Any

from vp_science.reporting.section import Facts
from vp_science.reporting.words.phrases import NOT, begun, counted, duration, known, listed, sentences, settings_text

HEADS = {
    "logistic": "logistic regression on the vectors of windows",
    "knn": "nearest labelled neighbors among the vectors of windows",
    "prototype": "prototypes, the mean vector of the labelled windows of each behavior (Snell et al., 2017)",
    "attentive": "attentive pooling with one learned query per behavior",
    "temporal": "dilated temporal convolutions over the vectors of frames",
    "fine-tuned": "a readout that was trained together with parts of the encoder",
}
_WEIGHTINGS = {
    "sqrt": "rare behaviors weighed more, by the square root of their inverse frequency",
    "none": "all behaviors weighed the same",
}


def probe_words(facts: Facts, tracks: str) -> str:
    """The paragraph of a probe.

    Args:
        facts: of the section.
        tracks: how the text calls what the probe read.
    """
    return sentences(
        f"A probe ({facts['id'] or NOT}; {head_words(facts['head'])}) was trained on {tracks}.",
        _labels(facts),
        _behaviors(facts),
        _learning(facts),
        _thresholds(facts),
        rules_words(facts["postprocess"], facts["exclusive"]),
        _base(facts),
        _evaluated(facts),
    )


def head_words(head: str | None) -> str:
    """What a head is."""
    return HEADS.get(head or "", f"head: {known(head)}")


def _labels(facts: Facts) -> str:
    animals = f" and {counted(facts['num_animals'], 'animal')}" if facts["num_animals"] else ""
    recordings = counted(facts["num_recordings"], "recording")
    return f"Its labels came from {recordings}{animals}, with {duration(facts['labelled_s'])} of scored time."


def _behaviors(facts: Facts) -> str:
    names = [f"{entry['name']} ({_amount(entry)})" for entry in facts["behaviors"]]
    if not names:
        return f"Its behaviors were {NOT}."
    background = " and a class for none of them" if facts["background"] else ""
    kind = f"excluded each other (softmax{background})" if facts["exclusive"] else "could overlap (a sigmoid each)"
    return f"It distinguished {counted(len(names), 'behavior')}, which {kind}: {listed(names)}."


def _amount(entry: Facts) -> str:
    if entry["kind"] == "point":
        return counted(entry["bouts"], "event")
    seconds = f"time {NOT}" if entry["seconds"] is None else duration(entry["seconds"])
    return f"{counted(entry['bouts'], 'bout')}, {seconds}"


def _learning(facts: Facts) -> str:
    settings = settings_text(facts["head_settings"]) if facts["head"] != "fine-tuned" else ""
    weighing = _WEIGHTINGS.get(facts["weighting"] or "", f"weights of behaviors: {NOT}")
    smoothing = f", label smoothing {facts['label_smoothing']:g}" if facts["label_smoothing"] else ""
    loss = f"Loss: {known(facts['loss'])}{smoothing}; {weighing}"
    return f"{loss}{'; settings: ' + settings if settings else ''}; random seed: {known(facts['seed'])}."


def _thresholds(facts: Facts) -> str:
    chosen = listed([f"{name} {known(value, '.3g')}" for name, value in facts["thresholds"].items()]) or NOT
    how = facts["validation"]
    if how is None:
        return f"How thresholds were chosen was {NOT}; they were {chosen}."
    if how.startswith("nothing"):
        return f"No labels were held out to choose thresholds: {how}. They were {chosen}."
    return f"Thresholds were chosen on labels that were held out from the fit: {how}. They were {chosen}."


def rules_words(rules: Mapping[str, Any], exclusive: bool) -> str:
    """From scores to bouts, in the past tense."""
    if not rules:
        return f"The rules from scores to bouts were {NOT}."
    parts = []
    if rules.get("median_s"):
        parts.append(
            f"scores were smoothed by a running median over {rules['median_s']:g} s, and gaps and bouts shorter than "
            "half of that removed"
        )
    parts.append(
        {
            "threshold": "a behavior counted as happening where its score reached its threshold",
            "hysteresis": "a behavior began where its score reached its threshold and lasted until it fell below "
            f"{rules.get('low_ratio') or 0:g} times that",
            "viterbi": "the likeliest sequence of states was taken (Viterbi), given the scores and the rates of "
            "transitions in the training labels",
        }.get(str(rules.get("method")), f"the decision was {NOT}")
    )
    if exclusive:
        parts.append("where several did, the one with the highest score counted")
    if rules.get("fill_gap_s"):
        parts.append(f"gaps of at most {rules['fill_gap_s']:g} s within a behavior were filled")
    if rules.get("min_bout_s"):
        parts.append(f"bouts shorter than {rules['min_bout_s']:g} s were dropped")
    return f"{begun('; '.join(parts))}."


def _base(facts: Facts) -> str:
    base = facts["base"]
    return f"The training started from {base.get('model')} ({base.get('checkpoint')})." if base else ""


def _validated(facts: Facts) -> str:
    """Of a fine-tuned model: what the recordings say that also made choices."""
    value = facts["validation_map"]
    if value is None:
        return ""
    held = counted(facts["num_validation_recordings"], "held-out recording")
    return (
        f"On {held}, mean average precision was {value:.2f}; they also chose the "
        "checkpoint and the thresholds, so that this figure is optimistic."
    )


def _evaluated(facts: Facts) -> str:
    if facts["evaluation"] is None:
        return _validated(facts)
    figures, folds = facts["evaluation"]["overall"], facts["evaluation"]["num_folds"]
    shown = [
        f"{title} {figures[name]:.2f}"
        for name, title in (
            ("macro_average_precision", "mean average precision"),
            ("macro_f1", "macro F1 of frames"),
            ("segment_f1@0.5", "F1 of bouts"),
        )
        if figures.get(name) is not None
    ]
    if not shown:
        return ""
    return f"In a cross-validation of {counted(folds, 'fold')} with the same settings it reached {listed(shown)}."
