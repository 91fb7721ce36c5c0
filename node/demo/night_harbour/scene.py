"""Hold what every act of Night Harbour works with.

scene.truth                          # what was planted (cast.py)
scene.at("T-2d 22:10")               # move the story's clock, forward only, when nothing runs
scene.now()                          # the time that all nodes see
scene.do("bank-x", "hits", "--json") # the real command line; ``run`` where it may fail
scene.door("bank-x").desk            # desk calls where there are many (node/demo/doors.py)
scene.saw("bank-x", "one hit")       # what a role saw in this act, a line each
scene.own("bank-x", "phone", number) # this raw value may be on that member's disk from now on
scene.facts["act5.alert_id"]         # what later acts need

Keys of ``facts``, each written by the act that its number names:

==================  ================================================================
act0.duty           id of the duty (32 hex characters) that all of industry adopted
act0.policy         id of the other: to use what is shared for its purpose alone
act2.gains          by member: what training together gained
act2.plans          digests of the plans that were trained
act4.limits         ids of the orders that limit D1
act5.site           token of the farm's site
act6.confirmed      id of the verification that confirmed N1
act8.warning        id of the warning to V1
act10.new_home      the home with the courier's new keys
act12.lifted        by member: how many of its measures the appeal lifted
act14.lifted        the same of the appeal while the coordinator was dark
act14.order         id of the order that waits for the coordinator
end.*               what the screens at the end show (written by ``ending.py``)
==================  ================================================================

An act adds its own keys to this table.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from node.demo.commands import Outcome, do_command, run_command
from node.demo.doors import Doors, ShowProgress
from node.demo.night_harbour.cast import COORDINATOR, LOGS, NODES, Truth
from node.demo.night_harbour.story_time import StoryTime
from node.home import Home
from node.sandbox import Sandbox
from node.sandbox.build import passphrase_file


@dataclass(frozen=True, slots=True)
class Moment:
    """One point of the case's timeline: a stage of the fraud (S1 to S4) in a member's lane."""

    hour: str
    stage: str
    member: str
    text: str


class Scene(Doors):
    """The running federation, the story's clock, its planted truth, and what was seen."""

    def __init__(
        self, sandbox: Sandbox, truth: Truth, clock: StoryTime, show: ShowProgress
    ) -> None:
        super().__init__(sandbox, show)
        self.truth = truth
        self.clock = clock
        self.facts: dict[str, Any] = {}
        self.timeline: list[Moment] = []
        self.coordinator_is_down = False
        self.owned: list[tuple[str, str, str]] = []
        self._seen: list[tuple[str, str]] = []
        self._files = Path(tempfile.mkdtemp(prefix="files-", dir=sandbox.directory.parent))

    def now(self) -> int:
        """Return the story's time as all nodes see it, seconds since 1970."""
        return self.clock.now()

    def time(self, hour: str) -> datetime:
        """Return an hour of the story, such as ``T+1d 08:00``, in UTC."""
        return datetime.fromtimestamp(self.clock.moment(hour), UTC)

    def at(self, hour: str) -> None:
        """Move the clock on to an hour such as ``T-2d 22:10``; never back.

        Only between steps: whatever waits for an answer then would see days go by.
        """
        self.clock.go_to(hour)

    def advance(self, seconds: int) -> None:
        """Move the clock on by so many seconds, as ``at`` does."""
        self.clock.go_on(seconds)

    def saw(self, who: str, text: str) -> None:
        """Note what a member or a role saw in this act."""
        self._seen.append((who, text))

    def take_seen(self) -> list[tuple[str, str]]:
        """Return what was seen since the last call, in order."""
        seen, self._seen = self._seen, []
        return seen

    def moment(self, hour: str, stage: str, member: str, text: str) -> None:
        """Put a point on the case's timeline, which is shown at the end."""
        self.timeline.append(Moment(hour, stage, member, text))

    def own(self, member: str, kind: str, *values: str) -> None:
        """Let a member have raw values on its disk; the search at the end looks for all others."""
        self.owned.extend((kind, value, member) for value in values)

    def home(self, member: str) -> Home:
        """Return a member's home."""
        return self.sandbox.home(member)

    def run(self, member: str, *arguments: str) -> Outcome:
        """Run the command line as a member's people do, whatever it ends with."""
        return run_command(self.home(member), *arguments)

    def do(self, member: str, *arguments: str) -> Outcome:
        """Run the command line, which has to succeed.

        Raises:
            DemoError: It failed.
        """
        return do_command(self.home(member), *arguments)

    def unlocked(self, member: str, *arguments: str) -> Outcome:
        """Run a command that needs the member's keys; it has to succeed."""
        secret = str(passphrase_file(self.home(member)))
        return self.do(member, *arguments, "--passphrase-file", secret)

    def file(self, name: str, lines: Sequence[str]) -> Path:
        """Write lines to a file for one member's people, outside of every home."""
        path = self._files / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        path.chmod(0o600)
        return path

    @property
    def speaking(self) -> tuple[str, ...]:
        """Return the members with a log whose nodes run."""
        return tuple(member for member in LOGS if self._runs(member))

    @property
    def running(self) -> tuple[str, ...]:
        """Return the members whose nodes run."""
        return tuple(member for member in NODES if self._runs(member))

    def _runs(self, member: str) -> bool:
        return not (self.coordinator_is_down and member == COORDINATOR)

    def stop_coordinator(self) -> None:
        """Cut the coordinator's power."""
        self.sandbox.kill(COORDINATOR)
        self.coordinator_is_down = True

    def start_coordinator(self) -> float:
        """Start the coordinator and let it catch up; return the seconds that took."""
        started = time.monotonic()
        self.sandbox.start(COORDINATOR)
        self.coordinator_is_down = False
        self.reopen(COORDINATOR)
        self.wait_replicated()
        return time.monotonic() - started
