"""A session of a match takes each step once, from its own member, in time and well formed."""

from contextlib import closing

import pytest

from federation.indicators.kind import Kind
from federation.names import FederationName, MemberId
from keys.derivation import token_input
from keys.errors import KeysError
from keys.group import ELEMENT_BYTES, IDENTITY
from keys.psi import blind_values, new_key, random_elements, reblind
from node.duties.match_offering import MAX_SESSIONS, SESSION_SECONDS, Offering
from node.duties.match_table import MatchTable
from node.errors import NodeError
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


async def refusal(awaitable):
    with pytest.raises((NodeError, KeysError)) as caught:
        await awaitable
    return caught.value.reason


async def test_a_whole_session_counts_what_is_the_same_and_is_remembered(world):
    offering, table, _ = world
    key = new_key()
    session, offered = await offering.open(FIRM, Kind.PHONE, 64)
    await offering.evaluate(FIRM, session, blinded(key, session, NUMBERS[3:9]))
    found = await offering.close(FIRM, session, reblind(key, offered))

    assert len(offered) == 64 * ELEMENT_BYTES
    assert found == 6
    assert [(one.member, one.own, one.other, one.found) for one in table.past()] == [
        (FIRM, 10, 64, 6)
    ]
    assert await refusal(offering.close(FIRM, session, reblind(key, offered))) == (
        "MATCH_SESSION_UNKNOWN"
    )


async def test_no_step_is_taken_twice_early_late_or_by_another(world):
    offering, _, clock = world
    session, offered = await offering.open(FIRM, Kind.PHONE, 64)
    elements = random_elements(64)

    assert await refusal(offering.close(FIRM, session, offered)) == "MATCH_STEP_INVALID"
    assert await refusal(offering.evaluate(OTHER, session, elements)) == "MATCH_SESSION_UNKNOWN"
    assert await refusal(offering.evaluate(FIRM, bytes(16), elements)) == "MATCH_SESSION_UNKNOWN"

    await offering.evaluate(FIRM, session, elements)

    assert await refusal(offering.evaluate(FIRM, session, elements)) == "MATCH_STEP_INVALID"

    clock.now += SESSION_SECONDS

    assert await refusal(offering.close(FIRM, session, offered)) == "MATCH_SESSION_UNKNOWN"


async def test_a_new_session_ends_the_earlier_one_and_shows_nothing_alike(world):
    offering, _, _ = world
    first, before = await offering.open(FIRM, Kind.PHONE, 64)
    _, after = await offering.open(FIRM, Kind.PHONE, 64)
    parts = [before[at : at + ELEMENT_BYTES] for at in range(0, len(before), ELEMENT_BYTES)]

    assert await refusal(offering.evaluate(FIRM, first, random_elements(64))) == (
        "MATCH_SESSION_UNKNOWN"
    )
    assert not any(part in after for part in parts)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda found: found[:-ELEMENT_BYTES], "MATCH_SIZE_INVALID"),
        (lambda found: found + random_elements(64), "MATCH_SIZE_INVALID"),
        (lambda found: found[ELEMENT_BYTES:] + found[-ELEMENT_BYTES:], "MATCH_ELEMENT_TWICE"),
        (lambda found: found[ELEMENT_BYTES:] + IDENTITY, "INVALID_ELEMENT"),
        (lambda found: found[ELEMENT_BYTES:] + b"\xff" * 32, "INVALID_ELEMENT"),
    ],
)
async def test_malformed_elements_are_refused_and_change_nothing(world, change, reason):
    offering, _, _ = world
    session, _ = await offering.open(FIRM, Kind.PHONE, 64)

    assert await refusal(offering.evaluate(FIRM, session, change(random_elements(64)))) == reason

    await offering.evaluate(FIRM, session, random_elements(64))


async def test_only_what_is_offered_to_a_member_now_is_matched(world):
    offering, table, clock = world
    table.offer([OTHER], Kind.PHONE, [], NOW + 86_400)

    assert await refusal(offering.open(OTHER, Kind.PHONE, 64)) == "MATCH_NOT_OFFERED"
    assert await refusal(offering.open(FIRM, Kind.DOMAIN, 64)) == "MATCH_NOT_OFFERED"
    assert await refusal(offering.open(FIRM, Kind.PHONE, 100)) == "MATCH_SIZE_INVALID"

    clock.now += 86_400

    assert await refusal(offering.open(FIRM, Kind.PHONE, 64)) == "MATCH_NOT_OFFERED"


async def test_sessions_are_bounded(world):
    offering, table, clock = world
    firms = [MemberId(f"net-{letter}") for letter in "abcdefghijklmnopqrstuvw"][: MAX_SESSIONS + 1]
    table.offer(firms, Kind.PHONE, NUMBERS, NOW + 86_400)
    for firm in firms[:MAX_SESSIONS]:
        await offering.open(firm, Kind.PHONE, 64)

    assert await refusal(offering.open(firms[-1], Kind.PHONE, 64)) == "MATCH_BUSY"

    clock.now += SESSION_SECONDS
    await offering.open(firms[-1], Kind.PHONE, 64)
