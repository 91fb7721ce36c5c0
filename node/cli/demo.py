"""The command `tocsin demo`: a whole federation on this machine, every step of it checked."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from node.cli import output
from node.demo.doors import Check
from node.demo.material import load_material
from node.demo.report import check_lines, document, lines
from node.demo.story import Act, Audience, Result, tell_story
from node.errors import EXIT_FAILED

_EPILOG = """\b
Exit status 1 if any check fails.

\b
EXAMPLES
  tocsin demo
  tocsin demo --data ../shared/data --plot training.svg
  tocsin demo --json | python3 -m json.tool
  tocsin demo --story night-harbour
  tocsin demo --story night-harbour --coordinator-down --json
"""

SHORT, NIGHT_HARBOUR = "short", "night-harbour"

_directory = click.Path(path_type=Path, file_okay=False)


@click.command("demo", epilog=_EPILOG)
@click.option("--data", "data_directory", type=_directory, help="Directory of real lists.")
@click.option("--keep", type=_directory, help="Keep the homes here, a new or empty directory.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw what training gained to this file, .svg or .png.",
)
@click.option(
    "--story",
    type=click.Choice([SHORT, NIGHT_HARBOUR]),
    default=SHORT,
    help="Which story: ten acts of sharing, or one fraud from its first signs to its lessons.",
)
@click.option(
    "--coordinator-down",
    is_flag=True,
    help="night-harbour: leave the coordinator without power for acts 8 to 13.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the report.")
def demo_command(
    data_directory: Path | None,
    keep: Path | None,
    plot: Path | None,
    story: str,
    coordinator_down: bool,
    as_json: bool,
) -> int:
    """Show a whole federation at work, and check every claim."""
    signal.signal(signal.SIGTERM, _end_in_order)
    if story == NIGHT_HARBOUR:
        if data_directory is not None or plot is not None:
            raise click.UsageError("--data and --plot are for the short story")
        return _tell_night_harbour(keep, coordinator_down=coordinator_down, as_json=as_json)
    if coordinator_down:
        raise click.UsageError("--coordinator-down is for --story night-harbour")
    return _tell_short(data_directory, keep, plot, as_json=as_json)


def _tell_short(
    data_directory: Path | None, keep: Path | None, plot: Path | None, *, as_json: bool
) -> int:
    with output.Progress("reading lists", 1) as bar:
        material = load_material(data_directory)
        bar.advance(1)
    if not as_json:
        output.data(
            f"Tocsin demonstration: six nodes, each its own process, with\n{material.source}.\n"
        )
    with _directory_of(keep) as directory:
        audience = Audience(output.Progress) if as_json else _PERSON
        result = tell_story(material, directory, audience)
    if as_json:
        output.json_object(document(result))
    else:
        _show_end(result, keep)
    if result.facts.training and (plot is not None or keep is not None):
        _draw(result.facts.training, plot or Path(str(keep)) / "training.svg")
    return 0 if result.passed else EXIT_FAILED


def _tell_night_harbour(keep: Path | None, *, coordinator_down: bool, as_json: bool) -> int:
    from node.demo.night_harbour import screens, telling

    def write(lines: Iterator[str]) -> None:
        for line in lines:
            output.data(line)

    audience = telling.Audience(output.Progress)
    if not as_json:
        write(screens.opening())
        audience = telling.Audience(
            output.Progress,
            lambda act, clock: write(screens.begin_lines(act, clock)),
            lambda played: write(screens.end_lines(played)),
        )
    with _directory_of(keep) as directory:
        told = telling.tell(directory, audience, coordinator_down=coordinator_down)
    if as_json:
        output.json_object(screens.document(told))
    else:
        write(screens.final_lines(told))
    if keep is not None:
        output.say(f"the homes are in {keep / telling.HOMES}, their story's clock beside them")
    return 0 if told.passed else EXIT_FAILED


def _end_in_order(number: int, frame: FrameType | None) -> NoReturn:
    """Leave through every `finally`: the nodes are processes of their own and would stay."""
    sys.exit(128 + number)


@contextmanager
def _directory_of(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="tocsin-demo-") as name:
        yield Path(name)


def _announce(act: Act) -> None:
    output.data(click.style(act.title, bold=True))


def _tell(checks: list[Check]) -> None:
    for check in checks:
        for line in check_lines(check):
            output.data(line)


def _skip(act: Act, why: str) -> None:
    output.data(
        f"{click.style(act.title, bold=True)}\n  {click.style('skipped', fg='yellow')} {why}"
    )


_PERSON = Audience(output.Progress, _announce, _tell, _skip)


def _draw(found: Mapping[str, Any], target: Path) -> None:
    from node.demo.plot import draw_gain  # matplotlib takes a second to load

    if draw_gain(found, target):
        output.say(f"drawn: {target}")
    else:
        output.say("not drawn: matplotlib is not installed; the bars above say the same")


def _show_end(result: Result, keep: Path | None) -> None:
    output.data()
    for line in lines(result):
        output.data(line)
    if keep is not None:
        output.say(f"the homes are in {keep}; start them again: tocsin sandbox up {keep}")
