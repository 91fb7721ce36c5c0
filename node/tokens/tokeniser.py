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
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from federation.key_set import KeySet

from federation.indicators import Indicator, KindClass, kind_class
from federation.names import MemberId
from federation.vocabulary import Purpose
from keys.blinding import (
    BlindedBatch,
    StrictChallenge,
    blind_batch,
    finish_batch,
    finish_strict,
    strict_challenge,
)
from keys.derivation import TokenKey, token_input
from keys.errors import CheckError, ProofError, SignatureError
from keys.evaluation import CheckMode, PartialEvaluation, verify_batch_proof
from node.errors import PeerError, PolicyError, UnavailableError
from node.tokens.holder import request_digest, signed_digests, subset_bytes
from node.tokens.key_ring import KeyRing
from node.workers import Workers
from tocsin.v1 import token_service_pb2 as wire

BATCHES_IN_FLIGHT = 4  # enough to keep client and holders busy at once, 0.5 MiB in memory
BATCH_PADS = 32  # a full batch is this many times the member's padding: 2,048 for members
CACHED_TOKENS = 16_384  # tokens of values asked lately, about 4 MiB
RETRY_SECONDS = 20.0  # how long a holder that failed is asked only if no other set is left

Ask = Callable[[MemberId, wire.EvaluateRequest], Awaitable[wire.EvaluateResponse]]
AskProof = Callable[
    [MemberId, wire.ProveEvaluationRequest], Awaitable[wire.ProveEvaluationResponse]
]


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

    kind_class: KindClass
    purpose: Purpose
    batch: BlindedBatch
    failures: dict[MemberId, Exception] = field(default_factory=dict)


class _HoldersFailedError(Exception):
    """Some holders of a set failed; another set may do."""

    def __init__(self, failures: dict[MemberId, Exception]) -> None:
        super().__init__("holders failed")
        self.failures = failures


class Tokeniser:
    """The client of the key holders, for one member."""

    def __init__(
        self,
        federation: str,
        key_ring: KeyRing,
        workers: Workers,
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

    async def tokenise(
        self, indicators: Sequence[Indicator], purpose: Purpose, pad: int
    ) -> list[TokenKey]:
        """Return the token and content key of each indicator, in order.

        Args:
            indicators: Any number, of any kinds; equal ones are asked once.
            purpose: Why; counted by the holders.
            pad: Smallest number of points that a holder may see, from the charter.

        Raises:
            UnavailableError: KEYS_MISSING, HOLDERS_UNAVAILABLE.
            PolicyError: QUOTA_EXCEEDED and other refusals of the holders.
        """
        epoch = self._key_ring.require_current().epoch
        found = {one: known for one in indicators if (known := self._cache.get((epoch, one)))}
        missing = [one for one in dict.fromkeys(indicators) if one not in found]
        for chunk, tokens in await self._all_chunks(missing, purpose, pad):
            found.update(zip(chunk, tokens, strict=True))
        self._remember(epoch, {one: found[one] for one in missing})
        return [found[one] for one in indicators]

    async def _all_chunks(
        self, missing: Sequence[Indicator], purpose: Purpose, pad: int
    ) -> list[tuple[Sequence[Indicator], list[TokenKey]]]:
        tasks = []
        try:
            async with asyncio.TaskGroup() as group:
                for of_class, chunk in _chunks(missing, pad * BATCH_PADS):
                    work = self._guarded(of_class, chunk, purpose, pad)
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
        self, of_class: KindClass, chunk: Sequence[Indicator], purpose: Purpose, pad: int
    ) -> list[TokenKey]:
        async with self._slots:
            inputs = [
                token_input(self._federation, one.kind.value, one.value.encode()) for one in chunk
            ]
            batch = await self._workers.run(blind_batch, inputs, self._mode, pad)
            return await self._try_sets(_Attempt(of_class, purpose, batch))

    async def _try_sets(self, attempt: _Attempt) -> list[TokenKey]:
        key_set = self._key_ring.require_current()
        for subset in self._sets(key_set):
            names = [key_set.holders[index - 1] for index in subset]
            if any(name in attempt.failures for name in names):
                continue
            try:
                return await self._ask_set(attempt, key_set, subset)
            except _HoldersFailedError as failed:
                attempt.failures.update(failed.failures)
                now = asyncio.get_running_loop().time()
                self._failed_at.update(dict.fromkeys(failed.failures, now))
        raise _explained(attempt, key_set)

    def _sets(self, key_set: KeySet) -> Iterator[tuple[int, ...]]:
        """Yield the holder sets: in turn, those without a holder that failed lately first."""
        indexes = range(1, len(key_set.holders) + 1)
        sets = list(itertools.combinations(indexes, key_set.threshold))
        first = next(self._turn) % len(sets)
        now = asyncio.get_running_loop().time()

        def doubtful(subset: tuple[int, ...]) -> bool:
            times = (self._failed_at.get(key_set.holders[i - 1]) for i in subset)
            return any(time is not None and now - time < RETRY_SECONDS for time in times)

        yield from sorted(sets[first:] + sets[:first], key=doubtful)

    async def _ask_set(
        self, attempt: _Attempt, key_set: KeySet, subset: tuple[int, ...]
    ) -> list[TokenKey]:
        batch, public = attempt.batch, key_set.keys[attempt.kind_class]
        request = self._request(attempt, key_set, subset, batch.blinded, batch.check_point)
        responses = await self._ask_all(key_set, subset, request)
        partials = {index: _partial(response) for index, response in responses.items()}
        try:
            if self._mode is not CheckMode.STRICT:
                return await self._workers.run(finish_batch, batch, public, subset, partials)
            challenge = await self._workers.run(strict_challenge, batch, public, subset, partials)
            return await self._finish_strict(attempt, key_set, subset, challenge)
        except CheckError as error:
            liars = await self._find_liars(attempt, key_set, subset, request, responses)
            raise _HoldersFailedError(dict.fromkeys(liars, error)) from error

    async def _finish_strict(
        self,
        attempt: _Attempt,
        key_set: KeySet,
        subset: tuple[int, ...],
        challenge: StrictChallenge,
    ) -> list[TokenKey]:
        request = self._request(attempt, key_set, subset, b"", challenge.check_point)
        responses = await self._ask_all(key_set, subset, request)
        answers = {index: _partial(response) for index, response in responses.items()}
        public = key_set.keys[attempt.kind_class]
        return await self._workers.run(
            finish_strict, attempt.batch, public, subset, challenge, answers
        )

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
    ) -> dict[int, wire.EvaluateResponse]:
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
            except SignatureError as error:
                failures[key_set.holders[index - 1]] = error
        if failures:
            raise _HoldersFailedError(failures)
        return good

    async def _find_liars(
        self,
        attempt: _Attempt,
        key_set: KeySet,
        subset: tuple[int, ...],
        request: wire.EvaluateRequest,
        responses: dict[int, wire.EvaluateResponse],
    ) -> list[MemberId]:
        """Make every holder of the set prove its signed answer; return those that cannot."""
        liars = []
        public = key_set.keys[attempt.kind_class]
        for index in subset:
            name, response = key_set.holders[index - 1], responses[index]
            try:
                proof = await self._holders.ask_proof(
                    name, wire.ProveEvaluationRequest(request=request)
                )
                await self._workers.run(
                    verify_batch_proof,
                    public,
                    index,
                    subset,
                    request.blinded,
                    response.evaluated,
                    proof.proof,
                )
            except (ProofError, PeerError, PolicyError, UnavailableError):
                liars.append(name)
                digest = request_digest(self._federation, request)
                await self._holders.on_blame(Blame(name, attempt.kind_class, digest, response))
        # A check that fails while every answer is provable blames nobody: give the set up.
        return liars or [key_set.holders[index - 1] for index in subset]


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
