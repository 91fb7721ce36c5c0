"""Run the app on one of flwr's own grids: names for members, prompt polling, no endless wait."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from flwr.app import Message
from flwr.serverapp import Grid

from federation.training.adapter import LATE, LOST, REFUSED, Summed, TrainingGrid, failed_reply
from federation.training.checkpoint import Checkpoint, RoundReport
from federation.training.fixed_point import FixedPoint
from federation.training.local_engine import sum_openly

LOOK_SECONDS: Final = 0.1
"""Seconds between looks for replies: flwr's own grid over HTTP looks every three."""

CONNECTION_LOST: Final = "CONNECTION_LOST"

Members = Callable[[], Mapping[int, str]]
"""Gives who is connected now, by node id."""


class StockGrid(TrainingGrid):
    """A grid of flwr's simulation or deployment engine, as this project's app wants it.

    The engine shows the coordinator every vector, so sums are plain.
    """

    def __init__(
        self,
        inner: Grid,
        members: Members,
        *,
        row_caps: Mapping[str, int] | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Wrap a grid; the engine has claimed the process for its run already.

        Args:
            inner: Of the engine.
            members: Who is connected.
            row_caps: Most rows that each member may claim, where they are known.
            checkpoint: To go on from.
        """
        self._run = inner.run
        self._inner = inner
        self._members = members
        self._names: dict[int, str] = {}
        self._row_caps = row_caps or {}
        self._checkpoint = checkpoint
        self.contributors = 0
        self.reports: list[RoundReport] = []
        self.ended: list[float] = []

    def get_node_ids(self) -> Iterable[int]:
        """Give the members that are connected now."""
        found = self._members()
        self._names |= found
        return list(found)

    def member_name(self, node_id: int) -> str:
        """Give a member's name."""
        return self._names.get(node_id, str(node_id))

    def row_cap(self, node_id: int) -> int | None:
        """Give the most rows that a member may claim."""
        return self._row_caps.get(self.member_name(node_id))

    def why_lost(self, node_id: int) -> str:
        """Give why no answer is to be waited for any more; empty while there may be one."""
        return ""

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Ask the members; who has not answered by the deadline is late."""
        requests = list(messages)
        end = None if timeout is None else time.monotonic() + timeout
        pushed = list(self._inner.push_messages(requests))
        waiting = {name: one for name, one in zip(pushed, requests, strict=True) if name}
        untaken = (one for name, one in zip(pushed, requests, strict=True) if not name)
        replies = [
            failed_reply(one, LOST, "the engine did not take the message") for one in untaken
        ]
        while waiting and (end is None or time.monotonic() < end):
            replies += self._collect(waiting)
            if waiting:
                time.sleep(LOOK_SECONDS)
        late = "no answer within the round's deadline"
        return [*replies, *(failed_reply(one, LATE, late) for one in waiting.values())]

    def _collect(self, waiting: dict[str, Message]) -> list[Message]:
        """Take the answers that are there, and give up those that will not come."""
        found = []
        for reply in self._inner.pull_messages(list(waiting)):
            request = waiting.get(reply.metadata.reply_to_message_id)
            # The engine does not check whose answer it is.
            if request and reply.metadata.src_node_id == request.metadata.dst_node_id:
                del waiting[reply.metadata.reply_to_message_id]
                found.append(reply)
        for name, request in list(waiting.items()):
            why = self.why_lost(request.metadata.dst_node_id)
            if why:
                del waiting[name]
                code = LOST if why == CONNECTION_LOST else REFUSED
                found.append(failed_reply(request, code, why))
        return found

    def sum_parts(
        self, label: str, replies: Sequence[Message], scale: FixedPoint | None = None
    ) -> Summed:
        """Add what members gave openly."""
        summed = sum_openly(replies, scale, self.row_cap)
        self.contributors = len(summed.contributors)
        return summed

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Hold the state until the round's report is there, too."""
        self._checkpoint = checkpoint

    def load_checkpoint(self) -> Checkpoint | None:
        """Give the state to go on from."""
        return self._checkpoint

    def report_round(self, report: RoundReport) -> None:
        """Keep the report."""
        self.reports.append(report)
        self.ended.append(time.monotonic())
