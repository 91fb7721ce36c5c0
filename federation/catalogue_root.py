"""Digest all that verdicts rest on, so that nodes can see that they know the same."""

import functools
import hashlib
import struct
from collections.abc import Callable, Iterable
from typing import Final

from federation.findings import FINDING_KINDS
from federation.views import CUTOFF, EVIDENCE, PROTECTION, Row, Table

_ROOT_LABEL: Final = b"tocsin catalogue root v2\n"


def catalogue_root(
    evidence: Iterable[Row],
    cutoffs: Iterable[Row],
    protections: Iterable[Row],
    as_of: int,
    matters: Iterable[Row] = (),
) -> bytes:
    """Digest all that verdicts rest on, so that nodes can see that they know the same (R01).

    SHA-256 over the label line, ``as_of`` and the SHA-256 of each table's rows that have not
    expired at ``as_of``. A row is its key, each value preceded by its length in 4 bytes, a TEXT in
    UTF-8, and then its integers in 8 bytes each; all numbers are big-endian. Then follows the
    SHA-256 of the statements of those matters that findings come from: of each the id of the
    matter, opener, member and id of the statement, each preceded by its length. Streams: no row is
    kept.

    Args:
        evidence: Rows in ascending order of their key, as ``ORDER BY token, member, statement``
            gives them.
        cutoffs: Likewise.
        protections: Likewise.
        as_of: Second at which a row must not have expired.
        matters: Rows of ``MATTER``, in ascending order of their key; other kinds are left out.

    Returns:
        32 bytes.

    Raises:
        ValueError: Rows are not in strictly ascending order.
    """
    digest = hashlib.sha256(_ROOT_LABEL + struct.pack(">q", as_of))
    for table, rows in ((EVIDENCE, evidence), (CUTOFF, cutoffs), (PROTECTION, protections)):
        digest.update(_digest_rows(table, rows, as_of))
    digest.update(_digest_matters(matters))
    return digest.digest()


def _digest_rows(table: Table, rows: Iterable[Row], as_of: int) -> bytes:
    digest = hashlib.sha256()
    expires = [column for column, _type in table.columns].index("expires")
    encode = _row_encoder(len(table.columns) - len(table.key))
    before: Row = (b"", "", b"")
    for row in rows:
        key = row[:3]
        if key <= before:
            raise ValueError("the rows are not in ascending order of their key")
        before = key
        if not row[expires] or row[expires] > as_of:
            digest.update(encode(row))
    return digest.digest()


def _digest_matters(rows: Iterable[Row]) -> bytes:
    digest = hashlib.sha256()
    before: Row = ()
    for kind, matter, opener, member, _body, statement, _bytes, position in rows:
        key = (kind, matter, opener, member, position)
        if before and key <= before:
            raise ValueError("the rows are not in ascending order of their key")
        before = key
        if kind in FINDING_KINDS:
            for part in (matter, opener.encode(), member.encode(), statement):
                digest.update(len(part).to_bytes(4) + part)
    return digest.digest()


def _row_encoder(integers: int) -> Callable[[Row], bytes]:
    """Return a function that packs token, member, statement and integers in a single step."""

    @functools.cache
    def packer(token: int, member: int, statement: int) -> Callable[..., bytes]:
        return struct.Struct(f">I{token}sI{member}sI{statement}s{integers}q").pack

    def encode(row: Row) -> bytes:
        token, text, statement, *values = row
        member = text.encode()
        sizes = len(token), len(member), len(statement)
        pack = packer(*sizes)
        return pack(sizes[0], token, sizes[1], member, sizes[2], statement, *values)

    return encode
