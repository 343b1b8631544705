"""The transformers layout by the entry lists that were checked against transformers itself, not by our code."""

import json
from pathlib import Path

import numpy as np

_MAPPINGS = Path(__file__).parent / "npz_to_hf"


def to_transformers(
    tensors: dict[str, np.ndarray], size: str, patch_size: int, family: str = "public"
) -> dict[str, np.ndarray]:
    """Rename and reshape official tensors; ``size`` ("base", "large") chooses the list, which may hold more layers.

    ``family`` is "public" for video encoders and "lvt_public" for video-text models.
    """
    operations = {
        "copy": lambda x: x,
        "flatten": lambda x: x.reshape(-1),
        "add_leading_1": lambda x: x[None],
        "T": lambda x: x.T,
        "DNH->(NH)D": lambda x: x.reshape(len(x), -1).T,
        "DNH->D(NH)": lambda x: x.reshape(len(x), -1),
        "(PPC)D->D,C,1,P,P": lambda x: x.T.reshape(-1, 1, patch_size, patch_size, 3).transpose(0, 4, 1, 2, 3),
    }
    renamed = {}
    for entry in json.loads((_MAPPINGS / f"videoprism_{family}_v1_{size}.npz_to_hf.json").read_text()):
        values, layer = tensors[entry["npz"]], entry["layer"]
        if layer is None or layer < len(values):
            values = values if layer is None else values[layer]
            renamed[entry["hf"]] = np.ascontiguousarray(operations[entry["op"]](values))
    return renamed
