"""Ask a running federation through its inside doors; what every story and every act needs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from federation.indicators import Indicator, kind_name
from federation.vocabulary import Band, Purpose
from node.cli.connection import InsideDoor
from node.demo.error import DemoError
from node.errors import UnavailableError
from node.sandbox import Sandbox
from tocsin.desk.v1 import desk_service_pb2 as desk
from tocsin.desk.v1 import operation_service_pb2 as operation

BATCH_ROWS = 2_048
"""Rows of one call: what the inside door takes."""

# Values of one check: so few that the bar moves.
_CHECK_ROWS = 500
# Seconds between looks at what is about to spread.
_LOOK_SECONDS = 0.2
# Seconds until something that was said has to be everywhere, on two cores shared by all nodes.
SPREAD_SECONDS = 90.0
# Seconds for one call of a whole batch.
CALL_SECONDS = 120.0
# Times that a batch is offered while its holders are busy; it changes nothing to offer it again.
_ATTEMPTS = 4

_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked: passed or failed, and what was found."""

    name: str
    passed: bool
    detail: str


class Bar(Protocol):
    """A progress bar."""

    def advance(self, steps: int) -> None:
        """Move it on."""


ShowProgress = Callable[[str, int | None], AbstractContextManager[Bar]]


class Doors:
    """The running federation, as its own people ask it."""

    def __init__(self, sandbox: Sandbox, show: ShowProgress) -> None:
        self.sandbox = sandbox
        self._show = show
        self._doors: dict[str, InsideDoor] = {}
        self._opening = threading.Lock()

    @property
    def speaking(self) -> tuple[str, ...]:
        """Return the members that have a log."""
        return self.sandbox.layout.speaking

    def progress(self, label: str, length: int | None) -> AbstractContextManager[Bar]:
        """Return a bar that may be moved from any thread."""
        return _SharedBar(self._show(label, length))

    def door(self, member: str) -> InsideDoor:
        """Return the open inside door of a member."""
        with self._opening:
            if member not in self._doors:
                self._doors[member] = self.sandbox.door(member).__enter__()
            return self._doors[member]

    def open_doors(self) -> None:
        """Open every door, anew where one was open: a restarted node has a new socket."""
        self.close_doors()
        for member in self.sandbox.members:
            self.door(member)

    def reopen(self, member: str) -> None:
        """Let the next call open a member's door anew: its node was started again."""
        if (door := self._doors.pop(member, None)) is not None:
            door.__exit__(None, None, None)

    def close_doors(self) -> None:
        """Close all doors."""
        for member in list(self._doors):
            self.reopen(member)

    def each(
        self, work: Callable[[str], _R], members: Sequence[str] | None = None
    ) -> dict[str, _R]:
        """Do something at several members at once; without names at all that have a log."""
        chosen = self.speaking if members is None else members
        with ThreadPoolExecutor(len(chosen)) as threads:
            return dict(zip(chosen, threads.map(work, chosen), strict=True))

    def ask_desk(self, member: str, method: str, request: Any) -> Any:
        """Call a member's desk; a call whose holders are busy is made again.

        Raises:
            NodeError: What the node said.
        """
        door = self.door(member)
        for attempt in range(_ATTEMPTS):
            try:
                return door.call(getattr(door.desk, method), request, CALL_SECONDS)
            except UnavailableError:
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(1.0 + attempt)
        raise DemoError("no attempt was made")

    def status(self, member: str, as_of: int | None = None) -> operation.GetStatusResponse:
        """Ask a node how it is."""
        request = operation.GetStatusRequest()
        if as_of is not None:
            request.as_of_time.seconds = as_of
        door = self.door(member)
        return door.call(door.operation.GetStatus, request, CALL_SECONDS)

    def check(
        self,
        member: str,
        asked: Sequence[tuple[str, str]],
        advance: Callable[[int], None] = lambda _: None,
    ) -> list[desk.CheckResult]:
        """Check values, given as kind and text, in order."""
        results: list[desk.CheckResult] = []
        for start in range(0, len(asked), _CHECK_ROWS):
            batch = asked[start : start + _CHECK_ROWS]
            request = desk.CheckRequest(
                values=[desk.RawIndicator(kind=kind, value=text) for kind, text in batch],
                purpose=Purpose.CHECK.value,  # type: ignore[arg-type]  # equal numbers, tested
            )
            results.extend(self.ask_desk(member, "Check", request).results)
            advance(len(batch))
        return results

    def band(self, member: str, indicator: Indicator) -> Band:
        """Return what a member is told about one value.

        Raises:
            DemoError: The value could not be checked.
        """
        (result,) = self.check(member, [(kind_name(indicator.kind), indicator.value)])
        if result.HasField("error"):
            raise DemoError(f"a check was refused with {result.error.reason}")
        return Band(result.band)

    def say(self, member: str, method: str, request: Any) -> list[str]:
        """Say something about values and return what became of each."""
        return [outcome_of(one) for one in self.ask_desk(member, method, request).results]

    def log_size(self, member: str, owner: str) -> int:
        """Return how much of the owner's log a member holds."""
        origin = f"{self.sandbox.layout.federation}/{owner}/all"
        door = self.door(member)
        request = operation.ListStatementsRequest(origin=origin, page_size=1)
        listed = door.call(door.operation.ListStatements, request, CALL_SECONDS)
        return listed.statements[0].index + 1 if listed.statements else 0

    def wait_replicated(
        self,
        advance: Callable[[int], None] = lambda _: None,
        members: Sequence[str] | None = None,
    ) -> float:
        """Wait until all members hold what each of them has said; return the seconds it took.

        Raises:
            DemoError: It takes too long.
        """
        started = time.monotonic()
        chosen = self.speaking if members is None else members
        wanted = {owner: self.log_size(owner, owner) for owner in chosen}
        missing = [(member, owner) for member in chosen for owner in chosen if member != owner]

        def look() -> bool:
            arrived = [
                pair for pair in missing if self.log_size(pair[0], pair[1]) >= wanted[pair[1]]
            ]
            for pair in arrived:
                missing.remove(pair)
            advance(len(arrived))
            return not missing

        wait_until(look, "the logs are not the same everywhere")
        return time.monotonic() - started

    def wait_band(self, indicator: Indicator, members: Sequence[str], *, known: bool) -> float:
        """Wait until all members are told the same of a value; return the seconds it took.

        Args:
            indicator: The value.
            members: Whom to ask.
            known: Whether the band shall be above NONE.

        Raises:
            DemoError: It takes too long.
        """
        started = time.monotonic()
        waiting = list(members)

        def look() -> bool:
            for member in list(waiting):
                if (self.band(member, indicator) > Band.NONE) == known:
                    waiting.remove(member)
            return not waiting

        wait_until(look, "a statement did not arrive everywhere")
        return time.monotonic() - started


class _SharedBar:
    """A bar that several threads move."""

    def __init__(self, bar: AbstractContextManager[Bar]) -> None:
        self._manager = bar
        self._lock = threading.Lock()
        self._bar: Bar | None = None

    def __enter__(self) -> Bar:
        self._bar = self._manager.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self._manager.__exit__(None, None, None)

    def advance(self, steps: int) -> None:
        """Move the bar on."""
        with self._lock:
            if self._bar is not None:
                self._bar.advance(steps)


def wait_until(look: Callable[[], object], complaint: str, seconds: float = SPREAD_SECONDS) -> None:
    """Look again and again until something is there.

    Raises:
        DemoError: It is not, after that many seconds.
    """
    until = time.monotonic() + seconds
    while not look():
        if time.monotonic() > until:
            raise DemoError(f"{complaint} after {seconds:.0f} seconds")
        time.sleep(_LOOK_SECONDS)


def batches(rows: Sequence[_T]) -> Iterable[Sequence[_T]]:
    """Cut rows into what one call takes."""
    return (rows[start : start + BATCH_ROWS] for start in range(0, len(rows), BATCH_ROWS))


def raw(indicator: Indicator) -> desk.RawIndicator:
    """Return a value as the inside door takes it."""
    return desk.RawIndicator(kind=kind_name(indicator.kind), value=indicator.value)


def outcome_of(result: desk.RowResult) -> str:
    """Return ADDED or UNCHANGED, or the reason of the refusal."""
    if result.outcome == desk.ROW_OUTCOME_REFUSED:
        return result.error.reason
    return desk.RowOutcome.Name(result.outcome).removeprefix("ROW_OUTCOME_")
