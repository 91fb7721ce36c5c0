"""Send the rows of a source and tell what became of each: bad rows by line, the rest as a sum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf.message import Message

from node.cli.batch import Answer, Send, answer_in_order, prepare
from node.cli.connection import InsideDoor
from node.cli.output import data, json_object, say
from node.cli.table_file import BadRow, Row
from node.cli.values import Source, raw_indicator
from node.errors import EXIT_FAILED, NodeError, RequestError
from node.home import Home
from tocsin.desk.v1 import desk_service_pb2 as wire

ADDED: Final = "added"


@dataclass(frozen=True, slots=True)
class Rows:
    """What a command sends.

    Attributes:
        source: Where the values come from.
        make: Turns a row into a message; raises RequestError for cells that are wrong.
        defaults: Texts for missing or empty cells.
        required: Columns beside kind and value that a file must have.
        strict: End with a failure if a row of a file was refused.
    """

    source: Source
    make: Callable[[Row], Message]
    defaults: dict[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    strict: bool = False


@dataclass(slots=True)
class Tally:
    """How many rows came to what.

    Attributes:
        done: What a row is that changed something; nothing is found unchanged by what removes.
    """

    added: int = 0
    unchanged: int = 0
    refused: int = 0
    done: str = ADDED

    @property
    def answered(self) -> int:
        """Return how many rows there is an answer for."""
        return self.added + self.unchanged + self.refused

    def take(self, answer: Answer) -> None:
        """Count one row, and name it on stderr if it was refused."""
        if isinstance(answer.row, BadRow):
            self._refuse(answer.row.line, answer.row.reason, answer.row.message)
        elif answer.result.outcome == wire.ROW_OUTCOME_ADDED:
            self.added += 1
        elif answer.result.outcome == wire.ROW_OUTCOME_UNCHANGED:
            self.unchanged += 1
        else:
            error = answer.result.error
            self._refuse(answer.row.line, error.reason, error.message)

    def _refuse(self, line: int, reason: str, message: str) -> None:
        if line == 0:
            raise RequestError(message, reason=reason)
        self.refused += 1
        say(f"line {line}: {reason} {message}")

    def write(self, *, as_json: bool) -> None:
        """Write the sums."""
        sums = {self.done: self.added, "unchanged": self.unchanged, "refused": self.refused}
        if self.done != ADDED:
            del sums["unchanged"]
        if as_json:
            json_object(sums)
        else:
            data(", ".join(f"{name} {count}" for name, count in sums.items()))


def send_rows(rows: Rows, send: Send, *, as_json: bool, closing: str, done: str = ADDED) -> int:
    """Send all rows, and end with the sums and with what was not stored.

    Args:
        rows: What to send.
        send: Starts a call for a batch.
        as_json: Write the sums as an object.
        closing: What was not stored, and the next command.
        done: What a row is called that changed something.

    Returns:
        The exit code.

    Raises:
        NodeError: One value was refused, or a call failed; what was answered until then, too
            where a person stopped it, stands in the sums that were written.
    """
    tally = Tally(done=done)
    stream = rows.source.rows(rows.defaults, rows.required, progress="Sending")
    try:
        for answer in answer_in_order(prepare(stream, rows.make), send):
            tally.take(answer)
    except (NodeError, KeyboardInterrupt):
        if tally.answered:
            tally.write(as_json=as_json)
        raise
    tally.write(as_json=as_json)
    say(closing)
    return EXIT_FAILED if rows.strict and tally.refused else 0


def send_values(
    home: Home,
    source: Source,
    start: Callable[[InsideDoor, Sequence[wire.RawIndicator]], Any],
    *,
    strict: bool,
    as_json: bool,
    closing: str,
) -> int:
    """Send values without anything beside them; ``start`` starts the call for a batch."""
    rows = Rows(source, raw_indicator, strict=strict)
    with InsideDoor(home) as door:
        return send_rows(rows, lambda items: start(door, items), as_json=as_json, closing=closing)
