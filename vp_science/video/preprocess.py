"""From a source frame to the encoder's input: region, fit and size, as plain integers that every backend follows."""

from dataclasses import asdict, dataclass
from typing import Literal

from vp_science.errors import SettingsError
from vp_science.typing import JSON

Fit = Literal["squash", "crop", "pad"]


@dataclass(frozen=True)
class Geometry:
    """What to do with the pixels of one recording: cut ``source``, scale to ``scaled``, paste at ``offset``.

    Attributes:
        source: x, y, width, height of the region of the displayed source frame, in source pixels.
        scaled: width, height that the region is resized to.
        offset: x, y of the resized region on the output; outside it the output is black.
        output: width, height of the frames the encoder gets.
    """

    source: tuple[int, int, int, int]
    scaled: tuple[int, int]
    offset: tuple[int, int]
    output: tuple[int, int]


@dataclass(frozen=True)
class Preprocess:
    """How frames are cut and resized before the encoder sees them; recorded in the provenance of every track.

    Attributes:
        height: rows of the output, in pixels.
        width: columns of the output, in pixels.
        fit: ``squash`` changes the aspect ratio, ``crop`` keeps it and cuts the longer side around its centre,
            ``pad`` keeps it and fills with black.
        crop: region of interest as x, y, width, height in pixels of the source as displayed, or None for all of it.
    """

    height: int = 288
    width: int = 288
    fit: Fit = "squash"
    crop: tuple[int, int, int, int] | None = None

    def to_json(self) -> dict[str, JSON]:
        """The spec as it is recorded."""
        spec = asdict(self)
        spec["crop"] = list(self.crop) if self.crop else None
        return spec

    def geometry(self, source_width: int, source_height: int) -> Geometry:
        """Resolve the spec for frames of one size.

        Raises:
            SettingsError: when the region of interest does not lie inside the frame.
        """
        x, y, width, height = self.crop or (0, 0, source_width, source_height)
        if width < 1 or height < 1 or x < 0 or y < 0 or x + width > source_width or y + height > source_height:
            raise SettingsError(
                f"the crop {x},{y},{width},{height} (x,y,width,height) does not lie inside the frame: "
                f"expected a region of {source_width} x {source_height} pixels"
            )
        if self.fit == "squash":
            return Geometry((x, y, width, height), (self.width, self.height), (0, 0), (self.width, self.height))
        if self.fit == "crop":
            return self._centre_crop(x, y, width, height)
        return self._pad(x, y, width, height)

    def _centre_crop(self, x: int, y: int, width: int, height: int) -> Geometry:
        kept_width = min(width, max(1, round(height * self.width / self.height)))
        kept_height = min(height, max(1, round(width * self.height / self.width)))
        source = (x + (width - kept_width) // 2, y + (height - kept_height) // 2, kept_width, kept_height)
        return Geometry(source, (self.width, self.height), (0, 0), (self.width, self.height))

    def _pad(self, x: int, y: int, width: int, height: int) -> Geometry:
        scale = min(self.width / width, self.height / height)
        scaled = (
            min(self.width, max(1, round(width * scale))),
            min(self.height, max(1, round(height * scale))),
        )
        offset = ((self.width - scaled[0]) // 2, (self.height - scaled[1]) // 2)
        return Geometry((x, y, width, height), scaled, offset, (self.width, self.height))
