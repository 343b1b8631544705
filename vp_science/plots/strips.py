"""Ethograms of truth and prediction, one above the other, for every recording that was tested."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vp_science.plots.raster import ethogram
from vp_science.plots.style import MUTED, Page, wrapped
from vp_science.probes.report import Tested

_WIDTH, _LEFT, _RIGHT = 11.0, 2.1, 0.35
_ROW, _HEAD, _KEY, _FOOT, _TOP = 0.27, 0.34, 0.24, 0.55, 0.95
_MAX_HEIGHT = 13.0


def plot_strips(
    tested: Sequence[Tested], fold_names: Sequence[str], folder: Path, stem: str = "ethograms"
) -> list[Path]:
    """Draw labels and predictions over time, one panel per tested stretch, on as many pages as needed.

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
            f"{where}labels above, predictions below them with their scores; hatched time is unknown",
        )
        top = _TOP
        for one in content:
            _draw_panel(page, top, one, fold_names[one.fold])
            top += _panel_height(one)
        files.append(page.save(folder / f"{stem}_{number:02d}.png"))
    return files


def _panel_height(one: Tested) -> float:
    return _HEAD + _KEY + _ROW * len(one.truth.behaviors) + _FOOT


def _draw_panel(page: Page, top: float, one: Tested, fold: str) -> None:
    who = f", {one.truth.subject}" if one.truth.subject else ""
    held_out = f"held out: {fold}" if fold != one.truth.recording else "held out"
    page.text(_LEFT, top + 0.04, wrapped(f"{one.truth.recording}{who}", 70, 1), weight="bold")
    page.text(_WIDTH - _RIGHT, top + 0.04, wrapped(held_out, 60, 1), color=MUTED, ha="right", fontsize=8.5)
    height = _ROW * len(one.truth.behaviors)
    axes = page.axes(_LEFT, top + _HEAD + _KEY, _WIDTH - _LEFT - _RIGHT, height)
    # What a probe says of a frame that was tested belongs to the labels of that frame, whatever both are called.
    truth = replace(one.truth, recording="tested", subject="", target="")
    prediction = replace(one.prediction, recording="tested", subject="", target="")
    ethogram(truth, prediction, headed=False, since_start=False, axes=axes)
