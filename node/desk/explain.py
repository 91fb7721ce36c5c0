"""Explain a verdict to the member's own people: every term, and the details that can be opened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from operator import attrgetter

from federation.findings import Finding
from federation.indicator_state import indicator_state
from federation.names import EVERYONE, FederationName, MemberId, Origin
from federation.statements import Nomination
from federation.statements.codec import decode_statement
from federation.vocabulary import Purpose
from keys.errors import SealError
from keys.sealing import open_from_indicator
from node.desk.intake import Intake, Known, Taken
from node.desk.nominate import DETAILS_CONTEXT
from node.errors import PolicyError, RequestError, UnavailableError
from node.log.ledger import Ledger
from node.lookup.service import explanation
from node.store.catalogue import Catalogue
from node.training.grounds import Grounds
from node.verdicts import Verdicts
from tocsin.desk.v1 import desk_service_pb2 as wire


class Explainer:
    """Explains raw values from the replica."""

    def __init__(
        self,
        federation: FederationName,
        intake: Intake,
        verdicts: Verdicts,
        catalogue: Catalogue,
        ledger: Ledger,
        pad: Callable[[], int],
        grounds: Grounds,
    ) -> None:
        self._federation = federation
        self._intake = intake
        self._verdicts = verdicts
        self._catalogue = catalogue
        self._ledger = ledger
        self._pad = pad
        self._grounds = grounds

    async def explain(self, request: wire.ExplainRequest) -> wire.ExplainResponse:
        """Explain one value.

        Raises:
            RequestError: The value is no indicator; the reason names the rule.
            PolicyError, UnavailableError: The value is new here and gets no token now.
        """
        taken = await self._take(request.value)
        for why in taken.refused.values():
            raise RequestError(why.message, reason=why.reason)
        (known,) = taken.known
        return await asyncio.to_thread(self._explain, known)

    async def _take(self, value: wire.RawIndicator) -> Taken:
        try:
            return await self._intake.take([value], Purpose.CHECK, self._pad(), with_keys=True)
        except (PolicyError, UnavailableError):
            # The verdict of an own value needs no holder; only the details stay closed.
            return await self._intake.take([value], Purpose.CHECK, self._pad())

    def _explain(self, known: Known) -> wire.ExplainResponse:
        verdict = self._verdicts.judge([known.token])[known.token]
        findings = self._verdicts.findings([known.token]).get(known.token, ())
        state = indicator_state(verdict, findings, self._verdicts.standing().roles)
        response = wire.ExplainResponse(
            explanation=explanation(known.token, verdict),
            indicator_state=state,
            found_out=[_found_out(one) for one in sorted(findings, key=attrgetter("time"))],
        )
        for member, position in self._catalogue.positions(known.token):
            nomination = self._nomination(MemberId(member), position)
            if nomination is None:
                continue
            text = _details(nomination, known)
            if text:
                response.details.add(member=member, text=text)
            if nomination.model_digest:
                response.models.append(self._model(member, nomination))
        return response

    def _nomination(self, member: MemberId, position: int) -> Nomination | None:
        body = self._ledger.entry(Origin(self._federation, member, EVERYONE), position)
        statement = decode_statement(body) if body is not None else None
        found = statement.body if statement is not None else None
        return found if isinstance(found, Nomination) else None

    def _model(self, member: str, nomination: Nomination) -> wire.ModelTerm:
        """Tell which model a nomination comes from, and of an own one what it rests on."""
        digest = nomination.model_digest
        term = wire.ModelTerm(member=member, model_digest=digest)
        own = member == self._ledger.own.member
        ground = self._grounds.read(nomination.token, digest) if own else None
        if ground is not None:
            term.plan_digest = bytes.fromhex(ground.plan_digest)
            term.score, term.threshold = ground.score, ground.threshold
            term.scored_time.seconds = ground.scored_time
            term.reasons.extend(ground.reasons)
        return term


def _found_out(finding: Finding) -> wire.FoundOut:
    told = wire.FoundOut(matter_id=finding.matter, opener=finding.opener, state=finding.state)
    told.time.seconds = finding.time
    if finding.tally is not None:
        for field, count in finding.tally._asdict().items():
            setattr(told, field, count)
    return told


def _details(nomination: Nomination, known: Known) -> str:
    if not nomination.sealed_details or known.content_key is None:
        return ""
    try:
        opened = open_from_indicator(known.content_key, nomination.sealed_details, DETAILS_CONTEXT)
    except SealError:
        return ""  # sealed by a member that did not hold the key: nothing to show
    return _printable(opened.decode(errors="replace"))


def _printable(text: str) -> str:
    """Drop what could steer a terminal: another member wrote the text."""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")
