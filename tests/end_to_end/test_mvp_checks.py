"""The 24 checks of the whole, one test each, numbered as in the domain reference, on real nodes.

Three carriers, two banks, two internet firms, the coordinator, who is the regulator, too, a query
partner and the police live through them in order. What a check does step by step stands in the
modules ``*_steps``; ``tests/contract/test_check_numbers.py`` holds that none of the 24 is missing.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from federation.names import MemberId
from federation.roles import Role
from federation.vocabulary import Purpose
from node.peer_error import PeerCallError
from tests.contract.test_outside_fields import ALLOWED, FILES, violations
from tests.end_to_end import (
    clue_steps,
    duty_steps,
    farm_steps,
    match_steps,
    order_steps,
    report_steps,
    sheet_steps,
    token_steps,
    training_steps,
    verification_steps,
    warning_steps,
)
from tests.end_to_end.callers import ask, calling, expired_leaf, refusal
from tests.end_to_end.cast import (
    BANKS,
    CAST,
    COORDINATOR,
    HOLDERS,
    INDUSTRY,
    LOGS,
    PARTNER,
    REVOKED,
    WAIT_SECONDS,
)
from tests.end_to_end.members import (
    Federation,
    error_lines,
    eventually,
    running_federation,
    write_lines,
)
from tests.end_to_end.token_steps import everywhere, known
from tests.end_to_end.training_steps import POLICY, SHARED, TRAINERS, outcomes, plan, train
from tocsin.v1 import lookup_service_pb2 as wire
from tocsin.v1.lookup_service_pb2_grpc import LookupServiceStub

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    root = tmp_path_factory.mktemp("mvp") / "f"
    settings = {
        member: f"capture = '{root / member / 'capture.bin'}'\n"
        for member in (match_steps.CARRIER, match_steps.OTHER, match_steps.FIRM)
    }
    for member, line in order_steps.AUTOMATIC_SETTINGS.items():
        settings[member] = settings.get(member, "") + line
    regulator = {COORDINATOR: {Role.REGULATOR}}
    members = (*CAST, REVOKED)
    with running_federation(root, members, beside=regulator, settings=settings) as found:
        yield found


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evidence") / "report.txt"


@pytest.fixture(scope="module", autouse=True)
def neglected_duty(federation: Federation, evidence: Path) -> str:
    """Give a duty that one member neglects: it falls due while the first checks run."""
    return duty_steps.neglect_a_duty(federation, COORDINATOR, evidence)


async def test_01_nine_nodes_start_and_bad_certificates_are_refused(
    federation: Federation, tmp_path: Path
) -> None:
    for member in CAST:
        eventually(partial(federation.sees_all, member), WAIT_SECONDS)

    async with calling(federation, BANKS[1]) as peers:
        assert (await ask(peers, "carrier-a")).member == "carrier-a"

    expired = expired_leaf(federation, BANKS[1])

    assert await refusal(federation, BANKS[1], "carrier-a", expired) == "CERTIFICATE_EXPIRED"

    note = tmp_path / "revoked.note"
    federation.do("carrier-a", "charter", "revoke", str(note), REVOKED)
    federation.adopt(note, (*INDUSTRY[:5], COORDINATOR), INDUSTRY[:1])
    for member in CAST:
        eventually(
            lambda member=member: federation.status(member)["charter_version"] == 2, WAIT_SECONDS
        )

    assert await refusal(federation, REVOKED, "carrier-a") == "MEMBER_REVOKED"

    federation.sandbox.stop(REVOKED)


def test_02_two_holders_are_needed_to_make_a_token(federation: Federation) -> None:
    federation.sandbox.kill(HOLDERS[0])

    assert federation.band("net-q", "domain", "two-of-three.example") == "NONE"

    federation.sandbox.kill(HOLDERS[1])
    refused = federation.run("net-q", "check", "domain", "one-of-three.example")
    for member in HOLDERS[:2]:
        federation.sandbox.start(member)

    assert refused.code == 1
    assert error_lines(refused)[0].endswith("[HOLDERS_UNAVAILABLE]")
    eventually(
        lambda: federation.run("net-q", "check", "domain", "three-again.example").code == 0,
        WAIT_SECONDS,
    )
    for member in INDUSTRY:
        eventually(partial(federation.sees_all, member), WAIT_SECONDS)


def test_03_every_spelling_gives_the_same_token_on_every_node(
    federation: Federation, tmp_path: Path
) -> None:
    token_steps.spell_everything(federation, tmp_path)


def test_04_hashes_of_a_block_are_reversed_and_tokens_are_not(
    federation: Federation, tmp_path: Path
) -> None:
    token_steps.reverse_hashes_and_no_tokens(federation, tmp_path)


def test_05_what_is_published_gives_one_catalogue_root(federation: Federation) -> None:
    federation.nominate("bank-y", "domain", "published.example")
    everywhere(federation, "domain", "published.example")
    as_of = int(time.time()) + 60

    def roots() -> int:
        return len(federation.roots(LOGS, as_of))

    eventually(lambda: roots() == 1, WAIT_SECONDS)


def test_06_verification_round_with_quorum_benign_conflict_and_no_record(
    federation: Federation,
) -> None:
    verification_steps.run_rounds(federation)


def test_07_orders_reach_those_that_can_act_and_nothing_protected(federation: Federation) -> None:
    order_steps.act_on_orders(federation)
    order_steps.refuse_what_is_protected(federation)
    order_steps.act_once_after_absence(federation)


def test_08_a_lift_frees_a_person_everywhere_and_no_contact_is_scored(
    federation: Federation,
) -> None:
    order_steps.lift_everywhere(federation)
    order_steps.keep_the_contact_apart(federation)


def test_09_a_reassigned_number_starts_clean(federation: Federation) -> None:
    number = "+999130000003"
    federation.nominate("net-p", "phone", number)
    federation.nominate("bank-y", "phone", number)
    everywhere(federation, "phone", number)
    federation.do("carrier-b", "reassign", "phone", number)
    everywhere(federation, "phone", number, is_known=False)
    shown = federation.check("bank-y", "phone", number)

    assert shown["band"] == "NONE"
    assert "REASSIGNED" in shown["display_codes"]


def test_10_sim_farm_over_threshold_alerts_once_and_the_decoy_does_not(
    federation: Federation, tmp_path: Path
) -> None:
    hour = farm_steps.last_hour()
    farm_steps.find_the_farm(federation, hour, tmp_path)
    farm_steps.count_nobody(federation)


def test_11_psi_finds_37_of_37_and_shows_the_carrier_the_count_alone(
    federation: Federation, tmp_path: Path
) -> None:
    registered = match_steps.write_registered(tmp_path)
    match_steps.find_37_of_37(federation, registered, tmp_path)
    match_steps.keep_numbers_apart(federation)
    match_steps.tell_no_small_count(federation, tmp_path)
    match_steps.match_nothing_unoffered(federation, tmp_path)


def test_12_a_warning_is_sealed_to_the_home_carrier_linted_and_ends_with_a_code(
    federation: Federation,
) -> None:
    warning_steps.watch_victims(federation)
    warning_steps.warn_a_victim(federation)


def test_13_a_partner_that_enumerates_is_stopped_and_alone(
    federation: Federation, tmp_path: Path
) -> None:
    number = "+999140000007"
    for member in ("carrier-a", "bank-y"):
        federation.nominate(member, "phone", number)
    eventually(lambda: known(federation, PARTNER, "phone", number), WAIT_SECONDS)
    found = federation.check(PARTNER, "phone", number)

    assert found["band"] in ("HIGH", "VERY_HIGH")
    assert "SEVERAL_MEMBERS" in found["display_codes"]

    walked = write_lines(tmp_path / "walk.txt", [f"+99914{one:07}" for one in range(7_000)])
    walk = federation.run(PARTNER, "check", "--file", str(walked), "--kind", "phone", "--json")

    assert walk.code == 1
    assert error_lines(walk)[0].endswith("[QUOTA_EXCEEDED]")

    def alarms(member: str) -> list[dict[str, Any]]:
        raised = [one["alarm"] for one in federation.status(member)["alarms"]]
        return [
            one
            for one in raised
            if one["alarm_kind"] == "QUOTA_EXCEEDED" and one["member"] == PARTNER
        ]

    eventually(lambda: alarms(COORDINATOR), WAIT_SECONDS)

    assert known(federation, "bank-y", "phone", number)  # another's quota is its own


def test_14_a_report_closes_with_feedback_alone_and_500_false_ones_confirm_nothing(
    federation: Federation, tmp_path: Path
) -> None:
    report_steps.close_with_feedback_alone(federation, tmp_path)
    report_steps.disbelieve_a_crowd(federation, tmp_path)
    report_steps.believe_who_was_right(federation)


def test_15_a_number_is_marked_above_k_and_corrected_everywhere(
    federation: Federation, tmp_path: Path
) -> None:
    report_steps.mark_and_correct(federation, tmp_path)


def test_16_a_clue_goes_to_the_police_who_alone_designate_and_its_outcome_is_a_label(
    federation: Federation, tmp_path: Path
) -> None:
    clue_steps.hand_a_clue_over(federation, tmp_path)
    clue_steps.designate_and_forge(federation)


@pytest.fixture(scope="module")
def schema_file(federation: Federation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the schema of the rows that the trainers hold from here on."""
    pytest.importorskip("flwr", reason="the extra 'train' is not installed")
    return training_steps.give_rows(federation, tmp_path_factory.mktemp("plans"))


@pytest.fixture(scope="module")
def trained(federation: Federation, schema_file: Path) -> str:
    """Give a plan whose run lost a member on the way."""
    return training_steps.train_and_lose_one(federation, schema_file)


def test_17_carriers_train_together_and_gain_whoever_drops_out_or_cheats(
    federation: Federation, trained: str, schema_file: Path
) -> None:
    found = train(federation, "show", trained)
    values = {
        (one["metric"], one["candidate"]): one["millionths"]
        for one in found["evaluation"]["metrics"]
    }

    assert values["ROC_AUC", "FEDERATED"] >= values["ROC_AUC", "LOCAL"]
    assert found["status"]["round"] == 24
    assert "LATE" in {one[0] for one in outcomes(federation, trained, TRAINERS[2])}
    assert {one[0] for one in outcomes(federation, trained, TRAINERS[0])} == {"OK"}

    from tests.end_to_end.test_training_secret import poisoned

    cheat = TRAINERS[1]
    with poisoned(federation, cheat):
        digest = plan(federation, schema_file.parent, rounds=2, seed=2, steps=10)
        federation.run(COORDINATOR, "train", "run", digest, "--schema", str(schema_file))

    assert set(outcomes(federation, digest, cheat)) == {("REJECTED", "UPDATE_NORM")}


@pytest.fixture(scope="module")
def released(federation: Federation, trained: str, schema_file: Path) -> str:
    """Release the first model, whose files then come to every member."""
    training_steps.release(federation, schema_file.parent, trained)
    for member in TRAINERS:
        path = federation.home(member).models / trained / "model"
        eventually(path.exists, WAIT_SECONDS)
    return trained


def test_18_what_several_sectors_know_beats_the_best_single_one(
    federation: Federation, released: str
) -> None:
    from federation.training.fusion import MOST_LEVEL

    for member in TRAINERS:
        training_steps.rename_worst(federation, member, released)
        federation.nominate(member, "phone", SHARED)
    everywhere(federation, "phone", SHARED)
    fuse = ("train", "fuse", "phone", SHARED, "--seconds", "60", "--json")
    found = federation.do("bank-x", *fuse).document
    for member in TRAINERS:  # labels are those in the table again
        federation.home(member).training.write_text(POLICY, encoding="utf-8")

    assert (found["contributors"], found["is_fused"]) == (len(TRAINERS), True)
    assert found["level_sum"] > MOST_LEVEL  # the most that any one of them can say


def test_19_no_model_is_released_without_its_papers_and_an_older_one_comes_back(
    federation: Federation, released: str, schema_file: Path, tmp_path: Path
) -> None:
    second = plan(federation, schema_file.parent, rounds=2, seed=3, steps=10)
    federation.do(COORDINATOR, "train", "run", second, "--schema", str(schema_file))
    training_steps.release(federation, tmp_path, second)

    assert train(federation, "show", second)["status"]["in_force"]

    federation.do(COORDINATOR, "train", "rollback", released)
    states = [train(federation, "show", one)["status"]["state"] for one in (released, second)]

    assert states == ["RELEASED", "RETIRED"]
    eventually(
        lambda: federation.do(TRAINERS[3], "train", "show", released, "--json").document["status"][
            "in_force"
        ],
        WAIT_SECONDS,
    )


def test_20_logs_prove_themselves_and_an_edited_history_is_found(federation: Federation) -> None:
    home = federation.home("bank-y")
    federation.nominate("bank-y", "domain", "will-be-edited.example")

    assert federation.do("bank-y", "log", "verify", "--json").rows

    proof = federation.do("bank-y", "log", "prove", "0", "--json").document

    assert proof

    (path,) = home.data.glob("public.db")
    with sqlite3.connect(path) as database:
        row = "SELECT log, position, body FROM entry WHERE body IS NOT NULL LIMIT 1"
        log, position, body = database.execute(row).fetchone()
    where = "UPDATE entry SET body = ? WHERE log = ? AND position = ?"
    with sqlite3.connect(path) as database:
        database.execute(where, (body[:-1] + bytes([body[-1] ^ 1]), log, position))
    found = federation.run("bank-y", "log", "verify", "--json")
    with sqlite3.connect(path) as database:
        database.execute(where, (body, log, position))

    unsound = [one["origin"] for one in found.rows if one["done"] and not one["sound"]]

    assert found.code == 1
    assert unsound
    assert federation.do("bank-y", "log", "verify", "--json").rows


def test_21_the_sheet_equals_planted_truth_and_suppresses_cells_of_fewer_than_three(
    federation: Federation, tmp_path: Path
) -> None:
    page = tmp_path / "sheet.html"
    sheet_steps.feed_planted(federation, tmp_path)
    sheet = sheet_steps.make_sheet(federation, "--html", str(page), "--json").document
    sheet_steps.compare_with_planted(sheet)
    sheet_steps.show_effect_first(sheet, page)
    sheet_steps.add_up_nobody_alone(federation, sheet)
    sheet_steps.write_it_again(federation, sheet)
    sheet_steps.refuse_bad_figures(federation, tmp_path)


def test_22_responsibility_list_adoption_and_overdue_item(
    federation: Federation, neglected_duty: str, evidence: Path
) -> None:
    duty_steps.find_the_overdue(federation, COORDINATOR, neglected_duty, evidence)


async def test_23_no_field_holds_what_is_never_shared_and_no_purpose_gets_no_answer(
    federation: Federation,
) -> None:
    assert violations(FILES, ALLOWED) == []

    clue_steps.refuse_secrets(federation)

    async def look_up(purpose: int) -> list[Any]:
        request = wire.LookupRequest(tokens=[secrets.token_bytes(16)], purpose=purpose)
        async with calling(federation, "bank-y") as peers:
            service = MemberId("carrier-a")
            answer = await peers.call(
                service, lambda channel: LookupServiceStub(channel).Lookup, request, 20.0
            )
        return list(answer.verdicts)

    assert len(await look_up(Purpose.CHECK)) == 1

    with pytest.raises(PeerCallError) as missing:
        await look_up(0)
    with pytest.raises(PeerCallError) as other:
        await look_up(Purpose.TRAINING)

    assert missing.value.reason == "PURPOSE_MISSING"
    assert other.value.reason == "PURPOSE_NOT_ALLOWED"


def test_24_without_the_coordinator_the_members_go_on(federation: Federation) -> None:
    number = "+999150000001"
    federation.sandbox.kill(COORDINATOR)
    try:
        federation.nominate("net-q", "phone", number)
        everywhere(federation, "phone", number)
        federation.do("bank-y", "watch", "add", "phone", number, "--reference", "r-1")

        assert federation.do("bank-y", "hits", "--json").rows

        federation.do("net-q", "retract", "phone", number)
        everywhere(federation, "phone", number, is_known=False)
        order_steps.dispose_and_appeal_locally(federation)
        warning_steps.warn_again(federation)
    finally:
        federation.sandbox.start(COORDINATOR)
    eventually(partial(federation.sees_all, COORDINATOR), WAIT_SECONDS)
