"""Choose the lists of the demonstration: real ones where a directory is named, else generated."""

from __future__ import annotations

from pathlib import Path

from node.demo.generator import generate_material
from node.demo.lists import Material
from node.demo.real import load_real


def load_material(directory: Path | None) -> Material:
    """Load the real lists of a directory, or make some.

    Raises:
        DemoError: DEMO_DATA_MISSING or DEMO_DATA_INVALID.
    """
    return generate_material() if directory is None else load_real(directory)
