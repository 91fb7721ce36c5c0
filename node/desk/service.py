"""Serve the fraud desk over the inside door: parse, delegate, answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from federation.vocabulary import LegalBasis, TrafficLight
from node.desk.check import Checker
from node.desk.explain import Explainer
from node.desk.nominate import Nominator
from node.desk.say import Sayings
from node.desk.watch import WatchDesk
from node.errors import PolicyError, RequestError
from tocsin.desk.v1 import desk_service_pb2 as wire
from tocsin.desk.v1 import desk_service_pb2_grpc as stubs


@dataclass(frozen=True, slots=True)
class Replica:
    """The parts of the desk that need a log and a replica; query partners have none of them."""

    nominator: Nominator
    sayings: Sayings
    watch: WatchDesk
    explainer: Explainer


class DeskService(stubs.DeskServiceServicer):
    """What the member's own systems may ask."""

    def __init__(self, checker: Checker, replica: Replica | None) -> None:
        self._checker = checker
        self._maybe_replica = replica

    @property
    def _replica(self) -> Replica:
        if self._maybe_replica is None:
            raise PolicyError(
                "a query partner keeps no log: it can only check", reason="ROLE_NOT_ALLOWED"
            )
        return self._maybe_replica

    @property
    def watch(self) -> WatchDesk | None:
        """The watchlist, where this node keeps one."""
        return self._maybe_replica.watch if self._maybe_replica else None

    @property
    def nominator(self) -> Nominator | None:
        """What nominates, where this node keeps a log."""
        return self._maybe_replica.nominator if self._maybe_replica else None

    async def Check(self, request: wire.CheckRequest, context: Any) -> wire.CheckResponse:  # noqa: N802  # the contract's name
        """Check raw values."""
        return await self._checker.check(request)

    async def Nominate(self, request: wire.NominateRequest, context: Any) -> wire.NominateResponse:  # noqa: N802  # the contract's name
        """Nominate raw values."""
        basis, tlp = _sharing(request)
        results = await self._replica.nominator.nominate(request.rows, basis, tlp)
        return wire.NominateResponse(results=results)

    async def Sight(self, request: wire.SightRequest, context: Any) -> wire.SightResponse:  # noqa: N802  # the contract's name
        """Say that values were seen again or found false."""
        return wire.SightResponse(results=await self._replica.sayings.sight(request))

    async def Opine(self, request: wire.OpineRequest, context: Any) -> wire.OpineResponse:  # noqa: N802  # the contract's name
        """Agree or disagree."""
        return wire.OpineResponse(results=await self._replica.sayings.opine(request))

    async def Retract(self, request: wire.RetractRequest, context: Any) -> wire.RetractResponse:  # noqa: N802  # the contract's name
        """Take own nominations back."""
        return wire.RetractResponse(results=await self._replica.sayings.retract(request))

    async def Reassign(self, request: wire.ReassignRequest, context: Any) -> wire.ReassignResponse:  # noqa: N802  # the contract's name
        """Say that numbers have a new owner."""
        return wire.ReassignResponse(results=await self._replica.sayings.reassign(request))

    async def Protect(self, request: wire.ProtectRequest, context: Any) -> wire.ProtectResponse:  # noqa: N802  # the contract's name
        """Declare values protected."""
        return wire.ProtectResponse(results=await self._replica.sayings.protect(request))

    async def AddWatch(self, request: wire.AddWatchRequest, context: Any) -> wire.AddWatchResponse:  # noqa: N802  # the contract's name
        """Add own customers to the watchlist."""
        return wire.AddWatchResponse(results=await self._replica.watch.add(request.rows))

    async def RemoveWatch(  # noqa: N802  # the contract's name
        self, request: wire.RemoveWatchRequest, context: Any
    ) -> wire.RemoveWatchResponse:
        """Take own customers off the watchlist."""
        return wire.RemoveWatchResponse(results=await self._replica.watch.remove(request.rows))

    async def MatchWatch(  # noqa: N802  # the contract's name
        self, request: wire.MatchWatchRequest, context: Any
    ) -> wire.MatchWatchResponse:
        """Match a run of the watchlist again."""
        return await self._replica.watch.match_parts(request)

    async def ListWatch(  # noqa: N802  # the contract's name
        self, request: wire.ListWatchRequest, context: Any
    ) -> wire.ListWatchResponse:
        """Page through the watchlist."""
        return await self._replica.watch.list_watch(request)

    async def ListHits(self, request: wire.ListHitsRequest, context: Any) -> wire.ListHitsResponse:  # noqa: N802  # the contract's name
        """Page through the hits."""
        return await self._replica.watch.list_hits(request)

    async def Explain(self, request: wire.ExplainRequest, context: Any) -> wire.ExplainResponse:  # noqa: N802  # the contract's name
        """Explain the verdict of a raw value."""
        return await self._replica.explainer.explain(request)


def _sharing(request: wire.NominateRequest) -> tuple[LegalBasis, TrafficLight]:
    try:
        basis = LegalBasis(request.legal_basis or LegalBasis.ATNFL_32)
        return basis, TrafficLight(request.tlp or TrafficLight.AMBER_STRICT)
    except ValueError as error:
        raise RequestError("legal basis or TLP is unknown", reason="ENUM_UNKNOWN") from error
