"""A drawn recording of any length, as a file, with its exact annotations."""

import functools
import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from vp_science.errors import SettingsError
from vp_science.files import write_atomically
from vp_science.samples.synthetic import scene
from vp_science.samples.synthetic.behaviors import PROGRAMS, SOCIAL, SYNTHETIC_BEHAVIORS, shown_table
from vp_science.samples.synthetic.clips import choices_of, halves
from vp_science.samples.synthetic.drawing import FADE_S, clip_lots, stage_clip
from vp_science.samples.synthetic.raster import Stage, render
from vp_science.samples.synthetic.settings import SyntheticSettings
from vp_science.samples.synthetic.species import SPECIES
from vp_science.timeline.annotations import Annotations
from vp_science.typing import StrPath

_HDF5 = (".h5", ".hdf5")
_VIDEO = (".mp4", ".mkv", ".mov", ".avi")
_GROUP = 16
_MOST_FRAMES = 1 << 20
_STILL = SYNTHETIC_BEHAVIORS.index("standing still")


def synthetic_recording(
    path: StrPath,
    *,
    seed: int = 0,
    seconds: int | float = 30,
    fps: int | float = 25,
    size: int = 192,
    species: str = "mouse",
    behaviors: tuple[str, ...] = ("moving forward", "standing still", "grooming", "rearing", "turning around"),
    background: str | None = None,
    look: str | None = None,
    bout_s: tuple[float, float] = (1.0, 4.0),
) -> tuple[Path, Annotations]:
    """Draw one recording of one animal that does one thing after the other, with smooth changes between them.

    Args:
        path: of the file: ``.mp4``, ``.mkv``, ``.mov`` or ``.avi`` (H.264 where FFmpeg has it), or ``.h5`` or
            ``.hdf5`` (frames without loss under ``frames``, their times under ``timestamps``). Replaced when it is
            there.
        seed: everything drawn depends on it and on the other arguments, nothing else.
        seconds: how long it is, at least.
        fps: frames per second; frame ``i`` is shown at ``i / fps``.
        size: height and width in pixels, even.
        species: the animal.
        behaviors: what it does, of those of single animals that it shows.
        background: where it is; None draws it.
        look: how it is filmed; None draws it.
        bout_s: shortest and longest bout.

    Returns:
        The path, and the bouts, which begin and end on frames; all the time is observed. The recording is named by the
        stem of the file, as ``open_recording`` names it.

    Raises:
        SettingsError: when these do not fit together.
        OSError: when the file cannot be written; then there is none.
    """
    target = Path(path)
    settings = SyntheticSettings(
        num_frames=1,
        size=size,
        fps=fps,
        species=(species,),
        behaviors=behaviors,
        backgrounds=() if background is None else (background,),
        looks=() if look is None else (look,),
        pairs=0.0,
    )
    count = _check(target, settings, seconds, bout_s)
    number = _species_number(settings)
    rng = np.random.default_rng([seed, 0x5EC])
    numbers = [SYNTHETIC_BEHAVIORS.index(name) for name in behaviors]
    starts, what = _plan(rng, numbers, count, fps, bout_s)
    stage = _staged(seed, settings, number, _weights(starts, what, count, fps))
    pictures = _pictures(stage, count, size)
    if target.suffix.lower() in _HDF5:
        write_atomically(target, lambda file: _write_hdf5(file, pictures, count, size, fps))
    else:
        write_atomically(target, lambda file: _write_video(file, pictures, target.suffix.lower(), size, fps))
    return target, _annotations(target.stem, starts, what, count, fps, behaviors)


def _check(target: Path, settings: SyntheticSettings, seconds: int | float, bout_s: tuple[float, float]) -> int:
    """The number of frames."""
    if target.suffix.lower() not in (*_HDF5, *_VIDEO):
        known = ", ".join((*_VIDEO, *_HDF5))
        raise SettingsError(
            f"{target}: expected a name that ends in one of {known}, found {target.suffix!r}: rename it"
        )
    if settings.size % 2:
        raise SettingsError(f"size: expected an even number, found {settings.size}")
    if not (math.isfinite(seconds) and 0 < seconds * settings.fps <= _MOST_FRAMES):
        raise SettingsError(f"seconds: expected more than 0 and at most {_MOST_FRAMES} frames, found {seconds}")
    if not (2 * FADE_S <= bout_s[0] <= bout_s[1] and math.isfinite(bout_s[1])):
        raise SettingsError(f"bout_s: expected two rising numbers from {2 * FADE_S}, found {bout_s}")
    if not settings.behaviors:
        raise SettingsError("behaviors: expected at least one, found none: name what the animal does")
    if social := [name for name in settings.behaviors if name in SOCIAL]:
        raise SettingsError(
            f"behaviors: expected those of a single animal, found {social[0]!r}: draw it with draw_clips"
        )
    return max(1, math.ceil(seconds * settings.fps - 1e-6))


def _species_number(settings: SyntheticSettings) -> int:
    """The first view of the species that shows all its behaviors."""
    shown = settings.shown()
    wanted = [SYNTHETIC_BEHAVIORS.index(name) for name in settings.behaviors]
    kinds = [row for row, kind in enumerate(SPECIES) if kind.name in settings.species]
    for row in kinds:
        if shown[wanted, row].all():
            return row
    able = [PROGRAMS[index].name for index in np.flatnonzero(shown_table()[:, kinds[0]])]
    raise SettingsError(
        f"behaviors: expected some that a {settings.species[0]} shows from one view, found {list(settings.behaviors)}: "
        f"choose of {', '.join(name for name in able if name not in SOCIAL)}"
    )


def _plan(
    rng: np.random.Generator, numbers: list[int], count: int, fps: int | float, bout_s: tuple[float, float]
) -> tuple[list[int], list[int]]:
    """First frames and behaviors of all bouts: every behavior comes once before one comes again."""
    starts: list[int] = [0]
    what: list[int] = []
    deck: list[int] = []
    while True:
        if not deck:
            deck = [int(number) for number in rng.permutation(numbers)]
            if what and len(deck) > 1 and deck[0] == what[-1]:
                deck.append(deck.pop(0))
        what.append(deck.pop(0))
        length = max(1, round(float(rng.uniform(*bout_s)) * fps))
        # The rest must hold another whole bout, or it belongs to this one.
        if starts[-1] + length + bout_s[0] * fps > count:
            return starts, what
        starts.append(starts[-1] + length)


def _weights(starts: list[int], what: list[int], count: int, fps: int | float) -> Float[np.ndarray, "t behaviors"]:
    """Share of every behavior at the middle of every frame; around a change both have a share."""
    middle = (np.arange(count) + 0.5) / fps
    weights = np.zeros((count, len(PROGRAMS)), np.float32)
    weights[:, what[0]] = 1
    for start, before, after in zip(starts[1:], what, what[1:], strict=False):
        share = np.clip((middle - start / fps) / FADE_S + 0.5, 0, 1).astype(np.float32)
        if before != after:
            weights[share > 0] = 0
            weights[share > 0, before] = 1 - share[share > 0]
            weights[share > 0, after] = share[share > 0]
    return weights


def _staged(seed: int, settings: SyntheticSettings, number: int, weights: Float[np.ndarray, "t behaviors"]) -> Stage:
    """Everything but the pixels, on the host; lengths are rounded up, so that few programs are compiled."""
    count = len(weights)
    padded = 256 * 2 ** max(0, math.ceil(math.log2(count / 256)))
    filled = np.concatenate([weights, np.repeat(weights[-1:], padded - count, axis=0)])
    choices = choices_of(settings)
    shown = np.zeros(choices.shown.shape, bool)
    shown[_STILL, number] = True
    program = _stage_program(settings.size)
    staged = program(
        jnp.asarray(halves(seed)), jnp.asarray(filled), choices._replace(shown=jnp.asarray(shown)),
        jnp.float32(settings.fps),
    )  # fmt: skip
    stage: Stage = jax.device_get(staged)
    return stage


@functools.lru_cache(maxsize=4)
def _stage_program(size: int) -> Any:
    def staged(seed: Any, weights: Any, choices: scene.Choices, fps: Any) -> Stage:
        lots = clip_lots(seed, jnp.zeros(2, jnp.uint32))
        return stage_clip(lots, scene.choose(lots, choices), weights, fps, size)

    return jax.jit(staged)


@functools.lru_cache(maxsize=4)
def _render_program(size: int) -> Any:
    return jax.jit(functools.partial(render, size=size))


def _pictures(stage: Stage, count: int, size: int) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """All frames, drawn in groups; the last group is filled up."""
    program = _render_program(size)
    for first in range(0, count, _GROUP):
        rows = np.minimum(np.arange(first, first + _GROUP), count - 1)
        animals = stage.animals._replace(
            body=jax.tree.map(lambda leaf: leaf[:, rows], stage.animals.body),  # noqa: B023 used at once
            origin=stage.animals.origin[:, rows],
            axes=stage.animals.axes[:, rows],
        )
        picture = stage.picture._replace(
            camera=stage.picture.camera[rows], gain=stage.picture.gain[rows], noise_at=stage.picture.noise_at[rows]
        )
        time = (rows + 0.5).astype(np.float32) / count - 0.5
        yield from np.asarray(program(stage._replace(animals=animals, picture=picture), time))[: count - first]


def _write_video(
    file: BinaryIO, pictures: Iterator[UInt8[np.ndarray, "h w 3"]], suffix: str, size: int, fps: int | float
) -> None:
    import av

    names = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".avi": "avi"}
    # Without ``cpu-independent`` x264 writes other bytes on other processors, and on some of them in every other run.
    h264 = {"crf": "19", "preset": "fast", "x264-params": "cpu-independent=1"}
    encoders = (("libx264", h264), ("mpeg4", {"q:v": "3"}))
    name, options = next(entry for entry in encoders if entry[0] in av.codecs_available)
    rate = Fraction(fps).limit_denominator(1000)
    with av.open(file, "w", format=names[suffix]) as container:
        stream: Any = container.add_stream(name, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = size, size, "yuv420p"
        stream.codec_context.time_base = 1 / rate
        stream.codec_context.thread_count = 1  # the same bytes on every machine
        for number, pixels in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _write_hdf5(
    file: BinaryIO, pictures: Iterator[UInt8[np.ndarray, "h w 3"]], count: int, size: int, fps: int | float
) -> None:
    import h5py

    with h5py.File(file, "w") as out:
        frames = out.create_dataset(
            "frames",
            (count, size, size, 3),
            np.uint8,
            chunks=(1, size, size, 3),
            compression="gzip",
            compression_opts=1,
        )
        for number, pixels in enumerate(pictures):
            frames[number] = pixels
        times = out.create_dataset("timestamps", data=np.arange(count) / fps)
        times.attrs["unit"] = "seconds"


def _annotations(
    recording: str, starts: list[int], what: list[int], count: int, fps: int | float, behaviors: tuple[str, ...]
) -> Annotations:
    stops = [*starts[1:], count]
    bouts = [
        {
            "recording": recording,
            "behavior": PROGRAMS[number].name,
            "start_s": start / fps,
            "stop_s": stop / fps,
            "source": "manual:drawn",
        }
        for start, stop, number in zip(starts, stops, what, strict=True)
    ]
    observed = [{"recording": recording, "start_s": 0.0, "stop_s": count / fps}]
    chosen = SYNTHETIC_BEHAVIORS
    entries = tuple(chosen[name] for name in behaviors)
    return Annotations.of(bouts, observed, type(chosen)(entries, exclusive=True))
