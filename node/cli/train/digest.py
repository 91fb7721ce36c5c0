"""Read digests from the command line."""

from __future__ import annotations

from typing import Any, Final

import click

SHOWN_DIGITS: Final = 16
"""Hexadecimal digits of a digest in tables: no two plans share them by chance."""

_LEAST_BYTES: Final = 4


class PlanDigest(click.ParamType[bytes]):
    """A plan's digest, or its first eight digits or more."""

    name = "digest"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes:
        """Read hexadecimal digits; an odd last one is refused."""
        if isinstance(value, bytes):
            return value
        try:
            digest = bytes.fromhex(value)
        except ValueError:
            digest = b""
        if len(digest) < _LEAST_BYTES:
            self.fail("a digest is at least 8 hexadecimal digits, an even number", param, ctx)
        return digest


class FileDigest(click.ParamType[bytes]):
    """32 bytes, written as 64 hexadecimal digits."""

    name = "sha256"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes:
        """Read 64 hexadecimal digits."""
        if isinstance(value, bytes):
            return value
        try:
            digest = bytes.fromhex(value)
        except ValueError:
            digest = b""
        if len(digest) != 32:
            self.fail("a digest here has 64 hexadecimal digits", param, ctx)
        return digest


digest_argument = click.argument("digest", type=PlanDigest())
