"""Video files: everything FFmpeg reads, frame by frame, each under its own index."""

import os
import warnings
from collections.abc import Callable, Generator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from jaxtyping import Float64, Int64, UInt8

from vp_science.errors import RecordingError
from vp_science.recordings import DecodedFrame, Fingerprint, Recording, RecordingWarning, fingerprint_files
from vp_science.typing import JSON
from vp_science.video.container import Media, media_errors
from vp_science.video.index import VideoIndex, build_index
from vp_science.video.orientation import Orientation
from vp_science.video.preprocess import Preprocess
from vp_science.video.resize import RESIZE, FrameScaler
from vp_science.video.times import TIMES_ADVICE, Number, TimeValues, checked_wanted, given_times
from vp_science.video.walk import Walked, Walker, plan_runs

_READ_AHEAD = 256
"""Packets that a reader may go on to without starting again; nothing is decoded before it is asked for."""
_MATRIX = SideDataType.DISPLAYMATRIX


class VideoRecording(Recording):
    """A video file, read through FFmpeg's libraries.

    The index comes from one pass over the packets, so it holds what the file holds, not what its header says. Every
    packet that is meant to be shown is a frame of the recording, also where it turns out not to decode: a damaged or
    cut off file keeps its frame numbers and times, and ``decode`` says which frames are damaged. A damaged frame spoils
    those that refer to it, and decoders do not say which these are, so all frames stored after it and before the next
    key frame count as damaged too. What is not marked is what the undamaged file would show, as far as the decoder
    can tell: those of H.264 and MPEG-4 notice nearly all altered data, those of HEVC, VP9 and MJPEG mostly
    missing data.

    Args:
        path: the file.
        source_fps: use a constant rate instead of the file's own times (required for bare streams that have none).
        timestamps: use these times in seconds, one per frame, instead of the file's own.
        recording_id: the id; by default the file name without its ending.
        indexer: makes the index; ``IndexFolder`` keeps it for the next time.

    Raises:
        RecordingError: when the file is not there, is not video, or nothing in it decodes.
    """

    path: Path

    def __init__(
        self,
        path: Path,
        *,
        source_fps: Number | None = None,
        timestamps: TimeValues | None = None,
        recording_id: str | None = None,
        indexer: Callable[[Path], VideoIndex] = build_index,
    ) -> None:
        self.path = path
        self.id = recording_id or path.stem
        with media_errors(path):
            self._stamp = _stamp(path)
            self._index = indexer(path)
        self._walker = Walker(path, self._index)
        self._spare: list[Walker] = []
        self._closed = False
        self._ahead: tuple[int, Generator[Walked, None, None]] | None = None
        self.time_s, times = self._times(source_fps, timestamps)
        if self._index.truncated:
            warnings.warn(f"{path}: the file ends in an error; it holds {self.num_frames} frames", RecordingWarning, 2)
        first = self._first_frame()
        self._orientation = _orientation(first)
        self.width, self.height = self._orientation.size(first.width, first.height)
        self.source = self._facts(first, times)

    def _times(
        self, source_fps: Number | None, timestamps: TimeValues | None
    ) -> tuple[Float64[np.ndarray, " frames"], str]:
        given = given_times(len(self._index.frame_packet), self.path, source_fps, timestamps)
        if given is not None:
            return given
        if self._index.time_s is None:
            raise RecordingError(
                f"{self.path}: expected presentation times, found a bare stream without any: {TIMES_ADVICE}"
            )
        return self._index.time_s, "presentation times of the container"

    def _first_frame(self) -> av.VideoFrame:
        """The first frame that decodes, which sets size and orientation."""
        end = len(self._index.packet_id) - 1
        for last in sorted({min(_READ_AHEAD, end), end}):
            frames = self._walker.run(0, last)
            try:
                for walked in frames:
                    if walked.frame is not None:
                        return walked.frame
            finally:
                frames.close()
        raise RecordingError(
            f"{self.path}: expected frames that decode, found none among {self.num_frames}: the file is damaged, "
            f"or FFmpeg lacks its codec"
        )

    def _facts(self, first: av.VideoFrame, times: str) -> dict[str, JSON]:
        media = Media(self.path)
        try:
            stream = media.stream
            return {
                "backend": "pyav",
                "container": media.container.format.name,
                "codec": stream.codec_context.name,
                "stream": stream.index,
                "pixel_format": first.format.name,
                "color_range": int(first.color_range),
                "color_space": int(first.colorspace),
                "rotation_degrees": self._orientation.degrees,
                "mirrored": self._orientation.mirrored,
                "times": times,
                "resize": RESIZE,
            }
        finally:
            media.close()

    def read(self, frame_index: int) -> UInt8[np.ndarray, "h w 3"]:
        """One frame at full size, exactly the one asked for.

        Reading on in small steps forwards continues decoding; everything else starts at a key frame. A frame that
        decodes but is damaged is given with a ``RecordingWarning``.

        Raises:
            RecordingError: when there is no such frame, or it does not decode.
        """
        checked_wanted(np.array([frame_index], np.int64), self.num_frames, self.path)
        walked = self._walk_to(frame_index)
        if walked.frame is None:
            raise RecordingError(
                f"{self.path}: expected frame {frame_index} to decode, found it damaged: read another frame, or use "
                f"decode(), which shows the last good frame instead"
            )
        if walked.damaged:
            warnings.warn(f"{self.path}: frame {frame_index} is damaged", RecordingWarning, 2)
        return FrameScaler(self.width, self.height, None, self._orientation)(walked.frame)

    def _walk_to(self, frame_index: int) -> Walked:
        found = Walked(frame_index, None, True)
        for walked in self.passing(frame_index):
            found = walked
        return found

    def passing(self, frame_index: int) -> Iterator[Walked]:
        """Every frame that is decoded on the way to one frame, which comes last.

        Reading on forwards continues decoding; everything else starts at a key frame. Whoever has enough may stop
        anywhere: a later call goes on from there.

        Raises:
            RecordingError: when the file vanished or changed.
        """
        self._check_unchanged()
        if self.goes_on(frame_index):
            assert self._ahead is not None
            yield from self._advance(self._ahead[1], frame_index)
            if self._ahead is not None:
                return
        self._stop()
        start = int(self._index.frame_start[frame_index])
        last = max(self._index.gop_end(start), int(self._index.frame_packet[frame_index])) + _READ_AHEAD
        yield from self._advance(self._walker.run(start, min(last, len(self._index.packet_id) - 1)), frame_index)
        if self._ahead is None:
            yield Walked(frame_index, None, True)

    def goes_on(self, frame_index: int) -> bool:
        """Whether decoding goes on from where it is to reach a frame, instead of starting at a key frame."""
        if self._ahead is None:
            return False
        reached, begun = self._ahead[0], self._index.packet_frame[self._index.frame_start[frame_index]]
        return bool(reached < frame_index and (begun <= reached or frame_index <= reached + 8))

    def _advance(self, frames: Generator[Walked, None, None], frame_index: int) -> Iterator[Walked]:
        """Frames up to the wanted one; decoding goes no further when it turns out not to be there."""
        for walked in frames:
            if walked.frame_index > frame_index:
                break
            self._ahead = (walked.frame_index, frames)
            yield walked
            if walked.frame_index == frame_index:
                return
        self._stop()

    def key_frame(self, frame_index: int) -> int:
        """The frame with which decoding begins to reach a frame; the frame itself where there is none before it."""
        start = int(self._index.frame_start[frame_index])
        shown = int(self._index.packet_frame[start])
        return shown if self._index.packet_key[start] and 0 <= shown <= frame_index else frame_index

    def passing_key(self, frame_index: int) -> Iterator[Walked]:
        """As ``passing``, to the key frame before a frame, and not a packet further: the quickest picture nearby."""
        self._check_unchanged()
        self._stop()
        start = int(self._index.frame_start[frame_index])
        yield from self._walker.run(start, start)

    @property
    def packets_to_decode(self) -> Int64[np.ndarray, " frames"]:
        """How many packets must be decoded to reach each frame, when decoding starts anew."""
        packets: Int64[np.ndarray, " frames"] = self._index.frame_packet - self._index.frame_start + 1
        return packets

    @property
    def reached(self) -> int:
        """The frame at which decoding stands; -1 before it began."""
        return -1 if self._ahead is None else self._ahead[0]

    @property
    def orientation(self) -> Orientation:
        """From coded to displayed frames."""
        return self._orientation

    def _stop(self) -> None:
        if self._ahead is not None:
            frames = self._ahead[1]
            self._ahead = None
            frames.close()

    def decode(
        self, frame_index: Int64[np.ndarray, " wanted"], preprocess: Preprocess | None = None
    ) -> Iterator[DecodedFrame]:
        """The wanted frames in order, each decoded once, already cut, turned and resized.

        Jumps from key frame to key frame where the wanted frames lie far apart. A frame that does not decode is
        replaced by the last sound one before it (or, at the very start, the first one that decodes) and marked; a
        frame that decodes to something doubtful is marked.

        Raises:
            RecordingError: when nothing decodes, or the file vanished or changed.
        """
        checked_wanted(frame_index, self.num_frames, self.path)
        if len(frame_index) == 0:
            return
        self._check_unchanged()
        geometry = preprocess.geometry(self.width, self.height) if preprocess else None
        scaler = FrameScaler(self.width, self.height, geometry, self._orientation)
        walker = self._take_walker()
        try:
            for walked, shown in self._wanted_frames(walker, frame_index):
                assert shown.frame is not None
                yield DecodedFrame(walked.frame_index, shown.frame_index, scaler(shown.frame), walked.damaged)
        finally:
            self._give_back(walker)

    def _take_walker(self) -> Walker:
        """One that nobody uses: opening a file and numbering its packets costs more than a short clip."""
        try:
            return self._spare.pop()
        except IndexError:
            return Walker(self.path, self._index)

    def _give_back(self, walker: Walker) -> None:
        if self._closed or self._spare:
            walker.close()
        else:
            self._spare.append(walker)

    def _wanted_frames(self, walker: Walker, wanted: Int64[np.ndarray, " wanted"]) -> Iterator[tuple[Walked, Walked]]:
        """Each wanted frame, and the frame to show for it."""
        intra = self._index.intra_only and _intra_codec(str(self.source["codec"]))
        needed = None
        if intra:
            needed = np.zeros(len(self._index.packet_id), bool)
            needed[self._index.frame_packet[wanted]] = True
        runs = [self._span(wanted)] if intra else plan_runs(self._index, wanted)
        missing = set(wanted.tolist())
        for first, last in runs:
            sound: Walked | None = None
            for walked in walker.run(first, last, needed):
                if not walked.damaged:
                    sound = walked
                if walked.frame_index not in missing:
                    continue
                missing.remove(walked.frame_index)
                if walked.frame is not None:
                    yield walked, walked
                    continue
                if sound is None or intra:
                    sound = self.sound_near(walked.frame_index)
                yield walked, sound

    def _span(self, wanted: Int64[np.ndarray, " wanted"]) -> tuple[int, int]:
        packets = self._index.frame_packet[wanted]
        return int(packets.min()), int(packets.max())

    def sound_near(self, frame_index: int) -> Walked:
        """The last sound frame before one that did not decode; failing that, the first one after it."""
        walker = Walker(self.path, self._index)
        try:
            keys = np.flatnonzero(self._index.packet_key & (self._index.packet_frame >= 0)).tolist()
            spans = list(pairwise([0, *keys[1:], len(self._index.packet_id)])) if keys else []
            before = [span for span in spans if self._index.packet_frame[span[0]] <= frame_index]
            for first, end in reversed(before):
                walked = [w for w in walker.run(first, end - 1) if w.frame_index < frame_index and not w.damaged]
                if walked:
                    return walked[-1]
            for walked_after in walker.run(0, len(self._index.packet_id) - 1):
                if walked_after.frame is not None:
                    return walked_after
        finally:
            walker.close()
        raise RecordingError(f"{self.path}: expected frames that decode, found none: the file is damaged")

    def _check_unchanged(self) -> None:
        with media_errors(self.path):
            stamp = _stamp(self.path)
        if stamp != self._stamp:
            raise RecordingError(
                f"{self.path}: expected the file as it was opened ({self._stamp[0]} bytes), found it changed "
                f"({stamp[0]} bytes): wait until it is complete and open it again"
            )

    def fingerprint(self) -> Fingerprint:
        """Size, partial hash and frame count."""
        with media_errors(self.path):
            return fingerprint_files([self.path], self.num_frames)

    def close(self) -> None:
        """Release the file and the decoders."""
        self._closed = True
        self._stop()
        self._walker.close()
        while self._spare:
            self._spare.pop().close()


def _stamp(path: Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def _orientation(frame: av.VideoFrame) -> Orientation:
    side_data: Any = frame.side_data
    matrix = side_data.get(_MATRIX)
    return Orientation.from_display_matrix(bytes(matrix)) if matrix is not None else Orientation()


def _intra_codec(name: str) -> bool:
    return bool(av.codec.Codec(name, "r").intra_only)
