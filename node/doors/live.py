"""Keep the calls that are open, so that those of a revoked member can be ended at once."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from node.doors.errors import AccessError, BusyError


class LiveCalls:
    """Every open call by member; used from the event loop alone."""

    def __init__(self, calls_per_member: int) -> None:
        self._calls_per_member = calls_per_member
        self._tasks: defaultdict[str, dict[asyncio.Task[object], bool]] = defaultdict(dict)

    def count(self, member: str) -> int:
        """Return how many calls of a member are open."""
        return len(self._tasks.get(member, ()))

    def members(self) -> frozenset[str]:
        """Return the members that have calls open."""
        return frozenset(self._tasks)

    def cancel_member(self, member: str) -> int:
        """End every open call of a member with MEMBER_REVOKED and return how many there were."""
        calls = self._tasks.get(member, {})
        for task in calls:
            calls[task] = True
            task.cancel()
        return len(calls)

    @contextmanager
    def enter(self, member: str) -> Iterator[None]:
        """Hold the current task as an open call of a member.

        Raises:
            BusyError: The member has too many calls open.
            AccessError: MEMBER_REVOKED; ``cancel_member`` ended the call meanwhile.
        """
        if self.count(member) >= self._calls_per_member:
            raise BusyError
        task = _current_task()
        calls = self._tasks[member]
        calls[task] = False
        try:
            yield
        except asyncio.CancelledError:
            if not calls[task]:
                raise
            task.uncancel()
            raise AccessError("the member was revoked", reason="MEMBER_REVOKED") from None
        finally:
            del calls[task]
            if not calls:
                self._tasks.pop(member, None)


def _current_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a call is always handled in a task")
    return task
