"""Reading a query vector that somebody computed elsewhere."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from vp_science.errors import SettingsError
from vp_science.typing import StrPath

_MAX_NUMBERS = 1 << 22


def read_vector(path: StrPath) -> Float[np.ndarray, "..."]:
    """Read one vector ``(dim,)`` or several ``(n, dim)`` from a ``.npy`` file; nothing in it is executed.

    Raises:
        SettingsError: when the file is missing, no array of numbers, or too large for a query.
    """
    where = Path(path)
    try:
        mapped = np.load(where, mmap_mode="r", allow_pickle=False)
        if not isinstance(mapped, np.ndarray):
            raise ValueError("an archive of several arrays")
        if mapped.size > _MAX_NUMBERS or mapped.dtype.kind not in "fiu":
            raise ValueError(f"{mapped.size} values of type {mapped.dtype}")
        return np.asarray(mapped, np.float32)
    except (OSError, ValueError, EOFError) as error:
        raise SettingsError(
            f"expected a vector of numbers in {where}, saved with numpy.save; found something else ({error})"
        ) from error
