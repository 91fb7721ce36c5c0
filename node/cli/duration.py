"""Write how far off a time is, as people say it."""

from __future__ import annotations

from typing import Final

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


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
