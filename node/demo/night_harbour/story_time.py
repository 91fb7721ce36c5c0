"""Turn the hours of the story into seconds, and move the clock of all its nodes.

hours = StoryTime(file, started)
hours.moment("T-2d 22:10")          # seconds since 1970
hours.go_to("T-2d 22:10")           # only ever forward
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from node.clock import RehearsalClock, write_clock
from node.demo.error import DemoError

DAYS_BEFORE: Final = 14
"""Days between the first act and T."""
DAY_SECONDS: Final = 86_400
MORNING: Final = 9 * 3_600
"""Seconds after midnight of an hour that the story leaves open."""

_HOUR = re.compile(r"T(?:([+-])(\d{1,2})d)?(?: (\d\d):(\d\d))?")


class StoryTime:
    """The story's clock; it starts with the system's, fourteen days before T."""

    def __init__(self, file: Path, started: int) -> None:
        """Start the clock.

        Args:
            file: That all nodes look into; made here.
            started: Now, seconds since 1970.
        """
        self.file = file
        write_clock(file, 0)
        self._clock = RehearsalClock(file)
        self._midnight = started - started % DAY_SECONDS + DAYS_BEFORE * DAY_SECONDS

    def now(self) -> int:
        """Return the story's time as all nodes see it, seconds since 1970."""
        return self._clock()

    def moment(self, text: str) -> int:
        """Return an hour such as ``T-2d 22:10`` or ``T+1d``, in UTC, in seconds since 1970.

        Raises:
            DemoError: It is none.
        """
        read = _HOUR.fullmatch(text)
        if read is None:
            raise DemoError(f"{text!r} is no hour of the story")
        sign, days, hours, minutes = read.groups()
        shift = int(days or 0) * (-1 if sign == "-" else 1)
        time = MORNING if hours is None else int(hours) * 3_600 + int(minutes) * 60
        return self._midnight + shift * DAY_SECONDS + time

    def go_to(self, text: str) -> None:
        """Move the clock on to an hour; where that has passed already, nothing changes."""
        self.go_on(max(0, self.moment(text) - self.now()))

    def go_on(self, seconds: int) -> None:
        """Move the clock on by so many seconds.

        Raises:
            ValueError: That would be backwards.
        """
        if seconds < 0:
            raise ValueError("the story's clock goes forward")
        write_clock(self.file, self._clock.offset() + seconds)

    def text(self) -> str:
        """Return the story's time for a person."""
        return f"{datetime.fromtimestamp(self.now(), UTC):%Y-%m-%d %H:%M} UTC"
