"""Hold a case brief: what kind of fraud it was, by code and token; its text is sealed.

Field names are those of ``clues.proto``. Source: DOMAIN R30, R56.
"""

from dataclasses import dataclass
from typing import Final

from federation.names import MemberId
from federation.statements.clues import MAX_SUBJECTS, ClueSubject
from federation.statements.shape import check_members, check_sealed, refuse
from federation.vocabulary import FraudStage, FraudType, LureClass, SupplyRole
from keys.sealing import CONTENT_KEY_BYTES, INDICATOR_OVERHEAD_BYTES, MEMBER_OVERHEAD_BYTES

MAX_TEXT_BYTES: Final = 16_384
"""Bytes of a brief's text: some pages in two languages."""

_SEALED_KEY_BYTES: Final = MEMBER_OVERHEAD_BYTES + CONTENT_KEY_BYTES


@dataclass(frozen=True, slots=True)
class CaseBrief:
    """A case that others can learn from, without anybody in it.

    Attributes:
        stages: What the brief tells about, in order.
        lures: How victims were drawn in.
        supply_roles: What the supply chain gave.
        subjects: Indicators of the case, by token; perhaps none.
        readers: Who can open the text.
        sealed_keys: The text's key, sealed to each of them, in their order.
        sealed_text: Title, text and lessons, under that key.
    """

    fraud_type: FraudType
    stages: tuple[FraudStage, ...]
    lures: tuple[LureClass, ...]
    supply_roles: tuple[SupplyRole, ...]
    subjects: tuple[ClueSubject, ...]
    readers: tuple[MemberId, ...]
    sealed_keys: tuple[bytes, ...]
    sealed_text: bytes

    def __post_init__(self) -> None:
        for field in ("stages", "lures", "supply_roles"):
            named = getattr(self, field)
            if len(set(named)) != len(named) or not all(named):
                refuse("LIST_INVALID", field, "names one twice, or nothing")
        distinct = {one.token for one in self.subjects}
        if len(self.subjects) > MAX_SUBJECTS or len(distinct) != len(self.subjects):
            refuse("LIST_INVALID", "subjects", f"has over {MAX_SUBJECTS} objects, or one twice")
        check_members("readers", self.readers, least=1)
        if len(self.sealed_keys) != len(self.readers):
            refuse("LIST_INVALID", "sealed_keys", "is not one for each reader")
        for sealed in self.sealed_keys:
            check_sealed("sealed_keys", sealed, _SEALED_KEY_BYTES, _SEALED_KEY_BYTES)
        least = INDICATOR_OVERHEAD_BYTES + 1
        check_sealed("sealed_text", self.sealed_text, least, MAX_TEXT_BYTES)
