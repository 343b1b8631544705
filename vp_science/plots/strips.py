"""Ethograms of truth and prediction, one above the other, for every recording that was tested."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from vp_science.plots.style import FAINT, INK, MUTED, ORANGE, Page, wrapped
from vp_science.probes.report import Tested
from vp_science.timeline.ethogram import Ethogram, frame_edges, runs

_WIDTH, _LEFT, _RIGHT = 11.0, 2.1, 0.35
_ROW, _HEAD, _FOOT, _TOP = 0.26, 0.42, 0.5, 1.05
_MAX_HEIGHT = 13.0
_LEAST_SHARE = 1 / 1500


def plot_strips(
    tested: Sequence[Tested], fold_names: Sequence[str], folder: Path, stem: str = "ethograms"
) -> list[Path]:
    """Draw labels (ink) and predictions (orange) over time, one panel per tested stretch, on as many pages as needed.

    Hatched time is unknown. What is too short for the picture is drawn one pixel wide, and not left out.

    Args:
        tested: labels and predictions.
        fold_names: what was held out in each fold.
        folder: the pictures are ``<stem>_01.png``, ``<stem>_02.png``, ...
        stem: first part of their names.
    """
    pages: list[list[Tested]] = [[]]
    room = _MAX_HEIGHT
    for one in tested:
        needed = _panel_height(one)
        if pages[-1] and needed > room:
            pages.append([])
            room = _MAX_HEIGHT
        pages[-1].append(one)
        room -= needed
    files = []
    for number, content in enumerate(pages, start=1):
        page = Page(_WIDTH, _TOP + sum(map(_panel_height, content)) + 0.1)
        where = f"page {number} of {len(pages)}; " if len(pages) > 1 else ""
        page.title(
            "What people marked, and what the probe found where it was not trained",
            f"{where}labels above in dark ink, predictions below in orange; grey time is unknown",
        )
        top = _TOP
        for one in content:
            _draw_panel(page, top, one, fold_names[one.fold])
            top += _panel_height(one)
        files.append(page.save(folder / f"{stem}_{number:02d}.png"))
    return files


def _panel_height(one: Tested) -> float:
    return _HEAD + _ROW * len(one.truth.behaviors) + _FOOT


def _draw_panel(page: Page, top: float, one: Tested, fold: str) -> None:
    who = f", {one.truth.subject}" if one.truth.subject else ""
    held_out = f"held out: {fold}" if fold != one.truth.recording else "held out"
    page.text(0.35, top + 0.04, wrapped(f"{one.truth.recording}{who}", 70, 1), weight="bold")
    page.text(_WIDTH - _RIGHT, top + 0.04, wrapped(held_out, 60, 1), color=MUTED, ha="right", fontsize=8.5)
    count = len(one.truth.behaviors)
    axes = page.axes(_LEFT, top + _HEAD - 0.12, _WIDTH - _LEFT - _RIGHT, _ROW * count)
    edges = frame_edges(one.truth.time_s)
    for row in range(count):
        axes.axhline(row, color=FAINT, linewidth=0.6, zorder=0)
        _draw_row(axes, edges, one.truth, row, row + 0.08, INK)
        _draw_row(axes, edges, one.prediction, row, row + 0.54, ORANGE)
        _draw_spans(axes, edges, ~one.truth.known[:, row], row + 0.02, 0.96, FAINT)
    axes.set_ylim(count, 0)
    axes.set_xlim(float(edges[0]), float(edges[-1]))
    axes.set_yticks(np.arange(count) + 0.5, [wrapped(name, 26, 1) for name in one.truth.behaviors.names])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("time (s)", labelpad=1)


def _draw_row(
    axes: Any, edges: Float64[np.ndarray, " edge"], states: Ethogram, row: int, low: float, color: str
) -> None:
    _draw_spans(axes, edges, states.states[:, row] == 1, low, 0.38, color)


def _draw_spans(
    axes: Any, edges: Float64[np.ndarray, " edge"], on: Bool[np.ndarray, " frame"], low: float, high: float, color: str
) -> None:
    least = float(edges[-1] - edges[0]) * _LEAST_SHARE
    spans = [(edges[a], max(float(edges[b] - edges[a]), least)) for a, b in runs(on)]
    axes.broken_barh(spans, (low, high), color=color, linewidth=0)
