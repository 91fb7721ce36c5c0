"""Write and read durations as people say them."""

from __future__ import annotations

import re
from typing import Final

import click

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_SIZES: Final = {unit: size for size, unit in _UNITS}
_DURATION: Final = re.compile(r"([0-9]{1,9})\s*(s|min|h|d)?")


def duration_text(seconds: int) -> str:
    """Write a duration in its largest unit, rounded down: ``3 h``."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return "0 s"


def due_text(due: int, now: int) -> str:
    """Write how a due time stands: ``in 2 d``, ``overdue by 3 h``."""
    return (
        f"in {duration_text(due - now)}" if due >= now else f"overdue by {duration_text(now - due)}"
    )


class Duration(click.ParamType[int]):
    """An option whose value is a number of seconds, or of another unit: ``30min``, ``90d``."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read the duration."""
        if isinstance(value, int):
            return value
        found = _DURATION.fullmatch(str(value).strip())
        if not found:
            self.fail("a duration is a whole number with s, min, h or d", param, ctx)
        return int(found[1]) * _SIZES[found[2] or "s"]
