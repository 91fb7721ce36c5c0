"""Read and write charter files for the command line; what they say is judged on floor 2."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from federation.charter import (
    Card,
    Charter,
    CharterError,
    adopt_charter,
    encode_charter,
    parse_card,
    parse_charter,
    parse_text,
    verify_charter,
)
from federation.errors import FederationError
from keys.errors import NoteError
from keys.note import parse_note, verify_note
from node.errors import ConfigError, RequestError
from node.home import Home
from node.whole_file import PUBLIC_MODE, create_whole, write_whole

MAX_FILE_BYTES = 2 * 1024 * 1024
"""Bytes: a charter has at most 1 MiB; anything longer is a wrong path."""


@dataclass(frozen=True, slots=True)
class CharterFile:
    """A charter as it stands in a file, drafts included.

    Attributes:
        data: The bytes of the file.
        charter: What its text says.
        signed: Members whose signature under the key in this very charter is right.
    """

    data: bytes
    charter: Charter
    signed: frozenset[str]


def read_charter(path: Path) -> CharterFile:
    """Read a draft or a signed charter.

    Raises:
        RequestError: FILE_UNREADABLE.
        CharterError: CHARTER_MALFORMED or CHARTER_INVALID.
    """
    data = read_file(path)
    if _is_draft(data):
        return CharterFile(data, parse_text(data.decode("ascii", "replace")), frozenset())
    charter = parse_charter(data).charter
    return CharterFile(data, charter, _signed(data, charter))


def _is_draft(data: bytes) -> bool:
    return b"\n\n" not in data  # only signatures follow a blank line


def _signed(data: bytes, charter: Charter) -> frozenset[str]:
    note = parse_note(data)
    names: set[str] = set()
    for member in charter.members:
        name = charter.key_name(member.member)
        with contextlib.suppress(NoteError):
            if verify_note(note, {name: member.signing_key}):
                names.add(member.member)
    return frozenset(names)


def home_charter(home: Home) -> Charter | None:
    """Return the charter in force in a home, or None before the first.

    Raises:
        ConfigError: CHARTER_INVALID; the file is damaged.
    """
    if not home.charter.exists():
        return None
    try:
        return parse_charter(read_file(home.charter)).charter
    except FederationError as error:
        raise ConfigError(
            f"the charter in this home is not valid: {error}",
            reason="CHARTER_INVALID",
            hint="restore charter.note from its backup",
        ) from error


def require_charter(home: Home) -> Charter:
    """Return the charter in force.

    Raises:
        ConfigError: CHARTER_MISSING or CHARTER_INVALID.
    """
    if (charter := home_charter(home.require())) is None:
        raise ConfigError(
            "this home has no charter yet",
            reason="CHARTER_MISSING",
            hint="tocsin charter adopt FILE",
        )
    return charter


def verify_file(data: bytes, previous: Charter | None, digest: bytes | None) -> Charter:
    """Verify a charter from a file against the version before, or by a digest known otherwise.

    Raises:
        CharterError: The reason says which rule it breaks.
    """
    if _is_draft(data):
        raise CharterError(
            "nobody has signed this charter yet",
            reason="CHARTER_SIGNATURE_MISSING",
            hint="tocsin --home DIR charter sign FILE   (at each member, one after the other)",
        )
    if digest is not None:
        return adopt_charter(data, digest)
    return verify_charter(data, previous)


def read_cards(paths: Sequence[Path]) -> list[Card]:
    """Read member cards.

    Raises:
        RequestError: FILE_UNREADABLE.
        CharterError: CHARTER_MALFORMED or CHARTER_INVALID.
    """
    return [parse_card(read_file(path)) for path in paths]


def read_file(path: Path) -> bytes:
    """Read a public file whole.

    Raises:
        RequestError: FILE_UNREADABLE.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise RequestError(message, reason="FILE_UNREADABLE") from error
    if len(data) > MAX_FILE_BYTES:
        raise RequestError(f"{path} is too long for a charter", reason="FILE_UNREADABLE")
    return data


def write_draft(path: Path, charter: Charter) -> None:
    """Write an unsigned version into a new file.

    Raises:
        RequestError: FILE_EXISTS or FILE_UNWRITABLE.
    """
    create_file(path, encode_charter(charter).encode())


def create_file(path: Path, data: bytes) -> None:
    """Write a new public file; an existing one is never overwritten.

    Raises:
        RequestError: FILE_EXISTS or FILE_UNWRITABLE.
    """
    try:
        create_whole(path, data, PUBLIC_MODE)
    except FileExistsError as error:
        message = f"{path} exists and is never overwritten"
        raise RequestError(message, reason="FILE_EXISTS", hint="choose another name") from error
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise RequestError(message, reason="FILE_UNWRITABLE") from error


def replace_file(path: Path, data: bytes) -> None:
    """Put new content under a path at once, with the mode that it had.

    Raises:
        RequestError: FILE_UNWRITABLE.
    """
    try:
        write_whole(path, data, path.stat().st_mode & 0o777)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise RequestError(message, reason="FILE_UNWRITABLE") from error
