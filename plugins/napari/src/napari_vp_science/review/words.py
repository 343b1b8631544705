"""Numbers as the review pages say them."""

import math

import vp_science as vp


def clock(time_s: float, *, tenths: bool = True) -> str:
    """A time as h:mm:ss.s."""
    steps = round(time_s * 10) if tenths else round(time_s) * 10
    sign, steps = ("-", -steps) if steps < 0 else ("", steps)
    seconds, tenth = divmod(steps, 10)
    text = f"{sign}{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{tenth}" if tenths else text


def duration(seconds: float) -> str:
    """About how long, for people: "14 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def percent(share: float) -> str:
    """A share as a whole number of percent; only what is exactly all is 100."""
    if math.isnan(share):
        return "\N{EN DASH}"
    rounded = round(100 * share)
    return f"{min(rounded, 99) if share < 1 else 100} %"


def between(low: float, high: float) -> str:
    """An interval of shares in percent."""
    return f"{math.floor(100 * low)}\N{EN DASH}{math.ceil(100 * high)} %"


def span(start_s: float, stop_s: float) -> str:
    """From when to when, and how long; an instant is a time."""
    if stop_s <= start_s:
        return clock(start_s)
    return f"{clock(start_s)} \N{EN DASH} {clock(stop_s)} ({stop_s - start_s:.1f} s)"


def score(value: float) -> str:
    """A confidence."""
    return "unknown" if math.isnan(value) else f"{value:.2f}"


def question(item: "vp.sessions.ReviewItem", labelled: tuple[str, ...] = ()) -> str:
    """What is asked about a bout."""
    if item.kind == "missed":
        return f"Labelled {item.behavior}, not predicted"
    if item.kind == "extra":
        return f"Predicted {item.behavior}, labelled {' and '.join(labelled) or 'as absent'}"
    return f"Is this {item.behavior}?"


def progress(state: "vp.sessions.ReviewProgress") -> str:
    """How many of how many, and how long the rest takes."""
    if not state.total:
        return ""
    text = f"{state.done} of {state.total} reviewed"
    if state.open and state.left_s is not None:
        text += f", about {duration(state.left_s)} left at {_pace(state.pace_s)} each"
    return text


def _pace(seconds: float | None) -> str:
    """Seconds per decision."""
    return "" if seconds is None else f"{seconds:.1f} s" if seconds < 10 else duration(seconds)


def rest(estimate: "vp.sessions.RestEstimate") -> str:
    """How right what is left is, and on what this rests."""
    if not estimate.rest:
        return ""
    share, ends = percent(estimate.share), between(estimate.low, estimate.high)
    if not estimate.decisions:
        return (
            f"By the scores of the probe, about {share} ({ends}) of the {estimate.rest} bouts left are right. You have "
            "not checked any yet: every decision makes this estimate better."
        )
    many = "decision" if estimate.decisions == 1 else "decisions"
    return (
        f"About {share} of the {estimate.rest} bouts left are right (95 % interval {ends}), judging by "
        f"{estimate.decisions} {many} of yours and the scores."
    )
