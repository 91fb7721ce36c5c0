"""Keep sorted tokens in a file that is read in place: 16 bytes a token behind a header of 64.

The header names the federation and the epoch, because tokens of another never match, and nobody
would see why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy

from keys.derivation import TOKEN_BYTES
from node.errors import RequestError
from node.whole_file import whole_file

Tokens = Any
"""An array of numpy with one 16-byte string an item."""

DTYPE: Final = f"S{TOKEN_BYTES}"
HEADER_BYTES: Final = 64
READ_TOKENS: Final = 1 << 20
"""Tokens looked at together: 16 MiB in memory."""

_MAGIC: Final = b"TOCSIN-TOKENS-1\n"
_HASH_BYTES: Final = 16
_EPOCH_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A file whose header was read.

    Attributes:
        count: Tokens in it.
    """

    path: Path
    epoch: int
    count: int

    def tokens(self) -> Tokens:
        """Return the tokens; they stay on the disk until they are looked at."""
        if not self.count:
            return numpy.empty(0, DTYPE)
        return numpy.memmap(self.path, DTYPE, "r", HEADER_BYTES, (self.count,))


def write_tokens(path: Path, federation: str, epoch: int, tokens: Iterable[bytes]) -> int:
    """Write ascending tokens, whole or not at all; return how many.

    Raises:
        RequestError: TOKENS_INVALID; they do not ascend.
    """
    count, last = 0, b""
    with whole_file(path) as file:
        file.write(_header(federation, epoch))
        for token in tokens:
            if token <= last:
                raise _invalid()
            file.write(token)
            count, last = count + 1, token
    return count


def open_tokens(path: Path, federation: str, epoch: int) -> TokenFile:
    """Open a file of this federation's tokens and see that they ascend.

    Raises:
        RequestError: FILE_UNREADABLE, TOKENS_INVALID, TOKENS_OF_ANOTHER_KEY.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEADER_BYTES)
        count, rest = divmod(path.stat().st_size - HEADER_BYTES, TOKEN_BYTES)
    except OSError as error:
        raise RequestError(
            f"the file of tokens cannot be read: {error.strerror}", reason="FILE_UNREADABLE"
        ) from error
    if len(head) != HEADER_BYTES or rest or not head.startswith(_MAGIC):
        raise _invalid()
    if head != _header(federation, epoch):
        raise RequestError(
            "the tokens are of another federation or of another key epoch",
            reason="TOKENS_OF_ANOTHER_KEY",
            hint="write them again with tocsin bulk export",
        )
    found = TokenFile(path, epoch, count)
    _require_ascending(found.tokens())
    return found


def _require_ascending(tokens: Tokens) -> None:
    for start in range(0, len(tokens), READ_TOKENS):
        piece = numpy.asarray(tokens[start : start + READ_TOKENS + 1])
        if not bool((piece[:-1] < piece[1:]).all()):
            raise _invalid()


def _header(federation: str, epoch: int) -> bytes:
    name = hashlib.sha256(federation.encode()).digest()[:_HASH_BYTES]
    return (_MAGIC + name + epoch.to_bytes(_EPOCH_BYTES)).ljust(HEADER_BYTES, b"\0")


def _invalid() -> RequestError:
    return RequestError(
        "this is no file of ascending tokens",
        reason="TOKENS_INVALID",
        hint="tocsin bulk export writes one",
    )
