"""A carrier's node opens warnings about its own customers only, and loses no message."""

import json

import pytest

from federation.matters import Kind, MatterError, State
from federation.matters.warning import LONGEST_SECONDS
from federation.statements import WarningStep
from federation.vocabulary import WarningAction, WarningChannel, WarningOutcome
from federation.warning_text import PARAMETER_BYTES, TextParameters, compose_for_guardian
from keys.sealing import seal_to_indicator
from node.duties.warning_table import CUSTOMER, GUARDIAN, Guardian, WarningTable
from node.duties.warnings import Warnings, seal_parameters, sealing_context
from node.errors import RequestError
from tests.federation.organisations import CARRIER
from tests.federation.said import TOKEN, opaque, warning
from tests.federation.warning_world import MILD
from tests.node.matters.heard import ME as BANK
from tests.node.matters.heard import Node

ID, KEY = opaque("warning"), opaque("content key", 32)
PHONE, LINE = 1, "LINE-7"
SAID = "the tax office"


@pytest.fixture
def node(tmp_path):
    node = Node(tmp_path, own=CARRIER)
    node.table = WarningTable(node.private)
    node.warnings = Warnings(node.me, node.book, node.table, node.speaker, node.clock)
    yield node
    node.close()


def serve(node, *references):
    """Let the victim be this carrier's customer."""
    node.private.add_watch([(TOKEN, PHONE, reference) for reference in references or (LINE,)])
    node.table.keep_keys([(TOKEN, KEY)])


def sealed(said=SAID, *, warning_id=ID, opener=BANK, key=KEY):
    return seal_parameters(key, TextParameters(said), opener, warning_id)


def raised(node, **fields):
    node.hear(BANK, warning(**{"sealed_parameters": sealed()} | fields), ids=(ID,))


def matter(node):
    return node.book.get(Kind.WARNING, ID, BANK).matter


def own(node):
    return matter(node).facts.track(node.me)


async def outbox(node):
    await node.warnings.advance()
    return [one for one in node.table.messages() if not one.sent]


async def only(node):
    (message,) = await outbox(node)
    return message


async def test_a_customers_warning_becomes_a_message_with_what_was_sealed(node):
    serve(node)
    raised(node)
    message = await only(node)

    assert (message.recipient, message.address) == (CUSTOMER, LINE)
    assert message.channel is WarningChannel.FLASH
    assert all(SAID in message.texts[language] for language in ("zh", "en"))
    assert SAID not in repr(message)
    assert LINE not in repr(message)


async def test_a_warning_about_somebody_elses_customer_becomes_nothing(node):
    raised(node)

    assert await outbox(node) == []
    assert node.warnings.own(open_only=False) == []


async def test_the_same_message_is_listed_until_it_is_sent_and_then_never_again(node):
    serve(node)
    raised(node)
    first, again = await only(node), await only(node)

    assert first.id == again.id
    assert await node.warnings.report_sent(first.id)
    assert not await node.warnings.report_sent(first.id)
    assert await outbox(node) == []
    assert matter(node).state is State.SENT
    assert node.table.message(first.id).texts == {"zh": "", "en": ""}
    with pytest.raises(RequestError) as caught:
        await node.warnings.report_sent("0" * 16)
    assert caught.value.reason == "MESSAGE_UNKNOWN"


async def test_a_crash_between_saying_and_noting_says_nothing_twice(node):
    serve(node)
    raised(node)
    message = await only(node)
    await node.warnings._say_sent(message)
    size = node.ledger.size(node.ledger.own)

    assert await node.warnings.report_sent(message.id)
    assert node.ledger.size(node.ledger.own) == size


async def test_each_line_of_a_number_gets_a_message_and_the_log_one_statement(node):
    serve(node, "LINE-1", "LINE-2")
    raised(node)
    first, second = await outbox(node)
    await node.warnings.report_sent(first.id)
    size = node.ledger.size(node.ledger.own)

    assert [one.id for one in await outbox(node)] == [second.id]

    await node.warnings.report_sent(second.id)

    assert node.ledger.size(node.ledger.own) == size
    assert await outbox(node) == []


async def test_silence_brings_a_call_and_an_answer_takes_it_back(node):
    serve(node)
    raised(node)
    await node.warnings.report_sent((await only(node)).id)
    node.time += 599

    assert await outbox(node) == []

    node.time += 1
    call = await only(node)

    assert call.channel is WarningChannel.VOICE

    await node.warnings.acknowledge(matter(node))

    assert await outbox(node) == []
    with pytest.raises(RequestError) as caught:
        await node.warnings.report_sent(call.id)
    assert caught.value.reason == "MESSAGE_UNKNOWN"


async def test_a_call_is_said_as_an_escalation(node):
    serve(node)
    raised(node)
    await node.warnings.report_sent((await only(node)).id)
    node.time += 600
    await node.warnings.report_sent((await only(node)).id)

    assert matter(node).state is State.ESCALATED
    assert own(node).channels == (WarningChannel.FLASH, WarningChannel.VOICE)


async def test_a_milder_warning_is_not_escalated_by_itself(node):
    serve(node)
    raised(node, **{name: getattr(MILD, name) for name in ("risk", "age_band", "channels")})
    await node.warnings.report_sent((await only(node)).id)
    node.time += 10_000

    assert await outbox(node) == []


@pytest.mark.parametrize(
    ("since", "until", "copies"),
    [(-60, 600, 1), (-600, -60, 0), (60, 600, 0), (-600, 0, 0)],
)
async def test_a_guardian_gets_a_copy_only_while_the_consent_holds(node, since, until, copies):
    serve(node)
    raised(node)
    now = node.time
    node.table.add_guardian(Guardian(LINE, "+8613900000007", now + since, now + until))
    found = [one for one in await outbox(node) if one.recipient == GUARDIAN]

    assert len(found) == copies
    for copy in found:
        assert copy.texts == compose_for_guardian()
        assert SAID not in "".join(copy.texts.values())
        assert "+86139" not in repr(copy)


async def test_a_copy_for_a_guardian_is_said_to_nobody(node):
    serve(node)
    raised(node)
    node.table.add_guardian(Guardian(LINE, "+8613900000007", node.time - 60, node.time + 60))
    (copy,) = (one for one in await outbox(node) if one.recipient == GUARDIAN)
    size = node.ledger.size(node.ledger.own)
    await node.warnings.report_sent(copy.id)

    assert node.ledger.size(node.ledger.own) == size
    assert matter(node).state is State.RAISED


def trap():
    plain = json.dumps({"impersonated": "evil.example", "pretext": ""}).encode()
    return seal_to_indicator(KEY, plain.ljust(PARAMETER_BYTES), sealing_context(BANK, ID))


@pytest.mark.parametrize(
    "parameters",
    [
        opaque("parameters", 529),
        sealed(warning_id=opaque("another warning")),
        sealed(opener="net-p"),
        sealed(key=opaque("another key", 32)),
        trap(),
    ],
    ids=["garbage", "of another warning", "of another member", "another key", "with a link"],
)
async def test_what_does_not_open_or_may_not_be_said_leaves_the_template(node, parameters):
    serve(node)
    raised(node, sealed_parameters=parameters)
    message = await only(node)

    assert SAID not in message.texts["en"]
    assert "evil" not in message.texts["en"]
    assert "fake-authority fraud" in message.texts["en"]


def claim(node, *actions):
    """Let another carrier say that it warned the customer, and what else it likes."""
    charter_roles = node.book.roles
    node.book.roles = lambda member, time: charter_roles(
        CARRIER.name if member == "carrier-e" else member, time
    )
    flash, lost = WarningChannel.FLASH, WarningOutcome.LOST
    steps = [WarningStep(ID, BANK, WarningAction.SENT, flash)]
    if WarningAction.ACKNOWLEDGED in actions:
        steps.append(WarningStep(ID, BANK, WarningAction.ACKNOWLEDGED))
    if WarningAction.OUTCOME in actions:
        steps.append(WarningStep(ID, BANK, WarningAction.OUTCOME, outcome=lost))
    node.hear("carrier-e", *steps)


@pytest.mark.parametrize(
    "actions",
    [(), (WarningAction.ACKNOWLEDGED,), (WarningAction.OUTCOME,)],
    ids=["sent", "acknowledged", "outcome"],
)
async def test_nothing_that_another_carrier_says_keeps_own_customers_and_their_outcome_out(
    node, actions
):
    serve(node)
    raised(node)
    claim(node, *actions)

    assert matter(node).facts.tracks.keys() == {"carrier-e"}

    first = await only(node)

    assert first.channel is WarningChannel.FLASH
    assert await node.warnings.report_sent(first.id)
    assert await outbox(node) == []
    assert own(node).state is State.SENT
    assert [one.id for one in node.warnings.own(open_only=True)] == [ID]

    node.time += 600
    call = await only(node)

    assert call.channel is WarningChannel.VOICE

    await node.warnings.report_sent(call.id)
    await node.warnings.acknowledge(matter(node))
    await node.warnings.conclude(matter(node), WarningOutcome.DISSUADED)

    assert own(node).outcome is WarningOutcome.DISSUADED
    assert await outbox(node) == []
    assert node.table.messages() == []
    assert node.warnings.own(open_only=True) == []


async def test_a_carrier_that_dates_its_claim_back_does_not_stop_the_call(node):
    serve(node)
    raised(node)
    node.time += 100
    await node.warnings.report_sent((await only(node)).id)
    node.time -= 50
    claim(node, WarningAction.OUTCOME)

    assert matter(node).facts.best.carrier == "carrier-e"
    assert await outbox(node) == []

    node.time += 700

    assert (await only(node)).channel is WarningChannel.VOICE


async def test_who_raised_a_warning_ends_it_whoever_claims_to_lead(node):
    serve(node)
    raised(node)
    claim(node)
    await only(node)
    step = WarningStep(ID, BANK, WarningAction.OUTCOME, outcome=WarningOutcome.DISSUADED)
    node.hear(BANK, step)

    assert matter(node).facts.conclusion is WarningOutcome.DISSUADED
    assert await outbox(node) == []


@pytest.mark.parametrize("over", ["outcome", "term"])
async def test_what_is_over_leaves_nothing_in_the_outbox(node, over):
    serve(node)
    raised(node)
    await node.warnings.report_sent((await only(node)).id)
    if over == "outcome":
        await node.warnings.conclude(matter(node), WarningOutcome.DISSUADED)
    else:
        node.time += LONGEST_SECONDS
    await node.warnings.advance()

    assert node.table.messages() == []


async def test_nobody_is_given_up_at_the_desk_without_a_call(node):
    serve(node)
    raised(node)
    await node.warnings.report_sent((await only(node)).id)
    size = node.ledger.size(node.ledger.own)
    with pytest.raises(MatterError) as caught:
        await node.warnings.conclude(matter(node), WarningOutcome.UNREACHED)

    assert caught.value.reason == "ESCALATION_MISSING"
    assert node.ledger.size(node.ledger.own) == size


def test_a_withdrawn_consent_leaves_nothing(node):
    for contact in ("+8613900000007", "+8613900000008"):
        node.table.add_guardian(Guardian(LINE, contact, node.time - 60, node.time + 60))

    assert len(node.table.guardians()) == 2
    assert node.table.remove_guardians(LINE) == 2
    assert node.table.guardians() == []
