"""Write the parts of federation/matters/README.md that the table decides; run by `make gen`."""

from __future__ import annotations

from pathlib import Path

import federation.matters
from federation.matters import PROCEDURES, draw_states, list_steps
from tests.contract.readme import with_part

DOCUMENT = Path(federation.matters.__file__).with_name("README.md")


def current_document() -> str:
    """Return the document as it should be."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for kind in PROCEDURES:
        drawn = f"```mermaid\n{draw_states(kind)}```\n\n{list_steps(kind)}"
        text = with_part(text, kind.value, drawn)
    return text


if __name__ == "__main__":
    DOCUMENT.write_text(current_document(), encoding="utf-8")
