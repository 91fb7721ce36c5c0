"""Each of the 24 checks of the whole has one test of its number, in one module, on real nodes."""

import ast
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "end_to_end"
MODULE = FOLDER / "test_mvp_checks.py"
CHECKS = 24


def numbers(path: Path) -> list[int]:
    """Return the numbers that the tests of a module have in their names, in their order."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return [int(name[5:7]) for name in names if name.startswith("test_") and name[5:7].isdigit()]


def test_each_of_the_checks_has_one_test_in_the_order_of_their_numbers():
    assert numbers(MODULE) == list(range(1, CHECKS + 1))


def test_no_other_module_has_a_numbered_test():
    others = [path for path in FOLDER.glob("test_*.py") if path != MODULE]

    assert {path.name: numbers(path) for path in others if numbers(path)} == {}
