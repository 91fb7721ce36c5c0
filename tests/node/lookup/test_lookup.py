"""Look-ups between real nodes over mutual TLS, and buckets from a node that lies."""

import os

import pytest

from federation.indicators import KindClass
from federation.names import MemberId
from federation.vocabulary import Band, ProtectionGround, Purpose
from node.errors import NodeError, PeerError, PolicyError, UnavailableError
from node.lookup.bucket import (
    MAX_PREFIX_BITS,
    MIN_RECORDS,
    RECORD_BYTES,
    Record,
    largest_bucket,
    pack,
    prefix_of,
    recommended_bits,
    unpack,
)
from node.lookup.prefix_source import PrefixSource
from node.peer_error import PeerCallError
from node.store.sqlite import SqliteReader
from tests.node.federation_world import BANK, CARRIER, COORDINATOR, NET, PARTNER, raw, row
from tocsin.desk.v1 import desk_service_pb2 as desk
from tocsin.v1 import lookup_service_pb2 as wire
from tocsin.v1 import lookup_service_pb2_grpc as stubs

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def call(world, caller, method, request, to=CARRIER):
    peers = world[caller].core.peers
    return await peers.call(
        MemberId(to),
        lambda channel: getattr(stubs.LookupServiceStub(channel), method),
        request,
        30.0,
    )


async def refused(world, caller, method, request) -> str:
    with pytest.raises(PeerCallError) as caught:
        await call(world, caller, method, request)
    return caught.value.reason


def prefixes(*numbers, bits=4, purpose=Purpose.CHECK):
    return wire.LookupPrefixRequest(prefix_bits=bits, prefixes=numbers, purpose=purpose)


async def test_every_bucket_has_one_size_whatever_is_in_it(world) -> None:
    await world[BANK].nominate(*[row("domain", f"bucket-{each}.example") for each in range(40)])
    await world.settle()
    response = await call(world, PARTNER, "LookupPrefix", prefixes(*range(16)))
    sizes = {len(bucket.records) for bucket in response.buckets}
    found = {}
    for prefix, bucket in enumerate(response.buckets):
        found.update(unpack(bucket.records, prefix, 4))

    assert sizes == {MIN_RECORDS * RECORD_BYTES}
    assert set(found) == set(_all_tokens(world))
    assert all(prefix_of(token, 0) == 0 for token in found)


async def test_replies_have_one_size_though_buckets_differ() -> None:
    tokens, bits = [os.urandom(16) for _ in range(32_768)], 8
    buckets = {prefix: [] for prefix in range(1 << bits)}
    for token in tokens:
        buckets[prefix_of(token, bits)].append(Record(token, Band.LOW, (), 0))
    least = largest_bucket(len(tokens), bits)
    sizes = {len(bucket) for bucket in buckets.values()}
    packed = {len(pack([bucket], least)[0]) for bucket in buckets.values()}

    assert min(sizes) <= 128 < max(sizes)
    assert packed == {256 * RECORD_BYTES}


def _all_tokens(world):
    return world[CARRIER].log.catalogue.bucket(0, 0)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (prefixes(0, bits=14), "PREFIX_INVALID"),
        (prefixes(16), "PREFIX_INVALID"),
        (prefixes(1, bits=0), "PREFIX_INVALID"),
        (prefixes(3, 3), "PREFIX_INVALID"),
        (prefixes(), "BATCH_INVALID"),
        (prefixes(*range(257), bits=13), "BATCH_INVALID"),
        (prefixes(1, purpose=0), "PURPOSE_MISSING"),
        (prefixes(1, purpose=99), "PURPOSE_MISSING"),
        (prefixes(1, purpose=Purpose.WATCH), "PURPOSE_NOT_ALLOWED"),
    ],
)
async def test_a_prefix_question_that_does_not_fit_is_refused(world, request_, reason) -> None:
    assert await refused(world, PARTNER, "LookupPrefix", request_) == reason


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [([], "BATCH_INVALID"), ([b"x" * 15], "TOKEN_INVALID"), ([bytes(16)] * 4_097, "BATCH_INVALID")],
    ids=["none", "short", "many"],
)
async def test_an_exact_question_that_does_not_fit_is_refused(world, tokens, reason) -> None:
    request = wire.LookupRequest(tokens=tokens, purpose=Purpose.CHECK)

    assert await refused(world, BANK, "Lookup", request) == reason


async def test_a_question_without_purpose_is_refused_whoever_asks(world) -> None:
    request = wire.LookupRequest(tokens=[os.urandom(16)])

    for caller in (BANK, PARTNER, COORDINATOR):
        assert await refused(world, caller, "Lookup", request) == "PURPOSE_MISSING"


async def test_exact_answers_come_in_the_order_asked_and_name_nobody(world) -> None:
    await world[BANK].nominate(row("domain", "exact.example"))
    await world.settle()
    known = await world[BANK].token("domain", "exact.example")
    tokens = [os.urandom(16), known, os.urandom(16), known]
    response = await call(
        world, NET, "Lookup", wire.LookupRequest(tokens=tokens, purpose=Purpose.CHECK)
    )

    assert [one.token for one in response.verdicts] == tokens
    assert [one.band > Band.NONE for one in response.verdicts] == [False, True, False, True]
    assert BANK.encode() not in response.SerializeToString()


async def test_the_same_token_gets_the_same_band_from_any_node(world) -> None:
    await world[NET].nominate(row("domain", "any-node.example", confidence=70))
    await world.settle()
    token = await world[NET].token("domain", "any-node.example")
    request = wire.LookupRequest(tokens=[token], purpose=Purpose.CHECK)
    answers = [
        (await call(world, COORDINATOR, "Lookup", request, to)).verdicts[0].band
        for to in (CARRIER, BANK, NET)
    ]

    assert len(set(answers)) == 1
    assert answers[0] > Band.NONE


async def test_a_protected_value_shows_as_none_in_its_bucket(world) -> None:
    value = ("domain", "guarded.example")
    await world[BANK].nominate(row(*value))
    request = desk.ProtectRequest(values=[raw(*value)], ground=ProtectionGround.HOTLINE)
    await world[COORDINATOR].desk.Protect(request, timeout=30)
    await world.settle()
    token = await world[BANK].token(*value)
    prefix = prefix_of(token, 13)
    response = await call(world, PARTNER, "LookupPrefix", prefixes(prefix, bits=13))

    assert unpack(response.buckets[0].records, prefix, 13)[token].band is Band.NONE


async def test_a_partner_gets_neither_sources_nor_explanations(world) -> None:
    request = wire.ExplainRequest(token=os.urandom(16))
    response = await call(world, PARTNER, "LookupPrefix", prefixes(*range(16)))

    assert await refused(world, PARTNER, "Explain", request) == "ROLE_NOT_ALLOWED"
    for name in (BANK, NET, CARRIER):
        assert name.encode() not in response.SerializeToString()


async def test_the_callers_quota_is_told_and_goes_down(world) -> None:
    def used(response):
        return {one.counter: one.used for one in response.quotas}["LookupService.LookupPrefix"]

    before = await call(world, PARTNER, "GetQuota", wire.GetQuotaRequest())
    await call(world, PARTNER, "LookupPrefix", prefixes(1, 2, 3))
    after = await call(world, PARTNER, "GetQuota", wire.GetQuotaRequest())

    assert used(after) - used(before) == 3
    assert {one.kind_class for one in after.quotas} == {0, *(each.value for each in KindClass)}


async def test_no_more_is_read_of_a_bucket_that_somebody_filled_than_fits(
    world, monkeypatch
) -> None:
    whole, read = SqliteReader.tokens, []

    def tokens(self, *arguments):
        for token in whole(self, *arguments):
            read.append(token)
            yield token

    monkeypatch.setattr("node.lookup.service.MAX_REPLY_BYTES", MIN_RECORDS * RECORD_BYTES)
    monkeypatch.setattr("node.lookup.service.largest_bucket", lambda *_: 1)  # as of random tokens
    monkeypatch.setattr(SqliteReader, "tokens", tokens)

    assert await refused(world, PARTNER, "LookupPrefix", prefixes(0, bits=0)) == "REPLY_TOO_LARGE"
    assert len(read) == MIN_RECORDS + 1


async def test_a_reply_that_would_be_too_large_is_refused_before_it_is_made(
    world, monkeypatch
) -> None:
    monkeypatch.setattr("node.lookup.service.MAX_REPLY_BYTES", MIN_RECORDS * RECORD_BYTES * 2)

    assert await refused(world, PARTNER, "LookupPrefix", prefixes(*range(16))) == "REPLY_TOO_LARGE"
    # The partner's own side asks for fewer at once, until it fits.
    results = await world[PARTNER].check(
        *[raw("domain", f"bucket-{each}.example") for each in range(8)]
    )
    assert all(result.band > Band.NONE for result in results)


# What a node that lies may send.

TOKEN = bytes.fromhex("ab" * 16)
GOOD, LIAR = MemberId("good-g"), MemberId("liar-l")


def record(token=TOKEN, band=Band.HIGH):
    return Record(token, band, (), 0)


def answer(request, records=None, **fields):
    buckets = [
        [
            one
            for one in records or [record()]
            if prefix_of(one.token, request.prefix_bits) == prefix
        ]
        for prefix in request.prefixes
    ]
    packed = [wire.TokenBucket(records=each) for each in pack(buckets)]
    return wire.LookupPrefixResponse(**{"buckets": packed, "recommended_bits": 5, **fields})


def foreign(request):
    (bucket,) = pack([[record(bytes(16))]])
    return answer(request, buckets=[wire.TokenBucket(records=bucket)] * len(request.prefixes))


def repeated(request):
    packed = pack([[record(), record(band=Band.NONE)]])
    return answer(request, buckets=[wire.TokenBucket(records=packed[0])] * len(request.prefixes))


def uneven(request):
    (bucket,) = pack([[record()]])
    return answer(request, buckets=[wire.TokenBucket(records=bucket[:-1])])


def unknown_band(request):
    bucket = bytearray(pack([[record()]])[0])
    bucket[16] = 77
    return answer(request, buckets=[wire.TokenBucket(records=bytes(bucket))])


def too_few(request):
    return answer(request, buckets=[])


def too_many(request):
    return answer(request, buckets=list(answer(request).buckets) * 2)


LIES = [foreign, repeated, uneven, unknown_band, too_few, too_many]


class Wire:
    def __init__(self, lie):
        self.lie = lie
        self.asked = []

    async def ask(self, node, request):
        self.asked.append((node, request))
        return answer(request) if node == GOOD else self.lie(request)


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
async def test_buckets_of_a_liar_are_not_believed_and_another_node_is_asked(lie) -> None:
    wired = Wire(lie)
    source = PrefixSource(lambda: [LIAR, GOOD], wired.ask)
    found = [await source.answer([TOKEN], Purpose.CHECK) for _ in range(2)]

    assert [one[TOKEN].band for one in found] == [Band.HIGH, Band.HIGH]
    assert LIAR in {node for node, _ in wired.asked}


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
async def test_where_only_a_liar_answers_there_is_no_answer(lie) -> None:
    source = PrefixSource(lambda: [LIAR], Wire(lie).ask)

    with pytest.raises(UnavailableError) as caught:
        await source.answer([TOKEN], Purpose.CHECK)

    assert caught.value.reason == "LOOKUP_UNAVAILABLE"


async def test_an_absurd_recommendation_spoils_only_the_liars_own_answers() -> None:
    wired = Wire(lambda request: answer(request, recommended_bits=0))
    source = PrefixSource(lambda: [LIAR, GOOD], wired.ask)
    for _ in range(6):
        await source.answer([TOKEN], Purpose.CHECK)
    bits = {node: [r.prefix_bits for n, r in wired.asked if n == node] for node in (GOOD, LIAR)}

    assert bits[GOOD] == [MAX_PREFIX_BITS, 5, 5]
    assert bits[LIAR] == [MAX_PREFIX_BITS, 0, 0]


async def test_a_recommendation_never_lengthens_what_is_shown() -> None:
    wired = Wire(lambda request: answer(request, recommended_bits=4_000_000_000))
    source = PrefixSource(lambda: [LIAR], wired.ask)
    for _ in range(2):
        await source.answer([TOKEN], Purpose.CHECK)

    assert {request.prefix_bits for _, request in wired.asked} == {MAX_PREFIX_BITS}


async def test_a_refusal_is_told_where_no_other_node_answers() -> None:
    async def ask(node, _request) -> wire.LookupPrefixResponse:
        if node == LIAR:
            raise PolicyError("used up", reason="QUOTA_EXCEEDED")
        raise UnavailableError("gone")

    source = PrefixSource(lambda: [LIAR, GOOD], ask)

    with pytest.raises(PolicyError) as caught:
        await source.answer([TOKEN], Purpose.CHECK)

    assert caught.value.reason == "QUOTA_EXCEEDED"


async def test_with_no_node_there_is_no_answer_and_nothing_asked_needs_none() -> None:
    source = PrefixSource(list, Wire(too_few).ask)

    assert await source.answer([], Purpose.CHECK) == {}
    with pytest.raises(NodeError):
        await source.answer([TOKEN], Purpose.CHECK)


async def test_a_bucket_reads_back_what_was_packed() -> None:
    tokens = [bytes([0xAB, each]) + os.urandom(14) for each in range(40)]
    records = [Record(token, Band.LOW, ("REPORTED",), 20_000 * 86_400) for token in tokens]
    packed, empty = pack([records, []])

    assert unpack(packed, 0xAB >> 4, 4) == {one.token: one for one in records}
    assert len(packed) == len(empty) == 64 * RECORD_BYTES
    assert unpack(empty, 3, 4) == {}
    with pytest.raises(PeerError):
        unpack(packed, 0xC, 4)


async def test_recommended_prefixes_grow_with_the_catalogue_up_to_thirteen_bits() -> None:
    assert [recommended_bits(count) for count in (0, 31, 32, 64, 10**7)] == [0, 0, 1, 2, 13]
