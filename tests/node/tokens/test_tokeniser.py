"""The client of the key holders: every check, every kind of liar, and who is told about whom."""

import asyncio

import pytest

from federation.statements import Alarm, Statement, decode_statement, encode_statement
from federation.vocabulary import (
    AlarmKind,
    LegalBasis,
    PermissibleAction,
    Purpose,
    TrafficLight,
)
from keys.errors import SignatureError
from keys.evaluation import CheckMode
from keys.group import ELEMENT_BYTES, GENERATOR, add
from keys.signing import verify_signature
from keys.transcript import response_digest
from node.errors import PolicyError, UnavailableError
from node.tokens.holder import EVALUATION_CONTEXT, signed_digests
from node.tokens.key_ring import KeyRing
from node.tokens.tokeniser import BATCHES_IN_FLIGHT
from node.turns import SHORT_ITEMS
from tests.node.tokens.holders import BY_NAME, HolderSet, domain, phones
from tocsin.v1 import token_service_pb2 as wire

MODES = list(CheckMode)
FAR = UnavailableError("gone", reason="CONNECTION_REFUSED")


def wrong_element(_request, response):
    if not response.evaluated:
        return  # the second round of the strict check
    first = add(response.evaluated[:ELEMENT_BYTES], GENERATOR)
    response.evaluated = first + response.evaluated[ELEMENT_BYTES:]


def swapped_elements(_request, response):
    if response.evaluated:
        first, second = response.evaluated[:32], response.evaluated[32:64]
        response.evaluated = second + first + response.evaluated[64:]


def truncated(_request, response):
    response.evaluated = response.evaluated[:-ELEMENT_BYTES]


def no_element(_request, response):
    response.evaluated = b"\xff" * len(response.evaluated)


def identities(_request, response):
    response.evaluated = bytes(len(response.evaluated))


def uneven(_request, response):
    response.evaluated = response.evaluated[:-1]


def wrong_check(_request, response):
    if response.check_element:
        response.check_element = add(response.check_element, GENERATOR)


def wrong_proof(_request, response):
    if response.proof:
        response.proof = bytes(len(response.proof))


LIES = [wrong_element, truncated, no_element, identities, uneven]


@pytest.mark.parametrize("mode", MODES)
async def test_every_holder_set_and_mode_gives_the_same_tokens(
    holders: HolderSet, mode: CheckMode
) -> None:
    values = [*phones(5), domain("known.example")]
    expected = await holders.tokens(values)

    for down in holders.nodes.values():
        down.down = FAR
        found = await holders.tokens(values, mode)
        down.down = None

        assert found == expected
    assert len(set(expected)) == len(values)
    assert not holders.blames


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
async def test_a_liar_is_named_and_another_set_answers(
    holders: HolderSet, mode: CheckMode, lie
) -> None:
    expected = await holders.tokens(phones(3))
    liar = holders.key_set.holders[1]
    holders.nodes[liar].lie = lie
    found = await holders.three_times(phones(3), mode)

    assert found == [expected] * 3
    assert {blame.holder for blame in holders.blames} == {liar}


@pytest.mark.parametrize(
    ("mode", "lie"),
    [
        (CheckMode.SUM, wrong_check),
        (CheckMode.SUM, wrong_proof),
        (CheckMode.STRICT, swapped_elements),
        (CheckMode.STRICT, wrong_check),
        (CheckMode.STRICT, wrong_proof),
        (CheckMode.RFC, swapped_elements),
        (CheckMode.RFC, wrong_proof),
    ],
    ids=lambda each: getattr(each, "__name__", str(each)),
)
async def test_a_lie_that_keeps_the_sum_or_is_told_about_the_check_is_named_too(
    holders: HolderSet, mode: CheckMode, lie
) -> None:
    expected = await holders.tokens(phones(3))
    liar = holders.key_set.holders[0]
    holders.nodes[liar].lie = lie
    found = await holders.three_times(phones(3), mode)

    assert found == [expected] * 3
    assert {blame.holder for blame in holders.blames} == {liar}


async def test_swapped_elements_fail_the_sum_check(holders: HolderSet) -> None:
    liar = holders.key_set.holders[0]
    expected = await holders.tokens(phones(2))
    holders.nodes[liar].lie = swapped_elements
    found = await holders.three_times(phones(2))

    assert found == [expected] * 3
    assert {blame.holder for blame in holders.blames} == {liar}


async def test_the_evidence_stands_in_an_alarm_and_verifies_for_a_third_party(
    holders: HolderSet,
) -> None:
    liar = holders.key_set.holders[2]
    holders.nodes[liar].lie = wrong_element
    await holders.three_times(phones(2))
    blame = holders.blames[0]
    alarm = Alarm(
        alarm_kind=AlarmKind.EVALUATION_WRONG,
        member=blame.holder,
        kind_class=blame.kind_class,
        first_evidence=blame.response.SerializeToString(),
        second_evidence=blame.request_digest + blame.response.signature,
        reason="EVALUATION_WRONG",
    )
    body = decode_statement(encode_statement(_statement(alarm))).body
    response = wire.EvaluateResponse.FromString(body.first_evidence)
    digest = body.second_evidence[:32]
    partial, covered = signed_digests(digest, holders.key_set.index(liar), response)

    assert covered == digest + response_digest(digest, holders.key_set.index(liar), partial)
    verify_signature(
        BY_NAME[liar].signing_key.public, EVALUATION_CONTEXT, covered, response.signature
    )
    for other in set(holders.key_set.holders) - {liar}:
        with pytest.raises(SignatureError):
            verify_signature(
                BY_NAME[other].signing_key.public, EVALUATION_CONTEXT, covered, response.signature
            )


def _statement(body):
    return Statement(
        id=b"\xee" * 16,
        issued_time=1_790_000_000,
        purpose=Purpose.OPERATION,
        legal_basis=LegalBasis.CHARTER,
        tlp=TrafficLight.AMBER_STRICT,
        pap=PermissibleAction.GREEN,
        body=body,
    )


async def test_an_answer_with_a_bad_signature_blames_nobody_and_is_not_used(
    holders: HolderSet,
) -> None:
    expected = await holders.tokens(phones(2))
    forger = holders.nodes[holders.key_set.holders[0]]
    forger.lie = wrong_element
    holders.sign = lambda *_: None
    found = await holders.three_times(phones(2))

    assert found == [expected] * 3
    assert forger.asked
    assert not holders.blames


async def test_a_liar_that_refuses_to_prove_is_named_because_the_others_did(
    holders: HolderSet,
) -> None:
    liar = holders.key_set.holders[1]
    holders.nodes[liar].lie = wrong_element
    holders.nodes[liar].no_proof = FAR
    await holders.three_times(phones(2))

    assert {blame.holder for blame in holders.blames} == {liar}


async def test_an_honest_holder_that_cannot_prove_is_not_named_with_the_liar(
    holders: HolderSet,
) -> None:
    liar, honest, other = holders.key_set.holders
    holders.nodes[liar].lie = wrong_element
    holders.nodes[honest].no_proof = PolicyError("used up", reason="QUOTA_EXCEEDED")
    holders.nodes[other].down = FAR

    with pytest.raises((UnavailableError, PolicyError)):
        await holders.tokens(phones(2))

    assert {blame.holder for blame in holders.blames} == {liar}


async def test_nobody_is_named_where_no_holder_can_be_asked_for_a_proof(
    holders: HolderSet,
) -> None:
    holders.nodes[holders.key_set.holders[0]].lie = wrong_element
    for node in holders.nodes.values():
        node.no_proof = FAR
    with pytest.raises(UnavailableError):
        await holders.three_times(phones(2))

    assert not holders.blames


async def test_a_failing_alarm_does_not_keep_the_tokens_back(holders: HolderSet) -> None:
    expected = await holders.tokens(phones(2))
    holders.nodes[holders.key_set.holders[0]].lie = wrong_element

    async def broken(_blame):
        raise RuntimeError("disk full")

    tokeniser = holders.tokeniser()
    tokeniser._holders = _with_blame(tokeniser._holders, broken)
    found = await holders.three_times(phones(2), tokeniser=tokeniser)

    assert found == [expected] * 3


def _with_blame(wired, on_blame):
    return type(wired)(wired.ask, wired.ask_proof, wired.verify, on_blame)


async def test_with_fewer_than_the_threshold_nothing_is_tokenised(holders: HolderSet) -> None:
    first, second, _ = holders.nodes.values()
    first.down = second.down = FAR

    with pytest.raises(UnavailableError) as caught:
        await holders.tokens(phones(2))

    assert caught.value.reason == "HOLDERS_UNAVAILABLE"
    assert f"{first.name}: CONNECTION_REFUSED" in str(caught.value)
    assert "+86" not in str(caught.value)


async def test_equal_values_are_asked_once_and_answered_from_memory_afterwards(
    holders: HolderSet,
) -> None:
    tokeniser = holders.tokeniser()
    one, two = phones(2)
    made = await tokeniser.tokenise([one, two, one, one], Purpose.CHECK, 4)
    asked = holders.asked()
    again = await tokeniser.tokenise([two, one], Purpose.CHECK, 4)

    assert made[0] == made[2] == made[3] != made[1]
    assert [each.token for each in again] == [made[1].token, made[0].token]
    assert holders.asked() == asked == 2
    assert made[0].content_key.hex() not in repr(made[0])


async def test_nothing_asked_is_nothing_sent(holders: HolderSet) -> None:
    assert await holders.tokeniser().tokenise([], Purpose.CHECK, 4) == []
    assert not holders.asked()


async def test_every_batch_is_padded_and_split_by_class(holders: HolderSet) -> None:
    await holders.tokens([*phones(3), domain("one.example")], pad=8)
    batches = [request for node in holders.nodes.values() for request in node.asked]

    assert {len(request.blinded) for request in batches} == {8 * ELEMENT_BYTES}
    assert len({request.kind_class for request in batches}) == 2
    assert len({request.batch_id for request in batches}) == 2


async def test_many_values_go_in_batches_of_bounded_size(holders: HolderSet) -> None:
    made = await holders.tokens(phones(70), pad=1)
    sizes = sorted(len(r.blinded) // 32 for n in holders.nodes.values() for r in n.asked)

    assert len(set(made)) == 70
    assert sizes == [6, 6, 32, 32, 32, 32]


async def test_without_keys_the_hint_says_how_to_make_them(holders: HolderSet) -> None:
    tokeniser = holders.tokeniser()
    tokeniser._key_ring = KeyRing()

    with pytest.raises(UnavailableError) as caught:
        await tokeniser.tokenise(phones(1), Purpose.CHECK, 4)

    assert caught.value.reason == "KEYS_MISSING"


async def test_load_is_spread_over_all_holders(holders: HolderSet) -> None:
    tokeniser = holders.tokeniser()
    for start in range(9):
        await tokeniser.tokenise(phones(1, start), Purpose.CHECK, 1)

    assert [len(node.asked) for node in holders.nodes.values()] == [6, 6, 6]


async def test_a_holder_that_failed_is_asked_last_until_it_answers_again(
    holders: HolderSet,
) -> None:
    tokeniser = holders.tokeniser()
    down = next(iter(holders.nodes.values()))
    down.down = FAR
    for start in range(6):
        await tokeniser.tokenise(phones(1, start), Purpose.CHECK, 1)
    tried = len(down.asked)
    down.down = None
    others = [node for node in holders.nodes.values() if node is not down]
    others[0].down = FAR
    await tokeniser.tokenise(phones(1, 100), Purpose.CHECK, 1)

    assert tried == 1
    assert len(down.asked) == 2


async def test_cancelling_a_call_cancels_its_batches(holders: HolderSet) -> None:
    started = asyncio.Event()

    async def never(_name, _request):
        started.set()
        await asyncio.Event().wait()

    tokeniser = holders.tokeniser()
    wired = tokeniser._holders
    tokeniser._holders = type(wired)(never, wired.ask_proof, wired.verify, wired.on_blame)
    task = asyncio.create_task(tokeniser.tokenise(phones(1), Purpose.CHECK, 1))
    await started.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_single_value_waits_behind_no_import(holders: HolderSet, monkeypatch) -> None:
    holders.allow(100_000)
    let_go, ask = asyncio.Event(), holders.ask

    async def slow_for_imports(client, name, request):
        if len(request.blinded) > SHORT_ITEMS * ELEMENT_BYTES:
            await let_go.wait()
        return await ask(client, name, request)

    monkeypatch.setattr(holders, "ask", slow_for_imports)
    tokeniser = holders.tokeniser()
    size = SHORT_ITEMS + 1
    imports = [
        asyncio.create_task(tokeniser.tokenise(phones(size, start), Purpose.NOMINATION, 64))
        for start in range(0, size * (BATCHES_IN_FLIGHT + 1), size)
    ]
    await asyncio.sleep(0)
    (single,) = await asyncio.wait_for(
        tokeniser.tokenise([domain("single.example")], Purpose.CHECK, 64), 60
    )

    assert len(single.token) == 16
    assert not any(task.done() for task in imports)

    let_go.set()

    assert [len(made) for made in await asyncio.gather(*imports)] == [size] * len(imports)
