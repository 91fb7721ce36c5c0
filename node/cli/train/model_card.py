"""``tocsin train card``: read the model card."""

from __future__ import annotations

from pathlib import Path

import click

from node.cli.option import pass_home
from node.cli.output import say
from node.cli.train.digest import files_argument
from node.cli.train.model_files import (
    CARD_FILE,
    find_directory,
    read_assessment,
    read_model_card,
)
from node.home import Home


@click.command(
    epilog="""\b
The card is written when the run ends; members get it with the shadow stage. The JSON is the file
whose SHA-256 the log names; the Markdown has the risk assessment, too, once there is one.

\b
EXAMPLES
  tocsin train card 9f2c4b1a
  tocsin train card 9f2c4b1a --out card.md
  tocsin train card 9f2c4b1a --json | sha256sum
"""
)
@files_argument
@click.option("--json", "form", flag_value="json", help="Write the file itself.")
@click.option(
    "--markdown", "form", flag_value="markdown", default=True, help="Write it for people."
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write into a file.")
@pass_home
def card(home: Home, digest: bytes, form: str, out: Path | None) -> None:
    """Show a model's card: what it is for, what it is worth, what protects it and what not."""
    directory = find_directory(home, digest)
    found = read_model_card(directory)
    if form == "json":
        content = (directory / CARD_FILE).read_bytes()
    else:
        content = found.markdown(read_assessment(directory)).encode()
    if out is not None:
        out.write_bytes(content)
        say(f"Written: {out}")
    else:
        click.echo(content, nl=False)
