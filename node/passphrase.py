"""Read a passphrase from a hidden prompt, a private file or a descriptor, and from nowhere else.

Arguments and environment variables can be read by other processes, so there is no way to give a
passphrase by either.
"""

import getpass
import os
import warnings
from pathlib import Path

from keys.secret import Secret
from node.errors import ConfigError
from node.keyfile import read_secret_file

MAX_PASSPHRASE_BYTES = 4_096
"""Bytes: far beyond any passphrase; a longer input is the wrong file."""

_OTHER_WAYS = "--passphrase-file FILE, of mode 0600, or --passphrase-descriptor N"


def prompt_passphrase(prompt: str = "Passphrase: ", *, confirm: bool = False) -> Secret:
    """Ask on the terminal without echo; twice for a new passphrase.

    Raises:
        ConfigError: PASSPHRASE_NO_TERMINAL, PASSPHRASE_MISMATCH, PASSPHRASE_EMPTY or
            PASSPHRASE_TOO_LONG.
    """
    first = _checked(_ask(prompt))
    if confirm and _ask("Again: ") != first:
        raise ConfigError("the two passphrases differ", reason="PASSPHRASE_MISMATCH")
    return first


def passphrase_from_file(path: Path) -> Secret:
    """Read a file of mode 0600; one newline at its end is not part of the passphrase.

    Raises:
        ConfigError: As ``read_secret_file``; PASSPHRASE_EMPTY or PASSPHRASE_TOO_LONG.
    """
    return _checked(read_secret_file(path, MAX_PASSPHRASE_BYTES + 2))


def passphrase_from_descriptor(descriptor: int) -> Secret:
    """Read an open descriptor to its end and close it; one newline at the end does not count.

    Raises:
        ConfigError: PASSPHRASE_DESCRIPTOR, it is not open for reading, or is a terminal, which
            would echo; PASSPHRASE_EMPTY or PASSPHRASE_TOO_LONG.
    """
    try:
        if os.isatty(descriptor):
            raise ConfigError(
                "the descriptor is a terminal, which would show the passphrase",
                reason="PASSPHRASE_DESCRIPTOR",
                hint="Leave the option out to be asked without echo.",
            )
        with open(descriptor, "rb") as file:
            return _checked(Secret(file.read(MAX_PASSPHRASE_BYTES + 3)))
    except OSError as error:
        raise ConfigError(
            f"descriptor {descriptor} cannot be read: {error.strerror}",
            reason="PASSPHRASE_DESCRIPTOR",
        ) from error


def _ask(prompt: str) -> Secret:
    try:
        with warnings.catch_warnings():
            # getpass only warns before it echoes; we would rather not ask.
            warnings.simplefilter("error", getpass.GetPassWarning)
            # An encoding error would carry the passphrase in its traceback.
            return Secret(getpass.getpass(prompt).encode(errors="surrogateescape"))
    except (getpass.GetPassWarning, EOFError, OSError) as error:
        raise ConfigError(
            "there is no terminal to ask for the passphrase",
            reason="PASSPHRASE_NO_TERMINAL",
            hint=_OTHER_WAYS,
        ) from error


def _checked(raw: Secret) -> Secret:
    value = raw.reveal()
    stripped = Secret(value.removesuffix(b"\n").removesuffix(b"\r"))
    if not stripped:
        raise ConfigError("the passphrase is empty", reason="PASSPHRASE_EMPTY")
    if len(stripped) > MAX_PASSPHRASE_BYTES:
        raise ConfigError(
            f"a passphrase is at most {MAX_PASSPHRASE_BYTES} bytes long",
            reason="PASSPHRASE_TOO_LONG",
        )
    return stripped
