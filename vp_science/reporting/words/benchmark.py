"""A benchmark, in sentences."""

from vp_science.reporting.section import Facts
from vp_science.reporting.words.encoding import encoder_words
from vp_science.reporting.words.phrases import begun, counted, known, listed, sentences
from vp_science.reporting.words.probe import head_words

_SPLITS = {"train": "training", "val": "validation", "test": "test"}


def benchmark_words(facts: Facts) -> str:
    """The paragraph of a benchmark."""
    view = f", {facts['view']} view" if facts["view"] else ""
    return sentences(
        f"On {known(facts['dataset'])}{view}, {encoder_words(facts['encoder'])} was tested with a head on its frozen "
        f"vectors ({head_words(facts['head'])}).",
        _clips(facts),
        _sizes(facts),
        f"{begun(known(facts['metric']))} was {known(facts['value_percent'], '.1f', ' %')}; the same scores everywhere "
        f"would have got {known(facts['chance_percent'], '.1f', ' %')}.",
        _comparable(facts),
        f"The random seed of the head was {known(facts['seed'])}.",
    )


def _clips(facts: Facts) -> str:
    size = f"{known(facts['preprocess'].get('width'))} x {known(facts['preprocess'].get('height'))}"
    k = known(facts["spatial_pool"])
    return (
        f"Clips had {known(facts['num_frames'])} frames of {size} pixels, {known(facts['frame_step'])} source frames "
        f"apart, and began every {known(facts['stride'])} clip frames; each frame gave {k} x {k} vectors."
    )


def _sizes(facts: Facts) -> str:
    parts = [
        f"{counted(entry['recordings'], 'recording')} for {_SPLITS[split]} "
        f"({counted(entry['frames'], 'labelled frame')})"
        for split, entry in facts["counts"].items()
    ]
    return f"There were {listed(parts)}." if parts else ""


def _comparable(facts: Facts) -> str:
    if facts["deviations"]:
        return f"The run departed from the published protocol: {'; '.join(facts['deviations'])}."
    return "Split, recordings and settings were those of the published protocol, as far as it is known."
