"""Tell a member what is left of its quotas at this node."""

from __future__ import annotations

from collections.abc import Callable

from federation.authorisation import Request, daily_limit
from federation.charter import Charter
from federation.indicators import KindClass
from federation.names import MemberId
from federation.vocabulary import Purpose
from node.metering import counter_of
from node.store.private import PrivateStore
from tocsin.v1 import lookup_service_pb2 as wire

_METERED = ("LookupService.Lookup", "LookupService.LookupPrefix")


def quota_states(
    charter: Callable[[], Charter],
    private: PrivateStore,
    clock: Callable[[], int],
    member: MemberId,
) -> list[wire.QuotaState]:
    """Return the day's counters for checks: evaluations by kind class, then look-ups; blocking."""
    requests = [
        Request(member, "TokenService.Evaluate", Purpose.CHECK, kind_class)
        for kind_class in KindClass
    ]
    requests += [Request(member, method, Purpose.CHECK) for method in _METERED]
    now = clock()
    return [
        wire.QuotaState(
            counter=request.method,
            kind_class=request.kind_class.value if request.kind_class else 0,  # type: ignore[arg-type]  # equal numbers, tested
            limit=daily_limit(charter(), request),
            used=private.used(counter_of(request, now)),
        )
        for request in requests
    ]
