"""Write the generated parts of the README.

`make gen` writes the settings, which a test compares; `make bench` writes what it measured.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from node.config import SETTINGS
from tests.bench.report import load_report, markdown

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"


def settings_table() -> str:
    """Return the table of settings, as node/config.py has them."""
    rows = ["| setting | default | unit | meaning |", "| --- | --- | --- | --- |"]
    for name, default, unit, sentence in SETTINGS:
        shown = f"`{default}`" if default != "" else "empty"
        rows.append(f"| `{name}` | {shown} | {unit.replace('|', ' or ')} | {sentence} |")
    return "\n".join(rows)


def with_part(text: str, name: str, part: str) -> str:
    """Return ``text`` with what stands between the marks of ``name`` replaced."""
    pattern = re.compile(rf"(<!-- {name}:[^\n]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
    found, count = pattern.subn(lambda match: f"{match[1]}{part}\n{match[2]}", text)
    if count != 1:
        raise ValueError(f"the README has no marks for {name}")
    return found


def current_readme() -> str:
    """Return the README as it should be."""
    return with_part(README.read_text(encoding="utf-8"), "settings", settings_table())


if __name__ == "__main__":
    text = current_readme()
    for measured in sys.argv[1:]:
        text = with_part(text, "performance", markdown(load_report(Path(measured))))
    README.write_text(text, encoding="utf-8")
