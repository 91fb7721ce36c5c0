"""``tocsin init``: a member's home, made once."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path

import click

from federation.names import FederationName, MemberId
from federation.roles import Role
from node.cli.option import pass_home, passphrase_options
from node.cli.output import data, say
from node.cli.unlock import read_passphrase
from node.home import Home
from node.member import Applicant, check_absent, create_member

EPILOG = """\b
Roles: carrier, bank, internet, coordinator, regulator, police; or one of partner, auditor.

\b
EXAMPLES
  tocsin --home ./bank-x init --federation night --member bank-x --role bank \\
         --address bank-x.example:7443 --region 330100
  tocsin --home ./demo init --federation night --member carrier-a --role carrier \\
         --address 127.0.0.1:7443 --passphrase-file ./passphrase
"""


@click.command(epilog=EPILOG)
@click.option("--federation", required=True, help="Name of the federation to be in.")
@click.option("--member", required=True, help="Your name in it.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    metavar="ROLE",
    type=click.Choice([role.value for role in Role]),
    help="What you are; may be given more than once.",
)
@click.option("--address", required=True, metavar="HOST:PORT", help="Where your node listens.")
@click.option(
    "--region", default="000000", show_default=True, help="GB/T 2260 code of where you are."
)
@passphrase_options
@pass_home
def init_command(
    home: Home,
    federation: str,
    member: str,
    roles: tuple[str, ...],
    address: str,
    region: str,
    passphrase_file: Path | None,
    passphrase_descriptor: int | None,
) -> None:
    """Create a member: its keys, its certificate authority, its home."""
    applicant = Applicant(
        FederationName.parse(federation),
        MemberId.parse(member),
        frozenset(Role(role) for role in roles),
        address,
        region,
    )
    check_absent(home)
    passphrase = read_passphrase(passphrase_file, passphrase_descriptor, confirm=True)
    create_member(home, applicant, passphrase, datetime.now(UTC))
    _report(home)


def _report(home: Home) -> None:
    data(f"{home.card}   public card: hand it to whoever prepares the charter")
    data(f"{home.config}    settings, all at their defaults")
    data(f"{home.keys}  signing, sealing and authority keys, encrypted; mode 0600")
    say("Not stored: the passphrase. Without it the keys are lost; keep a copy of both apart.")
    where = shlex.quote(str(home.root))
    say(f"Next: tocsin --home {where} charter create charter.note CARD...   (all members' cards)")
