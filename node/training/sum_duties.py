"""Do a member's part in the private sums of other members' training runs.

Every member contributes what its training process gave, and repeats the close that it stands in:
honest contributors repeat one close of a sum, so no holder can be shown another. A member that
holds a key share checks, adds up and answers, whether it approved the plan or not.

What may never happen twice is stored before anything leaves (``node.sums.memory``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from federation.charter import Charter
from federation.names import MemberId
from federation.statements import (
    SumBody,
    SumClose,
    SumEcho,
    SumOpen,
    SumShares,
)
from federation.sums import (
    PastSum,
    Said,
    Sum,
    SumFaultError,
    SumRefusedError,
    SumState,
    answer,
    check,
    check_repeat,
    contribute,
    fold_sum,
    remember_close,
    remember_contribution,
)
from federation.sums.closing import check_enough, closed_shares
from federation.sums.judgement import judge_shares
from federation.training.error import UpdateError
from keys.sealing import SealingKey
from keys.signing import SigningKey
from node.errors import PeerError
from node.sums.memory import Part, SumMemory
from node.training.consent import Consents
from node.training.sum_speech import (
    CHECK,
    CLOSE,
    OPEN,
    PARTIAL,
    SHARES,
    Speech,
    speak,
)
from node.training.sum_terms import SumTerms, require_terms
from node.training.summands import Summands

MAX_SUMS: Final = 3
"""Sums of one coordinator at once: one under way, and those it gave up."""
MAX_HELD_BYTES: Final = 512 * 1024 * 1024
"""Bytes of shares in one sum: 20 members' updates of a million parameters to three holders."""
SAID_TWICE: Final = 2
"""Different things of one kind from one member: two prove that it said two, more prove no more."""


@dataclass(frozen=True, slots=True)
class Party:
    """Who this member is, and what it decides by.

    Attributes:
        charter: Gives the one in force.
        consents: Know the plans.
        memory: Of what must not be done twice.
        summands: What the member's training processes gave.
    """

    me: MemberId
    signing_key: SigningKey = field(repr=False)
    sealing_key: SealingKey = field(repr=False)
    charter: Callable[[], Charter]
    consents: Consents
    memory: SumMemory
    summands: Summands

    def is_holder(self) -> bool:
        """Say whether this member holds key shares."""
        return self.me in self.charter().holders

    def signing_keys(self) -> dict[MemberId, bytes]:
        """Return everybody's public keys."""
        return {one.member: one.signing_key for one in self.charter().members}


@dataclass(slots=True)
class _Held:
    """A sum that this member takes part in."""

    sum: Sum
    plan: bytes
    terms: SumTerms
    said: list[Said]
    echoes: dict[MemberId, bytes] = field(default_factory=dict)
    own_shares: bytes = b""
    has_checked: bool = False
    size: int = 0


class SumDuties:
    """A member's part in the sums of one coordinator; used by one thread at a time."""

    def __init__(self, party: Party, coordinator: MemberId) -> None:
        self._party = party
        self._coordinator = coordinator
        self._held: OrderedDict[bytes, _Held] = OrderedDict()

    def hear(self, speech: Speech) -> list[Speech]:
        """Take what was said, and return what this member says to it; blocking.

        Raises:
            NodeError: It breaks the protocol, or the plan does not allow it.
            FederationError: This member does not take this step of the sum.
        """
        if not speech.body:
            return self._do(speech)
        self._verify(speech)
        body = speech.read()
        if isinstance(body, SumOpen):
            return self._open(speech, body)
        held = self._find(speech)
        if isinstance(body, SumEcho):
            held.echoes.setdefault(speech.speaker, body.close_digest)
            return []
        self._note(held, speech, body)
        return self._repeat(held, body) if isinstance(body, SumClose) else []

    def _verify(self, speech: Speech) -> None:
        """Accept only what its speaker signed, and from the coordinator what is the opener's."""
        if speech.part in (OPEN, CLOSE) and speech.speaker != self._coordinator:
            raise PeerError("a sum is opened and closed by its opener", member=self._coordinator)
        known = self._party.charter().find(speech.speaker)
        if known is None:
            raise PeerError("somebody unknown speaks in a sum", member=self._coordinator)
        speech.verify(known.signing_key)

    def _find(self, speech: Speech) -> _Held:
        held = self._held.get(speech.sum_id)
        if held is None or held.plan != speech.plan:
            raise SumFaultError("this sum was not opened here", reason="SUM_UNKNOWN")
        return held

    def _open(self, speech: Speech, opening: SumOpen) -> list[Speech]:
        if speech.sum_id in self._held:
            raise SumRefusedError("a sum is opened once", reason="SUM_REPEATED")
        party = self._party
        charter = party.charter()
        terms = require_terms(
            party.consents, charter, self._coordinator, speech.plan, opening, speech.rows
        )
        opened = Sum(charter.federation, self._coordinator, opening)
        said = [Said(self._coordinator, party.consents.now(), opening)]
        held = self._held[speech.sum_id] = _Held(opened, speech.plan, terms, said)
        while len(self._held) > MAX_SUMS:
            self._held.popitem(last=False)
        # Who has nothing to add does its duty as a holder all the same.
        return self._contribute(held, charter) if party.me in opening.contributors else []

    def _contribute(self, held: _Held, charter: Charter) -> list[Speech]:
        party, opening = self._party, held.sum.opening
        vector = party.summands.find(held.plan, opening.labels_digest)
        if vector is None:
            raise SumRefusedError("there is nothing to add here", reason="SUM_NOT_READY")
        now = party.consents.now()
        past = party.memory.past(Part.CONTRIBUTOR, now)
        shares = contribute(
            held.sum,
            party.me,
            vector,
            {name: charter.member(name).sealing_key for name in opening.holders},
            party.signing_key,
            now=now,
            past=past,
        )
        vector.fill(0)
        if party.memory.has_contributed(opening.sum_id):
            raise SumRefusedError("this sum was contributed to before", reason="SUM_REPEATED")
        party.memory.note_contribution(remember_contribution(held.sum, now), past)
        held.own_shares = held.sum.shares_digest(party.me, shares.sealed_shares)
        return [speak(held.plan, party.me, shares, party.signing_key)]

    def _note(self, held: _Held, speech: Speech, body: SumBody) -> None:
        """Keep what another party said, within bounds."""
        opening, speaker = held.sum.opening, speech.speaker
        allowed = opening.contributors if isinstance(body, SumShares) else opening.holders
        if speech.part in (SHARES, CHECK) and speaker not in allowed:
            raise PeerError("somebody speaks in a sum out of turn", member=self._coordinator)
        alike = [one for one in held.said if (one.member, type(one.body)) == (speaker, type(body))]
        if len(alike) >= SAID_TWICE or any(one.body == body for one in alike):
            return
        held.size += len(speech.body)
        if held.size > MAX_HELD_BYTES:
            raise PeerError("a sum has more shares than fit", member=self._coordinator)
        held.said.append(Said(speaker, self._party.consents.now(), body))

    def _repeat(self, held: _Held, body: SumClose) -> list[Speech]:
        """Repeat a close that this member's vector is in, as the only one ever of this sum.

        Raises:
            SumFaultError: CLOSE_INVALID, or SUM_CLOSED_TWICE.
            SumRefusedError: SUM_REPEATED or SUM_TOO_FEW.
        """
        me, opened = self._party.me, held.sum
        if not held.own_shares or me not in body.contributors:
            return []
        closed = dict(closed_shares(body))
        if closed[me] != held.own_shares or not closed.keys() <= set(opened.opening.contributors):
            raise SumFaultError("the close names other shares", reason="CLOSE_INVALID")
        check_enough(opened, closed)
        digest = opened.close_digest(body)
        past = self._past_close(held, body)
        self._party.memory.bind(past, digest)
        said = SumEcho(opened.opening.sum_id, digest)
        return [speak(held.plan, me, said, self._party.signing_key)]

    def _past_close(self, held: _Held, body: SumClose) -> PastSum:
        now = self._party.consents.now()
        past = remember_close(held.sum, body, now)
        check_repeat(past, self._party.memory.past(Part.HOLDER, now))
        return past

    def _do(self, speech: Speech) -> list[Speech]:
        """Do what a holder is asked for."""
        held = self._find(speech)
        if speech.part == CHECK and not held.has_checked:
            held.has_checked = True
            return [self._check(held)]
        if speech.part == PARTIAL:
            return [self._answer(held)]
        return []

    def _check(self, held: _Held) -> Speech:
        party = self._party
        found = check(self._fold(held), party.me, party.sealing_key)
        held.said.append(Said(party.me, party.consents.now(), found))
        return speak(held.plan, party.me, found, party.signing_key)

    def _answer(self, held: _Held) -> Speech:
        party, now = self._party, self._party.consents.now()
        state = self._fold(held)
        said = state.single_close()
        digest = held.sum.close_digest(said)
        if any(held.echoes.get(name) != digest for name in said.contributors):
            raise SumRefusedError(
                "a contributor has not repeated the close", reason="SUM_NOT_READY"
            )
        _check_norms(held.terms, state, said)
        partial = answer(
            state,
            party.me,
            (party.sealing_key, party.signing_key),
            bound=party.memory.bound(held.sum.opening.sum_id),
            past=party.memory.past(Part.HOLDER, now),
            now=now,
        )
        party.memory.bind(remember_close(held.sum, said, now), digest)
        del self._held[held.sum.opening.sum_id]
        return speak(held.plan, party.me, partial, party.signing_key)

    def _fold(self, held: _Held) -> SumState:
        opened = held.sum
        keys = self._party.signing_keys()
        return fold_sum(opened.federation, opened.opening.sum_id, held.said, keys)


def _check_norms(terms: SumTerms, state: SumState, said: SumClose) -> None:
    """Refuse a close with somebody whose update is longer than its own row cap allows.

    Raises:
        SumFaultError: CLOSE_INVALID.
    """
    if terms.scale is None:
        return
    for name, digest in closed_shares(said):
        try:
            terms.scale.judge(judge_shares(state, name, digest).norms, terms.row_caps[name])
        except (UpdateError, ValueError, KeyError) as error:
            raise SumFaultError(
                f"the update of {name} is too long", reason="CLOSE_INVALID", members=(name,)
            ) from error
