"""Hold the risk assessment of one model before it is used (R25): a record with one digest.

It names the plan, the model and the card that were assessed, so that it cannot be passed off for
another model. The stage statements of the coordinator name its digest and so sign it.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from federation.errors import FederationError
from federation.training import canonical
from federation.training.card import ModelCard
from federation.training.error import DocumentError

APPROVED: Final = "approved"
REFUSED: Final = "refused"
DECISIONS: Final = (APPROVED, REFUSED)
LEVELS: Final = ("low", "medium", "high")
MAX_TEXT_CHARACTERS: Final = 4_000
MAX_RISKS: Final = 100
MAX_BYTES: Final = 2 * 1024 * 1024
DIGEST_BYTES: Final = 32
VERSION: Final = 1


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise DocumentError(f"the assessment: {what}", reason="ASSESSMENT_MALFORMED")


def _require_text(text: str, what: str) -> None:
    _require(0 < len(text.strip()) <= MAX_TEXT_CHARACTERS, f"{what} is missing or too long")


@dataclass(frozen=True, slots=True)
class Risk:
    """One risk.

    Attributes:
        risk: What may happen, and to whom.
        mitigation: What is done about it.
        remaining: How large it is after that: one of LEVELS.
    """

    risk: str
    mitigation: str
    remaining: str

    def __post_init__(self) -> None:
        _require_text(self.risk, "a risk")
        _require_text(self.mitigation, "a mitigation")
        _require(self.remaining in LEVELS, f"remaining is one of {', '.join(LEVELS)}")


@dataclass(frozen=True, slots=True)
class Assessment:
    """A person's judgement of one model.

    Attributes:
        plan_digest: Of the plan.
        model_digest: Of the model.
        card_digest: Of the card that the person read.
        purpose: What the model may be used for.
        risks: At least one.
        conditions: Under which it may be used; may be empty.
        reviewer: Who assessed: a name or an office. All members read it.
        reviewed_time: When.
        decision: One of DECISIONS.
        version: Of this form.
    """

    plan_digest: bytes
    model_digest: bytes
    card_digest: bytes
    purpose: str
    risks: tuple[Risk, ...]
    conditions: str
    reviewer: str
    reviewed_time: datetime
    decision: str
    version: int = VERSION

    def __post_init__(self) -> None:
        for field in ("plan_digest", "model_digest", "card_digest"):
            _require(len(getattr(self, field)) == DIGEST_BYTES, f"{field} is no digest")
        _require(self.version == VERSION, "its version is unknown")
        _require_text(self.purpose, "the purpose")
        _require_text(self.reviewer, "the reviewer")
        _require(len(self.conditions) <= MAX_TEXT_CHARACTERS, "the conditions are too long")
        _require(1 <= len(self.risks) <= MAX_RISKS, f"it has 1 to {MAX_RISKS} risks")
        _require(self.decision in DECISIONS, f"decision is one of {', '.join(DECISIONS)}")
        time = self.reviewed_time
        _require(time.tzinfo is UTC and not time.microsecond, "its time is not in whole seconds")

    @classmethod
    def of(cls, card: ModelCard, said: Mapping[str, Any], now: datetime) -> "Assessment":
        """Make the record of what a person said about a card's model.

        Args:
            card: The card.
            said: ``purpose``, ``risks`` (each with ``risk``, ``mitigation``, ``remaining``),
                ``reviewer``, ``decision`` and perhaps ``conditions``.
            now: Aware.

        Raises:
            DocumentError: ASSESSMENT_MALFORMED names what is missing or wrong.
        """
        known = {"purpose", "risks", "conditions", "reviewer", "decision"}
        unknown = sorted(said.keys() - known)
        _require(not unknown, f"unknown key {unknown[0] if unknown else ''}")
        risks = said.get("risks")
        _require(isinstance(risks, list), "risks is a list")
        return cls(
            card.plan_digest,
            card.model_digest,
            card.digest(),
            _text(said, "purpose"),
            tuple(_risk(one) for one in risks or ()),
            _text(said, "conditions", ""),
            _text(said, "reviewer"),
            now.astimezone(UTC).replace(microsecond=0),
            _text(said, "decision").lower(),
        )

    def encode(self) -> bytes:
        """Write the record in its canonical bytes."""
        return canonical.encode(self)

    @classmethod
    def parse(cls, data: bytes) -> "Assessment":
        """Read a record.

        Raises:
            DocumentError: ASSESSMENT_MALFORMED.
        """
        try:
            return canonical.parse(cls, data if len(data) <= MAX_BYTES else b"")
        except (canonical.CanonicalError, FederationError) as error:
            raise DocumentError("no risk assessment", reason="ASSESSMENT_MALFORMED") from error

    def digest(self) -> bytes:
        """Give the SHA-256 of the record's bytes."""
        return hashlib.sha256(self.encode()).digest()

    def check(self, card: ModelCard) -> None:
        """Refuse to go on with a model by another model's assessment, or by one that says no.

        Raises:
            DocumentError: ASSESSMENT_DIFFERS or ASSESSMENT_REFUSED.
        """
        mine = (self.plan_digest, self.model_digest, self.card_digest)
        if mine != (card.plan_digest, card.model_digest, card.digest()):
            raise DocumentError(
                "the assessment is of another model or card",
                reason="ASSESSMENT_DIFFERS",
                hint="assess this model: tocsin train assess DIGEST",
            )
        if self.decision != APPROVED:
            raise DocumentError(
                "the assessment refuses the model",
                reason="ASSESSMENT_REFUSED",
                hint="tocsin train release DIGEST --stage rejected",
            )

    def markdown(self) -> str:
        """Write the record for people."""
        from federation.training.card_text import write_assessment  # it reads this module's values

        return write_assessment(self)


def read_answers(text: str, *, toml: bool) -> Mapping[str, Any]:
    """Read what a person wrote into a file: TOML or JSON.

    Raises:
        DocumentError: ASSESSMENT_MALFORMED.
    """
    try:
        found = tomllib.loads(text) if toml else json.loads(text)
    except (ValueError, RecursionError) as error:
        kind = "TOML" if toml else "JSON"
        raise DocumentError(f"the file is no {kind}", reason="ASSESSMENT_MALFORMED") from error
    _require(isinstance(found, dict), "the file holds no table")
    return dict(found)


def _risk(given: Any) -> Risk:
    _require(isinstance(given, dict), "a risk has the keys risk, mitigation and remaining")
    unknown = sorted(given.keys() - {"risk", "mitigation", "remaining"})
    _require(not unknown, f"a risk has no key {unknown[0] if unknown else ''}")
    remaining = _text(given, "remaining").lower()
    return Risk(_text(given, "risk"), _text(given, "mitigation"), remaining)


def _text(given: Mapping[str, Any], name: str, default: str | None = None) -> str:
    found = given.get(name, default)
    if not isinstance(found, str):
        raise DocumentError(f"the assessment: {name} is missing", reason="ASSESSMENT_MALFORMED")
    return found.strip()
