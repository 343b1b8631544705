"""How recordings became vectors, in sentences."""

from vp_science.reporting.section import Facts
from vp_science.reporting.words.phrases import NOT, begun, counted, duration, known, listed, sentences, span

_FITS = {
    "squash": "scaled to {size} pixels without keeping their aspect ratio",
    "crop": "scaled to {size} pixels, keeping the aspect ratio and cutting the longer side around its center",
    "pad": "scaled to {size} pixels, keeping the aspect ratio and filling up with black",
}
_ARITHMETIC = {
    "float32": "Matrix products were computed in float32",
    "bfloat16": "Matrix products took bfloat16 operands and summed in float32",
}


def encoding_words(facts: Facts) -> str:
    """The paragraph of an encoding."""
    fine_tuned = facts["encoder"]["fine_tuned"]
    return sentences(
        f"Video was read by {encoder_words(facts['encoder'])}.",
        _frames(facts),
        _follow(facts),
        _windows(facts),
        _logits(facts) if fine_tuned else _vectors(facts),
        _arithmetic(facts),
        _material(facts),
    )


def encoder_words(encoder: Facts) -> str:
    """The encoder with its weights."""
    name = encoder["model"] or f"an encoder whose name was {NOT}"
    if encoder["fine_tuned"]:
        what = f"{name}, a fine-tuned model with the architecture of VideoPrism"
    elif encoder["ours"]:
        what = f"{name}, a small encoder of vp_science with the architecture of VideoPrism"
    elif encoder["preset"]:
        what = f"the frozen video encoder {name} of VideoPrism"
    else:
        what = f"the frozen encoder {name}, which has the architecture of VideoPrism and is none of the released models"
    return f"{what} (Zhao et al., 2024; {_weights(encoder)})"


def _weights(encoder: Facts) -> str:
    if encoder["untrained"]:
        return f"weights: random numbers that were never trained, {encoder['checkpoint'].replace(' (untrained)', '')}"
    if encoder["weights_sha256_begin"] is None:
        return f"SHA-256 of the weights: {NOT}"
    return f"SHA-256 of the weights: {encoder['weights_sha256_begin']}..."


def _frames(facts: Facts) -> str:
    if facts["every_frame"]:
        rate = "Every frame of the recordings was used"
    elif facts["sample_fps"] is None:
        rate = f"The rate at which frames were sampled was {NOT}"
    else:
        rate = f"Frames were sampled at {facts['sample_fps']:g} per second, by the presentation times of the recordings"
    size = f"{known(facts['width'])} x {known(facts['height'])}"
    fit = _FITS.get(facts["fit"] or "", f"brought to {{size}} pixels in a way that was {NOT}").format(size=size)
    return f"{rate}; {_region(facts)} {fit}{_resampled(facts)}."


def _region(facts: Facts) -> str:
    crops = facts["crops"]
    if crops is None or crops == ["whole frame"]:
        return "they were" if facts["follow"] else "whole frames were" if crops else "frames were"
    if len(crops) > 1:
        return "regions of interest that differed between recordings (see the exact values) were"
    left, top, width, height = crops[0]
    return (
        f"a region of {width} x {height} pixels, {left} pixels from the left and {top} from the top of the frame, was"
    )


def _resampled(facts: Facts) -> str:
    ways = (facts["material"] or {}).get("resize") or []
    return " (Lanczos resampling)" if ways and all(way.startswith("lanczos") for way in ways) else ""


def _follow(facts: Facts) -> str:
    if not facts["follow"]:
        return ""
    settings = facts["follow"].get("settings") or {}
    if settings.get("size_px"):
        side = f"{settings['size_px']} pixels"
    else:
        side = f"{known(settings.get('size_body_lengths'), 'g')} body lengths and a margin of " \
               f"{known(settings.get('margin'), 'g')} body lengths on either side"  # fmt: skip
    tools = (facts["material"] or {}).get("pose_formats") or []
    source = f" (pose files: {listed(tools)})" if tools else ""
    turned = "turned so that the animal looked up" if settings.get("rotate") else "not turned"
    return (
        f"Square pictures were cut around each animal by its key points{source}, {side} wide and {turned}; its path "
        f"was smoothed over {known(settings.get('smooth_s'), 'g', ' s')} and bridged over gaps of at most "
        f"{known(settings.get('max_gap_s'), 'g', ' s')}."
    )


def _windows(facts: Facts) -> str:
    text = (
        f"The encoder saw windows of {known(facts['num_frames'])} frames ({span(facts['window_s'])}) that began every "
        f"{known(facts['stride'])} frames ({span(facts['stride_s'])})."
    )
    short = (facts["material"] or {}).get("num_short") or 0
    return (
        f"{text} {begun(counted(short, 'track'))} shorter than a window {_was(short)} read as one." if short else text
    )


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _vectors(facts: Facts) -> str:
    k, number = facts["spatial_pool"], facts["tokens_per_frame"]
    width = f"of {facts['vector_width']} numbers" if facts["vector_width"] else f"(width {NOT})"
    tokens = f"{number} tokens" if number else f"tokens (their number was {NOT})"
    if k is None:
        what = f"vectors {width}, means over its {tokens} in a raster that was {NOT}"
    elif k == 1:
        what = f"one vector {width}, the mean over its {tokens}"
    else:
        what = f"{k} x {k} vectors {width}, each the mean over a part of its {tokens}"
    return f"Each frame was represented by {what}, taken from the window in which it stood most centrally."


def _logits(facts: Facts) -> str:
    return "The model gave its scores for each frame, taken from the window in which it stood most centrally."


def _arithmetic(facts: Facts) -> str:
    if facts["precision"] is None and facts["dtype"] is None:
        return f"Region of interest, arithmetic and number type were {NOT} in this file."
    products = _ARITHMETIC.get(facts["precision"] or "", f"The arithmetic was {known(facts['precision'])}")
    return f"{products}; results were stored as {known(facts['dtype'])}."


def _material(facts: Facts) -> str:
    material = facts["material"]
    if material is None:
        return ""
    seconds, animals = material["seconds"], material["num_animals"]
    length = f"length {NOT}" if seconds is None else f"{duration(seconds)} in all"
    followed = f"; {counted(animals, 'animal')} {_was(animals)} followed" if animals else ""
    recordings = material["num_recordings"]
    software = f" with {listed(material['software'])}" if material["software"] else ""
    text = f"{begun(counted(recordings, 'recording'))} ({length}{followed}) {_was(recordings)} encoded in this way"
    return sentences(f"{text}{software}.", _damage(material), _stated(material), _ranges(material))


def _damage(material: Facts) -> str:
    damaged = material["num_damaged_frames"]
    if not damaged:
        return ""
    return (
        f"{begun(counted(damaged, 'frame'))} did not decode and {_was(damaged)} replaced by the last good one before."
    )


def _stated(material: Facts) -> str:
    if not material["stated_times"]:
        return ""
    return f"Times of frames were computed from a rate given by hand ({listed(material['stated_times'])})."


def _ranges(material: Facts) -> str:
    ranges = material["value_ranges"]
    if not ranges:
        return ""
    if len(ranges) == 1 and isinstance(ranges[0], dict):
        low, high = (known(ranges[0].get(name), "g") for name in ("low", "high"))
        return f"Pixel values from {low} (black) to {high} (white) were mapped to 8 bits."
    return "Pixel values were mapped from ranges that differed between recordings (see the exact values)."
