"""Make this interpreter, and every one below it, one in which no extra is installed.

PYTHONPATH=DIRECTORY python …    # DIRECTORY as ``blocked_path`` makes it
"""

from __future__ import annotations

import os
from pathlib import Path

# What the extras of pyproject.toml and the group test-train bring, and what comes with them.
PACKAGES = (
    *("flwr", "torch", "opacus", "dp_accounting", "pyarrow", "psycopg", "psycopg_binary", "ray"),
    *("xgboost", "matplotlib", "lightgbm", "sklearn", "scipy", "pandas"),
)
_BLOCK = """
import sys
from importlib.machinery import PathFinder

class Others:
    @staticmethod
    def find_spec(name, path=None, target=None):
        hidden = name.partition(".")[0] in {packages}
        return None if hidden else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Others
"""


def blocked_path(directory: Path) -> str:
    """Return a PYTHONPATH that hides the extras."""
    directory.mkdir()
    (directory / "sitecustomize.py").write_text(_BLOCK.format(packages=set(PACKAGES)))
    return os.pathsep.join(filter(None, (str(directory), os.environ.get("PYTHONPATH", ""))))
