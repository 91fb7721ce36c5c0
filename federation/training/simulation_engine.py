"""Run the unmodified app on Flower's simulation engine: many members on one machine or cluster.

For planning: nothing is hidden from the machine that simulates, so both protections run here and
``secret`` adds plainly, as in one process. Ray's and flwr's reporting is off, and a Ray started
here listens on loopback only.
"""

import logging
import os
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

from federation.training.adapter import REFUSED, failed_reply
from federation.training.local_engine import (
    LocalRun,
    describe_error,
    finished_run,
    member_configs,
)
from federation.training.memory import forget_tables, remember_table
from federation.training.plan import TrainingPlan
from federation.training.ray_runtime import LOCAL, STORE_BYTES, require_ray, running_ray
from federation.training.records import COMPARE
from federation.training.schema import FeatureSchema
from federation.training.server_app import app as server_app
from federation.training.stock_grid import LOOK_SECONDS, StockGrid
from federation.training.table import Table

_MEMBER: Final = "simulated-member"


def run_simulated(
    plan: TrainingPlan,
    schema: FeatureSchema,
    tables: Mapping[str, Table],
    *,
    processes: int | None = None,
    address: str = LOCAL,
    compare: bool = False,
) -> LocalRun:
    """Run a plan that every member approved over tables, members in processes of their own.

    Args:
        plan: The plan, with either protection.
        schema: The plan's.
        tables: Of each member by name.
        processes: Members that train at the same time; as many as processors where it is None.
        address: Of a Ray cluster that runs already, where it is not LOCAL.
        compare: Whether each member trains a model of its own, too, for the evaluation.

    Raises:
        PlanError: The plan cannot run; ENGINE_MISSING: Ray is not installed; ENGINE_FAILED: it
            does not start.
        QuorumError: Too few members' tables or updates could be used.
    """
    started = time.monotonic()
    require_ray("the simulation engine", "simulate")
    with running_ray(processes or os.cpu_count() or 1, address, _store_bytes(tables)):
        context, grid = _simulate(plan, schema, tables, compare=compare)
    return finished_run(context, grid.reports, grid.ended, started)


def _store_bytes(tables: Mapping[str, Table]) -> int:
    columns = (column for table in tables.values() for column in table.columns.values())
    return STORE_BYTES + 4 * sum(column.nbytes for column in columns)


def _ray() -> Any:
    import ray

    return ray


def _simulate(
    plan: TrainingPlan, schema: FeatureSchema, tables: Mapping[str, Table], *, compare: bool
) -> tuple[Context, StockGrid]:
    """Run on a Ray that has started; return what the app left, and the grid with its reports."""
    from flwr.simulation import run_simulation

    prefix = f"{uuid.uuid4().hex}/"  # never used again: members cache tables by name
    held = {name: _ray().put(table) for name, table in tables.items()}
    members: Any = SimulatedMembers(member_configs(plan, schema, tables, prefix), held, prefix)
    run_config: Any = {
        "plan": plan.encode().decode(),
        "schema": schema.encode().decode(),
        COMPARE: compare,
    }
    left: list[tuple[Context, StockGrid]] = []
    outer = ServerApp()

    @outer.main()
    def main(grid: Grid, context: Context) -> None:
        """Give the app its plan, and the grid its members' names."""
        named = _NamedGrid(grid, {name: len(table) for name, table in tables.items()})
        own = Context(context.run_id, context.node_id, {}, RecordDict(), run_config)
        server_app(named, own)
        left.append((own, named))

    logging.getLogger("flwr").setLevel(logging.CRITICAL)  # every refusal comes back as a reply
    resources: Any = {"client_resources": {"num_cpus": 1, "num_gpus": 0.0}}
    run_simulation(outer, members, len(tables), backend_config=resources)
    return left[0]


class _NamedGrid(StockGrid):
    """Members in the order of their names on the engine's nodes, whose ids mean nothing."""

    def __init__(self, inner: Grid, row_caps: Mapping[str, int]) -> None:
        while len(nodes := sorted(inner.get_node_ids())) < len(row_caps):
            time.sleep(LOOK_SECONDS)  # the engine makes its nodes beside the app
        places = dict(zip(nodes, sorted(row_caps), strict=True))
        super().__init__(inner, lambda: places, row_caps=row_caps)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Say on each message which member a node is."""
        requests = list(messages)
        for request in requests:
            name = self.member_name(request.metadata.dst_node_id)
            label = ConfigRecord({"name": name})  # strategies share one content among messages
            request.content = RecordDict({**request.content, _MEMBER: label})
        return super().send_and_receive(requests, timeout=timeout)


@dataclass(frozen=True)
class SimulatedMembers:
    """What runs in Ray's processes: gives the app a member's own settings and rows.

    Attributes:
        settings: Node configuration by member.
        tables: Where Ray holds each member's table.
        prefix: Of the tables' names.
    """

    settings: Mapping[str, dict[str, Any]]
    tables: Mapping[str, Any]
    prefix: str

    def __call__(self, message: Message, context: Context) -> Message:
        """Answer one message as the member it names."""
        from federation.training.client_app import app

        name = str(message.content[_MEMBER]["name"])
        del message.content[_MEMBER]
        own = Context(context.run_id, context.node_id, self.settings[name], context.state, {})
        remember_table(self.prefix + name, _ray().get(self.tables[name]))
        try:
            return app(message, own)
        except Exception as error:  # flwr wraps whatever the app raises
            return failed_reply(message, REFUSED, describe_error(error))
        finally:
            forget_tables(self.prefix + name)
