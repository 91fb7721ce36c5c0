"""Read digests from the command line."""

from __future__ import annotations

from typing import Final

import click

from node.cli.digits import LEAST_BYTES, HexDigits, MatterName

FILE_BYTES: Final = 32

PLAN_DIGEST: Final = MatterName("digest", FILE_BYTES)
"""A plan's digest, or its first eight digits or more; or its proposer, a slash and all of it."""
MODEL_DIGEST: Final = HexDigits(
    "digest", LEAST_BYTES, FILE_BYTES, "a digest is 8 to 64 hexadecimal digits, an even number"
)
"""By which a model's files lie here: that of its plan or of its file, or the first eight digits."""
FILE_DIGEST: Final = HexDigits(
    "sha256", FILE_BYTES, FILE_BYTES, "a digest here has 64 hexadecimal digits"
)
"""A file's digest, whole."""

digest_argument = click.argument("digest", type=PLAN_DIGEST)
files_argument = click.argument("digest", type=MODEL_DIGEST)
