"""Say the one nomination that a report's matter comes to, and let it end with the matter.

It is weak (``federation.reporting``), and it expires instead of being retracted: hearsay that was
passed on as such speaks neither for nor against this member, and whoever reports falsely must not
lower its reliability.
"""

from __future__ import annotations

import hashlib
from typing import Final

from federation.authorisation import may_say
from federation.matters.report import ReportMatter
from federation.names import MemberId
from federation.reporting import LEAST_CONFIDENCE
from federation.roles import Role
from federation.statements import BODY_NAMES, Nomination, Statement
from federation.verdict import default_term_seconds
from federation.vocabulary import FraudStage, FraudType, LegalBasis, Purpose, SubjectRole
from node.desk.intake import Known
from node.desk.voice import Voice

_LABEL: Final = b"tocsin/report-nomination/1"


class ReportNominations:
    """The nominations that this member's reports come to; every method blocks."""

    def __init__(self, voice: Voice) -> None:
        """Nominate in the name of the member that the voice speaks for."""
        self._voice = voice
        self._me = MemberId(voice.member)

    def confidence(self, matter_id: bytes, token: bytes) -> int:
        """Return the confidence of a matter's nomination, percent; 0 where none stands."""
        held = self._voice.stores.catalogue.nominations(self._me, [token])
        confidence, expires, _ = held.get(nomination_of(matter_id), (0, 0, 0))
        return 0 if 0 < expires <= self._voice.clock() + 1 else confidence

    def nominate(
        self,
        matter_id: bytes,
        one: Known,
        fraud_type: FraudType,
        confidence: int,
        roles: frozenset[Role],
    ) -> Statement | None:
        """Return the nomination to say; None where it stands so, or may not be said.

        Protected objects are not nominated, nor what a person took back.
        """
        stores, token = self._voice.stores, one.token
        is_said = self.confidence(matter_id, token) == confidence
        if is_said or not may_say(roles, BODY_NAMES[Nomination]):
            return None
        indicator = (one.indicator.kind.value, one.indicator.value)
        if stores.verdicts.protected([token]) or stores.private.protected_values([indicator]):
            return None
        if stores.catalogue.retracted(self._me, [nomination_of(matter_id)]):
            return None
        stores.private.put_values([(token, *indicator)], self._voice.epoch())
        body = Nomination(
            token=token,
            kind=one.indicator.kind,
            epoch=self._voice.epoch(),
            fraud_type=fraud_type,
            stage=FraudStage.UNSPECIFIED,
            subject_role=SubjectRole.UNSPECIFIED,
            confidence=confidence,
        )
        ends = self._voice.clock() + default_term_seconds(body.kind)
        return self._statement(matter_id, body, ends)

    def end(self, matter: ReportMatter) -> Statement | None:
        """Return what lets a matter's nomination end; None where none stands."""
        report = matter.facts.report
        if not self.confidence(matter.id, report.token):
            return None
        body = Nomination(
            token=report.token,
            kind=report.kind,
            epoch=report.epoch,
            fraud_type=report.fraud_type,
            stage=FraudStage.UNSPECIFIED,
            subject_role=SubjectRole.UNSPECIFIED,
            confidence=LEAST_CONFIDENCE,
        )
        # The first second that is after it is said.
        return self._statement(matter.id, body, self._voice.clock() + 1)

    def _statement(self, matter_id: bytes, body: Nomination, ends: int) -> Statement:
        return self._voice.speaker.statement(
            body,
            Purpose.NOMINATION,
            statement_id=nomination_of(matter_id),
            legal_basis=LegalBasis.ATNFL_32,
            expires_time=ends,
        )


def nomination_of(matter_id: bytes) -> bytes:
    """Return the id, 16 bytes, of the one nomination that the reports of a matter come to."""
    return hashlib.sha256(_LABEL + matter_id).digest()[:16]
