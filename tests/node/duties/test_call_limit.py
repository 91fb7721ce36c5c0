"""A member asks about a number's calls a few times an hour, and nothing tells about whose."""

import asyncio
import hashlib
from contextlib import closing

import pytest

from federation.names import MemberId
from node.duties.call_limit import HOUR_SECONDS, QUESTIONS_AN_HOUR, CallLimit
from node.errors import PolicyError
from node.store.private import PrivateStore
from tests.federation.said import opaque

BANK, OTHER = MemberId("bank-x"), MemberId("bank-y")
PAYER, STRANGER = opaque("payer"), opaque("somebody else's customer")
HOUR = 500_000


class Carrier:
    """A carrier's counters, which outlive its node."""

    def __init__(self, store):
        self.now = HOUR * HOUR_SECONDS
        self.store = store
        self.start()

    def start(self):
        self.limit = CallLimit(self.store, lambda: self.now)

    async def ask(self, times=1, caller=BANK, token=PAYER):
        for _ in range(times):
            await self.limit.charge(caller, token)

    async def refusal(self, **question):
        with pytest.raises(PolicyError) as caught:
            await self.ask(**question)
        return caught.value.reason

    def counters(self):
        return self.store.quotas("call-questions/")


@pytest.fixture
def carrier(private):
    return Carrier(private)


async def test_a_number_is_asked_about_a_few_times_and_again_in_the_next_hour(carrier):
    await carrier.ask(QUESTIONS_AN_HOUR)

    assert await carrier.refusal() == "ASKED_TOO_OFTEN"
    await carrier.ask(token=STRANGER)
    await carrier.ask(caller=OTHER)

    carrier.now += HOUR_SECONDS - 1
    assert await carrier.refusal() == "ASKED_TOO_OFTEN"

    carrier.now += 1
    await carrier.ask(QUESTIONS_AN_HOUR)
    assert await carrier.refusal() == "ASKED_TOO_OFTEN"


async def test_neither_a_restart_nor_a_clock_that_is_set_back_gives_questions_away(carrier):
    await carrier.ask(QUESTIONS_AN_HOUR)
    carrier.start()

    assert await carrier.refusal() == "ASKED_TOO_OFTEN"

    carrier.now -= 5 * HOUR_SECONDS
    carrier.start()

    assert await carrier.refusal() == "ASKED_TOO_OFTEN"


async def test_questions_at_once_are_counted_one_by_one(carrier):
    found = await asyncio.gather(
        *(carrier.limit.charge(BANK, PAYER) for _ in range(3 * QUESTIONS_AN_HOUR)),
        return_exceptions=True,
    )

    assert found.count(None) == QUESTIONS_AN_HOUR
    assert list(carrier.counters().values()) == [QUESTIONS_AN_HOUR]


async def test_no_counter_tells_who_was_asked_about_and_an_hour_later_it_is_gone(carrier):
    await carrier.ask()
    await carrier.ask(caller=OTHER)
    first, second = carrier.counters()
    guesses = {hashlib.sha256(PAYER).hexdigest(), PAYER.hex(), "bank-x"}

    assert first != second
    assert not any(guess in name for guess in guesses for name in (first, second))

    carrier.now += HOUR_SECONDS
    await carrier.ask()

    (again,) = carrier.counters()

    assert again not in (first, second)


async def test_the_file_never_holds_the_number(tmp_path):
    with closing(PrivateStore(tmp_path / "private.db")) as store:
        await Carrier(store).ask()

    assert not any(PAYER in path.read_bytes() for path in tmp_path.iterdir())
