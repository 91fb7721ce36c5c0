"""Give the identity of the training app: the files a member's worker runs."""

import hashlib
from pathlib import Path

from federation.packing import pack


def app_digest(folder: Path | None = None) -> bytes:
    """Hash the names and bytes of every Python file of the app, in the order of their names.

    Args:
        folder: Of the app's files; this package's own where it is None.
    """
    files = sorted((folder or Path(__file__).parent).glob("*.py"))
    digest = hashlib.sha256(b"tocsin training app\n")
    for file in files:
        digest.update(pack(file.name.encode(), file.read_bytes()))
    return digest.digest()
