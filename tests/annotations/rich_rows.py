"""Random bouts with everything that a bout table has, for formats that hold all of it."""

from itertools import pairwise

from hypothesis import strategies as st

NAMES = ("run", "Körperpflege", "head up", "attack, bite", "x@y -> z")


@st.composite
def rich_rows(draw, *, recording="mouse 1", ticks_per_s=1000) -> tuple[list[dict], list[dict]]:
    """Bouts at whole milliseconds that do not overlap within subject, target, source and behavior; observed time.

    Rows for ``Annotations.of``, which tests call themselves: beartype draws random numbers, strategies must not.
    """
    last = 20 * ticks_per_s
    cuts = st.sets(st.integers(0, last), min_size=2, max_size=8)
    points = draw(st.sets(st.sampled_from(NAMES), max_size=2))
    keys = st.tuples(
        st.sampled_from(("", "Ä", "m 2")),
        st.sampled_from(("", "Ä", "[b]")),
        st.sampled_from(("manual:", "manual:anna", "model:p-1", "curated:Zoë")),
        st.sampled_from(NAMES),
    )
    bouts = []
    for subject, target, source, name in sorted(draw(st.sets(keys, min_size=1, max_size=5))):
        step = draw(st.sampled_from([1, 2]))  # 1: bouts that touch
        for first, stop in list(pairwise(sorted(draw(cuts))))[::step]:
            point = name in points
            bouts.append(
                {
                    "recording": recording,
                    "subject": subject,
                    "target": target,
                    "behavior": name,
                    "start_s": first / ticks_per_s,
                    "stop_s": (first if point else stop) / ticks_per_s,
                    "kind": "point" if point else "state",
                    "source": source,
                    "modifiers": draw(st.sampled_from(("", "a|b", "left"))),
                    "comment": draw(st.sampled_from(("", "sûr; or not, «x»", "[?] hm"))),
                }
            )
    named = [row["behavior"] for row in bouts]
    seen = []
    for subject in draw(st.sets(st.sampled_from(("", "Ä")), max_size=2)):
        for name in draw(st.sets(st.sampled_from(["", *named]), max_size=2)):
            for first, stop in list(pairwise(sorted(draw(cuts))))[::2]:
                times = {"start_s": first / ticks_per_s, "stop_s": stop / ticks_per_s}
                seen.append({"recording": recording, "subject": subject, "behavior": name, **times})
    return bouts, seen
