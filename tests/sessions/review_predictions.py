"""Predictions of a probe that never was, for tests of review and ground truth."""

from dataclasses import dataclass

import numpy as np

from vp_science.sessions.labelbook import LabelBook
from vp_science.timeline.behaviors import Behavior, Behaviors

FPS = 10.0


@dataclass
class Predicted:
    recording: str
    probe_id: str
    subject: str
    behaviors: tuple[str, ...]
    time_s: np.ndarray
    scores: np.ndarray
    states: np.ndarray
    bouts: np.ndarray


def predict(bouts, *, recording="a", names=("groom", "walk"), frames=1000, probe="p", subject="", silent=0.1):
    """From rows of (behavior, start_s, stop_s, score)."""
    time_s = np.arange(frames) / FPS
    scores = np.full((frames, len(names)), silent, np.float32)
    states = np.zeros((frames, len(names)), np.int8)
    rows = []
    for name, start, stop, score in sorted(bouts, key=lambda row: row[1]):
        column = names.index(name)
        first, last = round(start * FPS), max(round(stop * FPS), round(start * FPS) + 1)
        scores[first:last, column], states[first:last, column] = score, 1
        rows.append((column, start, stop, score))
    table = np.array(rows, np.float64).reshape(-1, 4)
    return Predicted(recording, probe, subject, tuple(names), time_s, scores, states, table)


def make_book(names=("groom", "walk"), *, exclusive=False, points=()):
    book = LabelBook()
    entries = [Behavior(name, "point" if name in points else "state") for name in names]
    book.set_behaviors(Behaviors.of(entries, exclusive=exclusive))
    return book
