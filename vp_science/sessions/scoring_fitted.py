"""How good a probe from elsewhere is here: as it is, on labels of the session that it never learned from."""

import glob
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from vp_science.annotating.tracks import track_place
from vp_science.errors import ProbeError
from vp_science.probes.dataset import labels_of_track
from vp_science.probes.evaluate_fitted import evaluate_fitted_probe
from vp_science.probes.probe import Probe
from vp_science.probes.report import EvaluationReport
from vp_science.sessions.label_log import read_labels
from vp_science.sessions.material import named
from vp_science.sessions.tracks import find_tracks
from vp_science.sessions.training import exclude_time
from vp_science.store.reader import open_embeddings


def evaluate_as_it_is(probe: Probe, request: Mapping[str, Any]) -> tuple[EvaluationReport, str]:
    """Compare what a probe says with the labels of the session.

    Args:
        probe: opened from a file.
        request: as of the job ``evaluate``.

    Returns:
        The report, and in words how it was made.

    Raises:
        ProbeError: when nothing is labelled that it never saw, or labels and probe speak of other behaviors.
        StoreError: when labels or tracks cannot be read.
    """
    book = read_labels(Path(request["labels"]))
    annotations = book.annotations().select(sources=("manual", "curated"))
    labelled = [entry for entry in request["recordings"] if book.observed(entry["id"])]
    if not labelled:
        raise ProbeError("expected time that is marked as scored, found none: label and mark some first")
    with ExitStack() as stack:
        tracks, truths, bare = [], [], []
        for entry in labelled:
            paths = _tracks_of(probe, request, entry)
            opened = [stack.enter_context(open_embeddings(path)) for path in paths]
            bare += [] if opened else [entry["id"]]
            tracks += opened
            truths += [labels_of_track(annotations, track, entry["id"], len(opened) == 1) for track in opened]
        if not tracks:
            raise ProbeError(
                f"expected labelled recordings that were predicted, found none: predict {named(bare)} first"
            )
        exclude_time(truths, request.get("excluded", []))
        report = evaluate_fitted_probe(probe, tracks, truths)
    names = [fold.name for fold in report.folds]
    words = f"Tested as it is on the labels of {named(names)}, from which it did not learn."
    return report, words + (f" (Without predictions, left out: {named(bare)}.)" if bare else "")


def _tracks_of(probe: Probe, request: Mapping[str, Any], entry: Mapping[str, Any]) -> list[Path]:
    """The tracks of a recording that the probe can read."""
    folder, name = Path(request["session"]), entry["id"]
    logits, ending = track_place(folder / "predictions", probe)
    if not probe.reads_embeddings:
        whole, animals = logits / f"{name}{ending}", f"{glob.escape(name)}@*{ending}"
        return [*([whole] if whole.is_file() else []), *sorted(logits.glob(animals))]
    where = entry.get("path")
    ids = [other["id"] for other in request["recordings"]]
    found, _ = find_tracks(folder, name, None if where is None else Path(where), ids)
    fitting = []
    for track in found:
        with open_embeddings(track.path) as opened:
            try:
                probe.check_tracks([opened])
            except ProbeError:
                continue
        fitting.append(track.path)
    return fitting
