"""Say whether what training needs is installed, without importing it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from node.trial.error import TrialSetupError

EXTRA_HINT: Final = "pip install 'tocsin[train]'"
_NEEDED: Final = ("torch", "flwr", "pyarrow")


def missing_packages() -> tuple[str, ...]:
    """Name what the extra `train` would install and is not there."""
    return tuple(name for name in _NEEDED if find_spec(name) is None)


def require_extra() -> None:
    """Refuse to begin without the extra.

    Raises:
        TrialSetupError: TRAIN_EXTRA_MISSING.
    """
    missing = missing_packages()
    if missing:
        raise TrialSetupError(
            f"training needs {', '.join(missing)}", reason="TRAIN_EXTRA_MISSING", hint=EXTRA_HINT
        )
