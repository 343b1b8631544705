"""A recording that follows one animal (or a pair) through another recording."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int64, UInt8
from PIL import Image
from scipy.ndimage import gaussian_filter

from vp_science.errors import RecordingError
from vp_science.recordings import DecodedFrame, Fingerprint, Recording
from vp_science.typing import JSON
from vp_science.video.crop_path import CropPath, FollowSettings
from vp_science.video.preprocess import Geometry, Preprocess
from vp_science.video.resize import FrameScaler

_TURNED = "gaussian+bicubic"


class FollowedRecording(Recording):
    """Pictures around one animal, at the times of the recording it is in; whole frames are decoded and then cut.

    The id is ``<recording id>@<subject>``, the times and the fingerprint are those of the recording. ``source`` gains
    the entry ``follow``: subject, target, recording, pose file and settings.

    Frames in which the animal is not there are black, with ``shown_index`` -1. Parts of a picture beyond the border of
    the frame, or of the region of interest (``Preprocess.crop``), are black.

    Args:
        recording: what the animal is in; it stays open when this one is closed, unless it is owned.
        recording_id: the id of this one.
        path: where to cut.
        subject: the animal, as bouts name it.
        target: the other animal of a pair, or "".
        settings: how the path was made.
        pose: facts about the pose file, for the provenance.
        owned: closing this one closes the recording.
    """

    def __init__(
        self,
        recording: Recording,
        recording_id: str,
        path: CropPath,
        *,
        subject: str,
        target: str = "",
        settings: FollowSettings,
        pose: dict[str, JSON],
        owned: bool = False,
    ) -> None:
        self.id = recording_id
        self.path = recording.path
        self.time_s = recording.time_s
        self.inner = recording
        self.subject = subject
        self.target = target
        self.crops = path
        self._owned = owned
        self.height = self.width = int(np.median(path.side[path.shown])) if path.shown.any() else int(path.side[0])
        follow: dict[str, JSON] = {
            "subject": subject,
            "target": target,
            "of_recording": recording.id,
            "pose": pose,
            "settings": settings.to_json(),
            "side_px": None if target else self.width,
            "turned": _TURNED if path.turned else None,
        }
        self.source = recording.source | {"follow": follow}

    def read(self, frame_index: int) -> UInt8[np.ndarray, "h w 3"]:
        """The picture around the animal in one frame, in the pixels of the recording.

        Raises:
            RecordingError: when there is no such frame, it does not decode, or the animal is not in it.
        """
        pixels = self.inner.read(frame_index)
        if not self.crops.shown[frame_index]:
            raise RecordingError(
                f'{self.id}: expected "{self.subject}" in frame {frame_index}, found none there: read another one'
            )
        return CropCutter(self.crops, self.inner.width, self.inner.height, None, self.width)(pixels, frame_index)

    def decode(
        self, frame_index: Int64[np.ndarray, " wanted"], preprocess: Preprocess | None = None
    ) -> Iterator[DecodedFrame]:
        """The pictures of the wanted frames in order, already resized; black ones where the animal is not there.

        Raises:
            RecordingError: when nothing decodes, or the file vanished.
            SettingsError: when the region of interest does not lie inside the frame.
        """
        cutter = CropCutter(self.crops, self.inner.width, self.inner.height, preprocess, self.width)
        for frame in self.inner.decode(frame_index, None):
            # A damaged frame shows an earlier one: the animal is where it was then.
            if self.crops.shown[frame.shown_index]:
                yield replace(frame, pixels=cutter(frame.pixels, frame.shown_index))
            else:
                yield replace(frame, pixels=cutter.black(), shown_index=-1)

    def fingerprint(self) -> Fingerprint:
        """Of the recording the animal is in."""
        return self.inner.fingerprint()

    def close(self) -> None:
        """Close the recording the animal is in, if it was opened for this one alone."""
        if self._owned:
            self.inner.close()


class CropCutter:
    """Cuts the pictures of a path out of whole frames, and resizes them.

    Upright pictures are cut at whole pixels and go through the resize of the package. Turned ones are sampled once,
    from the frame to the output, with bicubic interpolation, after a Gaussian where the picture is reduced (its
    standard deviation is half of what the reduction exceeds 1, as usual).

    Args:
        path: where to cut.
        width: of the frames.
        height: of the frames.
        preprocess: output size, fit and region of interest; None keeps the pixels of the recording.
        nominal: side of the output where ``preprocess`` is None.
    """

    def __init__(self, path: CropPath, width: int, height: int, preprocess: Preprocess | None, nominal: int) -> None:
        whole = preprocess or Preprocess(nominal, nominal)
        whole.geometry(width, height)  # refuses a region of interest beyond the frame
        x, y, wide, high = whole.crop or (0, 0, width, height)
        self._region = (x, y, x + wide, y + high)
        self._path = path
        self._plan = replace(whole, crop=None)
        self._scalers: dict[int, FrameScaler] = {}

    def __call__(self, pixels: UInt8[np.ndarray, "h w 3"], frame: int) -> UInt8[np.ndarray, "h2 w2 3"]:
        """The picture of one frame."""
        side = int(self._path.side[frame])
        centre, angle = self._path.centre[frame], float(self._path.angle[frame])
        if self._path.turned:
            return self._turned(pixels, centre, angle, self._plan.geometry(side, side), side)
        if side not in self._scalers:
            self._scalers = {side: FrameScaler(side, side, self._plan.geometry(side, side))}
        x, y = (int(value) for value in np.floor(centre - (side - 1) / 2 + 0.5))
        return self._scalers[side].array(self._cut(pixels, x, y, x + side, y + side))

    def black(self) -> UInt8[np.ndarray, "h2 w2 3"]:
        """What is shown where there is nothing to show."""
        return np.zeros((self._plan.height, self._plan.width, 3), np.uint8)

    def _cut(
        self, pixels: UInt8[np.ndarray, "h w 3"], left: int, top: int, right: int, bottom: int
    ) -> UInt8[np.ndarray, "h2 w2 3"]:
        """A rectangle of the frame; what lies outside of it is black."""
        x0, y0, x1, y1 = self._region
        inner_left, inner_right = max(left, x0), min(right, x1)
        inner_top, inner_bottom = max(top, y0), min(bottom, y1)
        cut = np.zeros((bottom - top, right - left, 3), np.uint8)
        if inner_left < inner_right and inner_top < inner_bottom:
            cut[inner_top - top : inner_bottom - top, inner_left - left : inner_right - left] = pixels[
                inner_top:inner_bottom, inner_left:inner_right
            ]
        return cut

    def _turned(
        self,
        pixels: UInt8[np.ndarray, "h w 3"],
        centre: Float64[np.ndarray, " 2"],
        angle: float,
        geometry: Geometry,
        side: int,
    ) -> UInt8[np.ndarray, "h2 w2 3"]:
        sx, sy, sw, sh = geometry.source
        wide, high = geometry.scaled
        reduction = max(sw / wide, sh / high)
        sigma = max(0.0, (reduction - 1) / 2)
        reach = side / math.sqrt(2)
        left, top, right, bottom = self._around(centre, reach, math.ceil(4 * sigma) + 3)
        if left >= right or top >= bottom:
            return self.black()
        cut = self._cut(pixels, left, top, right, bottom)
        if sigma:
            cut = gaussian_filter(cut, (sigma, sigma, 0), mode="nearest")
        # From the middle of an output pixel to a place in the cut; both count from the corner of their first pixel.
        turn = angle + math.pi / 2
        cos, sin = math.cos(turn), math.sin(turn)
        kx, ky = sw / wide, sh / high
        x0, y0 = sx - side / 2, sy - side / 2
        matrix = (
            cos * kx, -sin * ky, cos * x0 - sin * y0 + float(centre[0]) + 0.5 - left,
            sin * kx, cos * ky, sin * x0 + cos * y0 + float(centre[1]) + 0.5 - top,
        )  # fmt: skip
        picture = Image.fromarray(cut).transform(
            (wide, high), Image.Transform.AFFINE, matrix, resample=Image.Resampling.BICUBIC
        )
        if geometry.output == (wide, high):
            return np.asarray(picture)
        canvas = self.black()
        x, y = geometry.offset
        canvas[y : y + high, x : x + wide] = picture
        return canvas

    def _around(self, centre: Float64[np.ndarray, " 2"], reach: float, border: int) -> tuple[int, int, int, int]:
        """What a turned picture can show: its surroundings, but no more of the black outside than filters need."""
        x0, y0, x1, y1 = self._region
        x, y = float(centre[0]), float(centre[1])
        return (
            max(math.floor(x - reach), x0) - border,
            max(math.floor(y - reach), y0) - border,
            min(math.ceil(x + reach) + 1, x1) + border,
            min(math.ceil(y + reach) + 1, y1) + border,
        )
