"""``tocsin log``: show, prove, verify and keep the logs of the federation."""

from __future__ import annotations

import json
from typing import Any, Final

import click

from federation.charter import CharterError
from federation.checkpoint import verify_checkpoint
from federation.merkle import leaf_hash, verify_inclusion
from federation.names import EVERYONE, Origin
from node.cli.charter_file import require_charter
from node.cli.connection import CALL_SECONDS, LONG_CALL_SECONDS, InsideDoor
from node.cli.document import describe, time_text
from node.cli.option import json_option, pass_home
from node.cli.output import Progress, data, json_object, say
from node.cli.word import Moment
from node.errors import EXIT_FAILED, PeerError
from node.home import Home
from node.member import load_card
from tocsin.desk.v1 import operation_service_pb2 as wire

PAGE_SIZE: Final = 200
"""Statements of a page: with sealed details some megabytes at most."""

origin_option = click.option(
    "--origin", default="", metavar="FEDERATION/MEMBER/all", help="Which log; default: your own."
)


@click.group(
    epilog="""\b
EXAMPLES
  tocsin log show --limit 5
  tocsin log verify
  tocsin log prove 17 --json > proof.json
"""
)
def log_command() -> None:
    """Show, prove and verify logs."""


@log_command.command(
    epilog="""\b
EXAMPLES
  tocsin log show
  tocsin log show --origin night/bank-x/all --limit 500 --json
"""
)
@origin_option
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many."
)
@json_option
@pass_home
def show(home: Home, origin: str, limit: int, as_json: bool) -> None:
    """List statements of a log, newest first."""
    left = limit
    request = wire.ListStatementsRequest(origin=origin, page_size=min(left, PAGE_SIZE))
    with InsideDoor(home) as door:
        while left > 0:
            answer = door.call(door.operation.ListStatements, request)
            for entry in answer.statements[:left]:
                _write_statement(entry, as_json=as_json)
            left -= len(answer.statements)
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token


def _write_statement(entry: wire.StatementEntry, *, as_json: bool) -> None:
    if as_json:
        json_object({"index": entry.index, "statement": json.loads(entry.json)})
    else:
        data(f"{entry.index:>8}  {' '.join(entry.json.split())}")


@log_command.command(
    epilog="""\b
EXAMPLES
  tocsin log verify
  tocsin log verify --origin night/bank-x/all --json
"""
)
@click.option("--origin", default="", help="Which log; default: all of them.")
@json_option
@pass_home
def verify(home: Home, origin: str, as_json: bool) -> int:
    """Recompute logs from the disk and hold them against the signed checkpoints."""
    unsound = 0
    with InsideDoor(home) as door:
        request = wire.VerifyLogRequest(origin=origin)
        for result in _results(door.stream(door.operation.VerifyLog, request)):
            unsound += not result.sound
            _write_result(result, as_json=as_json)
    if unsound:
        say(f"{unsound} logs do not agree with their checkpoints; restore them or fetch them anew")
    return EXIT_FAILED if unsound else 0


def _results(answers: Any) -> Any:
    """Move a bar with the progress and yield the results."""
    bar: Progress | None = None
    moved = 0
    for answer in answers:
        if bar is None:
            bar = Progress(f"Verifying {answer.origin}", answer.total).__enter__()
        bar.advance(answer.checked - moved)
        moved = answer.checked
        if answer.done:
            bar.__exit__(None, None, None)
            bar, moved = None, 0
            yield answer


def _write_result(result: wire.VerifyLogResponse, *, as_json: bool) -> None:
    if as_json:
        json_object(describe(result))
    elif result.sound:
        data(f"sound    {result.origin}  {result.checked} entries")
    else:
        place = f" at entry {result.bad_index}" if result.HasField("bad_index") else ""
        data(f"UNSOUND  {result.origin}{place}: {result.reason}")


@log_command.command(
    epilog="""\b
EXAMPLES
  tocsin log prove 17
  tocsin log prove 17 --origin night/bank-x/all --json > proof.json
"""
)
@click.argument("index", type=click.IntRange(0))
@origin_option
@json_option
@pass_home
def prove(home: Home, index: int, origin: str, as_json: bool) -> None:
    """Prove that an entry is in a log, and check the proof as an auditor would."""
    card = load_card(home)
    which = (
        Origin.parse(origin) if origin else Origin(card.federation, card.member.member, EVERYONE)
    )
    with InsideDoor(home) as door:
        request = wire.ProveStatementRequest(origin=str(which), index=index)
        answer = door.call(door.operation.ProveStatement, request)
    proof = check_proof(home, which, index, answer)
    if as_json:
        json_object(proof)
        return
    data(f"entry {index} is in {which}, a log of {proof['size']} entries")
    data(f"leaf hash   {proof['leaf_hash']}")
    data(f"path        {len(proof['hashes'])} hashes")
    data(f"checkpoint  signed by {which.member} at {proof['checkpoint_time']}")
    say("Next: --json gives everything that an auditor needs to check this without a node.")


def check_proof(
    home: Home, origin: Origin, index: int, answer: wire.ProveStatementResponse
) -> dict[str, Any]:
    """Check an inclusion proof against the charter's keys and return it for programs.

    Raises:
        PeerError: PROOF_INVALID.
    """
    try:
        public = require_charter(home).member(origin.member).signing_key
    except CharterError as error:
        raise PeerError("the charter lists no such member", reason="MEMBER_UNKNOWN") from error
    checkpoint = verify_checkpoint(answer.checkpoint, origin, public).checkpoint
    leaf = leaf_hash(answer.body)
    verify_inclusion(leaf, index, checkpoint.size, checkpoint.root, list(answer.hashes))
    return {
        "origin": str(origin),
        "index": index,
        "size": checkpoint.size,
        "leaf_hash": leaf.hex(),
        "body": answer.body.hex(),
        "hashes": [hash_.hex() for hash_ in answer.hashes],
        "checkpoint": answer.checkpoint.decode(),
        "checkpoint_time": time_text(int(checkpoint.time.timestamp())),
    }


@log_command.command(
    epilog="""\b
EXAMPLES
  tocsin log sync
"""
)
@json_option
@pass_home
def sync(home: Home, as_json: bool) -> int:
    """Fetch what the other members have now, instead of at the next turn."""
    with InsideDoor(home) as door:
        answer = door.call(door.operation.Synchronise, wire.SynchroniseRequest(), LONG_CALL_SECONDS)
    if as_json:
        json_object(describe(answer))
    else:
        data(f"received {answer.received_count} statements")
        if answer.unreachable:
            say(f"Not reached: {', '.join(answer.unreachable)}")
    return EXIT_FAILED if answer.unreachable else 0


@log_command.command(
    epilog="""\b
EXAMPLES
  tocsin log rebuild
"""
)
@json_option
@pass_home
def rebuild(home: Home, as_json: bool) -> int:
    """Delete every view and fold it again from the logs; both have to agree."""
    with InsideDoor(home) as door:
        request = wire.RebuildViewsRequest()
        answer = door.call(door.operation.RebuildViews, request, LONG_CALL_SECONDS)
    agree = answer.digest_before == answer.digest_after
    if as_json:
        json_object({**describe(answer), "agree": agree})
    else:
        data(f"folded {answer.statement_count} statements")
        data(f"before {answer.digest_before.hex()}")
        data(f"after  {answer.digest_after.hex()}")
        say("The views agree." if agree else "The views were damaged; they are right now.")
    return 0 if agree else EXIT_FAILED


@log_command.command(
    epilog="""\b
EXAMPLES
  tocsin log compact --expired-before 2026-01-01
  tocsin log compact --expired-before 2026-01-01 --yes
"""
)
@click.option(
    "--expired-before", type=Moment(), required=True, metavar="TIME", help="Ended before this."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_home
def compact(home: Home, expired_before: int, yes: bool, as_json: bool) -> None:
    """Drop the bodies of statements that expired long ago; their leaf hashes stay."""
    member = load_card(home).member.member
    when = time_text(expired_before)
    say(f"This deletes from {home.data} the bodies of all statements that expired before {when}.")
    say("They cannot be read again; the logs can still be verified.")
    if not yes and click.prompt("Type the member's name to go on", err=True) != member:
        raise click.Abort
    request = wire.CompactLogRequest()
    request.expired_before_time.FromSeconds(expired_before)
    with InsideDoor(home) as door:
        answer = door.call(door.operation.CompactLog, request, CALL_SECONDS)
    if as_json:
        json_object(describe(answer))
    else:
        data(f"dropped {answer.compacted_count} bodies")
    say("Next: tocsin log verify")
