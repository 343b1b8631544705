"""How recordings became tracks: the encoder, the frames it saw, the windows, the vectors."""

from collections.abc import Mapping, Sequence
from typing import Any

from vp_science.checkpoints.registry import ModelSpec, find_model, is_model_name
from vp_science.reporting.facts.values import clean, count, find_sha256, mapping, number, text, unique
from vp_science.reporting.section import Facts, Section

UNTRAINED = (
    "The encoder {model} was never trained: its weights are random numbers ({checkpoint}). Nothing that was computed "
    "with it says anything about behavior; use it to try things out, and trained weights for a paper"
)
SHORT = 12
"""Characters of a hash that stand in a paragraph."""


def encoder_facts(settings: Mapping[str, Any]) -> Facts:
    """What is known of the encoder of some tracks.

    Args:
        settings: as ``track_settings`` gives them, or with at least ``model`` and ``checkpoint``.
    """
    name, checkpoint = text(settings.get("model")), text(settings.get("checkpoint"))
    sha256, config = find_sha256(checkpoint), mapping(settings.get("encoder_config"))
    spec = _spec(name)
    return {
        "model": name,
        "checkpoint": checkpoint,
        "weights_sha256": sha256,
        "weights_sha256_begin": sha256[:SHORT] if sha256 else None,
        "untrained": None if checkpoint is None else "untrained" in checkpoint.lower(),
        "fine_tuned": "readout" in config or "(fine-tuned" in (checkpoint or ""),
        "video_text": "vocabulary_size" in config,
        "ours": spec is not None and (spec.seed is not None or spec.bundled is not None),
        "preset": spec.name if spec else "",
        "repository": (spec.repo or "") if spec else "",
        "revision": (spec.revision or "") if spec else "",
        "licence": spec.licence if spec else "",
        "is_released_file": _is_released(spec, sha256),
        "config": clean(config),
    }


def _spec(name: str | None) -> ModelSpec | None:
    return find_model(name) if name is not None and is_model_name(name) else None


def _is_released(spec: ModelSpec | None, sha256: str | None) -> bool | None:
    """Whether the weights are a file that was released under this name; None where no hash was published."""
    published = {file.sha256 for file in spec.files.values()} if spec else set()
    if sha256 is None or not published:
        return None
    return True if sha256 in published else None if None in published else False


def encoding_section(
    settings: Mapping[str, Any], how: Mapping[str, Any] | None = None, material: Facts | None = None
) -> Section:
    """How tracks were made.

    Args:
        settings: as ``probes.tracks.track_settings`` gives them.
        how: what tracks know beyond them: ``precision`` and ``dtype``; None where only a probe is there.
        material: the recordings; None where they are not known.
    """
    encoder, preprocess = encoder_facts(settings), mapping(settings.get("preprocess"))
    fps, frames, stride = (number(settings.get("sample_fps")), *(count(settings.get(n)) for n in _WINDOW))
    pool, follow = count(settings.get("spatial_pool")), mapping(settings.get("follow"))
    tracks = (material or {}).get("recordings", [])
    steps = _steps(fps, tracks)
    height, width = count(preprocess.get("height")), count(preprocess.get("width"))
    facts: Facts = {
        "encoder": encoder,
        "sample_fps": fps,
        "every_frame": "sample_fps" in settings and settings["sample_fps"] is None,
        "num_frames": frames,
        "stride": stride,
        "window_s": _spans(steps, frames),
        "stride_s": _spans(steps, stride),
        "height": height,
        "width": width,
        "fit": text(preprocess.get("fit")),
        "spatial_pool": pool,
        "vectors_per_frame": None if pool is None else pool**2,
        "vector_width": count(encoder["config"].get("model_dim")),
        "tokens_per_frame": _tokens(encoder["config"], height, width),
        "follow": clean(follow) if "follow" in settings else None,
        "precision": None,
        "dtype": None,
        **(how or {}),
        "crops": None if material is None else unique([entry["crop"] or "whole frame" for entry in tracks]),
        "material": material,
        "settings": clean(dict(settings)),
    }
    facts["not_applicable"] = _not_applicable(facts)
    untrained = UNTRAINED.format(model=encoder["model"], checkpoint=encoder["checkpoint"])
    warnings = [untrained] if encoder["untrained"] else []
    if encoder["is_released_file"] is False:
        warnings.append(
            f"The weights of {encoder['model']} are not the file that was released under this name (its SHA-256 is "
            "another one): say where they come from"
        )
    return Section("encoding", facts, tuple(warnings), _cited(follow, material))


_WINDOW = ("num_frames", "stride")


def _not_applicable(facts: Facts) -> list[str]:
    """What there is none of, which is not the same as what nobody wrote down."""
    encoder = facts["encoder"]
    names = ["sample_fps"] if facts["every_frame"] else []
    names += ["encoder.weights_sha256", "encoder.weights_sha256_begin"] if encoder["untrained"] else []
    return names + (["encoder.is_released_file"] if not encoder["repository"] else [])


def _steps(fps: int | float | None, tracks: Sequence[Facts]) -> list[float] | None:
    """Seconds from a sampled frame to the next: the least and the greatest over the recordings."""
    if fps:
        return [1 / fps, 1 / fps]
    known = [entry["frame_step_s"] for entry in tracks if entry["frame_step_s"]]
    return [min(known), max(known)] if known else None


def _spans(steps: Sequence[float] | None, frames: int | None) -> list[float] | None:
    return None if steps is None or frames is None else [round(step * frames, 6) for step in steps]


def _tokens(config: Mapping[str, Any], height: int | None, width: int | None) -> int | None:
    patch = count(config.get("patch_size"))
    return (height // patch) * (width // patch) if patch and height and width else None


_POSE_TOOLS = {"sleap": "sleap", "deeplabcut": "deeplabcut"}


def _cited(follow: Facts | None, material: Facts | None) -> tuple[str, ...]:
    tools = (material or {}).get("pose_formats") or [] if follow else []
    return (
        "videoprism",
        "jax",
        *(key for name, key in _POSE_TOOLS.items() if any(name in tool.lower() for tool in tools)),
    )
