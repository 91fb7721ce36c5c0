"""A key holder: what it refuses, what it counts, and what survives a crash."""

import dataclasses
import itertools
import os
import signal

import pytest

from federation.authorisation import Request
from federation.indicators import KindClass
from federation.vocabulary import Purpose
from keys.blinding import blind_batch
from keys.evaluation import CheckMode
from keys.group import ELEMENT_BYTES
from node.errors import ConfigError, PolicyError, RequestError, UnavailableError
from node.store.private import PrivateStore
from node.tokens.holder import PART_ITEMS, Holder
from node.tokens.key_ring import HeldShares, KeyRing
from node.workers import Workers
from tests.node.tokens.holders import CLIENT, DAY, OTHER_CLIENT, HolderSet, domain, phones
from tocsin.v1 import token_service_pb2 as wire


def request(holders, count=1, subset=(1, 2), mode=CheckMode.STRICT, **fields):
    """A request of ``count`` points; STRICT has no check point, so it costs just these."""
    inputs = [os.urandom(12) for _ in range(count)]
    batch = blind_batch(inputs, mode, pad_to=count)
    values = {
        "kind_class": KindClass.PHONE.value,
        "epoch": holders.key_set.epoch,
        "share_epoch": holders.key_set.share_epoch,
        "check": mode.value,
        "subset": bytes(subset),
        "batch_id": os.urandom(16),
        "blinded": batch.blinded,
        "check_point": batch.check_point,
        "purpose": Purpose.CHECK.value,
    }
    return wire.EvaluateRequest(**{**values, **fields})


@pytest.fixture
def first(holders: HolderSet):
    return holders.nodes[holders.key_set.holders[0]]


async def refusal(first, asked, error=RequestError, client=CLIENT):
    with pytest.raises(error) as caught:
        await first.holder.evaluate(client, asked)
    return caught.value.reason


async def test_a_request_that_is_not_well_formed_is_refused_and_costs_nothing(
    holders: HolderSet, first
) -> None:
    fields = [
        {"kind_class": 0},
        {"kind_class": 77},
        {"check": 0},
        {"purpose": 0},
        {"purpose": 99},
        {"blinded": b""},
        {"blinded": b"\1" * 33},
        {"blinded": bytes(32) * 16_385},
        {"check_point": b"\1" * 32},
        {"subset": b""},
        {"subset": b"\1"},
        {"subset": b"\0\1"},
        {"subset": b"\1\1"},
        {"subset": b"\2\1"},
        {"subset": b"\1\2\3"},
        {"subset": b"\2\3"},
        {"subset": b"\1\xff"},
    ]

    for wrong in fields:
        assert await refusal(first, request(holders, **wrong)) == "BATCH_INVALID", wrong
    assert not first.private.quotas()


@pytest.mark.parametrize("element", [bytes(32), b"\xff" * 32], ids=["identity", "not canonical"])
async def test_a_point_that_is_no_element_is_refused(holders, first, element) -> None:
    assert await refusal(first, request(holders, blinded=element)) == "ELEMENT_INVALID"


async def test_keys_that_are_not_in_use_or_not_held_are_refused(holders, first) -> None:
    assert await refusal(first, request(holders, epoch=7), PolicyError) == "EPOCH_UNKNOWN"
    assert await refusal(first, request(holders, share_epoch=9), PolicyError) == "EPOCH_UNKNOWN"
    ring = KeyRing()
    ring.accept(holders.key_set)
    first.holder._key_ring = ring
    assert await refusal(first, request(holders), PolicyError) == "NOT_A_HOLDER"


async def test_a_missing_or_foreign_purpose_is_refused(holders, first) -> None:
    operation = request(holders, purpose=Purpose.OPERATION.value)

    assert await refusal(first, operation, PolicyError) == "PURPOSE_NOT_ALLOWED"


async def test_a_member_that_does_not_exist_is_refused(holders, first) -> None:
    assert await refusal(first, request(holders), PolicyError, "nobody-x") == "MEMBER_UNKNOWN"


async def test_the_check_point_costs_as_much_as_any_point(holders, first) -> None:
    holders.allow(300)
    before = (await first.holder.evaluate(CLIENT, request(holders, 4))).quota_remaining
    after = await first.holder.evaluate(CLIENT, request(holders, 4, mode=CheckMode.SUM))

    assert before - after.quota_remaining == 5


async def test_a_quota_is_per_member_class_purpose_and_day(holders, first) -> None:
    holders.allow(6, 600)  # two thirds at each holder: 4
    await first.holder.evaluate(CLIENT, request(holders, 4))

    assert await refusal(first, request(holders), PolicyError) == "QUOTA_EXCEEDED"
    assert [(e.member, e.kind_class, e.asked, e.used, e.limit) for e in holders.excesses] == [
        (CLIENT, KindClass.PHONE, 1, 4, 4)
    ]

    await first.holder.evaluate(OTHER_CLIENT, request(holders, 4))
    await first.holder.evaluate(CLIENT, request(holders, 4, kind_class=KindClass.DEVICE.value))
    await first.holder.evaluate(CLIENT, request(holders, 4, purpose=Purpose.WATCH.value))
    holders.now += DAY
    response = await first.holder.evaluate(CLIENT, request(holders, 3))

    assert response.quota_remaining == 1


async def test_a_batch_larger_than_what_is_left_takes_nothing(holders, first) -> None:
    holders.allow(6, 600)
    assert await refusal(first, request(holders, 5), PolicyError) == "QUOTA_EXCEEDED"
    assert (await first.holder.evaluate(CLIENT, request(holders, 4))).quota_remaining == 0


async def test_patience_does_not_get_past_the_cap_of_the_epoch(holders, first) -> None:
    holders.allow(6, 9)  # at each holder 4 a day, 6 in the epoch
    await first.holder.evaluate(CLIENT, request(holders, 4))
    assert await refusal(first, request(holders), PolicyError) == "QUOTA_EXCEEDED"
    holders.now += DAY
    response = await first.holder.evaluate(CLIENT, request(holders, 1))
    assert response.quota_remaining == 1
    assert await refusal(first, request(holders, 2), PolicyError) == "QUOTA_EXCEEDED"


async def test_what_the_day_refuses_does_not_use_up_the_epoch(holders, first) -> None:
    holders.allow(6, 9)
    await first.holder.evaluate(CLIENT, request(holders, 4))
    for _ in range(5):
        await refusal(first, request(holders), PolicyError)
    holders.now += DAY

    assert (await first.holder.evaluate(CLIENT, request(holders, 2))).quota_remaining == 0


async def test_spreading_over_the_holder_sets_gains_nothing(holders) -> None:
    quota = 30
    holders.allow(quota, 10_000)
    names, answered = holders.key_set.holders, 0
    for subset in itertools.cycle(itertools.combinations((1, 2, 3), 2)):
        try:
            for index in subset:
                await holders.nodes[names[index - 1]].holder.evaluate(
                    CLIENT, request(holders, subset=subset)
                )
        except PolicyError:
            break
        answered += 1

    assert answered == quota


async def test_a_grant_goes_first_and_is_there_once(holders, first) -> None:
    holders.allow(3, 600)
    holders.granted[CLIENT, KindClass.PHONE] = 10
    for count in (6, 4):
        await first.holder.evaluate(CLIENT, request(holders, count))
    left = (await first.holder.evaluate(CLIENT, request(holders, 2))).quota_remaining

    assert left == 0
    assert await refusal(first, request(holders), PolicyError) == "QUOTA_EXCEEDED"
    holders.now += 40 * DAY
    assert await refusal(first, request(holders, 3), PolicyError) == "QUOTA_EXCEEDED"


async def test_a_grant_is_not_there_again_in_a_new_epoch(holders, first) -> None:
    holders.allow(0, 0)
    holders.granted[CLIENT, KindClass.PHONE] = 4
    asked = holders.metering(first.private)
    await first.holder.evaluate(CLIENT, request(holders, 4))
    later = _metered(4)

    with pytest.raises(PolicyError):
        await asked.charge(later, holders.key_set.epoch + 1)


def _metered(amount):
    return Request(CLIENT, "TokenService.Evaluate", Purpose.CHECK, KindClass.PHONE, amount)


async def test_a_proof_costs_like_the_answer(holders, first) -> None:
    holders.allow(12, 600)
    asked = request(holders, 4)
    await first.holder.evaluate(CLIENT, asked)
    await first.holder.prove(CLIENT, asked)

    with pytest.raises(PolicyError):
        await first.holder.prove(CLIENT, asked)


async def test_the_charge_is_on_disk_before_the_work_begins(holders, tmp_path) -> None:
    name = holders.key_set.holders[0]
    pool = Workers(1)
    await pool.warm_up()
    private = PrivateStore(tmp_path / "crash.db")
    holder = Holder(
        holders.charter.federation,
        holders.nodes[name].holder._signing_key,
        holders.nodes[name].ring,
        pool,
        holders.metering(private),
    )
    (worker,) = pool._pool._processes
    os.kill(worker, signal.SIGKILL)

    with pytest.raises(UnavailableError) as caught:
        await holder.evaluate(CLIENT, request(holders, 4))

    assert caught.value.reason == "WORKER_LOST"
    private.close()
    reopened = PrivateStore(tmp_path / "crash.db")
    assert set(reopened.quotas().values()) == {4}
    holder._metering = holders.metering(reopened)
    assert (await holder.evaluate(CLIENT, request(holders, 1))).evaluated
    reopened.close()
    pool.close()


async def test_an_alarm_that_fails_leaves_the_refusal_as_it_is(holders, first) -> None:
    holders.allow(0, 0)

    async def broken(_excess):
        raise RuntimeError("disk full")

    first.holder._metering._on_exceeded = broken

    assert await refusal(first, request(holders), PolicyError) == "QUOTA_EXCEEDED"


def test_a_share_of_another_holder_is_refused(holders, generated) -> None:
    key_set = holders.key_set
    other = generated.holders[key_set.holders[1]].shares

    with pytest.raises(ConfigError) as caught:
        KeyRing().accept(key_set, HeldShares(1, other))

    assert caught.value.reason == "SHARE_MISMATCH"
    assert caught.value.hint


def test_replaced_shares_serve_calls_under_way_and_are_then_wiped(holders, generated) -> None:
    now = [1_000.0]
    ring = KeyRing(lambda: now[0])
    key_set = holders.key_set
    share = holders.nodes[key_set.holders[0]].ring.held(key_set.epoch, key_set.share_epoch)
    ring.accept(key_set, share)
    newer = dataclasses.replace(key_set, share_epoch=key_set.share_epoch + 1)
    ring.accept(newer)
    now[0] += KeyRing.GRACE_SECONDS - 1

    assert ring.held(key_set.epoch, key_set.share_epoch) is share
    now[0] += 1
    assert ring.held(key_set.epoch, key_set.share_epoch) is None
    assert ring.find(key_set.epoch, key_set.share_epoch) is None
    assert ring.current == newer
    assert not any(any(secret.borrow()) for secret in share.shares.values())


async def test_no_value_and_no_share_shows_in_what_is_logged_or_raised(
    holders, first, capsys
) -> None:
    holders.allow(0, 0)
    with pytest.raises(PolicyError) as caught:
        await holders.tokens([*phones(1), domain("secret.example")])

    told = f"{caught.value} {caught.value.hint} {capsys.readouterr().err}"
    assert "8613" not in told
    assert "secret.example" not in told
    assert "<secret>" in repr(next(iter(first.ring._held.values())).shares)


async def test_a_large_batch_is_cut_and_answered_as_one(holders: HolderSet, first) -> None:
    holders.allow(100_000)
    asked = request(holders, count=PART_ITEMS + 3, mode=CheckMode.SUM)
    pieces = [asked.blinded[:ELEMENT_BYTES], asked.blinded[-ELEMENT_BYTES:]]
    answer = await first.holder.evaluate(CLIENT, asked)
    alone = [
        await first.holder.evaluate(CLIENT, request(holders, blinded=piece)) for piece in pieces
    ]

    assert len(answer.evaluated) == len(asked.blinded)
    assert answer.check_element
    assert answer.evaluated[:ELEMENT_BYTES] == alone[0].evaluated
    assert answer.evaluated[-ELEMENT_BYTES:] == alone[1].evaluated


async def test_a_bad_element_far_into_a_large_batch_is_named_by_its_place(
    holders: HolderSet, first
) -> None:
    holders.allow(100_000)
    asked = request(holders, count=PART_ITEMS + 3)
    spoilt = asked.blinded[: -2 * ELEMENT_BYTES] + b"\xff" * 2 * ELEMENT_BYTES

    with pytest.raises(RequestError, match=str([PART_ITEMS + 1, PART_ITEMS + 2])[1:-1]):
        await first.holder.evaluate(CLIENT, request(holders, blinded=spoilt))
