"""Every node that holds the logs writes the same report, in whatever order they arrived."""

import json
from contextlib import closing
from datetime import UTC, datetime

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from federation.annual import AnnualError, Format
from federation.figures import Period
from federation.names import MemberId, NameFormatError, Origin
from node.duties.annual import AnnualReports
from node.duties.sheet import SECONDS_A_DAY
from node.log.ledger import Ledger
from node.store.sqlite import SqliteStore
from tests.federation.annual_world import END, START, YEAR, Logs, charter
from tests.federation.matter_examples import EXAMPLES, MEMBERS, Name
from tests.federation.organisations import FEDERATION, organisation
from tests.federation.said import DAY, nomination, opaque
from tests.node.duties.counting_world import World

NAMES = ("carrier-a", "bank-x", "net-p", "carrier-b")
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
"""A database an example: shrinking would take minutes."""
SPEAKERS = ("ministry", "coord", "bank-a", "carrier-b")

pytestmark = pytest.mark.timeout(200)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with closing(World(tmp_path_factory.mktemp("annual") / "f", NAMES)) as found:
        yield found


def reports(party, clock=None):
    core = party.core
    return AnnualReports(
        core.me, party.log.store, lambda: core.charter.versions, clock or core.clock
    )


async def test_all_nodes_write_the_same_bytes_and_name_the_sums(world):
    now = world.parties[0].core.clock()
    yesterday = now // SECONDS_A_DAY * SECONDS_A_DAY - SECONDS_A_DAY
    for place, name in enumerate(NAMES):
        world[name].sheets.own.table.put([("E-1", yesterday + 60, (place, 10))])
    period = Period(yesterday, yesterday + SECONDS_A_DAY)
    sheet = await world.while_talking(world["bank-x"].sheets.make(period))
    await world.settle()
    year, at = datetime.fromtimestamp(yesterday, UTC).year, world.parties[0].core.clock()

    def written(form=Format.JSON):
        made = [reports(one).make(year, "bank-x", at, form) for one in world.parties]
        return {one.document for one in made}

    (first,) = written()
    document = json.loads(first)
    (found,) = document["sheets"]
    cell = {one["code"]: one for one in found["indicators"]}

    assert (found["count_sum"], found["sum"]) == (sheet.count_sum.hex(), sheet.figure_sum.hex())
    assert cell["E-1"]["value"] == "15.00"
    assert cell["E-1"]["cases"] == [6, 40]
    assert cell["C-1"]["contributors"] is None
    assert len(found["statements"]) >= 10
    assert [len(written(form)) for form in Format] == [1, 1, 1]

    for party in world.parties:
        party.log.ledger.rebuild_views()
        party.reopen()

    assert written() == {first}


def test_what_is_still_to_come_is_refused(world):
    annual = reports(world.parties[0])
    now = world.parties[0].core.clock()
    year = datetime.fromtimestamp(now, UTC).year
    with pytest.raises(AnnualError, match="still to come") as caught:
        annual.make(year, "", None, Format.MARKDOWN)

    assert "--at" in caught.value.hint
    for wrong in (0, 1, 99_999):
        with pytest.raises(AnnualError):
            annual.make(wrong, "", None, Format.MARKDOWN)
    with pytest.raises(NameFormatError):
        annual.make(year, "No Body", now, Format.MARKDOWN)


def ledger(path, name):
    """Open the logs of one of those that speak."""
    key = organisation(name, *sorted(MEMBERS[MemberId(name)])).signing_key
    publics = {one.member: one.signing_key for one in charter().members}
    store = SqliteStore(path)
    return store, Ledger(store, FEDERATION, name, key, publics.__getitem__, lambda: END)


def story():
    """Return logs in which each kind of matter is opened and carried on."""
    logs = Logs({})
    for place, examples in enumerate(EXAMPLES.values()):
        opener = SPEAKERS[place % len(SPEAKERS)]
        name = logs.say(opener, examples.opens[0], START + place * DAY)
        for number, body in enumerate(examples.moves(Name(name, MemberId(opener)))[:6]):
            speaker = SPEAKERS[(place + number) % len(SPEAKERS)]
            logs.say(speaker, body, START + place * DAY + number)
    for number in range(4):
        logs.say("bank-a", nomination(token=opaque(number)), START + number)
    return logs


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Four logs on disk, a checkpoint after every statement."""
    directory, found = tmp_path_factory.mktemp("sources"), {}
    for name, bodies in story().bodies.items():
        store, log = ledger(directory / f"{name}.db", name)
        found[name] = (store, log)
        for body in bodies:
            log.append([body])
    yield found
    for store, _ in found.values():
        store.close()


def arrive(reader, sources, order):
    """Let runs arrive in the order of their speakers; what is left comes in the end."""
    for name in (*order, *(name for name in sources for _ in range(100))):
        source, origin = sources[name][1], Origin(FEDERATION, MemberId(name))
        held = reader.size(origin)
        if name != str(reader.own.member) and held < source.size(origin):
            run = source.read(origin, held, 1)
            reader.ingest(origin, run.bodies, run.compacted, run.checkpoint)


def written_by(directory, sources, order):
    """Return the reports of a node at which the logs arrived in an order."""
    store, reader = ledger(directory / "all.db", "police")
    with closing(store):
        arrive(reader, sources, order)
        annual = AnnualReports(MemberId("police"), store, lambda: (charter(),), lambda: END)
        return [annual.make(YEAR, one, None, Format.JSON).document for one in SPEAKERS]


class Expected:
    """What the first order gave; a class of its own, so that no failure writes it out."""

    def __init__(self, documents):
        self.documents = documents


@pytest.fixture(scope="module")
def expected(sources, tmp_path_factory):
    return Expected(written_by(tmp_path_factory.mktemp("first"), sources, ()))


@settings(max_examples=12, deadline=None, phases=NO_SHRINKING)
@given(order=st.lists(st.sampled_from(SPEAKERS), min_size=1, max_size=60))
def test_logs_that_arrive_in_any_order_give_the_same_bytes(
    sources, expected, tmp_path_factory, order
):
    found = written_by(tmp_path_factory.mktemp("reader"), sources, order)
    items = [item for head in json.loads(found[2])["heads"] for item in head["items"]]

    assert found == expected.documents
    assert sum(item["count"] > 0 for item in items) > 2
