"""Run a sandbox: bring its nodes up, make the token keys, tell how they are, take them down."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from federation.names import FederationName
from federation.roles import Role
from keys.keystore import DEFAULT_COST, Cost
from node.cli.connection import InsideDoor
from node.config import Value
from node.errors import UnavailableError
from node.home import Home
from node.sandbox.build import (
    MARKER_NAME,
    build_sandbox,
    capture_file,
    member_home,
    remove_sandbox,
)
from node.sandbox.error import SandboxError
from node.sandbox.layout import DEFAULT_FEDERATION, DEFAULT_MEMBERS, Layout, parse_layout
from node.sandbox.process import (
    OUTPUT_NAME,
    end_process,
    kill_process,
    last_output,
    running_process,
    start_process,
)
from tocsin.desk.v1 import operation_service_pb2 as operation
from tocsin.v1 import statement_pb2

# Seconds that a node has to answer at its inside door, on a machine that starts twelve at once.
START_SECONDS = 90.0
# Seconds that the key ceremony has, through the logs of all holders.
KEYS_SECONDS = 90.0
# Seconds for one answer about a node's state.
ASK_SECONDS = 10.0
# Seconds between looks at something that is about to happen.
_LOOK_SECONDS = 0.1

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class NodeState:
    """How one node of the sandbox is.

    Attributes:
        process_id: Of its main process, or None if it does not run.
        ready: Whether it answers checks.
        epoch: Of the token keys it knows, 0 for none.
        statements: In all logs it holds.
        reason: Why it cannot tell, or empty.
    """

    member: str
    role: str
    address: str
    home: Path
    process_id: int | None
    ready: bool
    epoch: int
    statements: int
    reason: str


class Sandbox:
    """A federation of real nodes whose homes stand below one directory."""

    def __init__(
        self,
        directory: Path,
        members: Sequence[str] | None = None,
        *,
        federation: FederationName = DEFAULT_FEDERATION,
        capture: bool = False,
        cost: Cost = DEFAULT_COST,
        settings: Mapping[str, Value] = MappingProxyType({}),
        beside: Mapping[str, Collection[Role]] = MappingProxyType({}),
    ) -> None:
        self.directory = directory
        self._members = tuple(members) if members is not None else None
        self._federation = federation
        self._capture = capture
        self._cost = cost
        self._settings = settings
        self._beside = beside
        self._layout: Layout | None = None

    @property
    def exists(self) -> bool:
        """Say whether the sandbox was made."""
        return (self.directory / MARKER_NAME).is_file()

    @property
    def layout(self) -> Layout:
        """Return who is in it.

        Raises:
            SandboxError: SANDBOX_MISSING or SANDBOX_INVALID.
        """
        if self._layout is None:
            self._layout = self._load_layout()
        return self._layout

    @property
    def members(self) -> tuple[str, ...]:
        """Return the names of its members."""
        return self.layout.members

    def home(self, member: str) -> Home:
        """Return the home of a member."""
        return member_home(self.directory, self.layout.place(member).member)

    def capture(self, member: str) -> Path:
        """Return the file in which a member's node records its outside door, if it does."""
        return capture_file(self.home(member))

    def door(self, member: str) -> InsideDoor:
        """Return a member's inside door, to be entered."""
        return InsideDoor(self.home(member))

    def build(self, progress: Progress = lambda _: None) -> None:
        """Make the homes unless they are there.

        Raises:
            SandboxError: SANDBOX_MEMBERS_DIFFER, or what ``build_sandbox`` raises.
        """
        if self.exists:
            self._check_members()
            return
        self._layout = build_sandbox(
            self.directory,
            self._members or DEFAULT_MEMBERS,
            federation=self._federation,
            capture=self._capture,
            cost=self._cost,
            settings=self._settings,
            beside=self._beside,
            done=progress,
        )

    def up(self, progress: Progress = lambda _: None) -> None:
        """Make the sandbox, start what does not run and wait until every node has the keys.

        Args:
            progress: Called with a member's name when its home is made, when its node answers
                and when its node has the keys: three times in all, twice if the home was there.

        Raises:
            SandboxError: SANDBOX_NODE_FAILED, SANDBOX_NOT_READY, or what ``build`` raises.
        """
        self.build(progress)
        for member in self.members:
            if running_process(self.home(member)) is None:
                start_process(self.home(member))
        with ThreadPoolExecutor(len(self.members)) as threads:
            for member in threads.map(self._wait_started, self.members):
                progress(member)
            self._make_keys()
            for member in threads.map(self._wait_keys, self.members):
                progress(member)

    def start(self, member: str) -> None:
        """Start one node and wait until it is ready.

        Raises:
            SandboxError: SANDBOX_NODE_FAILED or SANDBOX_NOT_READY.
        """
        if running_process(self.home(member)) is None:
            start_process(self.home(member))
        self._wait_started(member)
        self._wait_keys(member)

    def stop(self, member: str) -> bool:
        """End one node in good order; say whether it ran."""
        return end_process(self.home(member))

    def kill(self, member: str) -> None:
        """End one node at once, as a power cut would."""
        kill_process(self.home(member))

    def down(self) -> tuple[str, ...]:
        """End every node in good order and return those that ran."""
        members = self.members
        with ThreadPoolExecutor(len(members)) as threads:
            ended = list(threads.map(self.stop, members))
        return tuple(member for member, ran in zip(members, ended, strict=True) if ran)

    def remove(self) -> None:
        """End every node and remove the directory; leave anything alone that is no sandbox.

        Raises:
            SandboxError: SANDBOX_DIRECTORY_TAKEN.
        """
        if self.exists:
            self.down()
        if self.directory.exists():
            remove_sandbox(self.directory)
        self._layout = None

    def status(self) -> tuple[NodeState, ...]:
        """Tell how every node is."""
        members = self.members
        with ThreadPoolExecutor(len(members)) as threads:
            return tuple(threads.map(self._state, members))

    def _load_layout(self) -> Layout:
        try:
            return parse_layout((self.directory / MARKER_NAME).read_bytes())
        except FileNotFoundError as error:
            raise SandboxError(
                f"there is no sandbox in {self.directory}",
                reason="SANDBOX_MISSING",
                hint=f"tocsin sandbox up {self.directory}",
            ) from error

    def _check_members(self) -> None:
        if self._members is not None and sorted(self._members) != sorted(self.members):
            raise SandboxError(
                f"the sandbox in {self.directory} has the members {', '.join(self.members)}",
                reason="SANDBOX_MEMBERS_DIFFER",
                hint="leave --members out, name another directory, or add --fresh to start again",
            )

    def _state(self, member: str) -> NodeState:
        place, home = self.layout.place(member), self.home(member)
        process_id = running_process(home)
        answer, reason = operation.GetStatusResponse(), "DOWN"
        if process_id is not None:
            try:
                answer, reason = ask_status(home), ""
            except UnavailableError as error:
                reason = error.reason
        return NodeState(
            member,
            place.role.value,
            place.address,
            home.root,
            process_id,
            answer.ready,
            answer.epoch,
            answer.statement_count,
            reason,
        )

    def _wait_started(self, member: str) -> str:
        wait_answer(self.home(member))
        return member

    def _wait_keys(self, member: str) -> str:
        wait_answer(self.home(member), lambda status: status.ready, "is not ready", KEYS_SECONDS)
        return member

    def _make_keys(self) -> None:
        """Open the key ceremony at the first holder unless there are keys or one is under way."""
        first = self.layout.holders[0]
        if ask_status(self.home(first)).epoch:
            return
        with self.door(first) as door:
            listed = door.call(door.operation.ListKeys, operation.ListKeysRequest())
            if any(one.state not in ("FAILED", "CONFIRMED") for one in listed.ceremonies):
                return
            request = operation.StartCeremonyRequest(action=statement_pb2.KEY_ACTION_GENERATE)
            door.call(door.operation.StartCeremony, request)


def ask_status(home: Home) -> operation.GetStatusResponse:
    """Ask a home's node how it is.

    Raises:
        UnavailableError: Nobody answers at the inside door.
    """
    with InsideDoor(home) as door:
        return door.call(door.operation.GetStatus, operation.GetStatusRequest(), ASK_SECONDS)


def wait_answer(
    home: Home,
    is_there: Callable[[operation.GetStatusResponse], bool] = lambda _: True,
    complaint: str = "does not answer",
    seconds: float = START_SECONDS,
) -> None:
    """Wait until a home's node answers, and answers as it should.

    Raises:
        SandboxError: SANDBOX_NODE_FAILED, it ended; SANDBOX_NOT_READY, it takes too long.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if is_there(ask_status(home)):
                return
        except UnavailableError:
            _check_runs(home)
        time.sleep(_LOOK_SECONDS)
    raise SandboxError(
        f"the node of {home.root.name} {complaint} after {seconds:.0f} seconds",
        reason="SANDBOX_NOT_READY",
        hint=f"look at {home.root / OUTPUT_NAME}",
    )


def _check_runs(home: Home) -> None:
    if running_process(home) is None:
        raise SandboxError(
            f"the node of {home.root.name} ended: {last_output(home) or 'it wrote nothing'}",
            reason="SANDBOX_NODE_FAILED",
            hint=f"look at {home.root / OUTPUT_NAME}",
        )
