"""``tocsin status``: how the running node is, in full."""

from __future__ import annotations

import time
from typing import Any, Final

import click

from node.cli.connection import InsideDoor
from node.cli.document import describe
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, table
from node.home import Home
from tocsin.desk.v1 import operation_service_pb2 as wire

EXIT_READY: Final = 0
EXIT_NOT_READY: Final = 2
WATCH_SECONDS: Final = 2.0
"""Seconds between two looks: the node answers in some milliseconds."""

EPILOG = """\b
Exit codes: 0 ready, 2 not initialised or not ready yet, 1 cannot tell.

\b
EXAMPLES
  tocsin status
  tocsin status --json
  tocsin status --watch
"""


@click.command(epilog=EPILOG)
@json_option
@click.option("--watch", is_flag=True, help="Look again every two seconds, until stopped.")
@pass_home
def status_command(home: Home, as_json: bool, watch: bool) -> int:
    """Tell how the running node is."""
    while True:
        status = read_status(home)
        if as_json:
            json_object(status)
        else:
            if watch:
                click.clear()
            write_summary(status)
            _write_details(status)
        if not watch:
            return exit_code(status)
        time.sleep(WATCH_SECONDS)


def read_status(home: Home) -> dict[str, Any]:
    """Ask the running node.

    Raises:
        ConfigError: NOT_INITIALISED.
        UnavailableError: NODE_NOT_RUNNING.
    """
    with InsideDoor(home) as door:
        return describe(door.call(door.operation.GetStatus, wire.GetStatusRequest()))


def exit_code(status: dict[str, Any]) -> int:
    """Return with what a command ends that asked how the node is."""
    return EXIT_READY if status["ready"] else EXIT_NOT_READY


def write_summary(status: dict[str, Any]) -> None:
    """Write what matters most."""
    data(f"member     {status['member']} of {status['federation']} ({', '.join(status['roles'])})")
    data(f"state      {'ready' if status['ready'] else 'not ready'}")
    if status["rehearsal_time"]:
        data(f"REHEARSAL  the clock was moved on to {status['rehearsal_time']}")
    data(f"address    {status['address']}")
    data(f"charter    version {status['charter_version']}")
    data(f"keys       epoch {status['epoch']}, share epoch {status['share_epoch']}")
    data(f"catalogue  {status['token_count']} tokens, {status['statement_count']} statements")
    data(f"root       {status['catalogue_root'] or '-'} at {status['as_of_time']}")
    data(f"watching   {status['watch_count']} own customers, {status['hit_count']} hits")


def _write_details(status: dict[str, Any]) -> None:
    data(f"software   {status['software_version']}, leaf until {status['leaf_expires_time']}")
    data(f"memory     {status['resident_bytes'] // 2**20} MiB")
    for title, name, header, row in _SECTIONS:
        _section(title, header, [row(one) for one in status[name]])
    rows = [[line[name] for name in _TRAFFIC] for line in status["traffic"]]
    _section("Traffic of the outside door", [name.replace("_", " ") for name in _TRAFFIC], rows)


def _section(title: str, header: Any, rows: list[Any]) -> None:
    if rows:
        data()
        data(click.style(title, bold=True))
        table(header, rows)


def _log_row(log: dict[str, Any]) -> tuple[object, ...]:
    state = "STOPPED: FORKED" if log["stopped"] else "follows"
    return log["origin"], log["size"], log["checkpoint_time"] or "-", state


def _process_row(process: dict[str, Any]) -> tuple[object, ...]:
    state = "leads" if process["leads"] else "stands by"
    return process["number"], process["machine"], state, process["since_time"]


def _peer_row(peer: dict[str, Any]) -> tuple[object, ...]:
    reachable = "yes" if peer["reachable"] else "no"
    return peer["member"], reachable, peer["reason"] or "-", peer["last_contact_time"] or "-"


def _alarm_row(alarm: dict[str, Any]) -> tuple[object, ...]:
    said = alarm["alarm"] or {}
    return (
        alarm["issued_time"] or "-",
        alarm["raised_by"],
        said.get("alarm_kind"),
        said.get("member"),
        said.get("reason") or "-",
    )


_SECTIONS: Final = (
    ("Logs", "logs", ("origin", "size", "checkpoint", "state"), _log_row),
    ("Processes", "processes", ("process", "machine", "state", "since"), _process_row),
    ("Peers", "peers", ("member", "reachable", "reason", "last contact"), _peer_row),
    ("Alarms", "alarms", ("time", "raised by", "kind", "concerns", "reason"), _alarm_row),
)
_TRAFFIC: Final = ("method", "sent_count", "sent_bytes", "received_count", "received_bytes")
