"""What the README says about commands and settings is true."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from node.cli import tocsin
from tests.contract.readme import README, current_readme

COMMANDS = re.findall(r"^\$ (tocsin .*)$", README.read_text(encoding="utf-8"), re.MULTILINE)
INLINE = re.findall(r"`(tocsin [^`]*)`", README.read_text(encoding="utf-8"))


def resolve(line: str) -> tuple[click.Command, list[str]]:
    """Walk from the group to the command that a line calls; what is left are its arguments."""
    words = shlex.split(line)[1:]
    command: click.Command = tocsin
    context = click.Context(tocsin, info_name="tocsin")
    while isinstance(command, click.Group):
        if words[:1] == ["--home"]:
            words = words[2:]
        found = command.get_command(context, words[0])
        assert found is not None, f"there is no command {words[0]!r}"
        command, words = found, words[1:]
    return command, words


def test_the_generated_parts_are_current() -> None:
    assert README.read_text(encoding="utf-8") == current_readme(), "run `make gen`"


@pytest.mark.parametrize("line", sorted({*COMMANDS, *INLINE}))
def test_every_command_exists_with_its_options(line: str) -> None:
    command, words = resolve(line) if len(shlex.split(line)) > 1 else (tocsin, [])
    known = {option for parameter in command.params for option in parameter.opts}
    used = {word for word in words if word.startswith("--")}

    assert used <= known | {"--help"}


def test_the_readme_shows_commands() -> None:
    assert len(COMMANDS) >= 10
