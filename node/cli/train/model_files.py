"""Find the files of a model in the member's home: they are plain files, also without a node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from node.errors import RequestError
from node.home import Home

if TYPE_CHECKING:
    from federation.training.assessment import Assessment
    from federation.training.card import ModelCard

CARD_FILE = "card.json"
ASSESSMENT_FILE = "assessment.json"
PLOTS_DIRECTORY = "plots"


def find_directory(home: Home, digest: bytes) -> Path:
    """Return the directory of a plan's model by the first bytes of its digest.

    Raises:
        RequestError: MODEL_UNKNOWN or PLAN_AMBIGUOUS.
    """
    root = home.require().models
    found = sorted(root.glob(f"{digest.hex()}*")) if root.is_dir() else []
    if not found:
        raise RequestError(
            "there are no files of this plan's model here",
            reason="MODEL_UNKNOWN",
            hint="a coordinator has them when the run has ended, members from the shadow stage on",
        )
    if len(found) > 1:
        raise RequestError(
            "several plans fit: the digest is too short",
            reason="PLAN_AMBIGUOUS",
            hint="tocsin train list",
        )
    return found[0]


def read_model_card(directory: Path) -> ModelCard:
    """Return the card.

    Raises:
        RequestError: CARD_MISSING.
        FederationError: CARD_MALFORMED.
    """
    from federation.training.card import ModelCard

    try:
        data = (directory / CARD_FILE).read_bytes()
    except FileNotFoundError as error:
        raise RequestError(
            "the model has no card here",
            reason="CARD_MISSING",
            hint="a coordinator has it when the run has ended, members from the shadow stage on",
        ) from error
    return ModelCard.parse(data)


def read_assessment(directory: Path) -> Assessment | None:
    """Return the assessment; None for none.

    Raises:
        FederationError: ASSESSMENT_MALFORMED.
    """
    from federation.training.assessment import Assessment

    try:
        data = (directory / ASSESSMENT_FILE).read_bytes()
    except FileNotFoundError:
        return None
    return Assessment.parse(data)
