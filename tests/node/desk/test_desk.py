"""The fraud desk of real nodes, through its socket: what is taken, refused, repeated and opened."""

import asyncio
import time

import grpc
import pytest

from federation.statements import Nomination, Reassigned
from federation.statements.codec import decode_statement
from federation.vocabulary import (
    AlarmKind,
    Band,
    FraudType,
    OpinionBasis,
    OpinionValue,
    ProtectionGround,
    Purpose,
    RetractionReason,
    SightingKind,
)
from node.assembly import build_core
from node.desk.intake import MAX_ROWS
from node.desk.operation import _json
from node.errors import PolicyError, UnavailableError
from node.running.node import RunningNode
from tests.node.federation_world import BANK, CARRIER, COORDINATOR, NET, PARTNER, raw, refusal, row
from tocsin.desk.v1 import desk_service_pb2 as wire
from tocsin.desk.v1 import operation_service_pb2 as operation

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADDED, UNCHANGED, REFUSED = (
    wire.ROW_OUTCOME_ADDED,
    wire.ROW_OUTCOME_UNCHANGED,
    wire.ROW_OUTCOME_REFUSED,
)
TIME = 60.0


def outcomes(results):
    return [result.outcome for result in results]


async def test_bad_rows_are_refused_with_their_reason_and_the_good_ones_taken(world) -> None:
    results = await world[BANK].nominate(
        row("domain", "rows-good.example"),
        row("phone", "not a number"),
        row("nonsense", "secret-value"),
        row("domain", "rows-zero.example", confidence=0),
        row("domain", "rows-type.example", fraud_type=77),
        row("domain", "rows-late.example", expires_time={"seconds": 1}),
        row("domain", "rows-far.example", last_seen_time={"seconds": 2**60}),
        row("domain", "rows-past.example", expires_time={"seconds": int(time.time()) - 60}),
    )

    assert outcomes(results) == [ADDED] + [REFUSED] * 7
    assert len(results[0].statement_id) == 16
    for result in results[1:]:
        assert result.error.reason.isupper()
        assert "secret-value" not in result.error.message
        assert "not a number" not in result.error.message
        assert ".example" not in result.error.message


async def test_an_unknown_kind_is_answered_with_the_kinds(world) -> None:
    (result,) = await world[BANK].nominate(row("fone", "+9990000001"))

    assert result.error.reason == "INDICATOR_KIND_UNKNOWN"
    assert "The kinds are phone, " in result.error.message
    assert "fone" not in result.error.message


async def test_too_many_rows_and_no_rows(world) -> None:
    many = [row("domain", f"many-{each}.example") for each in range(MAX_ROWS + 1)]

    assert await refusal(world[BANK].nominate(*many)) == "BATCH_TOO_LARGE"
    assert await world[BANK].nominate() == []


async def test_the_same_nomination_again_says_nothing(world) -> None:
    rows = [row("domain", f"again-{each}.example") for each in range(3)]
    await world[BANK].nominate(*rows)
    size = world[BANK].size
    results = await world[BANK].nominate(*rows)

    assert outcomes(results) == [UNCHANGED] * 3
    assert world[BANK].size == size


async def test_the_last_of_equal_rows_counts_and_a_repeat_changes_nothing(world) -> None:
    rows = [row("domain", "twice.example", confidence=each) for each in (40, 80)]
    first = await world[BANK].nominate(*rows)
    size = world[BANK].size
    second = await world[BANK].nominate(*rows)

    assert outcomes(first) == [UNCHANGED, ADDED]
    assert first[0].statement_id == first[1].statement_id
    assert outcomes(second) == [UNCHANGED, UNCHANGED]
    assert world[BANK].size == size


async def test_another_confidence_term_or_text_replaces_the_nomination(world) -> None:
    name, later = "replaced.example", int(time.time()) + 86_400
    await world[BANK].nominate(row("domain", name))
    changes = [
        row("domain", name, confidence=30),
        row("domain", name, confidence=30, expires_time={"seconds": later}),
        row("domain", name, confidence=30, details="a text"),
        row("domain", name, confidence=30, details="another text"),
    ]
    for change in changes:
        assert outcomes(await world[BANK].nominate(change)) == [ADDED]
        assert outcomes(await world[BANK].nominate(change)) == [UNCHANGED]
    token = await world[BANK].token("domain", name)
    (verdict,) = world[BANK].log.verdicts.judge([token]).values()

    assert len(verdict.terms) == 1
    assert verdict.terms[0].confidence == pytest.approx(0.3)


async def test_another_fraud_type_is_another_nomination(world) -> None:
    first = await world[BANK].nominate(row("domain", "types.example"))
    second = await world[BANK].nominate(row("domain", "types.example", fraud_type=FraudType.LOAN))

    assert outcomes(second) == [ADDED]
    assert first[0].statement_id != second[0].statement_id


async def test_a_retraction_is_seen_everywhere_and_can_be_followed_by_a_nomination(world) -> None:
    value = ("domain", "regret.example")
    await world[BANK].nominate(row(*value))
    await world.until(lambda: _is(world, CARRIER, value, Band.HIGH))
    request = wire.RetractRequest(values=[raw(*value)], reason=RetractionReason.MISTAKEN)
    results = (await world[BANK].desk.Retract(request, timeout=TIME)).results
    await world.until(lambda: _is(world, CARRIER, value, Band.NONE))
    again = (await world[BANK].desk.Retract(request, timeout=TIME)).results

    assert outcomes(results) == [ADDED]
    assert again[0].error.reason == "NOTHING_TO_RETRACT"
    assert outcomes(await world[BANK].nominate(row(*value))) == [ADDED]
    await world.until(lambda: _is(world, CARRIER, value, Band.HIGH))


async def _is(world, member, value, band):
    found = await world[member].band(*value)
    return found == band or (band is Band.HIGH and found > Band.MEDIUM)


async def test_nobody_can_retract_what_another_has_said(world) -> None:
    await world[BANK].nominate(row("domain", "theirs.example"))
    await world.settle()
    request = wire.RetractRequest(
        values=[raw("domain", "theirs.example")], reason=RetractionReason.MISTAKEN
    )
    results = (await world[CARRIER].desk.Retract(request, timeout=TIME)).results

    assert results[0].error.reason == "NOTHING_TO_RETRACT"


async def test_a_locally_protected_value_is_not_nominated_here(world) -> None:
    request = wire.ProtectRequest(values=[raw("phone", "+86 10 1234 5678")], local_only=True)
    await world[BANK].desk.Protect(request, timeout=TIME)
    size = world[BANK].size
    here = await world[BANK].nominate(row("phone", "+861012345678"))
    elsewhere = await world[NET].nominate(row("phone", "+861012345678"))

    assert here[0].error.reason == "PROTECTED_OBJECT"
    assert world[BANK].size == size
    assert outcomes(elsewhere) == [ADDED]


async def test_what_the_coordinator_protects_is_none_everywhere(world) -> None:
    value = ("domain", "hospital.example")
    await world[BANK].nominate(row(*value))
    request = wire.ProtectRequest(values=[raw(*value)], ground=ProtectionGround.HOTLINE)
    results = (await world[COORDINATOR].desk.Protect(request, timeout=TIME)).results
    await world.until(lambda: _is(world, NET, value, Band.NONE))
    await world.settle()

    assert outcomes(results) == [ADDED]
    assert (await world[NET].nominate(row(*value)))[0].error.reason == "PROTECTED_OBJECT"
    assert (await world[BANK].nominate(row(*value)))[0].error.reason == "PROTECTED_OBJECT"


async def test_a_carrier_alone_says_that_a_number_has_a_new_owner(world) -> None:
    value = ("phone", "+8613911110001")
    await world[BANK].nominate(row(*value))
    await world.until(lambda: _is(world, CARRIER, value, Band.HIGH))
    request = wire.ReassignRequest(values=[raw(*value)])
    size = world[BANK].size

    assert await refusal(world[BANK].desk.Reassign(request, timeout=TIME)) == "ROLE_NOT_ALLOWED"
    assert world[BANK].size == size
    await asyncio.sleep(1.1)  # times are whole seconds: what was seen in this one still counts
    (done,) = (await world[CARRIER].desk.Reassign(request, timeout=TIME)).results
    assert done.outcome == ADDED
    await world.until(lambda: _is(world, NET, value, Band.NONE))


async def test_the_refusal_of_a_role_names_the_roles_that_may(world) -> None:
    body = Reassigned(token=b"\xab\xcd" * 8, kind=1, epoch=1, effective_time=int(time.time()))
    speaker = world[BANK].log.speaker
    with pytest.raises(PolicyError) as caught:
        await speaker.say([speaker.statement(body)])

    assert caught.value.reason == "ROLE_NOT_ALLOWED"
    assert caught.value.hint == "roles that may: carrier"


async def test_a_coordinator_nominates_nothing(world) -> None:
    size = world[COORDINATOR].size

    assert await refusal(world[COORDINATOR].nominate(row("domain", "c.example"))) == (
        "ROLE_NOT_ALLOWED"
    )
    assert world[COORDINATOR].size == size


async def test_what_a_member_may_not_say_is_kept_counts_nothing_and_raises_one_alarm(
    world,
) -> None:
    value = ("domain", "usurped.example")
    token = await world[BANK].token(*value)
    await world[NET].nominate(row(*value))
    speaker = world[BANK].log.speaker
    for _ in range(2):
        # A member that changed its program writes whatever it likes.
        statement = speaker.statement(
            Reassigned(token=token, kind=2, epoch=1, effective_time=int(time.time()))
        )
        speaker._append([statement])
        await world.settle()

    def alarms(name):
        rows = world[name].log.catalogue.alarms(100)
        found = [decode_statement(one.body).body for one in rows if one.member == name]
        return [
            alarm.reason
            for alarm in found
            if alarm.alarm_kind is AlarmKind.STATEMENT_REFUSED and alarm.member == BANK
        ]

    await world.until(lambda: alarms(NET) and alarms(CARRIER))
    assert alarms(NET) == alarms(CARRIER) == ["REASSIGNED_NOT_ALLOWED"]
    assert await world[NET].band(*value) > Band.NONE


async def test_details_open_only_for_who_names_the_value(world) -> None:
    text = "caller claims to be the bank\x1b[2J"
    await world[BANK].nominate(row("domain", "sealed.example", details=text))
    await world.settle()
    request = wire.ExplainRequest(value=raw("domain", "sealed.example"))
    explained = await world[CARRIER].desk.Explain(request, timeout=TIME)
    raw_store = b"".join(
        path.read_bytes() for path in (world[CARRIER].home.root / "data").glob("public.db*")
    )

    assert [(one.member, one.text) for one in explained.details] == [
        (BANK, "caller claims to be the bank[2J")
    ]
    assert b"claims to be" not in raw_store
    assert [term.member for term in explained.explanation.terms] == [BANK]


async def test_details_of_another_value_do_not_open(world) -> None:
    await world[BANK].nominate(row("domain", "closed.example", details="inside"))
    await world.settle()
    request = wire.ExplainRequest(value=raw("domain", "other.example"))
    explained = await world[CARRIER].desk.Explain(request, timeout=TIME)

    assert not explained.details
    assert not explained.explanation.terms


async def test_details_that_are_too_long_refuse_their_row(world) -> None:
    long = row("domain", "long.example", details="x" * 16_385)
    results = await world[BANK].nominate(long, row("domain", "short.example"))

    assert outcomes(results) == [REFUSED, ADDED]


@pytest.mark.parametrize("purpose", [0, Purpose.NOMINATION, Purpose.OPERATION, 77])
async def test_a_check_without_a_purpose_that_fits_is_refused(world, purpose) -> None:
    for member in (BANK, PARTNER):
        call = world[member].check(raw("domain", "purpose.example"), purpose=purpose)

        assert await refusal(call) == "PURPOSE_NOT_ALLOWED"


async def test_a_check_answers_in_the_order_asked(world) -> None:
    await world[BANK].nominate(row("domain", "order.example"))
    results = await world[BANK].check(
        raw("domain", "clean.example"),
        raw("domain", "???"),
        raw("domain", "ORDER.example."),
        raw("domain", "clean.example"),
    )

    assert [result.band for result in results[::2]] == [Band.NONE, results[2].band]
    assert results[2].band > Band.MEDIUM
    assert results[1].error.reason.startswith("INDICATOR_")
    assert results[3].band == Band.NONE


async def test_a_sighting_and_an_opinion_need_known_words(world) -> None:
    values = [raw("domain", "order.example")]
    sight = world[BANK].desk.Sight(wire.SightRequest(values=values, sighting_kind=0), timeout=TIME)
    opine = world[BANK].desk.Opine(
        wire.OpineRequest(values=values, value=OpinionValue.AGREE, basis=77, confidence=5),
        timeout=TIME,
    )
    confidence = world[BANK].desk.Opine(
        wire.OpineRequest(
            values=values,
            value=OpinionValue.AGREE,
            basis=next(each for each in OpinionBasis if each),
            confidence=101,
        ),
        timeout=TIME,
    )

    assert await refusal(sight) == "ENUM_UNKNOWN"
    assert await refusal(opine) == "ENUM_UNKNOWN"
    assert (await refusal(confidence)).isupper()


async def test_a_false_positive_weakens_a_verdict(world) -> None:
    value = ("domain", "doubted.example")
    await world[NET].nominate(row(*value, confidence=60))
    before = (await world[NET].check(raw(*value)))[0]
    for member in (BANK, CARRIER):
        request = wire.SightRequest(
            values=[raw(*value)], sighting_kind=SightingKind.FALSE_POSITIVE, count=1
        )
        await world[member].desk.Sight(request, timeout=TIME)
    await world.settle()
    after = (await world[NET].check(raw(*value)))[0]

    assert after.band < before.band


async def test_watched_customers_become_hits_whoever_speaks_and_whenever(world) -> None:
    bank = world[BANK]
    before, after, own = (f"hit-{each}.example" for each in ("before", "after", "own"))
    await world[NET].nominate(row("domain", before))
    await world.settle()
    rows = [
        wire.WatchRow(indicator=raw("domain", name), reference=f"customer {name}")
        for name in (before, after, own)
    ]
    added = (await bank.desk.AddWatch(wire.AddWatchRequest(rows=rows), timeout=TIME)).results
    again = (await bank.desk.AddWatch(wire.AddWatchRequest(rows=rows), timeout=TIME)).results
    await world[NET].nominate(row("domain", after))
    await bank.nominate(row("domain", own))

    async def references():
        found = await bank.desk.ListHits(wire.ListHitsRequest(), timeout=TIME)
        return {hit.reference for hit in found.hits}

    expected = {f"customer {name}" for name in (before, after, own)}

    async def all_there():
        return expected <= await references()

    await world.until(all_there)
    assert outcomes(added) == [ADDED] * 3
    assert outcomes(again) == [UNCHANGED] * 3

    request = wire.RetractRequest(values=[raw("domain", after)], reason=RetractionReason.MISTAKEN)
    await world[NET].desk.Retract(request, timeout=TIME)

    async def gone():
        return f"customer {after}" not in await references()

    await world.until(gone)
    await world[NET].nominate(row("domain", after))
    await world.until(all_there)


async def test_who_leaves_the_watchlist_is_no_hit_and_a_full_match_changes_nothing(world) -> None:
    bank = world[BANK]
    rows = [
        wire.WatchRow(indicator=raw("domain", f"leaves-{each}.example"), reference=f"leaves {each}")
        for each in range(3)
    ]
    await bank.nominate(*(row("domain", f"leaves-{each}.example") for each in range(2)))
    await bank.desk.AddWatch(wire.AddWatchRequest(rows=rows), timeout=TIME)

    async def references():
        found = await bank.desk.ListHits(wire.ListHitsRequest(), timeout=TIME)
        return {hit.reference for hit in found.hits if hit.reference.startswith("leaves")}

    assert await references() == {"leaves 0", "leaves 1"}
    rows[1].reference = ""
    gone = [*rows[1:], wire.WatchRow(indicator=raw("domain", "never-watched.example"))]
    removed = (
        await bank.desk.RemoveWatch(wire.RemoveWatchRequest(rows=gone), timeout=TIME)
    ).results
    matched = await bank.desk.MatchWatch(wire.MatchWatchRequest(), timeout=TIME)
    wrong = wire.MatchWatchRequest(page_token="abc")

    assert outcomes(removed) == [ADDED, ADDED, REFUSED]
    assert removed[2].error.reason == "NOT_WATCHED"
    assert await references() == {"leaves 0"}
    assert matched.next_page_token == ""
    assert matched.checked_count == matched.total_size
    assert await refusal(bank.desk.MatchWatch(wrong, timeout=TIME)) == "PAGE_TOKEN_INVALID"


async def test_a_watch_row_needs_a_reference(world) -> None:
    rows = [
        wire.WatchRow(indicator=raw("domain", "unreferenced.example")),
        wire.WatchRow(indicator=raw("domain", "unreferenced.example"), reference="x" * 257),
        wire.WatchRow(indicator=raw("domain", "?"), reference="fine"),
    ]
    results = (
        await world[NET].desk.AddWatch(wire.AddWatchRequest(rows=rows), timeout=TIME)
    ).results

    assert [result.error.reason for result in results[:2]] == ["REFERENCE_INVALID"] * 2
    assert results[2].error.reason.startswith("INDICATOR_")


async def test_the_watchlist_is_paged_and_foreign_cursors_are_refused(world) -> None:
    desk = world[CARRIER].desk
    rows = [
        wire.WatchRow(indicator=raw("domain", f"page-{each}.example"), reference=f"line {each}")
        for each in range(5)
    ]
    await desk.AddWatch(wire.AddWatchRequest(rows=rows), timeout=TIME)
    found, token = [], ""
    while True:
        request = wire.ListWatchRequest(page_size=2, page_token=token)
        page = await desk.ListWatch(request, timeout=TIME)
        found += [entry.reference for entry in page.entries]
        token = page.next_page_token
        if not token:
            break

    assert sorted(found) == [f"line {each}" for each in range(5)]
    assert page.total_size == 5
    for wrong in ("x", "1.2.3.4", "🙂"):
        call = desk.ListWatch(wire.ListWatchRequest(page_token=wrong), timeout=TIME)
        assert await refusal(call) == "PAGE_TOKEN_INVALID"
    call = desk.ListHits(wire.ListHitsRequest(page_size=-1), timeout=TIME)
    assert await refusal(call) == "PAGE_SIZE_INVALID"


async def test_a_partner_can_only_check_and_sees_no_sources(world) -> None:
    await world[BANK].nominate(row("domain", "parcel.example"), row("domain", "other2.example"))
    await world.settle()
    partner = world[PARTNER]
    known, unknown = await partner.check(
        raw("domain", "parcel.example"), raw("domain", "nobody-knows.example")
    )

    assert known.band > Band.MEDIUM
    assert "REPORTED" in known.display_codes
    assert known.sources == 0
    assert unknown.band == Band.NONE
    assert await refusal(partner.nominate(row("domain", "x.example"))) == "ROLE_NOT_ALLOWED"
    explain = wire.ExplainRequest(value=raw("domain", "parcel.example"))
    assert await refusal(partner.desk.Explain(explain, timeout=TIME)) == "ROLE_NOT_ALLOWED"


async def test_own_values_are_answered_while_no_holder_can_be_reached(world) -> None:
    bank = world[BANK]
    await bank.nominate(row("domain", "own-value.example"))
    tokeniser = bank.node.parts.tokeniser
    tokeniser._cache.clear()
    wired = tokeniser._holders

    async def gone(_name, _request):
        raise UnavailableError("gone")

    tokeniser._holders = type(wired)(gone, wired.ask_proof, wired.verify, wired.on_blame)
    try:
        assert await bank.band("domain", "own-value.example") > Band.MEDIUM
        assert await refusal(bank.band("domain", "never-seen.example")) == "HOLDERS_UNAVAILABLE"
    finally:
        tokeniser._holders = wired
        tokeniser._failed_at.clear()


async def test_the_operator_sees_entries_that_are_no_statements(world) -> None:
    service = world[BANK].operation
    listed = await service.ListStatements(
        operation.ListStatementsRequest(page_token="99999999999999999999"), timeout=TIME
    )

    assert len(listed.statements) == min(50, world[BANK].size)
    assert _json(b"\xff\xff") == '{"invalid": true}'
    assert _json(None) == '{"compacted": true}'
    call = service.ListStatements(operation.ListStatementsRequest(page_token="-1"), timeout=TIME)
    assert await refusal(call) == "PAGE_TOKEN_INVALID"


async def test_only_a_holder_grants_and_only_with_the_threshold_does_it_count(world) -> None:
    request = operation.GrantQuotaRequest(
        grant_id=b"\xa7" * 16, member=COORDINATOR, kind_class=1, amount=300
    )
    assert await refusal(world[COORDINATOR].operation.GrantQuota(request, timeout=TIME)) == (
        "NOT_A_HOLDER"
    )
    granted = world[CARRIER].log.metering._granted
    kind_class = next(iter(world[CARRIER].core.key_ring.current.keys))
    await world[CARRIER].operation.GrantQuota(request, timeout=TIME)
    await world.settle()
    assert granted(COORDINATOR, kind_class) == 0
    await world[CARRIER].operation.GrantQuota(request, timeout=TIME)
    assert granted(COORDINATOR, kind_class) == 0
    await world[BANK].operation.GrantQuota(request, timeout=TIME)
    await world.settle()
    assert granted(COORDINATOR, kind_class) == 200


async def test_a_second_node_on_the_home_gets_no_further_and_harms_nothing(world, tmp_path) -> None:
    member = world[NET]
    second = RunningNode(build_core(member.home, member.core.config, member.core.keys))
    assert await refusal(second.serve()) == "NODE_RUNNING"
    await second.stop()

    assert member.home.process_id.exists()
    assert (await member.check(raw("domain", "still.example")))[0].band == Band.NONE


async def test_the_door_says_nothing_of_values_when_it_fails(world) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world[BANK].desk.Explain(
            wire.ExplainRequest(value=raw("phone", "secret-12")), timeout=TIME
        )

    assert "secret" not in (caught.value.details() or "")
    assert Nomination.__name__ not in (caught.value.details() or "")
