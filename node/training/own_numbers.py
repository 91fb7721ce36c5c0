"""Keep what a member measured on its own rows: for its own people alone, in no message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from node.whole_file import write_whole

OWN_FILE: Final = "own.json"
"""Beside the model's other files, which are the same at every member."""


def keep_own_numbers(root: Path, plan: bytes, text: str) -> Path:
    """Keep the numbers of one run; the last evaluation stands."""
    directory = root / plan.hex()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return write_whole(directory / OWN_FILE, text.encode())


def read_own_numbers(directory: Path) -> Mapping[str, Any] | None:
    """Return the numbers in a run's directory; None where nothing was measured here."""
    try:
        found = json.loads((directory / OWN_FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None
