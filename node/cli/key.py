"""``tocsin key``: make, refresh and show the token keys that the holders have between them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Final

import click

from federation.charter import Charter
from federation.indicators.kind import KindClass
from federation.key_set import KeySetError, parse_key_set, verify_public_key_set
from federation.names import MemberId
from federation.vocabulary import KeyAction
from node.cli.charter_file import create_file, require_charter
from node.cli.connection import InsideDoor
from node.cli.document import describe
from node.cli.option import json_option, pass_home, passphrase_options
from node.cli.output import data, json_object, say, table
from node.cli.unlock import unlock_member
from node.cli.word import Word
from node.errors import EXIT_FAILED, ConfigError, RequestError, UnavailableError
from node.home import Home
from tocsin.desk.v1 import operation_service_pb2 as wire
from tocsin.v1 import token_service_pb2

WAIT_SECONDS: Final = 120
"""Seconds: a ceremony takes as many turns of replication as it has steps, each some seconds."""

POLL_SECONDS: Final = 1.0
GRANT_BYTES: Final = 16

wait_option = click.option(
    "--wait",
    type=click.IntRange(0),
    default=WAIT_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the end; 0: not at all.",
)


@click.group(
    epilog="""\b
EXAMPLES
  tocsin key ceremony
  tocsin key status
  tocsin key refresh
"""
)
def key_command() -> None:
    """Make, refresh and show the federation's token keys."""


@key_command.command(
    epilog="""\b
EXAMPLES
  tocsin key ceremony
  tocsin key ceremony --wait 0
"""
)
@wait_option
@json_option
@pass_home
def ceremony(home: Home, wait: int, as_json: bool) -> int:
    """Open a ceremony in which the holders make a new key for a new epoch."""
    return _start(home, KeyAction.GENERATE, wait, as_json=as_json)


@key_command.command(
    epilog="""\b
EXAMPLES
  tocsin key refresh
"""
)
@wait_option
@json_option
@pass_home
def refresh(home: Home, wait: int, as_json: bool) -> int:
    """Open a ceremony that gives the holders new shares of the same key."""
    return _start(home, KeyAction.REFRESH, wait, as_json=as_json)


@key_command.command(
    epilog="""\b
EXAMPLES
  tocsin key reshare
"""
)
@wait_option
@json_option
@pass_home
def reshare(home: Home, wait: int, as_json: bool) -> int:
    """Open a ceremony that moves the same key to the holders of the charter in force."""
    return _start(home, KeyAction.RESHARE, wait, as_json=as_json)


@key_command.command(
    epilog="""\b
EXAMPLES
  tocsin key status
  tocsin key status --json
"""
)
@json_option
@pass_home
def status(home: Home, as_json: bool) -> None:
    """List the key ceremonies, newest first."""
    with InsideDoor(home) as door:
        found = describe(door.call(door.operation.ListKeys, wire.ListKeysRequest()))
    if as_json:
        json_object(found)
        return
    rows = [
        (
            one["epoch"],
            one["share_epoch"],
            (one["action"] or "").lower(),
            one["state"],
            f"{one['threshold']} of {len(one['holders'])}",
            "yes" if one["share_held"] else "no",
            ",".join(one["waiting_for"]) or "-",
        )
        for one in found["ceremonies"]
    ]
    if rows:
        table(("epoch", "share", "action", "state", "holders", "share here", "waits for"), rows)
    else:
        say("There are no keys yet. Next: tocsin key ceremony")


@key_command.command(
    "export-public",
    epilog="""\b
EXAMPLES
  tocsin key export-public keys.json
  tocsin key export-public keys.json --from carrier-a --passphrase-file ./passphrase
""",
)
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--from", "member", help="Ask this member's node; default: your own.")
@passphrase_options
@pass_home
def export_public(
    home: Home,
    out: Path,
    member: str | None,
    passphrase_file: Path | None,
    passphrase_descriptor: int | None,
) -> None:
    """Write the public keys with every holder's signature, for those who hold no log."""
    from node.cli.outside import OutsideDoor

    charter = require_charter(home)
    keys = unlock_member(home, passphrase_file, passphrase_descriptor)
    name = MemberId.parse(member) if member else keys.card.member.member
    address = None if member else _own_address(home)
    with OutsideDoor(keys, charter, name, address) as door:
        answer = door.call(door.token.GetPublicKeys, token_service_pb2.GetPublicKeysRequest())
    if not answer.key_sets:
        raise ConfigError(
            "there are no keys yet", reason="KEYS_MISSING", hint="tocsin key ceremony"
        )
    _check_keys(charter, answer)
    create_file(out, _key_document(answer).encode())
    newest = answer.key_sets[0]
    shares = f"{newest.threshold} of {len(newest.holders)} holders"
    data(f"{out}  epoch {newest.epoch}, share epoch {newest.share_epoch}, {shares}")
    say("Checked: every holder signed these keys. Not stored: any share.")


def _own_address(home: Home) -> str | None:
    with InsideDoor(home) as door:
        found = door.call(door.operation.GetStatus, wire.GetStatusRequest())
    return found.address or None


def _check_keys(charter: Charter, answer: Any) -> None:
    """Hold the newest keys against the charter; older ones may have had other holders."""
    try:
        verify_public_key_set(charter, parse_key_set(answer.key_sets[0]))
    except KeySetError as error:
        raise UnavailableError(
            f"the keys cannot be trusted: {error}", reason=error.reason, hint="tocsin key status"
        ) from error


def _key_document(answer: Any) -> str:
    return json.dumps(describe(answer), indent=2) + "\n"


@key_command.command(
    epilog="""\b
It counts once as many holders as the threshold have said the same, with the same --grant-id.

\b
EXAMPLES
  tocsin key grant bank-x --class phone --amount 1000000
  tocsin key grant bank-x --class phone --amount 1000000 --grant-id 00112233445566778899aabbccddeeff
"""
)
@click.argument("member")
@click.option(
    "--class",
    "kind_class",
    type=Word(KindClass, "kind class"),
    required=True,
    help="The kinds of value that it is for.",
)
@click.option("--amount", type=click.IntRange(1), required=True, help="Evaluations more, once.")
@click.option("--grant-id", metavar="HEX", help="Of the holder who said it first.")
@json_option
@pass_home
def grant(
    home: Home, member: str, kind_class: KindClass, amount: int, grant_id: str | None, as_json: bool
) -> None:
    """Allow a member more evaluations than its quota, once (key holders)."""
    name, identifier = MemberId.parse(member), _grant_id(grant_id)
    request = wire.GrantQuotaRequest(
        grant_id=identifier,
        member=name,
        kind_class=kind_class.value,  # type: ignore[arg-type]  # the mirrored number
        amount=amount,
    )
    with InsideDoor(home) as door:
        answer = door.call(door.operation.GrantQuota, request)
    if as_json:
        json_object({"grant_id": identifier.hex(), **describe(answer)})
    else:
        data(f"grant {identifier.hex()} of {amount} evaluations to {name}")
    options = f"--class {kind_class.name.lower()} --amount {amount} --grant-id {identifier.hex()}"
    say("Not in force before as many holders as the threshold have said the same.")
    say(f"Next, at another holder: tocsin key grant {name} {options}")


def _grant_id(text: str | None) -> bytes:
    if text is None:
        return os.urandom(GRANT_BYTES)
    try:
        identifier = bytes.fromhex(text)
    except ValueError:
        identifier = b""
    if len(identifier) != GRANT_BYTES:
        raise RequestError("a grant id has 32 hexadecimal digits", reason="GRANT_ID_INVALID")
    return identifier


def _start(home: Home, action: KeyAction, wait: int, *, as_json: bool) -> int:
    request = wire.StartCeremonyRequest(action=action.value)  # type: ignore[arg-type]  # the mirrored number
    with InsideDoor(home) as door:
        identifier = door.call(door.operation.StartCeremony, request).ceremony_id
        say(f"Opened ceremony {identifier.hex()}.")
        found = _wait_for_end(door, identifier, wait)
    if as_json:
        json_object(found or {"ceremony_id": identifier.hex(), "state": None})
    else:
        data(f"ceremony {identifier.hex()}: {(found or {}).get('state') or 'under way'}")
    return _report_end(found, wait)


def _wait_for_end(door: InsideDoor, identifier: bytes, wait: int) -> dict[str, Any] | None:
    """Look at the ceremony until it has ended or the time is over."""
    end = time.monotonic() + wait
    while True:
        answer = door.call(door.operation.ListKeys, wire.ListKeysRequest())
        found = next((one for one in answer.ceremonies if one.ceremony_id == identifier), None)
        ended = found is not None and found.state in ("CONFIRMED", "FAILED")
        if ended or time.monotonic() >= end:
            return describe(found) if found is not None else None
        time.sleep(POLL_SECONDS)


def _report_end(found: dict[str, Any] | None, wait: int) -> int:
    state = (found or {}).get("state")
    if state == "CONFIRMED":
        say("Stored: each holder's shares, in its own key store. Nobody has the whole key.")
        say("Next: tocsin status")
        return 0
    if state == "FAILED":
        say("A holder complained about a dealer; the alarm names it. Nothing has changed.")
        return EXIT_FAILED
    waiting = ", ".join((found or {}).get("waiting_for", [])) or "other holders"
    say(f"Not ended yet; it waits for {waiting}. Next: tocsin key status")
    return EXIT_FAILED if wait else 0
