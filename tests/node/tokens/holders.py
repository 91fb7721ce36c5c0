"""Three key holders in this process and a client: real shares, stores, workers and signatures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from federation.charter import Charter
from federation.charter.quota import uniform_quota
from federation.indicators import Indicator, parse_indicator
from federation.roles import Role
from federation.vocabulary import Purpose
from keys.evaluation import CheckMode
from keys.secret import Secret
from keys.signing import verify_signature
from node.metering import Excess, Metering
from node.store.private import PrivateStore
from node.tokens.holder import EVALUATION_CONTEXT, Holder, request_digest, signed_digests
from node.tokens.key_ring import HeldShares, KeyRing
from node.tokens.tokeniser import Blame, Holders, Tokeniser
from tests.federation.ceremony_world import HOLDERS, World
from tocsin.v1 import token_service_pb2 as wire

CLIENT = HOLDERS[3].name
OTHER_CLIENT = HOLDERS[4].name
BY_NAME = {each.name: each for each in HOLDERS}
DAY = 86_400

Lie = Callable[[wire.EvaluateRequest, wire.EvaluateResponse], None]


def phones(count: int, start: int = 0) -> list[Indicator]:
    return [parse_indicator("phone", f"+86139{start + each:08d}") for each in range(count)]


def domain(name: str) -> Indicator:
    return parse_indicator("domain", name)


@dataclass
class Node:
    """One holder: how it answers, and what its counters hold."""

    name: str
    holder: Holder
    private: PrivateStore
    ring: KeyRing
    down: Exception | None = None
    lie: Lie | None = None
    no_proof: Exception | None = None
    asked: list[wire.EvaluateRequest] = field(default_factory=list)


class HolderSet:
    """The holders of a generated key, and tokenisers over them."""

    def __init__(self, generated: World, workers, tmp_path) -> None:
        self.charter: Charter = generated.charter
        self.key_set = generated.previous
        self.workers = workers
        self.now = int(time.time())
        self.excesses: list[Excess] = []
        self.granted: dict[tuple[str, object], int] = {}
        self.blames: list[Blame] = []
        self.path = tmp_path
        self.nodes = {
            name: self._node(name, place, generated.holders[name].shares)
            for place, name in enumerate(self.key_set.holders, start=1)
        }

    def _node(self, name, index, shares) -> Node:
        private = PrivateStore(self.path / f"{name}.db")
        ring = KeyRing()
        # Copies: a ring wipes what it forgets, and the key serves every test.
        ring.accept(
            self.key_set, HeldShares(index, {k: Secret(s.reveal()) for k, s in shares.items()})
        )
        holder = Holder(
            self.charter.federation,
            BY_NAME[name].signing_key,
            ring,
            self.workers,
            self.metering(private),
        )
        return Node(name, holder, private, ring)

    def metering(self, private) -> Metering:
        return Metering(
            lambda: self.charter,
            private,
            lambda member, kind_class: self.granted.get((member, kind_class), 0),
            lambda: self.now,
            self._exceeded,
        )

    async def _exceeded(self, excess: Excess) -> None:
        self.excesses.append(excess)

    def allow(self, a_day: int, a_epoch: int | None = None, pad: int = 1) -> None:
        """Set the carriers' quota; the clients are carriers."""
        quota = uniform_quota(a_day, a_day, pad)
        if a_epoch is not None:
            quota = replace(quota, evaluate_epoch=dict.fromkeys(quota.evaluate, a_epoch))
        quotas = {**self.charter.quotas, Role.CARRIER: quota}
        self.charter = replace(self.charter, quotas=quotas)

    def tokeniser(self, mode: CheckMode = CheckMode.SUM, client: str = CLIENT) -> Tokeniser:
        ring = KeyRing()
        ring.accept(self.key_set)

        async def ask(name, request):
            return await self.ask(client, name, request)

        async def ask_proof(name, request):
            node = self.nodes[name]
            if (refusal := node.no_proof or node.down) is not None:
                raise refusal
            return await node.holder.prove(client, request.request)

        async def on_blame(blame):
            self.blames.append(blame)

        def verify(name, message, signature):
            verify_signature(
                BY_NAME[name].signing_key.public, EVALUATION_CONTEXT, message, signature
            )

        wired = Holders(ask, ask_proof, verify, on_blame)
        return Tokeniser(self.charter.federation, ring, self.workers, wired, mode)

    async def ask(self, client, name, request) -> wire.EvaluateResponse:
        node = self.nodes[name]
        node.asked.append(request)
        if node.down is not None:
            raise node.down
        response = await node.holder.evaluate(client, request)
        if node.lie is not None:
            node.lie(request, response)
            self.sign(name, request, response)
        return response

    def sign(self, name, request, response) -> None:
        """Sign a response as its holder, whatever is in it."""
        digest = request_digest(self.charter.federation, request)
        _, covered = signed_digests(digest, self.key_set.index(name), response)
        response.signature = BY_NAME[name].signing_key.sign(EVALUATION_CONTEXT, covered)

    def asked(self) -> int:
        return sum(len(node.asked) for node in self.nodes.values())

    async def tokens(self, values, mode=CheckMode.SUM, *, pad=4, purpose=Purpose.CHECK):
        made = await self.tokeniser(mode).tokenise(values, purpose, pad)
        return [each.token for each in made]

    async def three_times(self, values, mode=CheckMode.SUM, tokeniser=None):
        """Ask three times without memory: every holder is asked at least twice."""
        tokeniser, found = tokeniser or self.tokeniser(mode), []
        for _ in range(3):
            tokeniser._cache.clear()
            made = await tokeniser.tokenise(values, Purpose.CHECK, 4)
            found.append([each.token for each in made])
        return found

    def close(self) -> None:
        for node in self.nodes.values():
            node.private.close()
