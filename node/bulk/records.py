"""Keep which line of a file has which token: records of 24 bytes, sorted by token, then by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy

from keys.derivation import TOKEN_BYTES
from node.bulk.token_file import DTYPE, Tokens

LINE_BYTES: Final = 8
RECORD_BYTES: Final = TOKEN_BYTES + LINE_BYTES
RECORD: Final = numpy.dtype([("token", DTYPE), ("line", ">u8")])
KEY_BITS: Final = 8 * TOKEN_BYTES

Records = Any
"""An array of numpy of ``RECORD``."""


def pack_records(tokens: Sequence[bytes], lines: Sequence[int]) -> bytes:
    """Return the sorted records of tokens and the lines that they came from."""
    records = numpy.empty(len(tokens), RECORD)
    records["token"], records["line"] = tokens, lines
    return bytes(_in_order(records).tobytes())


def read_records(path: Path) -> Records:
    """Return a file's records; they stay on the disk until they are looked at."""
    count = path.stat().st_size // RECORD_BYTES
    return numpy.memmap(path, RECORD, "r", 0, (count,)) if count else numpy.empty(0, RECORD)


def key_range(number: int, ranges: int) -> tuple[bytes, bytes | None]:
    """Return the first key of a range and of the next; None where it is the last.

    The ranges part all keys evenly, and tokens are spread evenly over them.
    """
    first, following = ((at << KEY_BITS) // ranges for at in (number, number + 1))
    end = None if number + 1 == ranges else following.to_bytes(TOKEN_BYTES)
    return first.to_bytes(TOKEN_BYTES), end


def slice_of(keys: Tokens, low: bytes, high: bytes | None) -> slice:
    """Return where the keys of a range stand among ascending ones."""
    bounds = numpy.array([low, high or b""], DTYPE)
    start = int(numpy.searchsorted(keys, bounds[0]))
    end = len(keys) if high is None else int(numpy.searchsorted(keys, bounds[1]))
    return slice(start, end)


def join_range(parts: Sequence[Path], catalogue: Tokens, low: bytes, high: bytes | None) -> bytes:
    """Return the sorted records of a range whose tokens are in the catalogue."""
    known = numpy.asarray(catalogue[slice_of(catalogue, low, high)])
    found = [numpy.empty(0, RECORD)]
    if len(known):
        found += [_known(read_records(path), known, low, high) for path in parts]
    return bytes(_in_order(numpy.concatenate(found)).tobytes())


def each_record(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield token and line of packed records."""
    for start in range(0, len(data), RECORD_BYTES):
        record = data[start : start + RECORD_BYTES]
        yield record[:TOKEN_BYTES], int.from_bytes(record[TOKEN_BYTES:])


def _known(records: Records, known: Tokens, low: bytes, high: bytes | None) -> Records:
    # The column of a mapped file is looked at in place; a copy of the range is contiguous.
    own = numpy.array(records[slice_of(records["token"], low, high)])
    place = numpy.searchsorted(known, own["token"])
    place[place == len(known)] = 0
    return own[known[place] == own["token"]]


def _in_order(records: Records) -> Records:
    # Joined arrays come back in the machine's byte order, whatever theirs was.
    return records[numpy.lexsort((records["line"], records["token"]))].astype(RECORD)
