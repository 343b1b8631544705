"""Mixup (Zhang et al. 2018) of neighbours in a batch: pixels are mixed here, labels in the loss."""

from typing import Any

import numpy as np

from vp_science.train.data.colors import Clip

Element = dict[str, Any]


def mix_pair(first: Element, second: Element, alpha: float, rng: np.random.Generator) -> tuple[Element, Element]:
    """Two clips as two mixtures: one share is drawn, and each clip leads in one of them.

    Mixed within pairs that are read together, so that a batch can be cut between pairs over hosts, devices and pieces.

    Args:
        first: ``video``, ``valid``, ``states`` of a clip, and whatever else.
        second: of another one.
        alpha: both parameters of the Beta distribution of the share.
        rng: draws the share.

    Returns:
        The same with mixed pixels; ``mix`` (the share of its own) and ``partner_states``.
    """
    share = float(rng.beta(alpha, alpha))
    return _mixed(first, second, share), _mixed(second, first, share)


def _mixed(own: Element, other: Element, share: float) -> Element:
    return own | {
        "video": _blend(own["video"], other["video"], share),
        "valid": own["valid"] | other["valid"],
        "mix": np.float32(share),
        "partner_states": other["states"],
    }


def _blend(own: Clip, other: Clip, share: float) -> Clip:
    mixed = own * np.float32(share)
    mixed += other * np.float32(1 - share)
    mixed += np.float32(0.5)
    return np.minimum(mixed, np.float32(255)).astype(np.uint8)
