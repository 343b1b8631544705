"""The part of the demo's page that finds moments by a sentence."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

if TYPE_CHECKING:
    import pandas as pd

    from vp_science.pictures import PictureBook
    from vp_science.plots.report import Section
    from vp_science.plots.report_parts import PicturePart
    from vp_science.search.results import Results
    from vp_science.store.reader import Embeddings
    from vp_science.timeline.annotations import Annotations

TEXTS = {"wing extension": "a fly extends one wing", "walking": "a fly walks forward"}
"""A sentence for every behavior of the bundled labels."""

_FOUND, _STRIP_FRAMES, _STRIP_HEIGHT = 3, 8, 64
_TEXT = (
    "The encoder has read sentences about clips while it was trained, so moments can be ranked by how well they fit a "
    "sentence; no label is used. The strips show the best moments, the table how good the whole ranking is."
)
_RANKING = (
    "Average precision of the ranking of all windows, against what the fly does in the middle of a window; guessing is "
    "the share of windows in which it does that. A sentence is a way to find first examples, never a label."
)


def texts_section(track: "Embeddings", labels: "Annotations", book: "PictureBook") -> "Section | None":
    """Moments that fit a sentence; None where the encoder knows no sentences.

    Args:
        track: of the bundled recording.
        labels: what the fly does; they only check the ranking.
        book: gives the pictures.
    """
    from vp_science.plots.report import Section
    from vp_science.plots.report_parts import TablePart
    from vp_science.search import build_index, find

    index = build_index([track])
    if not index.contrastive:
        return None
    found = {behavior: find(index, text=text, limit=_FOUND) for behavior, text in TEXTS.items()}
    strips = [_strips(TEXTS[behavior], results, book) for behavior, results in found.items()]
    return Section("Moments that fit a sentence", [*strips, TablePart(_ranking(found, labels), _RANKING)], _TEXT)


def _strips(text: str, results: "Results", book: "PictureBook") -> "PicturePart":
    from vp_science.plots.report_parts import PicturePart

    moments, rows = results.to_pandas(), []
    for moment in moments.itertuples():
        strip = book.strip(
            moment.recording, moment.peak_start_s, moment.peak_stop_s, num_frames=_STRIP_FRAMES, height=_STRIP_HEIGHT
        )
        rows += [strip, np.full((3, strip.shape[1], 3), 255, np.uint8)]
    starts = ", ".join(f"{start:.1f}" for start in moments["peak_start_s"])
    caption = f'"{text}": the best moments begin at {starts} s'
    return PicturePart(np.concatenate(rows[:-1]), f"Strips of frames that fit: {text}", caption)


def _ranking(found: "dict[str, Results]", labels: "Annotations") -> "pd.DataFrame":
    import pandas as pd
    from sklearn.metrics import average_precision_score

    rows = []
    for behavior, results in found.items():
        index = results.index
        truth = happens(labels, behavior, (index.start_s + index.stop_s) / 2)
        rows.append(
            {
                "sentence": TEXTS[behavior],
                "behavior": behavior,
                "average precision": float(average_precision_score(truth, results.scores)),
                "guessing": float(truth.mean()),
            }
        )
    return pd.DataFrame(rows)


def happens(labels: "Annotations", behavior: str, time_s: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Whether a behavior goes on at some instants."""
    bouts = labels.bouts[labels.bouts["behavior"] == behavior]
    first, last = (bouts[name].to_numpy(np.float64) for name in ("start_s", "stop_s"))
    inside: Bool[np.ndarray, " n"] = ((time_s[:, None] >= first) & (time_s[:, None] < last)).any(axis=1)
    return inside
