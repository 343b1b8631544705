"""The frame index of a video file: one pass over its packets, nothing decoded."""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.packet import Packet
from jaxtyping import Bool, Float64, Int64

from vp_science.errors import RecordingError
from vp_science.video.container import DEMUX_FAILURES, Media

_NO_TIMES = frozenset({"avi", "h264", "hevc", "m4v", "mpegvideo", "vvc", "av1"})
"""Containers that store no presentation times: where frames are reordered, their order is known only after decoding."""


if TYPE_CHECKING:
    VideoPacket = Packet[av.VideoStream]
else:
    VideoPacket = Packet

_TIMES_FROM_THE_START = frozenset({"mpeg"})
"""Containers that time only some packets, so that a seek gives the others different times than reading through does."""

_MISSING = -(1 << 63)  # FFmpeg's own mark of a timestamp that is not there
_KEY, _CORRUPT, _SHOWN = 1, 2, 4
_WATCH_EVERY = 512
_WATCH_DECODED = 16

Watch = Callable[[float], None]
"""Hears how much is done, 0 to 1; what it raises ends the work."""


@dataclass(frozen=True)
class VideoIndex:
    """Packets in file order, frames in display order, and how they belong together.

    Attributes:
        packet_id: what the decoder hands from a packet to its frame: the PTS (DTS where there is none, the packet's
            number where there is neither).
        packet_seek: timestamp to seek to for this packet.
        packet_frame: display index of the packet's frame; -1 for packets that show none.
        packet_key: whether decoding can start at this packet.
        packet_size: bytes of each packet; with the id it tells whether a seek landed where it should.
        packet_corrupt: whether the demuxer found the packet damaged.
        frame_packet: packet number of each displayed frame.
        frame_start: packet number from which each frame is decoded: the last key frame that is neither stored nor shown
            later than the frame.
        frame_settled: last display index among the packets stored up to the frame's own: once the decoder has put that
            one out, it is known whether anything the frame may refer to was damaged.
        time_s: presentation times in seconds from the first frame, strictly increasing; None when the file has none.
        numbered: the file carries no timestamps: packets are numbered instead.
        seekable: a seek gives the same timestamps as reading from the start; otherwise that is what is done.
        truncated: the container ended in an error.
    """

    packet_id: Int64[np.ndarray, " packets"]
    packet_seek: Int64[np.ndarray, " packets"]
    packet_frame: Int64[np.ndarray, " packets"]
    packet_key: Bool[np.ndarray, " packets"]
    packet_size: Int64[np.ndarray, " packets"]
    packet_corrupt: Bool[np.ndarray, " packets"]
    frame_packet: Int64[np.ndarray, " frames"]
    frame_start: Int64[np.ndarray, " frames"]
    frame_settled: Int64[np.ndarray, " frames"]
    time_s: Float64[np.ndarray, " frames"] | None
    numbered: bool
    seekable: bool
    truncated: bool

    @property
    def intra_only(self) -> bool:
        """Every packet stands for itself (MJPEG, raw, FFV1 ...)."""
        return bool(self.packet_key.all())

    def gop_end(self, packet: int) -> int:
        """Number of the last packet before the next key packet."""
        later = np.flatnonzero(self.packet_key[packet + 1 :])
        return packet + int(later[0]) if len(later) else len(self.packet_key) - 1


@dataclass(frozen=True)
class _Packets:
    ids: Int64[np.ndarray, " packets"]
    seek: Int64[np.ndarray, " packets"]
    key: Bool[np.ndarray, " packets"]
    size: Int64[np.ndarray, " packets"]
    corrupt: Bool[np.ndarray, " packets"]
    shown: Bool[np.ndarray, " packets"]
    numbered: bool
    truncated: bool


def build_index(path: Path, watch: Watch | None = None) -> VideoIndex:
    """Read all packets of a video file.

    Args:
        path: the file.
        watch: is told now and then how much is done, 0 to 1; what it raises ends the work.

    Raises:
        RecordingError: when it holds no frames.
    """
    media = Media(path)
    try:
        packets = _read_packets(media, watch)
        time_base = media.stream.time_base or Fraction(1)
        container = media.container.format.name
        reordered = media.stream.codec_context.reorder_depth > 0 and not packets.key.all()
    finally:
        media.close()
    if not packets.shown.any():
        raise RecordingError(
            f"{path}: expected video frames, found none: the file was cut off, record or copy it again"
        )
    if packets.numbered or (reordered and container in _NO_TIMES):
        order = _order_by_decoding(path, packets, watch)
    else:
        shown = np.flatnonzero(packets.shown)
        _, first = np.unique(packets.ids[shown], return_index=True)
        order = shown[first]
    return _assemble(packets, order, time_base, container not in _TIMES_FROM_THE_START)


def packet_ids(media: Media, numbered: bool) -> Iterator[tuple[int, VideoPacket]]:
    """The packets of the stream from here on, each with its id, ready to decode.

    Ends quietly where the container ends in an error: the packets before it are what the file holds.
    """
    number = 0
    packets = _demux(media)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, *DEMUX_FAILURES):
            return
        if packet.size == 0:  # the end of the file, or an AVI "same as before" entry
            continue
        if numbered:
            packet.pts = packet.dts = number
            number += 1
        identity = packet.pts if packet.pts is not None else packet.dts
        if identity is not None:
            yield identity, packet


def _demux(media: Media) -> Iterator[VideoPacket]:
    yield from media.container.demux(media.stream)  # a generator, so that its failures come with the first packet


def _read_packets(media: Media, watch: Watch | None) -> _Packets:
    # Flat columns of 8 bytes a packet: rows of Python objects would take 60 MB for an hour of video.
    pts, dts, size, flags = (array("q") for _ in range(4))
    hidden = media.stream.codec_context.name.startswith("vp8")
    truncated = False
    packets = _demux(media)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            break
        except DEMUX_FAILURES:
            truncated = True
            break
        if packet.size == 0:
            continue
        shown = not packet.is_discard and not (hidden and not bytes(packet)[0] & 0x10)
        pts.append(_MISSING if packet.pts is None else packet.pts)
        dts.append(_MISSING if packet.dts is None else packet.dts)
        size.append(packet.size)
        flags.append(_KEY * packet.is_keyframe | _CORRUPT * packet.is_corrupt | _SHOWN * shown)
        if watch is not None and len(pts) % _WATCH_EVERY == 0:
            watch(media.share_read)
    return _columns(*(np.array(column, np.int64) for column in (pts, dts, size, flags)), truncated=truncated)


def _columns(
    pts: Int64[np.ndarray, " packets"],
    dts: Int64[np.ndarray, " packets"],
    size: Int64[np.ndarray, " packets"],
    flags: Int64[np.ndarray, " packets"],
    *,
    truncated: bool,
) -> _Packets:
    ids, seek = np.where(pts == _MISSING, dts, pts), np.where(dts == _MISSING, pts, dts)
    numbered = int((ids == _MISSING).sum()) * 2 > len(ids)
    if numbered:
        ids = seek = np.arange(len(ids))
    kept = ids != _MISSING
    key, corrupt, shown = ((flags[kept] & bit) > 0 for bit in (_KEY, _CORRUPT, _SHOWN))
    return _Packets(ids[kept], seek[kept], key, size[kept], corrupt, shown, numbered, truncated)


def _order_by_decoding(path: Path, packets: _Packets, watch: Watch | None) -> Int64[np.ndarray, " frames"]:
    """Packet numbers in the order in which the decoder shows them: one full decode, without converting a pixel."""
    number = {int(identity): k for k, identity in enumerate(packets.ids)}
    order: list[int] = []
    media = Media(path)
    try:
        context = media.stream.codec_context
        context.thread_type = "AUTO"
        for passed, (_, packet) in enumerate(packet_ids(media, packets.numbered), 1):
            order += _decoded_numbers(context, packet, number)
            if watch is not None and passed % _WATCH_DECODED == 0:
                watch(media.share_read)
        order += _decoded_numbers(context, None, number)
    finally:
        media.close()
    if not order:
        raise RecordingError(f"{path}: expected video frames, found none that decode: the file is damaged")
    return np.array(list(dict.fromkeys(order)), np.int64)


def _decoded_numbers(context: av.VideoCodecContext, packet: VideoPacket | None, number: dict[int, int]) -> list[int]:
    try:
        return [number[frame.pts] for frame in context.decode(packet) if frame.pts in number]
    except (av.FFmpegError, ValueError):
        return []


def _assemble(
    packets: _Packets, order: Int64[np.ndarray, " frames"], time_base: Fraction, seekable: bool
) -> VideoIndex:
    num_packets, num_frames = len(packets.ids), len(order)
    packet_frame = np.full(num_packets, -1, np.int64)
    packet_frame[order] = np.arange(num_frames)
    settled = np.maximum.accumulate(packet_frame)[order]
    ticks = np.sort(packets.ids[order])
    exact = (ticks - ticks[0]) * np.float64(time_base.numerator) / np.float64(time_base.denominator)
    return VideoIndex(
        packet_id=packets.ids,
        packet_seek=packets.seek,
        packet_frame=packet_frame,
        packet_key=packets.key,
        packet_size=packets.size,
        packet_corrupt=packets.corrupt,
        frame_packet=order,
        frame_start=_starts(packets.key, packet_frame, order),
        frame_settled=settled,
        time_s=None if packets.numbered else exact,
        numbered=packets.numbered,
        seekable=seekable and not packets.numbered,
        truncated=packets.truncated,
    )


def _starts(
    key: Bool[np.ndarray, " packets"], packet_frame: Int64[np.ndarray, " packets"], order: Int64[np.ndarray, " frames"]
) -> Int64[np.ndarray, " frames"]:
    """For each frame the last key packet that is stored no later and shown no later than the frame."""
    keys = np.flatnonzero(key & (packet_frame >= 0))
    keys = keys[packet_frame[keys] >= np.maximum.accumulate(packet_frame[keys])] if len(keys) else keys
    # stored order and shown order of key frames agree now, so both conditions cut the same sorted list
    before_stored = np.searchsorted(keys, order, side="right")
    before_shown = np.searchsorted(packet_frame[keys], np.arange(len(order)), side="right")
    chosen = np.minimum(before_stored, before_shown) - 1
    return np.where(chosen >= 0, keys[np.maximum(chosen, 0)] if len(keys) else 0, 0).astype(np.int64)
