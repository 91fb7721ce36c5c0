"""Put objects into a case and take them out again, for the people of the police."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from federation.names import EVERYONE, FederationName, MemberId, Origin
from federation.statements import (
    Designation,
    DesignationLifted,
    Statement,
    StatementError,
    decode_statement,
)
from federation.vocabulary import DesignationEnd, FraudType, LegalBasis, Purpose
from node.desk.intake import Known, Refusal, Taken
from node.desk.nominate import PROTECTED
from node.desk.voice import Voice
from node.errors import RequestError
from node.log.ledger import Ledger
from tocsin.desk.v1 import desk_service_pb2

REVIEW_DAYS: Final = 90
"""Days until a designation is looked at again, where nobody says another time."""
MOST_REVIEW_DAYS: Final = 730
"""Days: who is in a case longer than two years is looked at in between."""
MAX_REFERENCE_CHARACTERS: Final = 200
"""Characters of a case's reference: a line of a register."""
DAY_SECONDS: Final = 86_400

NOT_DESIGNATED: Final = Refusal("NOT_DESIGNATED", "this member has not designated this value")
_KEY_NAME: Final = "case-reference-key"
_CONTEXT: Final = b"tocsin/case-reference/v1\0"


@dataclass(frozen=True, slots=True)
class Standing:
    """A designation that stands in a log; ``value`` is empty where this member has none."""

    member: MemberId
    statement: Statement
    body: Designation
    value: str


class Designations:
    """What a member of the police says about cases, and what every member reads of it."""

    def __init__(
        self,
        voice: Voice,
        ledger: Ledger,
        federation: Callable[[], FederationName],
        may_designate: Callable[[str], bool],
    ) -> None:
        """Prepare.

        Args:
            voice: What the member speaks with.
            ledger: Where the statements of the designations stand.
            federation: Whose logs they are.
            may_designate: Whether a member is of the police now.
        """
        self._voice = voice
        self._ledger = ledger
        self._federation = federation
        self._may_designate = may_designate

    async def designate(
        self,
        values: Sequence[desk_service_pb2.RawIndicator],
        fraud_type: FraudType,
        reference: str,
        review_days: int,
    ) -> dict[int, bytes | Refusal]:
        """Designate values; return by place the statement's id, or why not.

        Raises:
            PolicyError: ROLE_NOT_ALLOWED for whoever is not of the police; nothing was said.
            RequestError: CASE_REFERENCE_INVALID or REVIEW_INVALID.
            UnavailableError: No token can be made now.
        """
        self._voice.speaker.require_may_say(Designation)
        days = review_days or REVIEW_DAYS
        if not 1 <= days <= MOST_REVIEW_DAYS:
            message = f"a designation is reviewed within {MOST_REVIEW_DAYS} days"
            raise RequestError(message, reason="REVIEW_INVALID")
        digest = await asyncio.to_thread(self._case_digest, reference)
        taken = await self._voice.intake.take(values, Purpose.NOMINATION, self._voice.pad())
        tokens = [one.token for one in taken.known]
        protected = await asyncio.to_thread(self._voice.stores.verdicts.protected, tokens)
        review = self._voice.clock() + days * DAY_SECONDS
        said: dict[int, Statement] = {}
        results: dict[int, bytes | Refusal] = dict(taken.refused)
        for one in taken.known:
            if one.token in protected:
                results[one.place] = PROTECTED
                continue
            said[one.place] = self._statement(one, fraud_type, digest, review)
        async with self._voice.speaker.lock:
            await asyncio.to_thread(self._remember, taken)
            await self._voice.speaker.say(list(said.values()))
        return results | {place: one.id for place, one in said.items()}

    async def lift(
        self, values: Sequence[desk_service_pb2.RawIndicator], reason: DesignationEnd
    ) -> dict[int, bytes | Refusal]:
        """Take every own designation of values back.

        Raises:
            PolicyError: ROLE_NOT_ALLOWED for whoever is not of the police.
        """
        self._voice.speaker.require_may_say(DesignationLifted)
        taken = await self._voice.intake.take(values, Purpose.PROTECTION, self._voice.pad())
        async with self._voice.speaker.lock:
            tokens = [one.token for one in taken.known]
            own = await asyncio.to_thread(self._own, tokens)
            lifted = {
                token: [
                    self._voice.speaker.statement(
                        DesignationLifted(target, token, reason),
                        Purpose.PROTECTION,
                        legal_basis=LegalBasis.ATNFL_32,
                    )
                    for target in own.get(token, ())
                ]
                for token in dict.fromkeys(tokens)
            }
            await self._voice.speaker.say([one for some in lifted.values() for one in some])
        results: dict[int, bytes | Refusal] = dict(taken.refused)
        for known in taken.known:
            done = lifted[known.token]
            results[known.place] = done[0].id if done else NOT_DESIGNATED
        return results

    def all(self, limit: int) -> list[Standing]:
        """Return the designations that count, the one to be reviewed first in front; blocking."""
        found = []
        for member, position in self._voice.stores.catalogue.designations():
            if not self._may_designate(member):
                continue
            entry = self._ledger.entry(
                Origin(self._federation(), MemberId(member), EVERYONE), position
            )
            statement = decode_statement(entry) if entry is not None else None
            if statement is not None and isinstance(statement.body, Designation):
                found.append(Standing(MemberId(member), statement, statement.body, ""))
        found.sort(key=lambda one: (one.body.review_time, one.statement.id))
        values = self._voice.stores.private.values([one.body.token for one in found[:limit]])
        return [
            Standing(one.member, one.statement, one.body, own.value if own else "")
            for one in found[:limit]
            for own in (values.get(one.body.token),)
        ]

    def _statement(
        self, one: Known, fraud_type: FraudType, digest: bytes, review: int
    ) -> Statement:
        try:
            body = Designation(
                one.token, one.indicator.kind, self._voice.epoch(), fraud_type, digest, review
            )
        except StatementError as error:
            raise RequestError(str(error), reason=error.reason) from error
        return self._voice.speaker.statement(
            body, Purpose.NOMINATION, legal_basis=LegalBasis.ATNFL_32
        )

    def _own(self, tokens: Sequence[bytes]) -> dict[bytes, tuple[bytes, ...]]:
        catalogue = self._voice.stores.catalogue
        return catalogue.designations_by_token(self._voice.member, tokens)

    def _remember(self, taken: Taken) -> None:
        """Keep own raw values: a new key epoch is made from them. They never leave the node."""
        self._voice.stores.private.put_values(
            [(one.token, one.indicator.kind.value, one.indicator.value) for one in taken.known],
            self._voice.epoch(),
        )

    def _case_digest(self, reference: str) -> bytes:
        """Return the same 32 bytes for the same case; the key never leaves this node."""
        text = " ".join(reference.split())
        if not 0 < len(text) <= MAX_REFERENCE_CHARACTERS:
            raise RequestError(
                "the case's reference is missing or too long", reason="CASE_REFERENCE_INVALID"
            )
        new = os.urandom(hashlib.sha256().digest_size)
        key = self._voice.stores.private.get_or_put(_KEY_NAME, new)
        return hmac.digest(key, _CONTEXT + text.encode(), "sha256")
