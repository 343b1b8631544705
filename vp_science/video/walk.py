"""Walks through runs of packets and says of every frame in them whether it can be trusted."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av
import numpy as np
from jaxtyping import Bool, Int64

from vp_science.video.container import DEMUX_FAILURES, Media, media_errors
from vp_science.video.index import VideoIndex, VideoPacket, packet_ids

_READ_ON = 64
"""Up to this many packets are read and dropped rather than sought over."""
_DECODE_ON = 16
"""Up to this many frames nobody wants are decoded rather than jumped over."""


@dataclass(frozen=True)
class Walked:
    """One frame that a run passed, in display order.

    Attributes:
        frame_index: its display index.
        frame: the decoded frame, or None when it did not decode.
        damaged: it did not decode, was flagged as corrupt, or may refer to such a frame.
    """

    frame_index: int
    frame: av.VideoFrame | None
    damaged: bool


def plan_runs(index: VideoIndex, wanted: Int64[np.ndarray, " wanted"]) -> list[tuple[int, int]]:
    """First and last packet of the stretches to decode for the wanted frames, in file order."""
    ends = np.sort(index.frame_packet[wanted])
    by_end = {int(index.frame_packet[i]): int(index.frame_start[i]) for i in wanted.tolist()}
    runs: list[tuple[int, int]] = []
    for end in ends.tolist():
        start = by_end[end]
        if runs and start <= runs[-1][1] + _DECODE_ON:
            runs[-1] = (min(start, runs[-1][0]), end)
        else:
            runs.append((start, end))
    return runs


class Walker:
    """A decoder and its place in the file. Used from one thread at a time."""

    def __init__(self, path: Path, index: VideoIndex) -> None:
        self._path = path
        self._index = index
        self._number = {int(identity): k for k, identity in reversed(list(enumerate(index.packet_id)))}
        self._keys = np.flatnonzero(index.packet_key & (index.packet_frame >= 0))
        self._media: Media | None = None
        self._packets: Iterator[tuple[int, VideoPacket]] = iter(())
        self._held: tuple[int, VideoPacket] | None = None
        self._place = -1

    def run(
        self, first: int, last: int, needed: Bool[np.ndarray, " packets"] | None = None
    ) -> Generator[Walked, None, None]:
        """The frames of packets ``first`` to ``last``, in display order, none left out.

        Where the first packet does not give a sound key frame, decoding begins one key frame earlier (or at the start
        of the file, when the container calls something a key frame that is none): the run then passes those frames too.

        Args:
            first: number of a key packet.
            last: number of the last packet to decode.
            needed: packets to decode, for streams in which every packet stands for itself; None decodes all.
        """
        frames = self._run_once(first, last, needed)
        head = next(frames, None)
        if first > 0 and needed is None and not self._sound(head, first):
            frames.close()
            lying = head is not None and head.frame is not None and not head.frame.key_frame
            earlier = 0 if lying else self._key_before(first)
            frames = self._run_once(earlier, last, None)
            head = next(frames, None)
        if head is not None:
            yield from chain([head], frames)

    def close(self) -> None:
        """Close the file."""
        if self._media is not None:
            self._media.close()
        self._media, self._held, self._place = None, None, -1

    def _sound(self, head: Walked | None, first: int) -> bool:
        return (
            head is not None
            and head.frame is not None
            and head.frame.key_frame
            and not head.damaged
            and head.frame_index == int(self._index.packet_frame[first])
        )

    def _key_before(self, packet: int) -> int:
        earlier = self._keys[self._keys < packet]
        return int(earlier[-1]) if len(earlier) else 0

    def _run_once(
        self, first: int, last: int, needed: Bool[np.ndarray, " packets"] | None
    ) -> Generator[Walked, None, None]:
        with media_errors(self._path):
            self._go_to(first)
        assert self._media is not None
        context = self._media.stream.codec_context
        settler = _Settler(self._index, first, last, needed)
        while (item := self._next()) is not None:
            number, packet = item
            if number > last:
                self._held = item
                break
            if needed is None or needed[number]:
                yield from settler.add(_decode(context, packet))
        yield from settler.add(_decode(context, None))
        context.flush_buffers()
        yield from settler.finish()

    def _next(self) -> tuple[int, VideoPacket] | None:
        if self._held is not None:
            item, self._held = self._held, None
            return item
        for identity, packet in self._packets:
            number = self._number.get(identity)
            if number is not None:
                self._place = max(self._place, number + 1)
                return number, packet
        self._place = len(self._index.packet_id) + 1
        return None

    def _go_to(self, first: int) -> None:
        """Stand before packet ``first`` with an empty decoder."""
        place = self._held[0] if self._held is not None else self._place
        reach = place + _READ_ON if self._index.seekable else first
        if self._media is not None and 0 <= place <= first <= reach:
            self._media.stream.codec_context.flush_buffers()
        elif first == 0 or not self._seek(first):
            self._rewind(first)
        while (item := self._next()) is not None:
            if item[0] >= first:
                self._held = item
                return

    def _seek(self, first: int) -> bool:
        if not self._index.seekable:
            return False
        if self._media is None:
            self._rewind(first)
        keys = self._keys[self._keys <= first]
        for back in (1, 2, 4, 16):
            if back > len(keys):
                return False
            if self._lands_before(int(self._index.packet_seek[keys[-back]]), first):
                return True
        return False

    def _show_first_packet(self) -> None:
        """Let a new decoder see how the stream begins, before it jumps into it.

        What a program wrote about itself stands there only, and the decoder repairs what that program did wrong: H.264
        4:4:4 of x264 before build 151 comes out green where this is not known.
        """
        assert self._media is not None
        context = self._media.stream.codec_context
        if (item := self._next()) is not None:
            _decode(context, item[1])
            _decode(context, None)
            context.flush_buffers()

    def _lands_before(self, timestamp: int, first: int) -> bool:
        assert self._media is not None
        try:
            self._media.container.seek(timestamp, stream=self._media.stream, backward=True)
        except DEMUX_FAILURES:
            return False
        self._packets, self._held, self._place = packet_ids(self._media, False), None, 0
        item = self._next()
        self._held = item
        if item is None or item[0] > first:
            return False
        number, packet = item
        return packet.size == int(self._index.packet_size[number])

    def _rewind(self, first: int) -> None:
        """Open the file anew, to decode from packet ``first`` on."""
        self.close()
        self._media = Media(self._path)
        self._media.stream.codec_context.thread_type = "AUTO"
        self._packets = packet_ids(self._media, self._index.numbered)
        self._place = 0
        if first > 0:
            self._show_first_packet()


def _decode(context: av.VideoCodecContext, packet: VideoPacket | None) -> list[av.VideoFrame]:
    try:
        return context.decode(packet)
    except (av.FFmpegError, ValueError):
        return []  # the frame that is missing now is noticed by the settler


class _Settler:
    """Holds decoded frames back until it is known whether anything they may refer to was damaged.

    Frames leave the decoder in display order but refer to packets stored before them; a damaged packet is known as such
    when its own frame comes out flagged, or is passed over. Without damage no frame waits for longer than the codec's
    own reordering.
    """

    def __init__(self, index: VideoIndex, first: int, last: int, needed: Bool[np.ndarray, " packets"] | None) -> None:
        self._index = index
        self._ids = {int(index.packet_id[k]): int(index.packet_frame[k]) for k in range(first, last + 1)}
        self._first = first
        shown = index.packet_frame[first : last + 1]
        if needed is not None:
            shown = shown[needed[first : last + 1]]
        begin = int(index.packet_frame[first]) if index.packet_key[first] and first > 0 else 0
        self._expected = np.sort(shown[shown >= begin])
        self._next = 0
        self._judged = 0
        self._reached = -1
        self._waiting: dict[int, av.VideoFrame] = {}
        self._came: set[int] = set()
        self._bad: list[int] = (first + np.flatnonzero(index.packet_corrupt[first : last + 1])).tolist()

    def add(self, frames: list[av.VideoFrame]) -> Iterator[Walked]:
        """Take frames from the decoder; give those that are settled."""
        for frame in frames:
            shown = -1 if frame.pts is None else self._ids.get(frame.pts, -1)
            if shown < 0:
                continue
            if shown in self._came:
                continue  # two packets with one time stamp: the first one counts
            self._came.add(shown)
            self._waiting[shown] = frame
            if frame.is_corrupt:
                insort(self._bad, int(self._index.frame_packet[shown]))
            self._reached = max(self._reached, shown)
            self._judge(self._reached)
        yield from self._release(self._reached)

    def finish(self) -> Iterator[Walked]:
        """The decoder is empty: what has not come will not come."""
        end = self._index.frame_packet.size
        self._judge(end)
        yield from self._release(end)

    def _judge(self, reached: int) -> None:
        """Everything shown before ``reached`` has come out, or never will."""
        while self._judged < len(self._expected) and self._expected[self._judged] < reached:
            shown = int(self._expected[self._judged])
            if shown not in self._came:
                insort(self._bad, int(self._index.frame_packet[shown]))
            self._judged += 1

    def _release(self, reached: int) -> Iterator[Walked]:
        index = self._index
        while self._next < len(self._expected):
            shown = int(self._expected[self._next])
            if index.frame_settled[shown] > reached:
                return
            frame = self._waiting.pop(shown, None)
            packet, start = int(index.frame_packet[shown]), int(index.frame_start[shown])
            damaged = frame is None or bisect_right(self._bad, packet) > bisect_left(self._bad, start)
            self._next += 1
            yield Walked(shown, frame, damaged)
