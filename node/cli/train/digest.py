"""Read digests from the command line."""

from __future__ import annotations

from typing import Final

import click

from node.cli.digits import LEAST_BYTES, HexDigits

FILE_BYTES: Final = 32

PLAN_DIGEST: Final = HexDigits(
    "digest", LEAST_BYTES, None, "a digest is at least 8 hexadecimal digits, an even number"
)
"""A plan's digest, or its first eight digits or more."""
FILE_DIGEST: Final = HexDigits(
    "sha256", FILE_BYTES, FILE_BYTES, "a digest here has 64 hexadecimal digits"
)
"""A file's digest, whole."""

digest_argument = click.argument("digest", type=PLAN_DIGEST)
