"""What members ask is paid for before it is answered, small look-ups some hundred at a time."""

import asyncio
import random

import pytest

from federation.authorisation import Request, daily_limit
from federation.roles import Role
from federation.vocabulary import Purpose
from node.errors import PolicyError
from node.metering import AHEAD_MOST_SHARE, AHEAD_SHARE, Metering, counter_of
from node.store.private import PrivateStore
from tests.node.federation_fixture import BANK, CARRIER, PARTNER, make_federation

ROLES = {CARRIER: Role.CARRIER, BANK: Role.BANK, PARTNER: Role.PARTNER}
FEDERATION = make_federation(ROLES)
NOW = 1_800_000_000


async def _drop(_excess) -> None:
    """Nobody is told."""


def asked(member, amount: int) -> Request:
    return Request(member, "LookupService.Lookup", Purpose.CHECK, None, amount)


@pytest.fixture
def opened(tmp_path):
    private = PrivateStore(tmp_path / "private.db")

    def restart() -> Metering:
        charter, granted = FEDERATION.charter, lambda _member, _kind_class: 0
        return Metering(lambda: charter, private, granted, lambda: NOW, _drop)

    yield private, restart
    private.close()


async def test_small_look_ups_are_paid_ahead_and_never_late(opened) -> None:
    private, restart = opened
    metering, request = restart(), asked(BANK, 1)
    share = daily_limit(FEDERATION.charter, request) // AHEAD_SHARE
    used = []
    for _ in range(share + 1):
        await metering.charge(request)
        used.append(private.used(counter_of(request, NOW)))

    assert used == [share] * share + [2 * share]


async def test_a_crash_costs_no_more_than_was_paid_ahead(opened) -> None:
    private, restart = opened
    request = asked(BANK, 1)
    share = daily_limit(FEDERATION.charter, request) // AHEAD_SHARE
    for _ in range(3):
        await restart().charge(request)

    assert private.used(counter_of(request, NOW)) == 3 * share


async def test_who_asks_in_bulk_has_ever_more_paid_ahead_up_to_a_limit(opened) -> None:
    private, restart = opened
    metering, request = restart(), asked(BANK, 1_000)
    most = daily_limit(FEDERATION.charter, request) // AHEAD_MOST_SHARE
    used = []
    for _ in range(100):
        await metering.charge(request)
        used.append(private.used(counter_of(request, NOW)))

    assert all(1_000 * call <= paid < 1_000 * call + most for call, paid in enumerate(used, 1))
    assert len(set(used)) < 15


async def test_calls_at_once_are_paid_for_together_and_each_once(opened) -> None:
    private, restart = opened
    metering, request = restart(), asked(BANK, 1_000)
    await metering.charge(asked(BANK, 10_000))
    await asyncio.gather(*(metering.charge(request) for _ in range(15)))

    assert private.used(counter_of(request, NOW)) == 10_000 + 10_000 + 20_000
    await asyncio.gather(*(metering.charge(request) for _ in range(15)))
    assert private.used(counter_of(request, NOW)) == 10_000 + 10_000 + 20_000


@pytest.mark.parametrize(("member", "amount"), [(PARTNER, 1), (BANK, 1_000)])
async def test_small_quotas_and_large_look_ups_are_paid_exactly(opened, member, amount) -> None:
    private, restart = opened
    await restart().charge(asked(member, amount))

    assert private.used(counter_of(asked(member, amount), NOW)) == amount


async def test_the_last_look_ups_of_a_day_are_paid_exactly(opened) -> None:
    private, restart = opened
    metering, request = restart(), asked(BANK, 1)
    limit = daily_limit(FEDERATION.charter, request)
    await metering.charge(asked(BANK, limit - 2))
    await metering.charge(request)
    await metering.charge(request)
    with pytest.raises(PolicyError) as refused:
        await metering.charge(request)

    assert refused.value.reason == "QUOTA_EXCEEDED"
    assert private.used(counter_of(request, NOW)) == limit


@pytest.mark.parametrize("seed", range(5))
async def test_no_crash_clock_or_crowd_makes_the_limit_larger(opened, seed) -> None:
    private, restart = opened
    chosen, limit = random.Random(seed), daily_limit(FEDERATION.charter, asked(BANK, 1))
    await restart().charge(asked(BANK, limit - 3_000))  # the day is nearly used up
    answered, processes = limit - 3_000, [restart(), restart()]

    async def ask(metering: Metering, amount: int) -> int:
        try:
            await asyncio.wait_for(metering.charge(asked(BANK, amount)), chosen.choice([1e-4, 30]))
        except (PolicyError, TimeoutError):
            return 0
        return amount

    for _ in range(40):
        calls = [ask(chosen.choice(processes), chosen.choice([1, 1, 7, 60, 300])) for _ in range(9)]
        answered += sum(await asyncio.gather(*calls))
        used = private.used(counter_of(asked(BANK, 1), NOW))

        assert answered <= used <= limit
        if chosen.random() < 0.2:
            processes[chosen.randrange(2)] = restart()
