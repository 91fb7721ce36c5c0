"""Run the unmodified app on Flower's simulation engine: many members on one machine or cluster.

For planning: nothing is hidden from the machine that simulates, so both protections run here and
``secret`` adds plainly, as in one process. Ray's and flwr's reporting is off, and a Ray started
here listens on loopback only.
"""

import contextlib
import importlib.util
import logging
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

from federation.training.adapter import REFUSED, failed_reply
from federation.training.error import PlanError
from federation.training.local_engine import (
    LocalRun,
    describe_error,
    finished_run,
    member_configs,
)
from federation.training.memory import forget_tables, remember_table
from federation.training.plan import TrainingPlan
from federation.training.records import COMPARE
from federation.training.schema import FeatureSchema
from federation.training.server_app import app as server_app
from federation.training.stock_grid import LOOK_SECONDS, StockGrid
from federation.training.table import Table

LOCAL: Final = "local"
LOOPBACK: Final = "127.0.0.1"
STORE_BYTES: Final = 256 * 1024 * 1024
"""Bytes of Ray's shared memory besides the tables: models and messages under way."""
QUIET: Final = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Environment in which neither flwr nor Ray reports to anyone."""

START_TRIES: Final = 3
"""Ray gives up a start after 30 seconds, which a busy machine may need."""
NO_CLOUD: Final = "ray_bootstrap_config.yaml"
"""File at home for lack of which Ray asks metadata services of three clouds where it runs."""
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
    if importlib.util.find_spec("ray") is None:
        raise PlanError(
            "the simulation engine needs Ray",
            reason="ENGINE_MISSING",
            hint="pip install 'tocsin[simulate]'",
        )
    os.environ |= QUIET
    with tempfile.TemporaryDirectory(prefix="tocsin-") as directory:
        try:
            _start_ray(directory, address, processes or os.cpu_count() or 1, tables)
            context, grid = _simulate(plan, schema, tables, compare=compare)
        finally:
            _ray().shutdown()
    return finished_run(context, grid.reports, grid.ended, started)


def _ray() -> Any:
    import ray

    return ray


def _start_ray(directory: str, address: str, processes: int, tables: Mapping[str, Table]) -> None:
    """Start Ray on loopback, or join the cluster named."""
    path = os.pathsep.join(part for part in sys.path if part)
    settings: dict[str, Any] = {
        "address": address,
        "log_to_driver": False,
        "logging_level": logging.ERROR,
    }
    if address != LOCAL:
        settings["runtime_env"] = {"env_vars": {"PYTHONPATH": path} | QUIET}
    else:
        os.environ["PYTHONPATH"] = path  # its processes inherit it
        columns = (column for table in tables.values() for column in table.columns.values())
        settings |= {
            "include_dashboard": False,
            "_node_ip_address": LOOPBACK,
            "_temp_dir": directory,
            "num_cpus": processes,
            "num_gpus": 0,
            "object_store_memory": STORE_BYTES + 4 * sum(column.nbytes for column in columns),
        }
    for left in reversed(range(START_TRIES)):
        try:
            with _home_at(Path(directory)):
                _ray().init(**settings)
            return
        except Exception as error:  # Ray has no class for it
            _ray().shutdown()
            if not left:
                raise PlanError(
                    "Ray does not start",
                    reason="ENGINE_FAILED",
                    hint="try again when the machine is less busy: Ray gives up after 30 seconds",
                ) from error


@contextlib.contextmanager
def _home_at(directory: Path) -> Iterator[None]:
    """Give processes that start meanwhile a home of their own, where Ray need not ask a cloud."""
    before = os.environ.get("HOME")
    (directory / NO_CLOUD).touch()
    os.environ["HOME"] = str(directory)
    try:
        yield
    finally:
        os.environ.pop("HOME")
        if before is not None:
            os.environ["HOME"] = before


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
