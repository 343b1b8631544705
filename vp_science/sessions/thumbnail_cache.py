"""Small pictures on disk, so that a session that is opened again shows them at once. May be deleted at any time."""

import hashlib
import io
import json
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from vp_science.files import write_atomically

_QUALITY = 85
_MOST_FILE_BYTES = 2 << 20
_MOST_PIXELS = 1 << 21
_SUFFIX = ".jpg"
_CHECK_EVERY = 200


class ThumbnailCache:
    """JPEG files in a folder; when they are too many, those that were made first go.

    What cannot be read or written is as if it were not there: everything in it can be made again.

    Args:
        folder: of its own; made with the first picture.
        max_bytes: that the files may take together.
    """

    def __init__(self, folder: Path, max_bytes: int = 256 << 20) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._written = 0

    def get(self, *key: object) -> UInt8[np.ndarray, "h w 3"] | None:
        """The picture of a key, None when there is none."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                content = file.read(_MOST_FILE_BYTES + 1)
            if len(content) > _MOST_FILE_BYTES:
                return None
            with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
                if image.width * image.height > _MOST_PIXELS:
                    return None
                return np.asarray(image.convert("RGB"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None

    def put(self, pixels: UInt8[np.ndarray, "h w 3"], *key: object) -> None:
        """Keep a picture."""
        path = self._path(key)
        content = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(content, "JPEG", quality=_QUALITY)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, lambda file: file.write(content.getbuffer()), shared=True)
            if self._written % _CHECK_EVERY == 0:
                self._make_room()
            self._written += 1

    def _path(self, key: tuple[object, ...]) -> Path:
        name = hashlib.sha256(json.dumps([str(part) for part in key]).encode()).hexdigest()[:32]
        return self._folder / name[:2] / f"{name[2:]}{_SUFFIX}"

    def _make_room(self) -> None:
        files = []
        for path in self._folder.glob(f"??/*{_SUFFIX}"):
            with suppress(OSError):
                facts = os.lstat(path)
                files.append((facts.st_mtime, facts.st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self._max_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size
