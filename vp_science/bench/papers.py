"""What several protocols take from the same papers: the table of results and the head."""

from typing import Any

from vp_science.bench.protocol import PublishedResult

VIDEOPRISM = "Zhao et al. 2024, VideoPrism, arXiv 2402.13217v3, section 3.4 and appendix H"
SCIVID = "SciVid, arXiv 2507.03578"

HEAD_DIFFERS = (
    "the head reads cached vectors, each the mean over a part of the frame (clip.spatial_pool), not all 256 tokens of "
    "every frame; a vector comes from the clip in which its frame stands most centrally",
    "the head has one query per behavior and attention heads of width 32; the paper's has one query and 12 heads of 64",
    "no augmentation: the paper crops and flips clips at random and encodes them anew in every epoch",
    "the score of a frame is the mean over the clips that contain it; the paper takes the clip around it",
    "epochs and weight decay are not stated in the paper for these datasets; here validation data stop the training",
)
"""What every benchmark does otherwise, because embeddings are computed once and read many times."""

_TABLE = "VideoPrism (arXiv 2402.13217v3) table 7"
_METHODS = (
    "domain expert",
    "CoCa-B",
    "InternVideo-B",
    "UMT-B",
    "VideoPrism-B, frozen",
    "InternVideo-L",
    "UMT-L",
    "VideoPrism-g, frozen",
)
_COLUMNS: dict[str, tuple[float | None, ...]] = {
    "fly-vs-fly": (88.6, 80.1, 78.9, 84.6, 89.1, 86.6, 86.4, 92.0),
    "calms21": (88.9, 89.2, 89.0, 88.7, 91.1, 91.5, 89.5, 91.5),
    "crim13 side": (None, 58.2, 63.2, 59.3, 64.5, 65.7, 60.5, 65.9),
    "crim13 top": (None, 58.4, 63.6, 58.5, 64.9, 65.2, 61.4, 66.8),
    "kabr": (61.9, 62.0, 49.9, 58.9, 61.6, 51.4, 62.7, 63.3),
    "chimpact": (24.4, 12.6, 24.0, 25.0, 28.8, 25.7, 24.7, 31.5),
}
_EXPERTS = {
    "fly-vs-fly": "TREBA, domain-specific features and pose",
    "calms21": "1D convolutions on pose and TREBA features",
    "kabr": "X3D",
    "chimpact": "SlowFast",
}


def videoprism_rows(column: str, note: str = "") -> tuple[PublishedResult, ...]:
    """One column of the table of VideoPrism's experiments on animal behavior.

    Args:
        column: dataset (and view).
        note: stands behind the name of every method.
    """
    rows = []
    for method, value in zip(_METHODS, _COLUMNS[column], strict=True):
        if value is not None:
            name = f"{_EXPERTS[column]} (domain expert)" if method == "domain expert" else method
            rows.append(PublishedResult(f"{name}{note}", value, _TABLE))
    return tuple(rows)


def attentive_head(**changes: Any) -> dict[str, Any]:
    """Parameters of ``Probe`` nearest to VideoPrism's frozen protocol: one cross-attention layer on frozen embeddings.

    Learning rate, dropout and batch size are the paper's (section 3.4, appendix E and H); it does not state epochs and
    weight decay for these datasets: 50 epochs at most, stopped early, and the weight decay of AdamW in optax.
    """
    head: dict[str, Any] = {
        "head": "attentive",
        "width": 768,
        "dropout": 0.5,
        "learning_rate": 5e-5,
        "weight_decay": 1e-4,
        "batch_size": 256,
        "epochs": 50,
        "weighting": "none",
    }
    return head | changes
