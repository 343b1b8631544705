"""What to write in the methods section of a paper: paragraph, exact values and references of what lies on disk.

Names are loaded when they are first used.
"""

from typing import TYPE_CHECKING

from vp_science.lazy import lazy_names

if TYPE_CHECKING:
    from vp_science.reporting.compose import MethodsText as MethodsText
    from vp_science.reporting.compose import methods_text as methods_text

_HOME = {
    "MethodsText": "vp_science.reporting.compose",
    "methods_text": "vp_science.reporting.compose",
}

__all__ = sorted(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)
