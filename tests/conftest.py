"""Settings for every test."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# What these say of a failure tells what was compared, as in tests. Here, since any test may import
# them, and before one does.
for _path in (Path(__file__).parent / "end_to_end").glob("*.py"):
    if _path.name != "conftest.py" and not _path.name.startswith("test_"):
        pytest.register_assert_rewrite(f"tests.end_to_end.{_path.stem}")

# A deadline measures the machine's load, not the code: two cores are shared by everything.
settings.register_profile("tocsin", deadline=None)
settings.load_profile("tocsin")

# The longest module starts first, then the others with nodes; what is short fills the gaps.
_LONGEST = "tests/end_to_end/test_mvp_checks.py"
_WITH_NODES = "tests/end_to_end/"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort modules for processes that share them out in the order of collection."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    name = item.nodeid
    return 0 if name.startswith(_LONGEST) else 1 if name.startswith(_WITH_NODES) else 2
