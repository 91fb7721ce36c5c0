"""Read bytes that the command line writes as hexadecimal digits."""

from __future__ import annotations

from typing import Any, Final

import click

SHOWN_DIGITS: Final = 16
"""Hexadecimal digits of an id or digest in tables: no two share them by chance."""
LEAST_BYTES: Final = 4
"""Bytes of what may be shortened: eight digits name one of many plans or sums."""


class HexDigits(click.ParamType[bytes]):
    """Bytes as hexadecimal digits; an odd last one is refused."""

    def __init__(self, name: str, least: int, most: int | None, sentence: str) -> None:
        """Set what is accepted.

        Args:
            name: In help texts.
            least: Bytes.
            most: Bytes; None: as many as there are.
            sentence: What to write instead.
        """
        self.name = name
        self._least = least
        self._most = most
        self._sentence = sentence

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes:
        """Read the digits."""
        if isinstance(value, bytes):
            return value
        try:
            found = bytes.fromhex(value)
        except ValueError:
            found = b""
        if len(found) < self._least or (self._most is not None and len(found) > self._most):
            self.fail(self._sentence, param, ctx)
        return found
