"""Do this member's part as a key holder: check shares, echo a close, answer it once, ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from federation.errors import FederationError
from federation.statements import SumCheck, SumEcho, SumPartial
from federation.sums import (
    SumFaultError,
    answer,
    check,
    check_close,
    check_repeat,
    echo,
    has_checked,
    is_gathered,
    remember_close,
)
from keys.errors import KeysError
from node.member import MemberKeys
from node.sums.memory import Part, SumMemory
from node.sums.records import SumRecord
from node.telemetry import get_log


class HolderPart:
    """This member's part in the sums whose shares it holds; every method blocks."""

    def __init__(self, keys: MemberKeys, memory: SumMemory, clock: Callable[[], int]) -> None:
        self._me = keys.card.member.member
        self._keys = keys
        self._memory = memory
        self._clock = clock
        self.refused: dict[bytes, str] = {}
        """Why this holder does not answer the close of a sum, now or ever."""
        self._faulty: set[bytes] = set()

    def check(self, record: SumRecord) -> SumCheck | None:
        """Return what this holder found in the shares, once all that can count are there."""
        state, opening = record.state, record.state.sum.opening
        if state.closes or not is_gathered(state, self._clock()) or has_checked(state, self._me):
            return None
        if len(state.waiting_shares()) < opening.least_contributors:
            return None  # nothing will be added up, so nothing is opened
        return check(state, self._me, self._keys.sealing)

    def respond(self, record: SumRecord) -> SumEcho | SumPartial | None:
        """Return the echo or the answer that the close asks for now.

        What it binds this holder to is on disk before this returns.
        """
        sum_id = record.state.sum.opening.sum_id
        if not record.state.closes or sum_id in self._faulty:
            return None
        try:
            found = self._bind_and_answer(record)
        except (FederationError, KeysError) as error:
            self._refuse(sum_id, error)
            return None
        self.refused.pop(sum_id, None)
        return found

    def _bind_and_answer(self, record: SumRecord) -> SumEcho | SumPartial | None:
        state, now = record.state, self._clock()
        opening = state.sum.opening
        bound = self._memory.bound(opening.sum_id)
        past = self._memory.past(Part.HOLDER, now)
        said = check_close(state, self._me, bound, past, now)
        digest = state.sum.close_digest(said)
        if digest in state.partials.get(self._me, {}):
            return None
        remembered = replace(
            remember_close(state.sum, said, now), fingerprints=record.head.fingerprints
        )
        check_repeat(remembered, past)
        self._memory.bind(remembered, digest, past)
        if opening.echoes and self._me not in state.echoes:
            return echo(state, self._me, digest, past, now)
        keys = self._keys.sealing, self._keys.signing
        return answer(state, self._me, keys, bound=digest, past=past, now=now)

    def _refuse(self, sum_id: bytes, error: FederationError | KeysError) -> None:
        if self.refused.get(sum_id) != error.reason:
            get_log().warning("sum.not_answered", reason=error.reason)
        self.refused[sum_id] = error.reason
        if isinstance(error, SumFaultError):
            self._faulty.add(sum_id)
