"""``tocsin report``: take citizens' reports in, work on them, tell citizens what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import click

from federation.vocabulary import FraudType, ReportAction, ReportChannel, ReportReason
from node.cli.annual import annual_command
from node.cli.connection import InsideDoor
from node.cli.digits import SHOWN_DIGITS, MatterName
from node.cli.document import describe
from node.cli.import_report import Rows, send_rows
from node.cli.option import json_option, pass_home, strict_option
from node.cli.output import data, json_object, say, table
from node.cli.sheet import figures_command, sheet_command
from node.cli.table_file import Row
from node.cli.values import FILE_HELP, Source, raw_indicator, takes_values
from node.cli.word import Word, read_word
from node.home import Home
from tocsin.desk.v1 import desk_service_pb2
from tocsin.desk.v1 import report_service_pb2 as wire

_REPORT_ID: Final = MatterName()
_CLOSING: Final = (
    "Shared: tokens, types of fraud and how many report, in bands; texts sealed.\n"
    "Not shared: who reports, and the values; both stay in this node's private store.\n"
    "Next: tocsin report list --mine"
)
_TURNING_DOWN: Final = ("reject", "unsubstantiate", "withdraw")


@click.group(
    epilog="""\b
EXAMPLES
  tocsin report submit --file reports.csv --fraud-type loan --channel hotline
  tocsin report list --mine
  tocsin report accept 9f2c4b1a
  tocsin report feedback 9f2c4b1a
  tocsin report sheet --from 2026-01-01 --to 2026-01-31
  tocsin report annual --year 2026 --output report-2026.md
"""
)
def report_command() -> None:
    """Take citizens' reports in, tell them what came of it, and evaluate what was achieved."""


report_command.add_command(sheet_command, "sheet")
report_command.add_command(figures_command, "figures")
report_command.add_command(annual_command, "annual")


@report_command.command(
    epilog=f"""{FILE_HELP}\
  Further columns: reporter (required), text, fraud_type, channel, actor, region. Reports of one
  value join one matter; a reporter counts once in it.

\b
EXAMPLES
  tocsin report submit phone +8613000000000 --reporter 'counter 7, no. 12' --fraud-type loan
  tocsin report submit --file reports.csv --kind phone --map value=number --fraud-type shopping
"""
)
@takes_values
@click.option("--reporter", default="", help="Who reports; never leaves this node.")
@click.option("--text", default="", help="What is told; sealed before it leaves.")
@click.option("--fraud-type", default="other", show_default=True, metavar="TYPE", help="As told.")
@click.option("--channel", default="counter", show_default=True, help="How it came in.")
@click.option("--actor", default="", metavar="MEMBER", help="Who can act, if the citizen knows.")
@strict_option
@json_option
@pass_home
def submit(home: Home, source: Source, strict: bool, as_json: bool, **texts: str) -> int:
    """Take reports in; each joins the open matter about its value, or opens one."""
    rows = Rows(source, _report_row, texts, strict=strict)
    with InsideDoor(home) as door:

        def send(items: Sequence[wire.ReportRow]) -> Any:
            return door.start(door.report.SubmitReports, wire.SubmitReportsRequest(rows=items))

        return send_rows(rows, send, as_json=as_json, closing=_CLOSING)


@report_command.command(
    "list",
    epilog="""\b
EXAMPLES
  tocsin report list
  tocsin report list --mine --json
""",
)
@click.option("--mine", is_flag=True, help="Only those of which the next step is this member's.")
@click.option("--closed", is_flag=True, help="Those that are closed, too.")
@json_option
@pass_home
def list_reports(home: Home, mine: bool, closed: bool, as_json: bool) -> None:
    """List reports, what is due first in front."""
    with InsideDoor(home) as door:
        request = wire.ListReportsRequest(mine=mine, closed=closed)
        answer = door.call(door.report.ListReports, request)
    found = [describe(one) for one in answer.reports]
    if as_json:
        for one in found:
            json_object(one)
        return
    rows = [
        (
            one["matter_id"][:SHOWN_DIGITS],
            one["kind"],
            one["state"].lower(),
            (one["due_time"] or "-") + (" LATE" if one["overdue"] else ""),
            (one["reporters"] or "-").lower(),
            one["opener"],
            one["handler"] or "-",
            ", ".join(_verb(step) for step in one["next_steps"]) or "-",
        )
        for one in found
    ]
    if rows:
        header = ("report", "kind", "state", "due", "reporters", "taken in", "with", "next")
        table(header, rows)
    else:
        say("There are no such reports. Next: tocsin report submit KIND VALUE --reporter WHO")


@report_command.command(
    epilog="""\b
EXAMPLES
  tocsin report show 9f2c4b1a
  tocsin report show 9f2c4b1a --kind phone --value +8613000000000 --json
"""
)
@click.argument("report_id", metavar="ID", type=_REPORT_ID)
@click.option("--kind", default="", help="Kind of the value, to read what was told.")
@click.option("--value", default="", help="The value; other users of this machine can see it.")
@json_option
@pass_home
def show(home: Home, report_id: bytes, kind: str, value: str, as_json: bool) -> None:
    """Show one report, and what was told where this member can read it."""
    given = desk_service_pb2.RawIndicator(kind=kind, value=value) if value else None
    with InsideDoor(home) as door:
        request = wire.GetReportRequest(matter_id=report_id, value=given)
        answer = door.call(door.report.GetReport, request)
    found = describe(answer)
    if as_json:
        json_object(found)
        return
    _write_status(found["status"])
    for name in ("text", "reporters", "burst", "confidence"):
        if found[name]:
            data(f"{name:<12} {found[name]}")
    for reference in found["references"]:
        data(f"{'customer':<12} {reference}")
    for contact in found["contacts"]:
        data(f"{'to be told':<12} {contact}")


@report_command.command(
    epilog="""\b
EXAMPLES
  tocsin report reporters
  tocsin report reporters --json
"""
)
@json_option
@pass_home
def reporters(home: Home, as_json: bool) -> None:
    """Tell how reporters have fared here, by pseudonym, the least reliable first."""
    with InsideDoor(home) as door:
        answer = door.call(door.report.ListReporters, wire.ListReportersRequest())
    found = [describe(one) for one in answer.reporters]
    if as_json:
        for one in found:
            json_object(one)
        return
    rows = [
        (
            one["pseudonym"][:SHOWN_DIGITS],
            one["upheld"],
            one["unfounded"],
            f"{one['reliability']:.2f}",
        )
        for one in found
    ]
    table(("reporter", "upheld", "unfounded", "reliability"), rows)


def _add_step(name: str, step: ReportAction, sentence: str, *, basis: bool = False) -> None:
    """Add the command of one step."""

    def take(home: Home, report_id: bytes, as_json: bool, **given: Any) -> None:
        _step(home, report_id, step, as_json=as_json, **given)

    command: Callable[..., Any] = pass_home(take)
    command = json_option(command)
    example = f"  tocsin report {name} 9f2c4b1a"
    if basis:
        help_text = "The verification or disposition that it rests on."
        option = click.option("--basis", type=_REPORT_ID, metavar="ID", help=help_text)
        command = option(command)
        example += " --basis 5b0d77aa"
    if name in _TURNING_DOWN:
        word = Word(ReportReason, "reason")
        command = click.option("--reason", type=word, required=True, help="Why.")(command)
        example += " --reason no_evidence"
    command = click.argument("report_id", metavar="ID", type=_REPORT_ID)(command)
    epilog = f"\b\nEXAMPLES\n{example}\n{example} --json\n"
    report_command.command(name, help=sentence, epilog=epilog)(command)


_add_step("accept", ReportAction.ACCEPT, "Take a report on: this member leads it from here.")
_add_step("reject", ReportAction.REJECT, "Turn a report down; the last able to act ends it.")
_add_step("verify", ReportAction.VERIFY, "Say that verification has begun.", basis=True)
_add_step("dispose", ReportAction.DISPOSE, "Say that it was right and was acted on.", basis=True)
_add_step(
    "unsubstantiate",
    ReportAction.UNSUBSTANTIATE,
    "Say that nothing substantiates it.",
    basis=True,
)
_add_step("rectify", ReportAction.RECTIFY, "Say that what made it possible is being mended.")
_add_step("account", ReportAction.ACCOUNT, "Hold somebody to account (coordinator, regulator).")
_add_step("withdraw", ReportAction.WITHDRAW, "Take a report back that was taken in here.")
_add_step("feedback", ReportAction.FEED_BACK, "Say that its reporters were told; lists them.")
_add_step("close", ReportAction.CLOSE, "Close a report whose reporters were told.")


def _step(
    home: Home,
    report_id: bytes,
    step: ReportAction,
    *,
    as_json: bool,
    reason: ReportReason = ReportReason.UNSPECIFIED,
    basis: bytes | None = None,
) -> None:
    request = wire.StepReportRequest(
        matter_id=report_id,
        step=step.value,  # type: ignore[arg-type]  # the mirrored number
        reason=reason.value,  # type: ignore[arg-type]  # the mirrored number
        basis_id=basis or b"",
    )
    with InsideDoor(home) as door:
        answer = door.call(door.report.StepReport, request)
    found = describe(answer)
    if as_json:
        json_object(found)
        return
    _write_status(found["status"])
    for contact in found["contacts"]:
        data(f"{'to be told':<12} {contact}")
    if found["status"]["next_steps"]:
        verbs = ", ".join(_verb(one) for one in found["status"]["next_steps"])
        say(f"Next: tocsin report {verbs} {report_id.hex()}")


def _write_status(status: dict[str, Any]) -> None:
    late = " LATE" if status["overdue"] else ""
    reason = f" [{status['reason']}]" if status["reason"] else ""
    lines = (
        ("report", status["matter_id"]),
        ("state", f"{status['state']}{reason}"),
        ("due", f"{status['due_time'] or '-'}{late}"),
        ("subject", f"{status['kind']} {status['token']}"),
        ("taken in", f"{status['opener']}, {status['opened_time']}"),
        ("able to act", ", ".join(status["actors"])),
        ("with", status["handler"] or "-"),
        ("own customer", "yes" if status["watched"] else "no"),
    )
    for name, text in lines:
        data(f"{name:<12} {text}")


def _verb(step: str) -> str:
    """Return the command of a step."""
    return "feedback" if step == ReportAction.FEED_BACK.name else step.lower()


def _report_row(row: Row) -> wire.ReportRow:
    """Turn a row into a report.

    Raises:
        RequestError: A cell is missing or wrong; the message does not repeat it.
    """
    cells = row.cells
    return wire.ReportRow(
        indicator=raw_indicator(row),
        reporter=cells["reporter"],
        fraud_type=read_word(FraudType, cells["fraud_type"], "fraud type").value,  # type: ignore[arg-type]  # the mirrored number
        channel=read_word(ReportChannel, cells["channel"], "channel").value,  # type: ignore[arg-type]  # the mirrored number
        text=cells["text"],
        actor=cells["actor"],
    )
