"""Run the unmodified app in one process: the baseline engine, and that of ``train table``.

Every message goes through its bytes, as on a wire, so that what works here works there.
"""

import hashlib
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any, Final

from flwr.app import Context, Message, RecordDict

from federation.errors import FederationError
from federation.training.adapter import (
    LATE,
    LOST,
    REFUSED,
    Summed,
    TrainingGrid,
    add_plainly,
    encode_message,
    failed_reply,
    parse_message,
    quieten,
    stamp,
)
from federation.training.checkpoint import Checkpoint, RoundReport
from federation.training.client_app import MEMORY
from federation.training.client_app import app as client_app
from federation.training.fixed_point import FixedPoint, Floats, Integers
from federation.training.memory import forget_tables, remember_table
from federation.training.plan import TrainingPlan
from federation.training.records import COMPARE
from federation.training.schema import FeatureSchema
from federation.training.server_app import app as server_app
from federation.training.server_app import evaluation_of, outcome_of
from federation.training.table import Table
from federation.training.worth import Evaluation

RUN: Final = 1
NODE_ID_BYTES: Final = 7

Tamper = Callable[[Message, Message], Message]
"""What a test makes of a member's reply: (request, reply) to another reply."""


def node_id(member: str) -> int:
    """Give the Flower node id of a member."""
    return int.from_bytes(hashlib.sha256(member.encode()).digest()[:NODE_ID_BYTES], "big")


class LocalGrid(TrainingGrid):
    """Members of this process, one after the other, or beside one another with ``threads``."""

    def __init__(
        self,
        members: Mapping[str, dict[str, Any]],
        *,
        threads: int = 1,
        tamper: Mapping[str, Tamper] | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        super().__init__(RUN)
        quieten()
        self._names = {node_id(name): name for name in members}
        self._contexts = {
            node: Context(RUN, node, dict(members[name]), RecordDict(), {})
            for node, name in self._names.items()
        }
        self._threads = threads
        self._tamper = tamper or {}
        self.checkpoint = checkpoint
        self.reports: list[RoundReport] = []
        self.ended: list[float] = []
        self.sent_bytes = 0

    def get_node_ids(self) -> Iterable[int]:
        """Give all members."""
        return list(self._names)

    def member_name(self, node_id: int) -> str:
        """Give a member's name."""
        return self._names.get(node_id, str(node_id))

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Let each member answer; who has not by the deadline is late."""
        end = None if timeout is None else time.monotonic() + timeout
        pool = ThreadPoolExecutor(self._threads)
        try:
            waiting = [(message, pool.submit(self._deliver, message)) for message in messages]
            return [_await(message, future, end) for message, future in waiting]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def row_cap(self, node_id: int) -> int | None:
        """Give what the member's configuration says."""
        cap = self._contexts[node_id].node_config.get("row_cap")
        return None if cap is None else int(cap)

    def sum_parts(
        self, label: str, replies: Sequence[Message], scale: FixedPoint | None = None
    ) -> Summed:
        """Add the vectors plainly: all members' rows are in this process anyway."""
        return sum_openly(replies, scale, self.row_cap)

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep the last checkpoint."""
        self.checkpoint = checkpoint

    def load_checkpoint(self) -> Checkpoint | None:
        """Give the last checkpoint."""
        return self.checkpoint

    def report_round(self, report: RoundReport) -> None:
        """Keep the report."""
        self.reports.append(report)
        self.ended.append(time.monotonic())

    def _deliver(self, message: Message) -> Message:
        stamp(message)
        data = encode_message(message)
        self.sent_bytes += len(data)
        request = parse_message(data)
        node = message.metadata.dst_node_id
        try:
            reply = client_app(request, self._contexts[node])
        except Exception as error:  # flwr wraps whatever the app raises
            return failed_reply(message, REFUSED, describe_error(error))
        tamper = self._tamper.get(self._names[node])
        if tamper is not None:
            reply = tamper(request, reply)
        return parse_message(encode_message(reply))


@dataclass(frozen=True)
class LocalRun:
    """What a run on this machine gave.

    Attributes:
        seconds: All that it took.
        ended: Seconds from its start to the end of each round.
    """

    model: Floats
    scaling: bytes
    threshold: float
    blind: dict[str, float]
    reports: tuple[RoundReport, ...]
    seconds: float
    ended: tuple[float, ...]
    evaluation: Evaluation


def run_locally(
    plan: TrainingPlan,
    schema: FeatureSchema,
    tables: Mapping[str, Table],
    *,
    threads: int = 1,
    tamper: Mapping[str, Tamper] | None = None,
    compare: bool = False,
) -> LocalRun:
    """Run a plan that every member approved over tables in memory.

    Args:
        plan: The plan.
        schema: Of the tables.
        tables: By member.
        threads: Members that answer at once.
        tamper: What a test makes of a member's replies.
        compare: Whether each member trains a model of its own, too, for the evaluation.

    Raises:
        PlanError: The plan cannot run.
        QuorumError: Too few members' tables or updates could be used.
    """
    started = time.monotonic()
    prefix = f"{uuid.uuid4().hex}/"  # never used again: members cache tables by name
    try:
        for name, table in tables.items():
            remember_table(prefix + name, table)
        members = member_configs(plan, schema, tables, prefix)
        grid = LocalGrid(members, threads=threads, tamper=tamper)
        run_config: Any = {
            "plan": plan.encode().decode(),
            "schema": schema.encode().decode(),
            COMPARE: compare,
        }
        context = Context(RUN, grid.run.run_id, {}, RecordDict(), run_config)
        server_app(grid, context)
    finally:
        forget_tables(prefix)
    return finished_run(context, grid.reports, grid.ended, started)


def finished_run(
    context: Context, reports: Sequence[RoundReport], ended: Sequence[float], started: float
) -> LocalRun:
    """Read what the app left of a run on an engine of this machine, which ends now."""
    model, scaling, threshold, details = outcome_of(context)
    return LocalRun(
        model,
        scaling,
        threshold,
        details["blind"],
        tuple(reports),
        time.monotonic() - started,
        tuple(moment - started for moment in ended),
        evaluation_of(context),
    )


def sum_openly(
    replies: Sequence[Message], scale: FixedPoint | None, row_cap: Callable[[int], int | None]
) -> Summed:
    """Add vectors plainly; those of rounds are checked first, as key holders check their shares."""
    if scale is None:
        return add_plainly(replies)

    def check(node_id: int, part: Integers) -> None:
        cap = row_cap(node_id)
        scale.check(part, scale.rows if cap is None else cap)

    return add_plainly(replies, check)


def member_configs(
    plan: TrainingPlan, schema: FeatureSchema, tables: Mapping[str, Table], prefix: str
) -> dict[str, dict[str, Any]]:
    """Give the node configurations of members that declared the rows they have."""
    return {
        name: member_config(plan, schema, name, prefix)
        | {"row_cap": min(len(table), plan.weight_cap)}
        for name, table in tables.items()
    }


def member_config(
    plan: TrainingPlan, schema: FeatureSchema, member: str, prefix: str
) -> dict[str, Any]:
    """Give the node configuration of a member that approved the plan, its table in memory."""
    return {
        "plan": plan.encode().decode(),
        "schema": schema.encode().decode(),
        "approved": plan.digest().hex(),
        "member": member,
        "source": f"{MEMORY}{prefix}{member}",
    }


def _await(message: Message, future: "Future[Message]", end: float | None) -> Message:
    try:
        left = None if end is None else max(0.0, end - time.monotonic())
        return future.result(left)
    except FutureTimeoutError:
        return failed_reply(message, LATE, "no answer within the round's deadline")
    except OSError as error:
        return failed_reply(message, LOST, type(error).__name__)


def describe_error(error: BaseException) -> str:
    """Find our own error in what flwr wrapped, and say its reason; of others say the kind only."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, FederationError):
            return f"{cause.reason}: {cause}"
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
