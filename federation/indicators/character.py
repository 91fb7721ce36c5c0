"""Fold the ways in which one keyboard or another writes the same ASCII character."""

import re

from federation.indicators.error import IndicatorError
from federation.indicators.kind import Kind

# Full-width forms stand 0xFEE0 above ASCII; the rest is what word processors put for a hyphen.
_FOLDED = (
    {code + 0xFEE0: code for code in range(0x21, 0x7F)}
    | dict.fromkeys((0x3002, 0xFF61), ord("."))
    | dict.fromkeys((*range(0x2010, 0x2016), 0x2212, 0xFE58, 0xFE63), ord("-"))
    | dict.fromkeys((0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), ord(" "))
)
_DIGITS = re.compile(r"[0-9]+")


def fold_width(text: str) -> str:
    """Return ``text`` with full-width forms, foreign spaces and dashes as their ASCII twins."""
    return text if text.isascii() else text.translate(_FOLDED)


def strip_separators(text: str, separators: str = " -") -> str:
    """Return the folded ``text`` without the ``separators`` people group characters with."""
    return fold_width(text).translate(dict.fromkeys(map(ord, separators)))


def require_digits(kind: Kind, text: str, shortest: int, longest: int) -> str:
    """Return the digits of ``text`` without grouping, ``shortest`` to ``longest`` of them.

    Raises:
        IndicatorError: Another character (``<KIND>_CHARACTER``) or number of digits
            (``<KIND>_LENGTH``).
    """
    digits = strip_separators(text)
    if not _DIGITS.fullmatch(digits):
        raise IndicatorError(kind, f"{kind.name}_CHARACTER", "only digits are allowed")
    if not shortest <= len(digits) <= longest:
        message = f"must have {shortest} to {longest} digits"
        raise IndicatorError(kind, f"{kind.name}_LENGTH", message)
    return digits
