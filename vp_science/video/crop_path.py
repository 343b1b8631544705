"""From where an animal is to where its pictures are cut: smooth in time, of one size, unknown where it was not seen."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64
from scipy.ndimage import gaussian_filter1d, median_filter

from vp_science.errors import PoseError, SettingsError
from vp_science.timeline.animals import AnimalTrack
from vp_science.typing import JSON

PAIRS_NEED_ROTATE = (
    "pairs: expected rotate=True, found False: only the direction of the subject tells pictures of (a, b) from those "
    "of (b, a)"
)
_FWHM = 2.355
"""Full width at half maximum of a Gaussian, in standard deviations."""
_SWAP = np.radians(120)
"""No animal turns by more than this from one frame to the next and back again."""
_LARGEST = 2
"""Side of the largest sensible crop, in sides of the frame."""


@dataclass(frozen=True)
class FollowSettings:
    """How pictures around an animal are cut; recorded in the provenance of its track.

    The side of the square picture is ``size_body_lengths + 2 * margin`` times the median length of the animal in the
    recording, one number for the whole recording: its picture never grows or shrinks with its posture.

    Attributes:
        size_body_lengths: side of the picture in body lengths, before the margin.
        margin: body lengths added on every side.
        rotate: turn every picture so that the animal looks up; otherwise pictures keep the directions of the frame.
        smooth_s: the path is smoothed over about this time: a median over it, which removes jumps, then a Gaussian with
            this full width at half maximum. 0 follows every point as it is.
        max_gap_s: the path is bridged where the animal was not seen for at most this long; in longer gaps nothing is
            known of it. Smoothing never reaches across such a gap. Front and back that swap for at most this long are
            swapped back.
        min_points: an animal with fewer visible points in a frame was not seen there.
        min_score: points with a lower score were not seen; None takes the habit of the tool (see
            ``load_animal_tracks``).
        axis: names of a front and a back point of the body; None takes the usual ones.
        size_px: side of the picture in pixels of the recording, instead of in body lengths.
    """

    size_body_lengths: int | float = 1.5
    margin: int | float = 0.25
    rotate: bool = False
    smooth_s: int | float = 0.1
    max_gap_s: int | float = 0.5
    min_points: int = 1
    min_score: int | float | None = None
    axis: tuple[str, str] | None = None
    size_px: int | None = None

    def __post_init__(self) -> None:
        limits = {"size_body_lengths": 0.1, "margin": 0.0, "smooth_s": 0.0, "max_gap_s": 0.0}
        for name, least in limits.items():
            value = getattr(self, name)
            if not least <= value < np.inf:
                raise SettingsError(f"{name}: expected a number from {least:g} on, found {value}")
        if self.min_points < 1:
            raise SettingsError(f"min_points: expected at least 1, found {self.min_points}")
        if self.size_px is not None and self.size_px < 2:
            raise SettingsError(f"size_px: expected at least 2 pixels, found {self.size_px}")
        if self.axis is not None and (len(self.axis) != 2 or self.axis[0] == self.axis[1]):
            raise SettingsError(f"axis: expected the names of a front and another, back point, found {self.axis}")

    @property
    def total_body_lengths(self) -> float:
        """Side of the picture with its margins, in body lengths."""
        return float(self.size_body_lengths + 2 * self.margin)

    def to_json(self) -> dict[str, JSON]:
        """The settings as they are recorded; 1 and 1.0 are one setting."""
        return {
            "size_body_lengths": float(self.size_body_lengths),
            "margin": float(self.margin),
            "rotate": self.rotate,
            "smooth_s": float(self.smooth_s),
            "max_gap_s": float(self.max_gap_s),
            "min_points": self.min_points,
            "min_score": None if self.min_score is None else float(self.min_score),
            "axis": None if self.axis is None else list(self.axis),
            "size_px": self.size_px,
        }


@dataclass(frozen=True, eq=False)
class CropPath:
    """Where pictures are cut, for every source frame.

    Attributes:
        centre: x and y of the middle of the picture in pixels of the frame; (0, 0) is the middle of the first pixel.
        angle: direction of the frame (radians, pi/2 points down) that points up in the picture.
        side: of the square picture, in pixels of the frame.
        shown: where there is anything to show.
        turned: pictures are turned by ``angle``; otherwise it is -pi/2 everywhere, and they are not.
    """

    centre: Float64[np.ndarray, "frames 2"]
    angle: Float64[np.ndarray, " frames"]
    side: Int64[np.ndarray, " frames"]
    shown: Bool[np.ndarray, " frames"]
    turned: bool


def single_path(
    track: AnimalTrack, time_s: Float64[np.ndarray, " frames"], frame_size: tuple[int, int], settings: FollowSettings
) -> CropPath:
    """The path of pictures around one animal.

    Args:
        track: where it is.
        time_s: of every source frame of the recording.
        frame_size: width and height of the frames, in pixels.
        settings: size, smoothing, gaps.

    Raises:
        PoseError: when the animal is never seen, its length or direction is needed and unknown, or the poses do not fit
            the recording.
    """
    centre, heading = _fitted(track, len(time_s), frame_size)
    centre = smooth(centre, time_s, settings)
    shown = np.isfinite(centre).all(axis=1)
    angle = np.full(len(time_s), -np.pi / 2)
    if settings.rotate:
        if not np.isfinite(heading).any():
            raise PoseError(
                f'"{track.name}": expected a direction to turn its pictures by, found none (boxes, or too few points): '
                "do not rotate, or name a front and a back point (axis)"
            )
        heading = _swapped_back(heading, time_s, settings.max_gap_s)
        along = smooth(np.stack([np.cos(heading), np.sin(heading)], axis=1), time_s, settings)
        angle = np.arctan2(along[:, 1], along[:, 0])
        shown &= np.isfinite(angle)
    side = settings.size_px or max(2, round(settings.total_body_lengths * body_length(track)))
    _check_side(side, track.name, frame_size)
    return CropPath(centre, angle, np.full(len(time_s), side, np.int64), shown, settings.rotate)


def pair_path(
    subject: AnimalTrack,
    target: AnimalTrack,
    time_s: Float64[np.ndarray, " frames"],
    frame_size: tuple[int, int],
    settings: FollowSettings,
) -> CropPath:
    """The path of pictures that hold two animals: centred between them, turned so that the subject looks upwards.

    The side is the distance of the two, smoothed like the path, plus what a picture of one of them measures: so both
    are always whole in it, and its scale follows their distance.

    Raises:
        SettingsError: when pictures are not turned: those of (a, b) and (b, a) would be the same.
        PoseError: see ``single_path``.
    """
    if not settings.rotate:
        raise SettingsError(PAIRS_NEED_ROTATE)
    one = single_path(subject, time_s, frame_size, settings)
    other = single_path(target, time_s, frame_size, replace(settings, rotate=False))
    shown = one.shown & other.shown
    apart = np.hypot(*(one.centre - other.centre).T)
    side = np.where(shown, apart + (one.side + other.side) / 2, 2)
    # Poses outside the frame can be arbitrarily far apart; a picture of twice the frame shows all of it.
    side = np.minimum(side, _LARGEST * max(frame_size))
    return CropPath((one.centre + other.centre) / 2, one.angle, np.round(side).astype(np.int64), shown, True)


def body_length(track: AnimalTrack) -> float:
    """Median length of an animal in pixels, over the frames in which it is known.

    Raises:
        PoseError: when it never is.
    """
    known = track.length[np.isfinite(track.length)]
    length = float(np.median(known)) if len(known) else 0.0
    if length <= 0:
        raise PoseError(
            f'"{track.name}": expected two points of its body in some frame to know its length, found none: give the '
            "side of the picture in pixels (size_px)"
        )
    return length


def smooth(
    values: Float[np.ndarray, "frames numbers"], time_s: Float64[np.ndarray, " frames"], settings: FollowSettings
) -> Float64[np.ndarray, "frames numbers"]:
    """Bridge short gaps (NaN), and smooth what lies between the long ones; those stay NaN."""
    bridged = _bridge(np.asarray(values, np.float64), time_s, settings.max_gap_s)
    step_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 1.0
    frames = settings.smooth_s / step_s
    width, sigma = 2 * int(frames / 2) + 1, frames / _FWHM
    if width < 3:
        return bridged
    for start, stop in _stretches(np.isfinite(bridged).all(axis=1)):
        part = median_filter(bridged[start:stop], size=(min(width, 2 * (stop - start) - 1), 1), mode="nearest")
        bridged[start:stop] = gaussian_filter1d(part, sigma, axis=0, mode="nearest")
    return bridged


def _bridge(
    values: Float64[np.ndarray, "frames numbers"], time_s: Float64[np.ndarray, " frames"], max_gap_s: int | float
) -> Float64[np.ndarray, "frames numbers"]:
    known = np.flatnonzero(np.isfinite(values).all(axis=1))
    result = np.full(values.shape, np.nan)
    result[known] = values[known]
    for before, after in zip(known[:-1].tolist(), known[1:].tolist(), strict=True):
        if after > before + 1 and time_s[after] - time_s[before] <= max_gap_s + 1e-9:
            share = (time_s[before + 1 : after] - time_s[before]) / (time_s[after] - time_s[before])
            result[before + 1 : after] = values[before] + share[:, None] * (values[after] - values[before])
    return result


def _swapped_back(
    heading: Float64[np.ndarray, " frames"], time_s: Float64[np.ndarray, " frames"], max_gap_s: int | float
) -> Float64[np.ndarray, " frames"]:
    """Undo short swaps of front and back, which tracking makes when animals touch: turned over, and back soon after."""
    known = np.flatnonzero(np.isfinite(heading))
    turn = np.abs((np.diff(heading[known]) + np.pi) % (2 * np.pi) - np.pi)
    over = np.flatnonzero(turn > _SWAP).tolist()
    result, place = heading.copy(), 0
    while place + 1 < len(over):
        first, last = known[over[place] + 1], known[over[place + 1] + 1]
        if time_s[last] - time_s[first] <= max_gap_s:
            result[first:last] += np.pi
            place += 1
        place += 1
    return result


def _stretches(known: Bool[np.ndarray, " frames"]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _fitted(
    track: AnimalTrack, num_frames: int, frame_size: tuple[int, int]
) -> tuple[Float64[np.ndarray, "frames 2"], Float64[np.ndarray, " frames"]]:
    """Centre and direction for exactly the frames of the recording."""
    present = np.flatnonzero(track.present)
    if len(present) == 0:
        raise PoseError(f'"{track.name}": expected an animal that is seen in some frame, found none')
    if present[-1] >= num_frames:
        raise PoseError(
            f'expected poses of the {num_frames} frames of the recording, found "{track.name}" in frame {present[-1]}: '
            "this is the pose file of another recording, or of a longer version of it"
        )
    x, y = track.centre[present].T
    outside = (x < 0) | (y < 0) | (x > frame_size[0] - 1) | (y > frame_size[1] - 1)
    if outside.mean() > 0.5:
        raise PoseError(
            f'expected poses in frames of {frame_size[0]} x {frame_size[1]} pixels, found "{track.name}" outside in '
            f"{outside.mean():.0%} of them: the poses were made on another size or region of the recording"
        )
    centre, heading = np.full((num_frames, 2), np.nan), np.full(num_frames, np.nan)
    count = min(num_frames, len(track))
    centre[:count], heading[:count] = track.centre[:count], track.axis[:count]
    return centre, heading


def _check_side(side: int, name: str, frame_size: tuple[int, int]) -> None:
    if side > _LARGEST * max(frame_size):
        raise PoseError(
            f'"{name}": expected a picture of at most {_LARGEST * max(frame_size)} pixels, twice the frame, found '
            f"{side}: the poses are of another recording, or the size is too large"
        )
