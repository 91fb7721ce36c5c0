"""Get a passphrase from where the options say, or from a hidden prompt."""

from __future__ import annotations

from pathlib import Path

import click

from keys.secret import Secret
from node.home import Home
from node.member import MemberKeys
from node.passphrase import passphrase_from_descriptor, passphrase_from_file, prompt_passphrase


def read_passphrase(file: Path | None, descriptor: int | None, *, confirm: bool = False) -> Secret:
    """Read a passphrase; without options it is asked for on the terminal.

    Args:
        file: Value of ``--passphrase-file``.
        descriptor: Value of ``--passphrase-descriptor``.
        confirm: Ask twice, for a new passphrase.

    Raises:
        ConfigError: As ``node.passphrase``.
    """
    if file is not None and descriptor is not None:
        raise click.UsageError("give the passphrase in one way only")
    if file is not None:
        return passphrase_from_file(file)
    if descriptor is not None:
        return passphrase_from_descriptor(descriptor)
    return prompt_passphrase(confirm=confirm)


def unlock_member(home: Home, file: Path | None, descriptor: int | None) -> MemberKeys:
    """Open the keys of a home.

    Raises:
        ConfigError: NOT_INITIALISED before anything is asked; as ``read_passphrase`` and
            ``MemberKeys.open``.
    """
    home.require()
    return MemberKeys.open(home, read_passphrase(file, descriptor))
