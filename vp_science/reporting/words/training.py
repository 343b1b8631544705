"""How an encoder was trained, in sentences."""

from vp_science.reporting.section import Facts
from vp_science.reporting.words.phrases import NOT, counted, known, listed, sentences

_STAGES = {
    "contrastive": "video-text contrastive learning, the first stage of VideoPrism (Zhao et al., 2024)",
    "distill": "masked video modelling with global and local distillation and token shuffling, the second stage of "
    "VideoPrism (Zhao et al., 2024)",
    "finetune": "fine-tuning to labelled behaviors",
}
_PARTS = {
    "readout": "the readout alone",
    "lora": "low-rank adapters (Hu et al., 2022) and the readout",
    "top": "the last blocks and the readout",
    "full": "all parameters",
}


def training_words(facts: Facts) -> str:
    """The paragraph of a training."""
    return sentences(
        _what(facts),
        _start(facts),
        _data(facts),
        _optimisation(facts),
        f"Versions of the software were {NOT} with the weights." if facts["software"] is None else "",
    )


def _what(facts: Facts) -> str:
    stage = _STAGES.get(facts["stage"] or "", f"a training whose stage was {NOT}")
    if facts["name"] is None:
        return f"A model was trained by {stage}."
    size = f", {facts['num_parameters']:,} parameters" if facts["num_parameters"] else ""
    return (
        f"The model {facts['name']} (SHA-256 of the weights: {facts['weights_sha256_begin']}...{size}) was trained by "
        f"{stage}."
    )


def _start(facts: Facts) -> str:
    origins = [value for value in (facts["started_from"] or {}).values() if value]
    start = f"It started from {listed(origins)}" if origins else "It started from random weights"
    if facts["started_from"] is None:
        start = f"What it started from was {NOT}"
    teacher = f" and learned from the teacher {facts['teacher']}" if facts["teacher"] else ""
    trained = _PARTS.get(facts["trained_part"] or "")
    return f"{start}{teacher}{f'; {trained} were trained' if trained else ''}."


def _data(facts: Facts) -> str:
    names = [known(entry["path"]) + (f" (weight {entry['weight']:g})" if entry["weight"] is not None else "")
             for entry in facts["data"]]  # fmt: skip
    data = f"The data were {listed(names)}" if names else f"The data were {NOT}"
    rate = f"{facts['clip_fps']:g} per second" if facts["clip_fps"] else "the rate of the recordings"
    rate = rate if facts["clip_fps"] or "clip_fps" in facts["not_applicable"] else f"a rate that was {NOT}"
    size = known(facts["clip_size"])
    return f"{data}, as clips of {known(facts['clip_frames'])} frames of {size} x {size} pixels at {rate}."


def _optimisation(facts: Facts) -> str:
    steps = counted(facts["steps_done"], "step")
    if not facts["finished"]:
        steps = f"{steps} of {known(facts['steps'], ',')} so far"
    names = {"adamw": "AdamW (Loshchilov and Hutter, 2019)", "adafactor": "Adafactor (Shazeer and Stern, 2018)"}
    optimizer = names.get(facts["optimizer"] or "", f"an optimizer that was {NOT}")
    rate = f"a learning rate of {known(facts['learning_rate'], 'g')} ({known(facts['schedule'])} schedule, "
    rate += f"{known(facts['warmup_steps'])} steps of warm-up)"
    temperature = f" The learned temperature was {facts['temperature']:.4f}." if facts["temperature"] else ""
    return (
        f"Training took {steps} of {counted(facts['batch_size'], 'clip')} with {optimizer}, {rate}, weight decay "
        f"{known(facts['weight_decay'], 'g')} and random seed {known(facts['seed'])}.{temperature}"
    )
