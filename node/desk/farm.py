"""Serve SIM-farm detection over the inside door: feed, detect, list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from federation.indicators import Indicator
from federation.indicators.kind import Kind
from federation.vocabulary import Purpose
from node.desk.intake import Intake, Refusal
from node.duties.farm import WAIT_SECONDS, Farms
from node.duties.farm_alerts import ToldSite
from node.duties.farm_table import KEPT_SECONDS, SuspectSim
from node.errors import PolicyError, RequestError
from tocsin.desk.v1 import desk_service_pb2
from tocsin.desk.v1 import farm_service_pb2 as wire
from tocsin.desk.v1 import farm_service_pb2_grpc as stubs

MOST_SECONDS = 240
"""Seconds for each sum in one call, which a door lets take ten minutes."""

_NO_SITE = Refusal("KIND_NOT_ALLOWED", "a site bucket is geohash-7:YYYY-MM-DDTHH:class")
_TOO_OLD = Refusal("FARM_WINDOW_INVALID", "the hour is older than 31 days, or not there yet")


class FarmService(stubs.FarmServiceServicer):
    """What the member's own people may do about SIM farms."""

    def __init__(
        self,
        farms: Farms | None,
        intake: Intake,
        pad: Callable[[], int],
        epoch: Callable[[], int],
    ) -> None:
        """Serve a node.

        Args:
            farms: None on a node without a log.
            intake: Parses and tokenises.
            pad: Returns the least number of points that a holder sees.
            epoch: Returns the epoch of the token keys in use.
        """
        self._maybe_farms = farms
        self._intake = intake
        self._pad = pad
        self._epoch = epoch

    @property
    def _farms(self) -> Farms:
        if self._maybe_farms is None:
            raise PolicyError("a query partner keeps no log", reason="ROLE_NOT_ALLOWED")
        return self._maybe_farms

    async def FeedSites(  # noqa: N802  # the contract's name
        self, request: wire.FeedSitesRequest, context: Any
    ) -> wire.FeedSitesResponse:
        """Keep suspect SIMs by site."""
        farms = self._farms
        farms.carriers.require_me("SIMs")
        buckets, refused = await self._intake.parse(row.bucket for row in request.rows)
        numbers, bad = await self._intake.parse(
            desk_service_pb2.RawIndicator(kind="phone", value=row.number, region=row.bucket.region)
            for row in request.rows
        )
        refused = {**self._refuse_buckets(buckets, farms), **refused, **bad}
        kept = {place: one for place, one in buckets.items() if place not in refused}
        known = await self._intake.tokenise(kept, Purpose.VERIFICATION, self._pad())
        sims = [
            SuspectSim(
                one.token, _hour(one.indicator), one.indicator.value, numbers[one.place].value
            )
            for one in known
        ]
        added = await asyncio.to_thread(self._keep, farms, sims)
        fresh = {one.place: is_new for one, is_new in zip(known, added, strict=True)}
        results = [_result(place, fresh, refused) for place in range(len(request.rows))]
        return wire.FeedSitesResponse(results=results)

    async def DetectSites(  # noqa: N802  # the contract's name
        self, request: wire.DetectSitesRequest, context: Any
    ) -> wire.DetectSitesResponse:
        """Look at one hour with all carriers."""
        if request.seconds > MOST_SECONDS:
            message = f"carriers have at most {MOST_SECONDS} seconds in one call"
            raise RequestError(message, reason="SUM_DRAFT_INVALID")
        window = request.window_time.seconds
        found = await self._farms.detect(window, request.seconds or WAIT_SECONDS)
        return wire.DetectSitesResponse(
            sites=[
                wire.FarmSite(
                    token=site.token, window_time=Timestamp(seconds=window), total=site.total
                )
                for site in found.sites
            ],
            told_count=found.said,
            unresolved_count=found.unresolved,
            contributors=found.contributors,
        )

    async def ListSites(  # noqa: N802  # the contract's name
        self, request: wire.ListSitesRequest, context: Any
    ) -> wire.ListSitesResponse:
        """List the sites that were told."""
        found = await asyncio.to_thread(self._farms.sites)
        return wire.ListSitesResponse(sites=[_site(told, sims) for told, sims in found])

    def _keep(self, farms: Farms, sims: Sequence[SuspectSim]) -> list[bool]:
        farms.table.forget(farms.now() - KEPT_SECONDS)
        return farms.table.add(sims, self._epoch())

    def _refuse_buckets(self, buckets: dict[int, Indicator], farms: Farms) -> dict[int, Refusal]:
        refused, now = {}, farms.now()
        for place, one in buckets.items():
            if one.kind is not Kind.SITE:
                refused[place] = _NO_SITE
            elif not now - KEPT_SECONDS < _hour(one) <= now:
                refused[place] = _TOO_OLD
        return refused


def _hour(site: Indicator) -> int:
    """Return the beginning of the hour that a site bucket names, seconds since 1970."""
    _, hour, _ = site.value.split(":")
    return int(datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=UTC).timestamp())


def _result(
    place: int, fresh: dict[int, bool], refused: dict[int, Refusal]
) -> desk_service_pb2.RowResult:
    if place in refused:
        return desk_service_pb2.RowResult(
            outcome=desk_service_pb2.ROW_OUTCOME_REFUSED, error=refused[place].wire()
        )
    if fresh[place]:
        return desk_service_pb2.RowResult(outcome=desk_service_pb2.ROW_OUTCOME_ADDED)
    return desk_service_pb2.RowResult(outcome=desk_service_pb2.ROW_OUTCOME_UNCHANGED)


def _site(told: ToldSite, sims: Sequence[SuspectSim]) -> wire.FarmSite:
    return wire.FarmSite(
        token=told.token,
        window_time=Timestamp(seconds=told.window),
        total=told.total,
        opener=told.member,
        statement_id=told.statement,
        bucket=sims[0].bucket if sims else "",
        own_numbers=[one.number for one in sims],
    )
