"""A session of a match takes each step once, from its own member, in time and well formed."""

import asyncio
from contextlib import closing

import pytest

from federation.indicators.kind import Kind
from federation.names import FederationName, MemberId
from keys.derivation import token_input
from keys.digest_set import DigestShape, decode_digests
from keys.errors import KeysError
from keys.group import ELEMENT_BYTES, IDENTITY
from keys.ladder import PRIME
from keys.psi import (
    blind_values,
    matching_places,
    new_key,
    random_elements,
    unblind,
)
from node.duties import match_offering
from node.duties.match_offering import MAX_SESSIONS, SESSION_SECONDS, Offering
from node.duties.match_table import MatchTable
from node.errors import NodeError, PolicyError, RequestError
from node.store.private import PrivateStore
from node.workers import Workers

HARBOUR = FederationName("harbour")
FIRM, OTHER = MemberId("net-p"), MemberId("net-q")
NOW = 1_790_000_000
NUMBERS = [f"+861380000{place:04d}" for place in range(10)]


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture(scope="module")
def workers():
    with closing(Workers(1)) as found:
        yield found


@pytest.fixture
def world(tmp_path, workers):
    clock = Clock()
    with closing(PrivateStore(tmp_path / "private.db")) as private:
        table = MatchTable(private)
        table.offer([FIRM, OTHER], Kind.PHONE, NUMBERS, NOW + 86_400)
        yield Offering(HARBOUR, table, workers, clock), table, clock


def blinded(key, session, numbers):
    inputs = [token_input(HARBOUR, int(Kind.PHONE), number.encode()) for number in numbers]
    own = blind_values(key, session, inputs)
    return own + random_elements(64 - len(numbers))


async def free(_amount):
    """Charge nothing."""


async def open_session(offering, member, kind=Kind.PHONE, size=64, charge=free):
    opened = await offering.open(member, kind, size, charge)
    coded = opened.coded
    shape = DigestShape(opened.count, size)
    while len(coded) < shape.length:
        coded += offering.read(member, opened.session, len(coded))
    return opened.session, decode_digests(coded, shape)


SHAPE = DigestShape(64, 64)


def shifted(element):
    """Return the x-coordinate of the sum with the point of order two, 1 / u."""
    return pow(int.from_bytes(element, "little"), -1, PRIME).to_bytes(ELEMENT_BYTES, "little")


def hits(key, session, evaluated, offered):
    return matching_places(unblind(key, session, evaluated), offered, SHAPE)


async def refusal(awaitable):
    with pytest.raises((NodeError, KeysError)) as caught:
        await awaitable
    return caught.value.reason


async def test_a_whole_session_gives_the_hits_and_is_remembered_with_their_number(world):
    offering, table, _ = world
    key = new_key()
    session, offered = await open_session(offering, FIRM)
    evaluated = await offering.evaluate(FIRM, session, blinded(key, session, NUMBERS[3:9]))

    assert len(offered.rests) == 64
    assert len(evaluated) == 64 * ELEMENT_BYTES
    assert hits(key, session, evaluated, offered) == list(range(6))

    await offering.close(FIRM, session, 6)

    (past,) = table.past()
    assert (past.member, past.own, past.other, past.found) == (FIRM, 10, 64, 6)
    assert past.is_offered
    assert not past.uncounted
    assert await refusal(offering.close(FIRM, session, 6)) == "MATCH_SESSION_UNKNOWN"


async def test_who_never_tells_the_number_is_remembered_all_the_same(world):
    offering, table, clock = world
    session, _ = await open_session(offering, FIRM)

    assert table.past() == []

    await offering.evaluate(FIRM, session, random_elements(64))
    clock.now += SESSION_SECONDS
    offering.end_expired()

    (past,) = table.past()
    assert (past.member, past.uncounted, past.found) == (FIRM, True, 0)
    assert await refusal(offering.close(FIRM, session, 0)) == "MATCH_SESSION_UNKNOWN"


async def test_the_work_for_both_sides_is_charged_before_it_is_done(world, monkeypatch):
    offering, table, _ = world
    table.offer([FIRM], Kind.PHONE, [f"+861390000{place:04d}" for place in range(200)], NOW + 60)
    charged = []

    async def charge(amount):
        charged.append(amount)
        raise PolicyError("used up", reason="QUOTA_EXCEEDED")

    assert await refusal(open_session(offering, FIRM, size=96, charge=charge)) == "QUOTA_EXCEEDED"
    assert charged == [96 + 256]
    await open_session(offering, FIRM)  # nothing is held


async def test_of_two_calls_of_a_session_at_once_one_is_refused(world):
    offering, table, _ = world

    async def both(one, other):
        found = await asyncio.gather(one, other, return_exceptions=True)
        return [getattr(result, "reason", "done") for result in found]

    opened = await both(open_session(offering, FIRM), open_session(offering, FIRM))
    session, _ = await open_session(offering, FIRM)
    elements = random_elements(64)
    evaluated = await both(
        offering.evaluate(FIRM, session, elements), offering.evaluate(FIRM, session, elements)
    )
    closed = await both(offering.close(FIRM, session, 0), offering.close(FIRM, session, 1))

    assert sorted(opened) == ["MATCH_BUSY", "done"]
    assert sorted(evaluated) == ["MATCH_STEP_INVALID", "done"]
    assert sorted(closed) == ["MATCH_STEP_INVALID", "done"]
    assert len(table.past()) == 1


async def test_what_is_offered_is_read_in_parts_and_given_in_pages(world, monkeypatch):
    offering, table, _ = world
    numbers = [f"+861390000{place:04d}" for place in range(200)]
    table.offer([FIRM], Kind.PHONE, numbers, NOW + 60)
    monkeypatch.setattr(match_offering, "READ_VALUES", 7)
    monkeypatch.setattr(match_offering, "PAGE_BYTES", 100)
    key = new_key()
    session, offered = await open_session(offering, FIRM)
    shape = DigestShape(256, 64)
    for start in (-1, shape.length):
        with pytest.raises(RequestError, match="not offered"):
            offering.read(FIRM, session, start)
    evaluated = await offering.evaluate(FIRM, session, blinded(key, session, numbers[170:]))
    found = matching_places(unblind(key, session, evaluated), offered, shape)

    assert len(offered.rests) == 256
    assert found == list(range(30))
    with pytest.raises(RequestError, match="not due"):
        offering.read(FIRM, session, 0)


async def test_the_digests_of_all_sessions_are_bounded(world, monkeypatch):
    offering, _, _ = world
    monkeypatch.setattr(match_offering, "MAX_HELD", 100)
    await open_session(offering, FIRM)

    assert await refusal(open_session(offering, OTHER)) == "MATCH_BUSY"

    await open_session(offering, FIRM)  # takes the place of its own


@pytest.mark.parametrize("found", [-1, 11])
async def test_more_hits_than_were_offered_are_no_number(world, found):
    offering, _, _ = world
    session, _ = await open_session(offering, FIRM)
    await offering.evaluate(FIRM, session, random_elements(64))

    assert await refusal(offering.close(FIRM, session, found)) == "MATCH_COUNT_INVALID"

    await offering.close(FIRM, session, 10)


def test_offers_that_have_expired_are_deleted(world):
    _, table, clock = world
    table.offer([OTHER], Kind.PHONE, NUMBERS[:3], NOW + 60)

    assert table.forget_offers(NOW + 59) == 0
    assert table.forget_offers(NOW + 60) == 3
    assert table.offered(FIRM, Kind.PHONE, clock()) == NUMBERS


async def test_no_step_is_taken_twice_early_late_or_by_another(world):
    offering, _, clock = world
    session, _ = await open_session(offering, FIRM)
    elements = random_elements(64)

    assert await refusal(offering.close(FIRM, session, 0)) == "MATCH_STEP_INVALID"
    assert await refusal(offering.evaluate(OTHER, session, elements)) == "MATCH_SESSION_UNKNOWN"
    assert await refusal(offering.evaluate(FIRM, bytes(16), elements)) == "MATCH_SESSION_UNKNOWN"

    await offering.evaluate(FIRM, session, elements)

    assert await refusal(offering.evaluate(FIRM, session, elements)) == "MATCH_STEP_INVALID"

    clock.now += SESSION_SECONDS

    assert await refusal(offering.close(FIRM, session, 0)) == "MATCH_SESSION_UNKNOWN"


async def test_a_new_session_ends_the_earlier_one_and_shows_nothing_alike(world):
    offering, _, _ = world
    first, before = await open_session(offering, FIRM)
    _, after = await open_session(offering, FIRM)

    assert await refusal(offering.evaluate(FIRM, first, random_elements(64))) == (
        "MATCH_SESSION_UNKNOWN"
    )
    assert not set(before.rests.tolist()) & set(after.rests.tolist())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda found: found[:-ELEMENT_BYTES], "MATCH_SIZE_INVALID"),
        (lambda found: found + random_elements(64), "MATCH_SIZE_INVALID"),
        (lambda found: found[ELEMENT_BYTES:] + found[-ELEMENT_BYTES:], "MATCH_ELEMENT_TWICE"),
        (
            lambda found: found[ELEMENT_BYTES:] + shifted(found[-ELEMENT_BYTES:]),
            "MATCH_ELEMENT_TWICE",
        ),
        (lambda found: found[ELEMENT_BYTES:] + IDENTITY, "INVALID_ELEMENT"),
        (lambda found: found[ELEMENT_BYTES:] + b"\xff" * 32, "INVALID_ELEMENT"),
    ],
)
async def test_malformed_elements_end_the_session_so_that_no_second_try_is_free(
    world, change, reason
):
    offering, _, _ = world
    session, _ = await open_session(offering, FIRM)

    assert await refusal(offering.evaluate(FIRM, session, change(random_elements(64)))) == reason

    again = await refusal(offering.evaluate(FIRM, session, random_elements(64)))
    assert again == "MATCH_SESSION_UNKNOWN"


async def test_a_call_given_up_ends_the_session_so_that_no_second_try_is_free(world):
    offering, table, _ = world
    session, _ = await open_session(offering, FIRM)
    call = asyncio.create_task(offering.evaluate(FIRM, session, random_elements(64)))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    again = await refusal(offering.evaluate(FIRM, session, random_elements(64)))
    assert again == "MATCH_SESSION_UNKNOWN"
    assert table.past() == []


async def test_nothing_but_the_number_of_values_is_read_before_the_charge(world):
    offering, table, _ = world
    charged = []

    async def charge(amount):
        charged.append(amount)
        table.offer([FIRM], Kind.PHONE, NUMBERS[:2], NOW + 86_400)

    session, offered = await open_session(offering, FIRM, charge=charge)
    key = new_key()
    evaluated = await offering.evaluate(FIRM, session, blinded(key, session, NUMBERS[:6]))

    assert charged == [128]
    assert hits(key, session, evaluated, offered) == [0, 1]


async def test_only_what_is_offered_to_a_member_now_is_matched(world):
    offering, table, clock = world
    table.offer([OTHER], Kind.PHONE, [], NOW + 86_400)

    assert await refusal(open_session(offering, OTHER)) == "MATCH_NOT_OFFERED"
    assert await refusal(open_session(offering, FIRM, Kind.DOMAIN)) == "MATCH_NOT_OFFERED"
    assert await refusal(open_session(offering, FIRM, size=100)) == "MATCH_SIZE_INVALID"

    clock.now += 86_400

    assert await refusal(open_session(offering, FIRM)) == "MATCH_NOT_OFFERED"


async def test_sessions_are_bounded(world):
    offering, table, clock = world
    firms = [MemberId(f"net-{letter}") for letter in "abcdefghijklmnopqrstuvw"][: MAX_SESSIONS + 1]
    table.offer(firms, Kind.PHONE, NUMBERS, NOW + 86_400)
    for firm in firms[:MAX_SESSIONS]:
        await open_session(offering, firm)

    assert await refusal(open_session(offering, firms[-1])) == "MATCH_BUSY"

    clock.now += SESSION_SECONDS
    await open_session(offering, firms[-1])
