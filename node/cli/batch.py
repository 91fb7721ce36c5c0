"""Send rows in batches, some at a time, and give the answers back in the order of the rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf.message import Message

from node.cli.connection import PendingCall
from node.cli.table_file import BadRow, Row
from node.errors import NodeError, RequestError

BATCH_ROWS: Final = 2_048
"""Rows of a call: what the inside door takes."""

CHECK_ROWS: Final = 256
"""Rows of a call that checks: what a partner's last calls lose where its quota ends inside one."""

BATCH_BYTES: Final = 2 * 1024 * 1024
"""Bytes of a call: half of what the inside door takes, because rows may carry 16 KiB each."""

CALLS_IN_FLIGHT: Final = 3
"""Calls: one at the holders, one being read, one on its way; more only fill memory."""

Send = Callable[[Sequence[Any]], PendingCall[Any]]


@dataclass(frozen=True, slots=True)
class Entry:
    """A row on its way: what it becomes on the wire, or why it cannot be sent."""

    row: Row | BadRow
    item: Message | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a row: the node's result, or the reason why it was not sent."""

    row: Row | BadRow
    result: Any = field(repr=False, default=None)


def prepare(rows: Iterable[Row | BadRow], make: Callable[[Row], Message]) -> Iterator[Entry]:
    """Turn rows into messages; one whose cells are wrong becomes a bad row."""
    for row in rows:
        if isinstance(row, BadRow):
            yield Entry(row)
            continue
        try:
            yield Entry(row, make(row))
        except RequestError as error:
            yield Entry(BadRow(row.line, error.reason, str(error)))


def answer_in_order(
    entries: Iterable[Entry], send: Send, rows: int = BATCH_ROWS
) -> Iterator[Answer]:
    """Send entries in batches of at most ``rows`` and yield an answer for each, in order.

    Where the rows end with an error, those read before it are answered first.

    Raises:
        NodeError: A call failed: the rows answered until then have been yielded.
    """
    pending: deque[tuple[list[Entry], PendingCall[Any] | None]] = deque()
    chunks = _Chunks(entries, rows)
    try:
        for chunk in chunks:
            items = [entry.item for entry in chunk if entry.item is not None]
            pending.append((chunk, send(items) if items else None))
            if len(pending) >= CALLS_IN_FLIGHT:
                yield from _answers(*pending.popleft())
        while pending:
            yield from _answers(*pending.popleft())
    finally:
        for _, call in pending:
            if call is not None:
                call.cancel()
    if chunks.failure is not None:
        raise chunks.failure


def _answers(chunk: list[Entry], call: PendingCall[Any] | None) -> Iterator[Answer]:
    results = deque(call.wait().results if call is not None else ())
    if len(results) != sum(entry.item is not None for entry in chunk):
        raise NodeError("the node did not answer every row", reason="ANSWER_INVALID")
    for entry in chunk:
        yield Answer(entry.row, results.popleft() if entry.item is not None else None)


class _Chunks:
    """Entries in lists that fit into a call.

    Attributes:
        failure: What ended the rows early, once all lists have been given.
    """

    def __init__(self, entries: Iterable[Entry], rows: int) -> None:
        self._entries = entries
        self._rows = rows
        self.failure: NodeError | None = None

    def __iter__(self) -> Iterator[list[Entry]]:
        chunk: list[Entry] = []
        size = 0
        for entry in self._until_failure():
            length = entry.item.ByteSize() if entry.item is not None else 0
            if chunk and (len(chunk) == self._rows or size + length > BATCH_BYTES):
                yield chunk
                chunk, size = [], 0
            chunk.append(entry)
            size += length
        if chunk:
            yield chunk

    def _until_failure(self) -> Iterator[Entry]:
        try:
            yield from self._entries
        except NodeError as error:
            self.failure = error
