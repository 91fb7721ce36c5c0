"""Who asks finds its hits over any messages, and refuses whatever does not fit, with one reason."""

from contextlib import closing

import grpc.aio
import pytest

from federation.indicators.kind import Kind
from federation.names import FederationName, MemberId
from keys.digest_set import DigestShape
from keys.group import ELEMENT_BYTES
from keys.ladder import PRIME
from keys.psi import random_elements
from node.duties import match_offering
from node.duties.match_asking import Asking
from node.duties.match_offering import Offering
from node.duties.match_table import MatchTable
from node.errors import PeerError
from node.store.private import PrivateStore
from node.workers import Workers
from tocsin.v1 import match_service_pb2 as wire
from tocsin.v1 import match_service_pb2_grpc as stubs

HARBOUR = FederationName("harbour")
CARRIER, FIRM = MemberId("carrier-a"), MemberId("net-p")
NOW = 1_790_000_000
NUMBERS = [f"+861380000{place:04d}" for place in range(200)]
OWN = [*NUMBERS[190:], "+8613900000000"]
# Two hundred are offered as 256.
SHAPE = DigestShape(256, 64)


class Carrier(stubs.MatchServiceServicer):
    """A carrier that changes each of its answers as it was told."""

    def __init__(self, offering, lies):
        self._offering = offering
        self._lies = lies
        self.told = None
        self.offsets = []

    def _say(self, answer):
        self._lies.get(type(answer), lambda _: None)(answer)
        return answer

    async def OpenMatch(self, request, context):  # noqa: N802
        async def charge(_amount):
            """Charge nothing."""

        opened = await self._offering.open(FIRM, Kind.PHONE, request.element_count, charge)
        return self._say(
            wire.OpenMatchResponse(
                session_id=opened.session, offered_count=opened.count, coded=opened.coded
            )
        )

    async def ReadOffered(self, request, context):  # noqa: N802
        self.offsets.append(request.offset)
        coded = self._offering.read(FIRM, request.session_id, request.offset)
        return self._say(wire.ReadOfferedResponse(coded=coded))

    async def EvaluateMatch(self, request, context):  # noqa: N802
        reblinded = await self._offering.evaluate(FIRM, request.session_id, request.blinded)
        return self._say(wire.EvaluateMatchResponse(reblinded=reblinded))

    async def CloseMatch(self, request, context):  # noqa: N802
        self.told = request.found_count
        await self._offering.close(FIRM, request.session_id, self.told)
        return wire.CloseMatchResponse(found_count=self.told)


class Line:
    """Carries calls to one carrier, without certificates."""

    def __init__(self, channel):
        self._channel = channel

    async def call(self, member, method, request, seconds):
        """Make a call."""
        return await method(self._channel)(request, timeout=seconds)


@pytest.fixture(scope="module")
def workers():
    with closing(Workers(1)) as found:
        yield found


@pytest.fixture
def match(tmp_path, workers):
    async def run(lies):
        server = grpc.aio.server()
        with closing(PrivateStore(tmp_path / "private.db")) as private:
            table = MatchTable(private)
            table.offer([FIRM], Kind.PHONE, NUMBERS, NOW + 86_400)
            carrier = Carrier(Offering(HARBOUR, table, workers, lambda: NOW), lies)
            stubs.add_MatchServiceServicer_to_server(carrier, server)
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            try:
                async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                    asking = Asking(HARBOUR, Line(channel), table, workers, lambda: NOW)
                    return await asking.match(CARRIER, Kind.PHONE, OWN), carrier
            finally:
                await server.stop(None)

    return run


async def test_hits_come_over_one_message(match):
    matched, carrier = await match({})

    assert matched.hits == tuple(range(10))
    assert (matched.offered_elements, carrier.told, carrier.offsets) == (256, 10, [])


async def test_hits_come_over_many_messages_each_from_the_byte_that_is_next(match, monkeypatch):
    monkeypatch.setattr(match_offering, "PAGE_BYTES", 500)
    monkeypatch.setattr("node.duties.match_asking.LEAST_PAGE", 400)
    matched, carrier = await match({})

    assert matched.hits == tuple(range(10))
    assert carrier.offsets == list(range(500, SHAPE.length, 500))


def changed(field, change):
    def lie(answer):
        setattr(answer, field, change(getattr(answer, field)))

    return lie


def shifted(elements):
    """Put the first element, plus the point of order two, in the second's place: 1 / u."""
    first = pow(int.from_bytes(elements[:ELEMENT_BYTES], "little"), -1, PRIME)
    rest = elements[2 * ELEMENT_BYTES :]
    return elements[:ELEMENT_BYTES] + first.to_bytes(ELEMENT_BYTES, "little") + rest


def as_an_older_version(answer):
    """Answer with the fields of digests of whole bytes alone."""
    answer.digests, answer.coded = bytes(256 * 7), b""


@pytest.mark.parametrize(
    ("kind", "lie"),
    [
        (wire.OpenMatchResponse, changed("session_id", lambda found: found[:15])),
        (wire.OpenMatchResponse, changed("offered_count", lambda _: 100)),
        (wire.OpenMatchResponse, changed("coded", lambda found: found + b"\0")),
        (wire.OpenMatchResponse, changed("coded", lambda found: bytes(len(found)))),
        (wire.OpenMatchResponse, changed("coded", lambda found: b"\xff" * len(found))),
        (wire.OpenMatchResponse, changed("coded", lambda found: found[1:] + found[:1])),
        (wire.EvaluateMatchResponse, changed("reblinded", lambda found: found[:-1])),
        (wire.EvaluateMatchResponse, changed("reblinded", lambda found: found + found[:32])),
        (wire.EvaluateMatchResponse, changed("reblinded", lambda found: found[:32] * 64)),
        (wire.EvaluateMatchResponse, changed("reblinded", lambda found: found[:-32] + bytes(32))),
        (wire.EvaluateMatchResponse, changed("reblinded", shifted)),
        (
            wire.EvaluateMatchResponse,
            changed("reblinded", lambda found: found[:-32] + b"\xff" * 32),
        ),
    ],
)
async def test_an_answer_that_does_not_fit_is_refused_with_one_reason(match, kind, lie):
    with pytest.raises(PeerError) as caught:
        await match({kind: lie})

    assert caught.value.reason == "MATCH_ANSWER_INVALID"


async def test_a_carrier_of_an_older_version_is_refused_with_the_same_reason(match):
    lies = {
        wire.OpenMatchResponse: as_an_older_version,
        wire.ReadOfferedResponse: as_an_older_version,
    }
    with pytest.raises(PeerError) as caught:
        await match(lies)

    assert caught.value.reason == "MATCH_ANSWER_INVALID"


async def test_elements_of_another_key_are_no_hits(match):
    other = changed("reblinded", lambda found: random_elements(len(found) // ELEMENT_BYTES))
    matched, carrier = await match({wire.EvaluateMatchResponse: other})

    assert matched.hits == ()
    assert carrier.told == 0
