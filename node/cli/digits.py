"""Read bytes that the command line writes as hexadecimal digits."""

from __future__ import annotations

from typing import Any, Final

import click

from federation.matters import handle_of
from federation.names import MemberId, NameFormatError
from federation.statements.shape import IDENTIFIER_BYTES

SHOWN_DIGITS: Final = 16
"""Hexadecimal digits of an id or digest in tables: no two share them by chance."""
LEAST_BYTES: Final = 4
"""Bytes of what may be shortened: eight digits name one of many plans or sums."""
_OPENER_SIGN: Final = "/"


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


class MatterName(HexDigits):
    """A matter's id or how it begins; or its opener, a slash and the whole id.

    Two members may use one id, by chance or not: then only the second form tells which matter is
    meant. It gives the matter's handle, which the node takes wherever it takes an id.
    """

    def __init__(self, name: str = "id", *whole: int) -> None:
        """Set how it is called in help texts, and how many bytes a whole id may have."""
        whole = whole or (IDENTIFIER_BYTES,)
        sentence = f"{name}: 8 to {2 * max(whole)} hexadecimal digits, an even number, or MEMBER/ID"
        super().__init__(name, LEAST_BYTES, max(whole), sentence)
        self._whole = whole

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes:
        """Read the id, or the opener and the id."""
        if not isinstance(value, str) or _OPENER_SIGN not in value:
            return super().convert(value, param, ctx)
        opener, _, digits = value.partition(_OPENER_SIGN)
        matter_id = super().convert(digits, param, ctx)
        if len(matter_id) not in self._whole:
            self.fail("after a member and a slash the id stands whole", param, ctx)
        try:
            return handle_of(MemberId(opener), matter_id)
        except NameFormatError:
            self.fail("before the slash stands the member id of who opened it", param, ctx)
