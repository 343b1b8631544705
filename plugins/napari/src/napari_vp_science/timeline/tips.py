"""What the timeline tells about the thing under the pointer."""

import math

import numpy as np

import vp_science as vp
from napari_vp_science.timeline.axis import clock
from napari_vp_science.timeline.hits import Hit
from napari_vp_science.timeline.scene import Scene
from napari_vp_science.timeline.strips import NOBODY

_STATUS = {"manual": "labelled", "model": "found by the model", "curated": "curated"}


def tip(scene: Scene, hit: Hit, bout: "vp.sessions.Bout | None") -> str:
    """A short text; "" for nothing to tell.

    Args:
        scene: what is drawn.
        hit: the place.
        bout: the one there, if there is one.
    """
    if bout is not None:
        return _bout_tip(bout)
    if hit.zone == "overview":
        return "The whole recording: drag to move what is shown below"
    if hit.zone == "header":
        return f"Click to label {hit.subject or NOBODY.lower()}"
    if hit.zone == "names" and hit.row is not None:
        return _name_tip(scene, hit)
    if hit.zone == "row" and hit.row is not None:
        return _row_tip(scene, hit)
    return ""


def _bout_tip(bout: "vp.sessions.Bout") -> str:
    start_s, stop_s = bout.start_s, bout.stop_s
    when = clock(start_s, 0.001)
    if stop_s > start_s:
        when += f" to {clock(stop_s, 0.001)} ({stop_s - start_s:.3g} s)"
    how, _, who = bout.source.partition(":")
    lines = [f"{bout.behavior}" + (f", {bout.subject}" if bout.subject else ""), when]
    lines.append(_STATUS[how] + (f" by {who}" if who and how != "model" else ""))
    if not math.isnan(bout.score):
        lines[-1] += f", score {bout.score:.2f}"
    lines += [text for text in (bout.target and f"to {bout.target}", bout.modifiers, bout.comment) if text]
    return "\n".join(lines)


def _name_tip(scene: Scene, hit: Hit) -> str:
    row, table = hit.row, scene.table
    lines = [row.behavior + (f", {row.subject}" if row.subject else "")]
    if not row.known:
        return f"{lines[0]}\nOnly the model knows it: add it on the Label page to label it"
    entry = scene.behaviors[row.behavior]
    lines += [entry.description] if entry.description else []
    lines += [f"Key: {entry.key.upper()}"] if entry.key else []
    if row.behavior in table.names and row.subject in table.subjects:
        own = table.behavior == table.names.index(row.behavior)
        own &= table.subject == table.subjects.index(row.subject)
        seconds = float((table.stop_s - table.start_s)[own].sum())
        count = int(own.sum())
        total = f", {seconds:.1f} s" if entry.kind == "state" else ""
        lines.append(f"{count} {'bout' if count == 1 else 'bouts'} in this recording{total}")
    return "\n".join(lines)


def _row_tip(scene: Scene, hit: Hit) -> str:
    row = hit.row
    scored = scene.scored.scored_at(row, hit.time_s)
    words = "scored: does not happen here" if scored else "not scored: nobody looked here"
    lines = [f"{row.behavior}: {words}"]
    if scene.scores is not None and row.scores_height and row.behavior in scene.scores.prediction.behaviors:
        prediction = scene.scores.prediction
        at = int(np.searchsorted(prediction.time_s, hit.time_s, side="right")) - 1
        score = float(prediction.scores[at, prediction.behaviors.index(row.behavior)]) if at >= 0 else math.nan
        if hit.predicted is not None or not math.isnan(score):
            lines.append(f"model score {score:.2f}" + (": predicted" if hit.predicted is not None else ""))
    return "\n".join(lines)
