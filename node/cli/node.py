"""``tocsin node``: run a node, ask whether it is ready, and what it lacks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from node.cli.option import json_option, pass_home, passphrase_options
from node.cli.output import data, json_object, say
from node.config import MAX_PROCESSES, load_config
from node.errors import EXIT_FAILED
from node.home import Home


@click.group(
    epilog="""\b
EXAMPLES
  tocsin --home ./bank-x node run
  tocsin --home ./bank-x node status
  tocsin --home ./bank-x node doctor
  tocsin --home ./bank-x node move-store 'postgresql://tocsin@db.example/tocsin?passfile=db.pass'
"""
)
def node_command() -> None:
    """Run a node, and ask how it is."""


@node_command.command(
    epilog="""\b
EXAMPLES
  tocsin --home ./bank-x node run
  tocsin --home ./bank-x node run --passphrase-file ./passphrase
  tocsin --home ./bank-x node run --passphrase-descriptor 3 3< <(pass show tocsin)
  tocsin --home ./bank-x node run --processes 4
"""
)
@passphrase_options
@click.option(
    "--processes",
    type=click.IntRange(1, MAX_PROCESSES),
    help="Processes behind the node's address, instead of the setting; with a database only.",
)
@click.option(
    "--one-of-several",
    type=(int, int, int),
    hidden=True,
    help="What the processes of one node are told by the one that starts them.",
)
@pass_home
def run(
    home: Home,
    passphrase_file: Path | None,
    passphrase_descriptor: int | None,
    processes: int | None,
    one_of_several: tuple[int, int, int] | None,
) -> int:
    """Run the node until it is told to stop (SIGTERM or Ctrl-C)."""
    from node.cli.unlock import read_passphrase
    from node.running.start import run_node
    from node.several import Place, require_sharable, run_several

    config = load_config(home.require().config)
    config = replace(config, processes=processes or config.processes)
    if config.processes > 1:
        require_sharable(config)
    passphrase = read_passphrase(passphrase_file, passphrase_descriptor)
    if one_of_several is not None:
        return run_node(home, config, passphrase, Place(*one_of_several))
    if config.processes > 1:
        return run_several(home, config, passphrase)
    return run_node(home, config, passphrase)


@node_command.command(
    epilog="""\b
Exit codes: 0 ready, 2 not initialised or not ready yet, 1 cannot tell.

\b
EXAMPLES
  tocsin --home ./bank-x node status
  tocsin --home ./bank-x node status --json
"""
)
@json_option
@pass_home
def status(home: Home, as_json: bool) -> int:
    """Tell whether the node is ready."""
    from node.cli.status import exit_code, read_status, write_summary

    found = read_status(home)
    if as_json:
        json_object(found)
    else:
        write_summary(found)
    return exit_code(found)


@node_command.command(
    epilog="""\b
With a passphrase the key file is opened too, and every peer is asked for its clock.

\b
EXAMPLES
  tocsin --home ./bank-x node doctor
  tocsin --home ./bank-x node doctor --passphrase-file ./passphrase --json
"""
)
@passphrase_options
@json_option
@pass_home
def doctor(
    home: Home, passphrase_file: Path | None, passphrase_descriptor: int | None, as_json: bool
) -> int:
    """Check settings, keys, charter, clock, database and peers, with a hint for each failure."""
    from node.cli.doctor import examine
    from node.cli.finding import write_finding
    from node.cli.unlock import read_passphrase

    given = passphrase_file is not None or passphrase_descriptor is not None
    passphrase = read_passphrase(passphrase_file, passphrase_descriptor) if given else None
    failed = 0
    for finding in examine(home, passphrase):
        failed += finding.is_failure
        write_finding(finding, as_json=as_json)
    if failed:
        say(f"{failed} checks failed")
    return EXIT_FAILED if failed else 0


@node_command.command(
    epilog="""\b
End the node first. Logs and private rows are copied, the views folded again there, both compared,
and only then the settings name the database. The files stay: data/private.db.moved still holds raw
values of your customers, so remove it when the node has run. The password stands in the file that
the address names with passfile= (one line, host:port:database:user:password, mode 0600); in the
settings a relative one starts at the home.

\b
EXAMPLES
  tocsin --home ./bank-x node move-store 'postgresql://tocsin@db.example/tocsin?passfile=db.pass'
"""
)
@click.argument("address")
@json_option
@pass_home
def move_store(home: Home, address: str, as_json: bool) -> None:
    """Move the tables, replicated and private, from their files to a PostgreSQL database."""
    from node.cli.move_store import move_store as move

    moved = move(home, address)
    if as_json:
        json_object(
            {
                "logs": moved.log_count,
                "entries": moved.entry_count,
                "views_digest": moved.views_digest.hex(),
                "private_rows": moved.private_count,
                "private_file": None if moved.kept is None else str(moved.kept),
            }
        )
        return
    data(f"moved {moved.entry_count} entries of {moved.log_count} logs")
    data(f"moved {moved.private_count} private rows")
    say(f"{home.config} names the database now; data/public.db may go when the node has run")
    if moved.kept is not None:
        say(f"{moved.kept} still holds your customers' raw values: remove it when the node has run")
