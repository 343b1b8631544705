"""Numbers and lists as they stand in a sentence."""

from collections.abc import Callable, Sequence

NOT = "not recorded"


def counted(number: int | float | None, what: str, many: str = "") -> str:
    """``3 recordings``; "an unrecorded number of recordings" where nobody knows."""
    if number is None:
        return f"an unrecorded number of {many or what + 's'}"
    return f"{number:,} {what if number == 1 else many or what + 's'}"


def listed(parts: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def duration(seconds: int | float | None) -> str:
    """In the unit that suits it."""
    if seconds is None:
        return f"a duration that was {NOT}"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def span(seconds: Sequence[float] | None) -> str:
    """A short time, or the least and the greatest of several."""
    if seconds is None:
        return f"duration {NOT}"
    low, high = (f"{value:.3g}" for value in seconds)
    return f"{low} s" if low == high else f"{low} to {high} s"


def known(value: object, form: str = "", unit: str = "") -> str:
    """A value in a form, or that it is not recorded."""
    return NOT if value is None or value == "" else f"{value:{form}}{unit}"


def sentences(*parts: str | None) -> str:
    """Sentences one after the other; empty ones are left out."""
    return " ".join(part for part in parts if part)


def begun(text: str) -> str:
    """With a capital letter."""
    return text[:1].upper() + text[1:]


def settings_text(settings: dict[str, object], name_of: Callable[[str], str] = lambda n: n.replace("_", " ")) -> str:
    """``width 128, dropout 0.5``."""
    return ", ".join(f"{name_of(name)} {value}" for name, value in settings.items() if value is not None)
