"""What a probe must beat: constant guesses, raw pixels, and the same encoder with random weights.

They run in the same folds with the same head. If they come close, the embeddings are not what makes the score.
"""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from vp_science.errors import ProbeError
from vp_science.files import write_atomically
from vp_science.probes.sources import Recordings, decode_grid, find_sources, open_source, preprocess_of
from vp_science.probes.splits import Fold
from vp_science.recordings import Recording
from vp_science.store.reader import open_embeddings
from vp_science.store.tables import EmbeddingTable
from vp_science.timeline.ethogram import Ethogram
from vp_science.timeline.grid import plan_windows

BASELINES = ("majority", "pixels", "untrained")

TITLES: dict[str, str] = {
    "majority": "training frequencies",
    "pixels": "raw pixels (24 x 24 grey, PCA)",
    "untrained": "untrained encoder (random weights)",
}

_SIDE = 24
_COMPONENTS = 64
_MAX_OFFSETS = 16
_MAX_FITTED = 3000


@runtime_checkable
class TrackSource(Protocol):
    """Where the tracks of a method come from; ``probe`` runs on the tracks themselves, baselines on others."""

    def tracks(self, fold: Fold) -> Sequence[EmbeddingTable]:
        """One track per recording, on the grid of the study; may learn from the training part of the fold alone."""


def guess_frequencies(train: Sequence[Ethogram], test: Sequence[Ethogram]) -> list[Ethogram]:
    """The same guess at every frame: how often each behavior happens in the training labels.

    Its states are what is most frequent: the likeliest behavior (or none of them) of an exclusive catalogue, and
    otherwise every behavior that happens more than half of the time.
    """
    behaviors = test[0].behaviors
    known = np.concatenate([e.known for e in train])
    happens = np.concatenate([e.states == 1 for e in train])
    share = (happens.sum(axis=0) / np.maximum(known.sum(axis=0), 1)).astype(np.float32)
    states = np.zeros(len(behaviors), np.int8)
    if not behaviors.exclusive:
        states[share > 0.5] = 1
    elif share.max() > 1 - share.sum():
        states[share.argmax()] = 1
    return [
        replace(e, states=np.tile(states, (len(e), 1)), scores=np.tile(share, (len(e), 1)).astype(np.float32))
        for e in test
    ]


@dataclass(frozen=True, eq=False)
class PixelTracks:
    """Principal components of small grey pictures, over the window around every grid frame.

    Attributes:
        originals: the tracks of the study: grid, windows and times.
        pictures: per track, every grid frame as ``24 * 24`` grey values.
        labelled: per track, rows with labels; the components are fitted on those of the training part.
        seed: of the randomised decomposition.
    """

    originals: Sequence[EmbeddingTable]
    pictures: Sequence[UInt8[np.ndarray, "_ pixels"]]
    labelled: Sequence[Bool[np.ndarray, " _"]]
    seed: int = 0

    def tracks(self, fold: Fold) -> list[EmbeddingTable]:
        """Tracks of up to 64 components, fitted on the training part of the fold."""
        rows = [np.zeros(len(track), dtype=bool) for track in self.originals]
        for part in fold.train:
            rows[part.track][part.first : part.stop] = True
        used = [np.flatnonzero(row & seen) for row, seen in zip(rows, self.labelled, strict=True)]
        mean, components = self._fit(used)
        made = []
        for track, pictures in zip(self.originals, self.pictures, strict=True):
            offsets = window_offsets(track.provenance.num_frames)
            values = -np.tile(mean @ components.T, (len(pictures), 1))
            for offset, part_of in zip(offsets, np.split(components, len(offsets), axis=1), strict=True):
                seen = pictures[np.clip(np.arange(len(pictures)) + offset, 0, len(pictures) - 1)]
                values += seen.astype(np.float32) @ part_of.T.astype(np.float32)
            made.append(_replace_vectors(track, values.astype(np.float32)))
        return made

    def _fit(
        self, rows: Sequence[np.ndarray]
    ) -> tuple[Float64[np.ndarray, " feature"], Float64[np.ndarray, "component feature"]]:
        """Mean and principal components of the window pictures at these rows (at most 3000, evenly taken)."""
        from sklearn.decomposition import PCA

        step = max(1, -(-sum(map(len, rows)) // _MAX_FITTED))
        stacks = [
            _window_pictures(pictures, taken[::step], window_offsets(track.provenance.num_frames))
            for track, pictures, taken in zip(self.originals, self.pictures, rows, strict=True)
        ]
        examples = np.concatenate(stacks)
        count = min(_COMPONENTS, *examples.shape)
        pca = PCA(count, svd_solver="randomized", random_state=self.seed).fit(examples)
        # One scale for all components: heads that learn by gradients expect numbers around 1.
        size = max(float(np.sqrt(pca.explained_variance_.mean())), 1e-12)
        return np.asarray(pca.mean_, np.float64), np.asarray(pca.components_, np.float64) / size


def window_offsets(num_frames: int) -> np.ndarray:
    """Grid frames of the window around a frame, at most 16 of them, relative to it."""
    first, last = -(num_frames // 2), num_frames - num_frames // 2 - 1
    return np.asarray(np.unique(np.rint(np.linspace(first, last, min(num_frames, _MAX_OFFSETS))).astype(np.int64)))


def _window_pictures(
    pictures: UInt8[np.ndarray, "grid pixels"], rows: np.ndarray, offsets: np.ndarray
) -> Float32[np.ndarray, "row feature"]:
    index = np.clip(rows[:, None] + offsets, 0, len(pictures) - 1)
    return np.asarray(pictures[index].reshape(len(rows), len(offsets) * pictures.shape[1]), np.float32)


def _replace_vectors(track: EmbeddingTable, values: Float32[np.ndarray, "grid dim"]) -> EmbeddingTable:
    """A track in memory with the grid and windows of another one, and these vectors."""
    made = replace(
        track.provenance, model="raw pixels", checkpoint="none", encoder_config={}, spatial_pool=1, dtype="float32"
    )
    windows = plan_windows(len(values), made.num_frames, made.stride)
    means = [values[a:b].mean(axis=0) for a, b in zip(windows.start, windows.stop, strict=True)]
    return EmbeddingTable(
        recording_id=track.recording_id,
        num_frames=track.num_frames,
        provenance=made,
        first_grid=track.first_grid,
        track=values[:, None],
        window=np.stack(means),
        time_s=track.time_s,
        frame_index=track.frame_index,
        shown_index=track.shown_index,
        damaged_frames=track.damaged_frames,
        window_start=windows.start,
        window_stop=windows.stop,
    )


@dataclass(frozen=True, eq=False)
class FixedTracks:
    """Tracks that do not depend on the fold."""

    made: Sequence[EmbeddingTable]

    def tracks(self, fold: Fold) -> Sequence[EmbeddingTable]:
        """The tracks."""
        return self.made


def read_pixels(
    recordings: Recordings,
    tracks: Sequence[EmbeddingTable],
    labelled: Sequence[Bool[np.ndarray, " _"]],
    cache: Path,
    seed: int = 0,
) -> PixelTracks:
    """Small grey pictures of every grid frame; each recording is decoded once and kept in the cache folder.

    Raises:
        ProbeError: when a recording is missing, is another one, or the tracks follow single animals.
        RecordingError: when one cannot be read.
    """
    _refuse_followed(tracks)
    pictures = []
    for track, source in zip(tracks, find_sources(recordings, tracks), strict=True):
        recording = open_source(source, track)
        try:
            pictures.append(_cached_pixels(recording, track, cache / "pixels"))
        finally:
            if not isinstance(source, Recording):
                recording.close()
    return PixelTracks(tracks, pictures, labelled, seed)


def _cached_pixels(recording: Recording, track: EmbeddingTable, folder: Path) -> UInt8[np.ndarray, "grid pixels"]:
    facts = {
        "fingerprint": recording.fingerprint().to_json(),
        "preprocess": preprocess_of(track, _SIDE).to_json(),
        "source": recording.source,
        "grid": [len(track), track.provenance.grid.get("sample_fps"), float(track.time_s[0]), float(track.time_s[-1])],
    }
    key, path = json.dumps(facts, sort_keys=True), folder / f"{safe_name(track.recording_id)}.npz"
    try:
        with np.load(path, allow_pickle=False) as kept:
            pictures = kept["pictures"]
            if str(kept["facts"]) == key and pictures.shape == (len(track), _SIDE**2) and pictures.dtype == np.uint8:
                return np.asarray(pictures)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass  # not there yet, or of something else: it is made below
    pictures = decode_grid(recording, track, _SIDE)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: np.savez(file, pictures=pictures, facts=np.array(key)), shared=True)
    return pictures


def safe_name(recording: str) -> str:
    """A file name for a recording id, whatever is in it."""
    return "".join(c if c.isalnum() or c in "-_. @" else f"%{ord(c):02x}" for c in recording).lstrip(".") or "%"


def embed_untrained(
    recordings: Recordings, tracks: Sequence[EmbeddingTable], cache: Path, seed: int = 0
) -> list[EmbeddingTable]:
    """Tracks of the same encoder with random weights and the same settings; made once and kept in the cache folder.

    Raises:
        ProbeError: when a recording is missing, is another one, or the tracks follow single animals.
        VPScienceError: when a recording cannot be embedded.
    """
    from vp_science.checkpoints.load import load_encoder
    from vp_science.embedding.run import embed
    from vp_science.encoder.config import read_config

    _refuse_followed(tracks)
    made = tracks[0].provenance
    precision: Literal["float32", "bfloat16"] = "bfloat16" if made.precision == "bfloat16" else "float32"
    encoder = load_encoder(read_config(made.encoder_config), precision=precision, seed=seed)
    results: list[EmbeddingTable] = []
    for track, source in zip(tracks, find_sources(recordings, tracks), strict=True):
        recording = open_source(source, track)
        try:
            [result] = embed(
                recording,
                encoder,
                out=cache / "untrained",
                fps=made.grid.get("sample_fps"),
                num_frames=made.num_frames,
                stride=made.stride,
                spatial_pool=made.spatial_pool,
                dtype="float32" if made.dtype == "float32" else "float16",
                preprocess=preprocess_of(track),
            )
        finally:
            if not isinstance(source, Recording):
                recording.close()
        assert result.output is not None
        results.append(open_embeddings(result.output))
        if len(results[-1]) != len(track):
            raise ProbeError(
                f"{track.recording_id}: expected {len(track)} grid frames from the untrained encoder as in the track, "
                f"found {len(results[-1])}: give the original recording, or embed it again"
            )
    return results


def _refuse_followed(tracks: Sequence[EmbeddingTable]) -> None:
    if any(track.subject for track in tracks):
        raise ProbeError(
            "expected tracks of whole frames, found tracks that follow single animals: their crops are not cut again "
            "for baselines"
        )
