"""Describe one trained model for people and programs: the model card.

A card is a value with one canonical JSON text; its digest is the plain SHA-256 of that text, so
that ``sha256sum card.json`` gives what the stage statements in the logs name. It holds sums and
decisions alone, nothing of a single row. The Markdown follows from it and the assessment.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from federation.errors import FederationError
from federation.training import canonical
from federation.training.error import DocumentError
from federation.training.plan import TrainingPlan
from federation.training.worth import Evaluation

if TYPE_CHECKING:
    from federation.training.assessment import Assessment

VERSION: Final = 1
MAX_BYTES: Final = 4 * 1024 * 1024
"""Bytes of a card: ten thousand rounds of a large federation."""
DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Feature:
    """One column that the model reads.

    Attributes:
        name: Of the column.
        unit: What one means; empty where the schema does not say.
        used: False where its empty cells told the label, so that the run left it out.
    """

    name: str
    unit: str
    used: bool


@dataclass(frozen=True, slots=True)
class Participant:
    """An enrolled member.

    Attributes:
        name: Of the member.
        row_cap: Most rows it claims, as it signed.
        good: Rounds with its update in the model.
    """

    name: str
    row_cap: int
    good: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A member without part in a round, and why."""

    member: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class CardRound:
    """One round that changed the model.

    Attributes:
        number: From 1.
        loss: Mean training loss; None where it is not known, as with differential privacy.
        milliseconds: It took; 0 where that is not known.
        contributors: Members in the model of this round.
        unmeasured: Those of them whose update's length nobody measured, for want of key holders.
        left_out: The others.
    """

    number: int
    loss: float | None
    milliseconds: int
    contributors: int
    unmeasured: int
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Everything a person needs to decide about a model.

    Attributes:
        coordinator: Member that proposed the plan and ran it.
        plan: What was run, whole.
        plan_digest: Of the plan.
        model_digest: Of the model, as in the evaluation statement.
        features: The columns.
        participants: Enrolled members.
        rounds: Those that changed the model.
        started_time: When the first round ended or, without rounds' times, the run.
        ended_time: When the model was measured. Rows were read between these two.
        evaluation: What the members measured together.
        protection: What the plan's protection did, in sentences.
        limits: What it does not hold against.
        version: Of this form.
    """

    coordinator: str
    plan: TrainingPlan
    plan_digest: bytes
    model_digest: bytes
    features: tuple[Feature, ...]
    participants: tuple[Participant, ...]
    rounds: tuple[CardRound, ...]
    started_time: datetime
    ended_time: datetime
    evaluation: Evaluation
    protection: tuple[str, ...]
    limits: tuple[str, ...]
    version: int = VERSION

    def __post_init__(self) -> None:
        fits = self.version == VERSION and self.plan_digest == self.plan.digest()
        if not fits or len(self.model_digest) != DIGEST_BYTES:
            raise DocumentError("the card is not of its own plan")

    def encode(self) -> bytes:
        """Write the card in its canonical bytes."""
        return canonical.encode(self)

    @classmethod
    def parse(cls, data: bytes) -> "ModelCard":
        """Read a card.

        Raises:
            DocumentError: CARD_MALFORMED.
        """
        try:
            return canonical.parse(cls, data if len(data) <= MAX_BYTES else b"")
        except (canonical.CanonicalError, FederationError) as error:
            raise DocumentError("no model card") from error

    def digest(self) -> bytes:
        """Give the SHA-256 of the card's bytes."""
        return hashlib.sha256(self.encode()).digest()

    def markdown(self, assessment: "Assessment | None" = None) -> str:
        """Write the card for people, with the assessment where there is one."""
        from federation.training.card_text import write_card  # it reads this module's values

        return write_card(self, assessment)
