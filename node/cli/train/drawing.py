"""``tocsin train plot``: draw the model card's curves."""

from __future__ import annotations

from pathlib import Path

import click

from node.cli.option import pass_home
from node.cli.output import data
from node.cli.train.digest import files_argument
from node.cli.train.model_files import PLOTS_DIRECTORY, find_directory, read_model_card
from node.home import Home


@click.command(
    epilog="""\b
Precision over recall, calibration and rounds, each as PNG and SVG. At a member the first one has
the member's own curves, too: they are measured on its own rows and are on its own machine alone.

\b
EXAMPLES
  tocsin train plot 9f2c4b1a
  tocsin train plot 9f2c4b1a --out plots
"""
)
@files_argument
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="A directory.")
@pass_home
def plot(home: Home, digest: bytes, out: Path | None) -> None:
    """Draw a model's precision over recall, calibration and rounds."""
    from federation.training.plots import FORMATS, draw_all
    from node.training.own_numbers import read_own_numbers

    directory = find_directory(home, digest)
    card, own = read_model_card(directory), read_own_numbers(directory)
    into = out or directory / PLOTS_DIRECTORY
    into.mkdir(parents=True, exist_ok=True)
    for form in FORMATS:
        for name, content in draw_all(card, own, form).items():
            (into / name).write_bytes(content)
            data(str(into / name))
