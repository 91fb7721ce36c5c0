"""``tocsin charter``: make, sign, check and follow the document that constitutes a federation."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from federation.charter import (
    Charter,
    add_member,
    create_charter,
    encode_charter,
    revoke_member,
    set_quota,
    sign_charter,
    uniform_quota,
    with_holders,
)
from federation.names import MemberId
from federation.roles import Role
from node.cli.charter_adoption import adopt, check_file
from node.cli.charter_file import (
    CharterFile,
    create_file,
    home_charter,
    read_cards,
    read_charter,
    replace_file,
    require_charter,
    write_draft,
)
from node.cli.document import time_text
from node.cli.option import json_option, pass_home, passphrase_options
from node.cli.output import data, json_object, say, table
from node.cli.unlock import unlock_member
from node.errors import RequestError
from node.home import Home

_PATH = click.Path(path_type=Path, dir_okay=False)
_DIGEST_HEX = 64

from_option = click.option(
    "--from", "base", type=_PATH, help="The version before; default: the home's charter."
)


@click.group(
    epilog="""\b
EXAMPLES
  tocsin charter create charter.note */member.json
  tocsin --home ./bank-x charter sign charter.note
  tocsin charter verify charter.note
  tocsin --home ./bank-x charter adopt charter.note
"""
)
def charter_command() -> None:
    """Make, sign, check and follow the federation's charter."""


@charter_command.command(
    epilog="""\b
EXAMPLES
  tocsin charter create charter.note carrier-a/member.json bank-x/member.json
  tocsin charter create charter.note */member.json --holder carrier-a --holder bank-x --threshold 2
"""
)
@click.argument("out", type=_PATH)
@click.argument("cards", type=_PATH, nargs=-1, required=True)
@click.option(
    "--holder", "holders", multiple=True, metavar="MEMBER", help="A key holder; default: all."
)
@click.option(
    "--threshold", type=click.IntRange(1), help="Holders that evaluate together; default: most."
)
def create(
    out: Path, cards: tuple[Path, ...], holders: tuple[str, ...], threshold: int | None
) -> None:
    """Write the first version of a charter, unsigned, from the members' cards."""
    read = read_cards(cards)
    if len({card.federation for card in read}) != 1:
        raise RequestError("the cards are of different federations", reason="CARDS_DIFFER")
    members = [card.member for card in read]
    names = [MemberId.parse(name) for name in holders] or sorted(
        member.member for member in members if member.is_speaking
    )
    charter = create_charter(
        read[0].federation, members, names, threshold or majority(len(names)), time=_now()
    )
    write_draft(out, charter)
    _report_draft(out, charter)


@charter_command.command(
    epilog="""\b
EXAMPLES
  tocsin charter add charter2.note newcomer/member.json
"""
)
@click.argument("out", type=_PATH)
@click.argument("cards", type=_PATH, nargs=-1, required=True)
@from_option
@pass_home
def add(home: Home, out: Path, cards: tuple[Path, ...], base: Path | None) -> None:
    """Write the next version, with members added, unsigned."""

    def change(charter: Charter) -> Charter:
        read = read_cards(cards)
        if {card.federation for card in read} != {charter.federation}:
            raise RequestError("a card is of another federation", reason="CARDS_DIFFER")
        return add_member(charter, *(card.member for card in read), time=_now())

    _amend(home, base, out, change)


@charter_command.command(
    epilog="""\b
EXAMPLES
  tocsin charter revoke charter3.note bank-x
  tocsin charter revoke charter3.note bank-x --threshold 2
"""
)
@click.argument("out", type=_PATH)
@click.argument("member")
@click.option("--threshold", type=click.IntRange(1), help="Of the holders left; default: as is.")
@from_option
@pass_home
def revoke(home: Home, out: Path, member: str, threshold: int | None, base: Path | None) -> None:
    """Write the next version, with a member put out from now on, unsigned."""

    def change(charter: Charter) -> Charter:
        return revoke_member(charter, MemberId.parse(member), time=_now(), threshold=threshold)

    _amend(home, base, out, change)


@charter_command.command(
    epilog="""\b
EXAMPLES
  tocsin charter holders charter4.note carrier-a bank-x police-h --threshold 2
"""
)
@click.argument("out", type=_PATH)
@click.argument("members", nargs=-1, required=True)
@click.option(
    "--threshold", type=click.IntRange(1), help="Holders that evaluate together; default: most."
)
@from_option
@pass_home
def holders(
    home: Home, out: Path, members: tuple[str, ...], threshold: int | None, base: Path | None
) -> None:
    """Write the next version, with other key holders, unsigned."""
    names = [MemberId.parse(member) for member in members]

    def change(charter: Charter) -> Charter:
        return with_holders(charter, names, threshold or majority(len(names)), time=_now())

    _amend(home, base, out, change)
    say("Once it is in force: tocsin key reshare")


@charter_command.command(
    epilog="""\b
EXAMPLES
  tocsin charter quota charter5.note partner --evaluate 10000 --lookup 50000 --pad 8
"""
)
@click.argument("out", type=_PATH)
@click.argument("role", type=click.Choice([role.value for role in Role]))
@click.option("--evaluate", type=click.IntRange(0), required=True, help="A day and kind class.")
@click.option("--lookup", type=click.IntRange(0), required=True, help="Look-ups a day.")
@click.option("--pad", type=click.IntRange(1), required=True, help="Least size of a batch.")
@from_option
@pass_home
def quota(
    home: Home, out: Path, role: str, evaluate: int, lookup: int, pad: int, base: Path | None
) -> None:
    """Write the next version, with other limits for a role, unsigned."""

    def change(charter: Charter) -> Charter:
        return set_quota(charter, Role(role), uniform_quota(evaluate, lookup, pad), time=_now())

    _amend(home, base, out, change)


@charter_command.command(
    epilog="""\b
EXAMPLES
  tocsin --home ./bank-x charter sign charter.note
  tocsin --home ./bank-x charter sign charter.note --out signed.note
"""
)
@click.argument("file", type=_PATH)
@click.option("--out", type=_PATH, help="Write a new file; default: FILE itself.")
@passphrase_options
@pass_home
def sign(
    home: Home,
    file: Path,
    out: Path | None,
    passphrase_file: Path | None,
    passphrase_descriptor: int | None,
) -> None:
    """Add this member's signature to a charter."""
    found = read_charter(file)
    keys = unlock_member(home, passphrase_file, passphrase_descriptor)
    previous = home_charter(home)
    signed = sign_charter(found.data, keys.card.member.member, keys.signing, previous)
    if out is None:
        replace_file(file, signed)
    else:
        create_file(out, signed)
    _report_signed(read_charter(out or file), out or file)


@charter_command.command(
    epilog="""\b
EXAMPLES
  tocsin charter show charter.note
  tocsin --home ./bank-x charter show --json
"""
)
@click.argument("file", type=_PATH, required=False)
@json_option
@pass_home
def show(home: Home, file: Path | None, as_json: bool) -> None:
    """Show a charter and who has signed it; without FILE the one in force."""
    if file is None:
        require_charter(home)
    found = read_charter(file or home.charter)
    if as_json:
        json_object(_document(found))
    else:
        _write(found)


@charter_command.command(
    epilog="""\b
EXAMPLES
  tocsin charter verify charter.note
  tocsin charter verify charter2.note --previous charter.note
  tocsin charter verify charter9.note --digest 5f70bf18a086007016e948b04aed3b82103a36be...
"""
)
@click.argument("file", type=_PATH)
@click.option("--previous", type=_PATH, help="The version before; default: the home's charter.")
@click.option("--digest", help="SHA-256 of this version, compared with another member by hand.")
@pass_home
def verify(home: Home, file: Path, previous: Path | None, digest: str | None) -> None:
    """Verify that those whose agreement it takes have signed."""
    found = read_charter(file)
    before = home_charter(home) if previous is None else read_charter(previous).charter
    check_file(found, before, read_digest(digest))
    data(f"version {found.charter.version} of {found.charter.federation} is in order")
    data(f"digest {found.charter.digest().hex()}")


@charter_command.command(
    "adopt",
    epilog="""\b
EXAMPLES
  tocsin --home ./bank-x charter adopt charter.note
  tocsin --home ./late-x charter adopt charter9.note --digest 5f70bf18a086007016e948b04a...
""",
)
@click.argument("files", type=_PATH, nargs=-1, required=True)
@click.option("--digest", help="SHA-256 of a later version to start with, compared by hand.")
@pass_home
def adopt_files(home: Home, files: tuple[Path, ...], digest: str | None) -> None:
    """Verify versions of the charter in order and follow them; tells a running node."""
    home.require()
    for file in files:
        adopt(home, read_charter(file), read_digest(digest))


def majority(count: int) -> int:
    """Return how many of so many holders evaluate together where nobody says."""
    return count // 2 + 1


def read_digest(text: str | None) -> bytes | None:
    """Read a digest in hexadecimal.

    Raises:
        RequestError: DIGEST_INVALID.
    """
    if text is None:
        return None
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(text) != _DIGEST_HEX or len(digest) * 2 != _DIGEST_HEX:
        raise RequestError(
            f"a digest has {_DIGEST_HEX} hexadecimal digits", reason="DIGEST_INVALID"
        )
    return digest


def _now() -> int:
    return int(time.time())


def _amend(home: Home, base: Path | None, out: Path, change: Callable[[Charter], Charter]) -> None:
    charter = require_charter(home) if base is None else read_charter(base).charter
    amended = change(charter)
    write_draft(out, amended)
    _report_draft(out, amended)


def _report_draft(out: Path, charter: Charter) -> None:
    data(f"{out}  version {charter.version} of {charter.federation}, unsigned")
    data(f"digest {charter.digest().hex()}")
    say("Not in force: it takes signatures, of everyone for the first version, else of a majority.")
    say(f"Next: tocsin --home DIR charter sign {out}   (at each member, one after the other)")


def _report_signed(found: CharterFile, path: Path) -> None:
    missing = [
        member.member
        for member in found.charter.members
        if member.member not in found.signed and member.revoked_time is None
    ]
    data(f"{path}  signed by {', '.join(sorted(found.signed))}")
    if missing:
        say(f"Not signed by: {', '.join(missing)}")
    say(f"Next: tocsin charter verify {path}")


def _document(found: CharterFile) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode_charter(found.charter).split("\n", 1)[1])
    digest = found.charter.digest().hex()
    return {**body, "digest": digest, "signed": sorted(found.signed)}


def _write(found: CharterFile) -> None:
    charter = found.charter
    data(f"federation  {charter.federation}")
    data(f"version     {charter.version}, written {time_text(charter.created_time)}")
    data(f"digest      {charter.digest().hex()}")
    data(f"holders     {charter.threshold} of {', '.join(charter.holders)}")
    rows = [
        (
            member.member,
            ",".join(sorted(member.roles)),
            member.address,
            member.region,
            "yes" if member.member in found.signed else "no",
            time_text(member.revoked_time) if member.revoked_time is not None else "-",
        )
        for member in charter.members
    ]
    table(("member", "roles", "address", "region", "signed", "revoked"), rows)
