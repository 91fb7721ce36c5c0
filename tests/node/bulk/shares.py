"""Key holders inside the process that asks: the real evaluation, without doors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from federation.indicators import KindClass
from federation.key_set import KeySet
from federation.names import MemberId
from federation.vocabulary import Purpose
from keys.ceremony import combine_commitments, combine_shares, deal_new
from keys.errors import SignatureError
from keys.evaluation import CheckMode, evaluate_batch, prove_batch
from keys.group import GENERATOR, add
from keys.secret import Secret
from node.bulk.tokenising import TokenSource
from node.tokens.tokeniser import Holders
from tocsin.v1 import token_service_pb2 as wire

NAMES = tuple(map(MemberId, ("carrier-a", "bank-x", "net-p")))
FEDERATION = "night"


class Here:
    """An engine that works on one part after the other, in this process."""

    processes = 1

    def each(self, function, parts: Iterable[object]) -> Iterator[object]:
        return map(function, parts)


@dataclass(frozen=True)
class ShareHolders:
    """Answer with shares; ``liar`` adds the generator to its first answer."""

    shares: dict[MemberId, Secret] = field(repr=False)
    liar: MemberId | None = None
    error: Exception | None = None

    def __call__(self, on_blame) -> Holders:
        async def ask(name, request):
            if self.error is not None:
                raise self.error
            partial = evaluate_batch(*self._arguments(name, request), CheckMode(request.check))
            elements = partial.elements
            if name == self.liar and elements:
                elements = add(elements[:32], GENERATOR) + elements[32:]
            return wire.EvaluateResponse(
                evaluated=elements, check_element=partial.check_element, proof=partial.proof
            )

        async def ask_proof(name, asked):
            request = asked.request
            share, index, subset, blinded, _ = self._arguments(name, request)
            answer = await ask(name, request)
            proof = prove_batch(share, index, subset, blinded, answer.evaluated)
            return wire.ProveEvaluationResponse(evaluated=answer.evaluated, proof=proof)

        def verify(name, _message, signature):
            if signature or name not in self.shares:
                raise SignatureError

        async def blame(found):
            on_blame(found.holder)

        return Holders(ask, ask_proof, verify, blame)

    def _arguments(self, name, request):
        index, subset = NAMES.index(name) + 1, tuple(request.subset)
        return self.shares[name], index, subset, request.blinded, request.check_point


def make_source(identity: bytes = b"one", **holding: object) -> TokenSource:
    """Make a key and a source of its tokens."""
    dealt = [deal_new(dealer, 2, (1, 2, 3), b"bulk") for dealer in (1, 2, 3)]
    public = combine_commitments([deal for deal, _ in dealt], None)
    shares = {
        name: combine_shares([parts[index] for _, parts in dealt])
        for index, name in enumerate(NAMES, start=1)
    }
    key_set = KeySet(1, 1, 2, NAMES, dict.fromkeys(KindClass, public))
    return TokenSource(
        identity,
        FEDERATION,
        key_set,
        CheckMode.SUM,
        Purpose.CHECK,
        64,
        "CN",
        ShareHolders(shares, **holding),
    )
