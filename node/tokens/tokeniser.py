"""Turn indicators into tokens: blind, ask t of n holders, check, unblind.

Nobody but this node sees a value; no holder sees more than blinded points. A holder that is down
is replaced by another; a holder that lies is named with its own signed answer as evidence; with
fewer than t holders nothing is tokenised.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ParamSpec, Protocol, TypeVar

from federation.errors import FederationError
from federation.indicators import Indicator, KindClass, kind_class
from federation.key_set import KeySet
from federation.names import MemberId
from federation.vocabulary import Purpose
from keys.blinding import (
    BlindedBatch,
    blind_batch,
    finish_batch,
    finish_strict,
    strict_challenge,
)
from keys.derivation import TokenKey, token_input
from keys.errors import CheckError, KeysError, ProofError
from keys.evaluation import (
    MAXIMUM_BATCH_ITEMS,
    CheckMode,
    PartialEvaluation,
    verify_batch_proof,
)
from keys.group import ELEMENT_BYTES
from node.errors import NodeError, PolicyError, UnavailableError
from node.telemetry import describe_error, get_log
from node.tokens.holder import request_digest, signed_digests, subset_bytes
from node.tokens.key_ring import KeyRing
from node.turns import Turn
from tocsin.v1 import token_service_pb2 as wire

BATCHES_IN_FLIGHT = 4  # enough to keep client and holders busy at once, 0.5 MiB in memory
SHORT_IN_FLIGHT = 16  # besides those: a single value asked for waits behind no import
BATCH_PADS = 32  # a full batch is this many times the member's padding: 2,048 for members
CACHED_TOKENS = 16_384  # tokens of values asked lately, about 4 MiB
RETRY_SECONDS = 20.0  # how long a holder that failed is asked only if no other set is left

Ask = Callable[[MemberId, wire.EvaluateRequest], Awaitable[wire.EvaluateResponse]]
AskProof = Callable[
    [MemberId, wire.ProveEvaluationRequest], Awaitable[wire.ProveEvaluationResponse]
]


P = ParamSpec("P")
R = TypeVar("R")


class Computer(Protocol):
    """Where group operations run: ``Workers`` in a node."""

    async def run_in(
        self, turn: Turn, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run a top-level function and return its result or raise its error."""
        ...


@dataclass(frozen=True, slots=True)
class Blame:
    """A holder's wrong answer, provable to anyone: the request's digest and the signed answer."""

    holder: MemberId
    kind_class: KindClass
    request_digest: bytes
    response: wire.EvaluateResponse


@dataclass(frozen=True, slots=True)
class Holders:
    """How the tokeniser reaches holders and whom it tells about a liar."""

    ask: Ask
    ask_proof: AskProof
    verify: Callable[[MemberId, bytes, bytes], None]
    on_blame: Callable[[Blame], Awaitable[None]]


@dataclass(slots=True)
class _Attempt:
    """One batch on its way: its inputs, and the failures so far by holder."""

    epoch: int
    kind_class: KindClass
    purpose: Purpose
    batch: BlindedBatch
    failures: dict[MemberId, Exception] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Round:
    """One request to a holder set, and the signed answers to it."""

    key_set: KeySet
    subset: tuple[int, ...]
    request: wire.EvaluateRequest
    responses: Mapping[int, wire.EvaluateResponse]

    def name(self, index: int) -> MemberId:
        return self.key_set.holders[index - 1]

    def partials(self) -> dict[int, PartialEvaluation]:
        return {index: _partial(response) for index, response in self.responses.items()}


class _HoldersFailedError(Exception):
    """Some holders of a set failed; another set may do."""

    def __init__(self, failures: Mapping[MemberId, Exception]) -> None:
        super().__init__("holders failed")
        self.failures = failures


class _WrongAnswerError(Exception):
    """The answers of a round fail the check."""

    def __init__(self, answered: _Round, error: CheckError) -> None:
        super().__init__("wrong answer")
        self.answered = answered
        self.error = error


class Tokeniser:
    """The client of the key holders, for one member."""

    def __init__(
        self,
        federation: str,
        key_ring: KeyRing,
        workers: Computer,
        holders: Holders,
        mode: CheckMode = CheckMode.SUM,
    ) -> None:
        self._federation = federation
        self._key_ring = key_ring
        self._workers = workers
        self._holders = holders
        self._mode = mode
        self._cache: OrderedDict[tuple[int, Indicator], TokenKey] = OrderedDict()
        self._turn = itertools.count(secrets.randbelow(1000))
        self._failed_at: dict[MemberId, float] = {}
        self._slots = asyncio.Semaphore(BATCHES_IN_FLIGHT)
        self._short_slots = asyncio.Semaphore(SHORT_IN_FLIGHT)

    async def tokenise(
        self, indicators: Sequence[Indicator], purpose: Purpose, pad: int
    ) -> list[TokenKey]:
        """Return the token and content key of each indicator, in order.

        Args:
            indicators: Any number, of any kinds; equal ones are asked once.
            purpose: Why; counted by the holders.
            pad: Smallest number of points that a holder may see, from the charter.

        Raises:
            UnavailableError: KEYS_MISSING, HOLDERS_UNAVAILABLE, EPOCH_CHANGED.
            PolicyError: QUOTA_EXCEEDED and other refusals of the holders.
        """
        epoch = self._key_ring.require_current().epoch
        found = {one: known for one in indicators if (known := self._cache.get((epoch, one)))}
        missing = [one for one in dict.fromkeys(indicators) if one not in found]
        for chunk, tokens in await self._all_chunks(epoch, missing, purpose, pad):
            found.update(zip(chunk, tokens, strict=True))
        self._remember(epoch, {one: found[one] for one in missing})
        return [found[one] for one in indicators]

    async def _all_chunks(
        self, epoch: int, missing: Sequence[Indicator], purpose: Purpose, pad: int
    ) -> list[tuple[Sequence[Indicator], list[TokenKey]]]:
        tasks = []
        try:
            async with asyncio.TaskGroup() as group:
                for of_class, chunk in _chunks(missing, min(pad * BATCH_PADS, MAXIMUM_BATCH_ITEMS)):
                    work = self._guarded(epoch, of_class, chunk, purpose, pad)
                    tasks.append((chunk, group.create_task(work)))
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from failed  # the first failure ended the others
        return [(chunk, task.result()) for chunk, task in tasks]

    def _remember(self, epoch: int, fresh: dict[Indicator, TokenKey]) -> None:
        if len(fresh) > CACHED_TOKENS // 4:
            return  # a file passes once; it would only push out what is asked again
        for indicator, token in fresh.items():
            self._cache[(epoch, indicator)] = token
        while len(self._cache) > CACHED_TOKENS:
            self._cache.popitem(last=False)

    async def _guarded(
        self,
        epoch: int,
        of_class: KindClass,
        chunk: Sequence[Indicator],
        purpose: Purpose,
        pad: int,
    ) -> list[TokenKey]:
        turn = Turn(items=max(len(chunk), pad))
        async with self._short_slots if turn.is_short else self._slots:
            inputs = [
                token_input(self._federation, one.kind.value, one.value.encode()) for one in chunk
            ]
            batch = await self._workers.run_in(turn, blind_batch, inputs, self._mode, pad)
            return await self._try_sets(_Attempt(epoch, of_class, purpose, batch))

    async def _try_sets(self, attempt: _Attempt) -> list[TokenKey]:
        key_set = self._key_set(attempt.epoch)
        while (subset := self._choose(key_set, attempt.failures)) is not None:
            try:
                return await self._ask_set(attempt, key_set, subset)
            except _HoldersFailedError as failed:
                self._note_failures(attempt, failed.failures)
            if (newer := self._key_set(attempt.epoch)) is not key_set:
                key_set = newer  # the shares were refreshed meanwhile: everyone may be asked again
                attempt.failures.clear()
        raise _explained(attempt, key_set)

    def _key_set(self, epoch: int) -> KeySet:
        current = self._key_ring.require_current()
        if current.epoch != epoch:
            raise UnavailableError(
                "the federation has just begun to use new keys",
                reason="EPOCH_CHANGED",
                hint="ask again",
            )
        return current

    def _note_failures(self, attempt: _Attempt, failures: Mapping[MemberId, Exception]) -> None:
        attempt.failures.update(failures)
        self._failed_at.update(dict.fromkeys(failures, asyncio.get_running_loop().time()))

    def _choose(
        self, key_set: KeySet, failures: Mapping[MemberId, Exception]
    ) -> tuple[int, ...] | None:
        """Choose holders in turn, those that failed lately last; None where too few are left."""
        named = enumerate(key_set.holders, start=1)
        able = [(index, name) for index, name in named if name not in failures]
        if len(able) < key_set.threshold:
            return None
        first = next(self._turn) % len(able)
        in_turn = sorted(able[first:] + able[:first], key=lambda one: self._is_doubtful(one[1]))
        return tuple(sorted(index for index, _ in in_turn[: key_set.threshold]))

    def _is_doubtful(self, name: MemberId) -> bool:
        failed = self._failed_at.get(name)
        return failed is not None and asyncio.get_running_loop().time() - failed < RETRY_SECONDS

    async def _ask_set(
        self, attempt: _Attempt, key_set: KeySet, subset: tuple[int, ...]
    ) -> list[TokenKey]:
        batch = attempt.batch
        request = self._request(attempt, key_set, subset, batch.blinded, batch.check_point)
        answered = await self._ask_all(key_set, subset, request)
        try:
            tokens = await self._finish(attempt, answered)
        except _WrongAnswerError as wrong:
            failures = await self._find_failures(attempt, answered, wrong)
            raise _HoldersFailedError(failures) from wrong
        for index in subset:
            self._failed_at.pop(answered.name(index), None)
        return tokens

    async def _finish(self, attempt: _Attempt, answered: _Round) -> list[TokenKey]:
        batch, public = attempt.batch, answered.key_set.keys[attempt.kind_class]
        subset, partials = answered.subset, answered.partials()
        run, turn = self._workers.run_in, Turn(items=len(batch.blinded) // ELEMENT_BYTES)
        try:
            if self._mode is not CheckMode.STRICT:
                return await run(turn, finish_batch, batch, public, subset, partials)
            challenge = await run(turn, strict_challenge, batch, public, subset, partials)
        except CheckError as error:
            raise _WrongAnswerError(answered, error) from error
        request = self._request(attempt, answered.key_set, subset, b"", challenge.check_point)
        second = await self._ask_all(answered.key_set, subset, request)
        try:
            return await run(
                turn, finish_strict, batch, public, subset, challenge, second.partials()
            )
        except CheckError as error:
            raise _WrongAnswerError(second, error) from error

    def _request(
        self,
        attempt: _Attempt,
        key_set: KeySet,
        subset: tuple[int, ...],
        blinded: bytes,
        check_point: bytes,
    ) -> wire.EvaluateRequest:
        return wire.EvaluateRequest(
            kind_class=attempt.kind_class.value,  # type: ignore[arg-type]  # equal numbers, tested
            epoch=key_set.epoch,
            share_epoch=key_set.share_epoch,
            check=self._mode.value,  # type: ignore[arg-type]  # equal numbers, tested
            subset=subset_bytes(subset),
            batch_id=secrets.token_bytes(16),
            blinded=blinded,
            check_point=check_point,
            purpose=attempt.purpose.value,  # type: ignore[arg-type]  # equal numbers, tested
        )

    async def _ask_all(
        self, key_set: KeySet, subset: tuple[int, ...], request: wire.EvaluateRequest
    ) -> _Round:
        names = [key_set.holders[index - 1] for index in subset]
        answers = await asyncio.gather(
            *(self._holders.ask(name, request) for name in names), return_exceptions=True
        )
        failures: dict[MemberId, Exception] = {}
        good: dict[int, wire.EvaluateResponse] = {}
        for index, name, answer in zip(subset, names, answers, strict=True):
            if isinstance(answer, wire.EvaluateResponse):
                good[index] = answer
            elif isinstance(answer, Exception):
                failures[name] = answer
            else:
                raise answer  # cancellation is never swallowed
        digest = request_digest(self._federation, request)
        for index, response in good.items():
            _partial_value, covered = signed_digests(digest, index, response)
            try:
                self._holders.verify(key_set.holders[index - 1], covered, response.signature)
            except (KeysError, FederationError) as error:
                failures[key_set.holders[index - 1]] = error
        if failures:
            raise _HoldersFailedError(failures)
        return _Round(key_set, subset, request, good)

    async def _find_failures(
        self, attempt: _Attempt, first: _Round, wrong: _WrongAnswerError
    ) -> dict[MemberId, Exception]:
        """Find out who answered wrongly, name them, and return whom not to ask again.

        Answers that are wrong by themselves are named at once. Where only the combination is
        wrong, every holder has to prove its signed answer. One that cannot be asked for a proof
        is named only if all others have proved theirs: then its answer is the wrong one.
        """
        if wrong.error.suspects:
            for index in wrong.error.suspects:
                await self._blame(attempt, wrong.answered, index)
            return {wrong.answered.name(index): wrong.error for index in wrong.error.suspects}
        failures = {index: await self._prove(attempt, first, index) for index in first.subset}
        found = {index: error for index, error in failures.items() if error is not None}
        liars = [index for index, error in found.items() if isinstance(error, ProofError)]
        for index in liars or (found if len(found) == 1 else ()):
            await self._blame(attempt, first, index)
        # A check that fails while every answer is provable blames nobody: give the set up.
        blamed = found or dict.fromkeys(first.subset, wrong.error)
        return {first.name(index): error for index, error in blamed.items()}

    async def _prove(self, attempt: _Attempt, answered: _Round, index: int) -> Exception | None:
        """Return why a holder does not prove its signed answer; None where it does."""
        try:
            proof = await self._holders.ask_proof(
                answered.name(index), wire.ProveEvaluationRequest(request=answered.request)
            )
            await self._workers.run_in(
                Turn(items=len(answered.request.blinded) // ELEMENT_BYTES),
                verify_batch_proof,
                answered.key_set.keys[attempt.kind_class],
                index,
                answered.subset,
                answered.request.blinded,
                answered.responses[index].evaluated,
                proof.proof,
            )
        except (ProofError, NodeError, FederationError) as error:
            return error
        return None

    async def _blame(self, attempt: _Attempt, answered: _Round, index: int) -> None:
        """Name a liar; where that fails, other holders are asked all the same."""
        digest = request_digest(self._federation, answered.request)
        response = answered.responses[index]
        try:
            await self._holders.on_blame(
                Blame(answered.name(index), attempt.kind_class, digest, response)
            )
        except Exception as error:
            get_log().error("alarm.failed", member=answered.name(index), **describe_error(error))


def _chunks(
    indicators: Sequence[Indicator], size: int
) -> Iterator[tuple[KindClass, Sequence[Indicator]]]:
    by_class: dict[KindClass, list[Indicator]] = {}
    for indicator in indicators:
        by_class.setdefault(kind_class(indicator.kind), []).append(indicator)
    for of_class, members in by_class.items():
        for start in range(0, len(members), size):
            yield of_class, members[start : start + size]


def _partial(response: wire.EvaluateResponse) -> PartialEvaluation:
    return PartialEvaluation(response.evaluated, response.check_element, response.proof)


def _explained(attempt: _Attempt, key_set: KeySet) -> Exception:
    reasons = {
        name: str(getattr(error, "reason", type(error).__name__))
        for name, error in attempt.failures.items()
    }
    told = ", ".join(f"{name}: {reason}" for name, reason in sorted(reasons.items()))
    refused = [error for error in attempt.failures.values() if isinstance(error, PolicyError)]
    if refused:
        return PolicyError(
            f"the key holders refuse to evaluate more ({told})",
            reason=refused[0].reason,
            hint=refused[0].hint,
        )
    return UnavailableError(
        f"{key_set.threshold} of {len(key_set.holders)} key holders are needed ({told})",
        reason="HOLDERS_UNAVAILABLE",
        hint="values that need no new token are still answered; tocsin status shows the peers",
    )
