"""Write and read JSON in the one form that charters and member cards have.

There is exactly one text for a value: keys sorted, two spaces of indent, ASCII, no floats. A reader
writes again what it read and compares, so duplicate keys, unknown fields and other spellings are
all refused by one rule.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar, cast

from federation.charter.error import refuse_format
from federation.errors import FederationError

Value = TypeVar("Value")
Document = dict[str, object]


def encode_document(header: str, document: Document) -> str:
    """Write the header line and the document; the text ends in a newline."""
    return f"{header}\n{json.dumps(document, indent=2, sort_keys=True)}\n"


def parse_document(header: str, text: str) -> "Fields":
    """Read what ``encode_document`` wrote, as far as JSON goes.

    Raises:
        CharterError: CHARTER_MALFORMED.
    """
    first, _, rest = text.partition("\n")
    if first != header:
        refuse_format(f"the first line is not '{header}'")
    try:
        return Fields(json.loads(rest), "the document")
    except (ValueError, RecursionError):
        refuse_format("the text below the first line is not JSON")


def encode_base64(data: bytes) -> str:
    """Write bytes as standard base64."""
    return base64.b64encode(data).decode("ascii")


class Fields:
    """One JSON object; each method reads one field or raises CHARTER_MALFORMED naming it."""

    __slots__ = ("_values", "_where")

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            refuse_format(f"{where} is not an object")
        self._values = cast("Mapping[str, object]", value)
        self._where = where

    def names(self) -> tuple[str, ...]:
        """Give the names of all fields."""
        return tuple(self._values)

    def text(self, name: str) -> str:
        """Read text."""
        value = self._value(name)
        return value if isinstance(value, str) else self._refuse(name, "text")

    def number(self, name: str) -> int:
        """Read a whole number."""
        value = self._value(name)
        return value if type(value) is int else self._refuse(name, "a whole number")

    def optional(self, name: str, read: Callable[[str], Value]) -> Value | None:
        """Read a field that may be null."""
        return None if self._value(name) is None else read(name)

    def base64(self, name: str) -> bytes:
        """Read bytes in standard base64."""
        try:
            return base64.b64decode(self.text(name), validate=True)
        except (binascii.Error, ValueError):
            return self._refuse(name, "base64")

    def digest(self, name: str) -> bytes:
        """Read bytes in hexadecimal."""
        try:
            return bytes.fromhex(self.text(name))
        except ValueError:
            return self._refuse(name, "hexadecimal")

    def texts(self, name: str) -> tuple[str, ...]:
        """Read a list of texts."""
        values = self._list(name)
        if not all(isinstance(value, str) for value in values):
            self._refuse(name, "a list of text")
        return tuple(cast("list[str]", values))

    def inner(self, name: str) -> "Fields":
        """Read an object."""
        return Fields(self._value(name), f"{self._where}, {name}")

    def inners(self, name: str) -> tuple["Fields", ...]:
        """Read a list of objects."""
        items = enumerate(self._list(name), start=1)
        return tuple(Fields(item, f"{name} {place}") for place, item in items)

    def parsed(self, name: str, parse: Callable[[str], Value]) -> Value:
        """Read text and give it to a parser that raises ValueError or a FederationError."""
        return self.convert(name, self.text(name), parse)

    def convert(self, name: str, text: str, parse: Callable[[str], Value]) -> Value:
        """Give text out of a field to a parser that raises ValueError or a FederationError."""
        try:
            return parse(text)
        except (FederationError, ValueError):
            return self._refuse(name, "well formed")

    def _value(self, name: str) -> object:
        if name not in self._values:
            refuse_format(f"{self._where} has no field '{name}'")
        return self._values[name]

    def _list(self, name: str) -> list[object]:
        value = self._value(name)
        return value if isinstance(value, list) else self._refuse(name, "a list")

    def _refuse(self, name: str, what: str) -> NoReturn:
        refuse_format(f"{self._where}: '{name}' is not {what}")
