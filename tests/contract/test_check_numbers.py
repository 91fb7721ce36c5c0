"""Each of the 24 checks of the whole has a test of its number, against real nodes."""

import ast
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "end_to_end"
CHECKS = 24


def test_each_of_the_checks_has_a_test():
    names = [
        node.name
        for path in FOLDER.glob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    numbered = {
        int(name[5:7]) for name in names if name.startswith("test_") and name[5:7].isdigit()
    }

    assert numbered == set(range(1, CHECKS + 1))
