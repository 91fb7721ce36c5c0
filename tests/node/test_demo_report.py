"""The report of the demonstration: failures are loud, lines are short, values are never shown."""

import re
from contextlib import nullcontext

import pytest

from node.demo.doors import Check
from node.demo.generator import generate_material
from node.demo.report import check_lines, document, lines
from node.demo.stage import Facts, Stage
from node.demo.story import ACTS, Act, Audience, Result, play_act
from node.errors import UnavailableError

ROLES = {"carrier-a": "carrier", "net-p": "internet", "partner-k": "partner"}
PASSED = Check("one", passed=True, detail="fine")
FAILED = Check("two", passed=False, detail="not fine")


@pytest.fixture(scope="module")
def material():
    return generate_material()


def result(material, *checks):
    facts = Facts(tokens=9_921, partner_asked=2_020, files=7, bytes_read=10**6, searched=11)
    facts.watched = {"net-p": ()}
    facts.hits = {"net-p": 1_000}
    facts.traffic = {"carrier-a": {"/tocsin.v1.LogService/Read": 12_345_678}, "net-p": {}}
    return Result(material, ROLES, facts, list(checks), {"total": 1.5})


def plain(found):
    return [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in found]


def test_one_failed_check_fails_the_whole(material):
    assert result(material, PASSED).passed
    assert not result(material, PASSED, FAILED).passed


def test_a_failed_check_is_named_at_the_end(material):
    last = plain(lines(result(material, PASSED, FAILED)))[-1]

    assert "2 checks, 1 failed: two" in last


def test_every_line_fits_into_a_hundred_columns(material):
    long = Check("a-long-name", passed=True, detail="word " * 60)
    shown = plain([*check_lines(long), *lines(result(material, long))])

    assert max(map(len, shown)) <= 100


def test_bytes_are_shown_by_message_type_and_member(material):
    shown = plain(lines(result(material, PASSED)))
    (row,) = (line.split() for line in shown if "LogService.Read" in line)

    assert row == ["LogService.Read", "12.3", "MB", "-"]


def test_raw_identifiers_found_are_counted_and_their_places_told(material):
    found = result(material, FAILED)
    found.facts.findings.append("phone in net-p/data/public.db at 77")
    shown = "\n".join(plain(lines(found)))

    assert "raw identifiers found: 1" in shown
    assert "phone in net-p/data/public.db at 77" in shown
    assert document(found)["raw_identifiers_found"] == 1


def test_a_search_that_did_not_happen_is_not_reported_as_clean(material):
    told = result(material, FAILED)
    told.facts.files = 0

    assert "raw identifiers found: not searched" in "\n".join(plain(lines(told)))
    assert document(told)["raw_identifiers_found"] is None


def test_the_document_has_the_fields_that_programs_read(material):
    told = document(result(material, PASSED, FAILED))

    assert told["checks"][1] == {"name": "two", "passed": False, "detail": "not fine"}
    assert [member["member"] for member in told["members"]] == list(ROLES)
    assert {"statements", "tokens", "catalogue_roots_equal", "timings"} <= set(told)


def test_an_act_that_a_node_refuses_ends_the_story_as_a_failed_check(material):
    def play(stage):
        yield PASSED
        raise UnavailableError("nobody answers", reason="NODE_NOT_RUNNING")

    told = result(material)
    stage = Stage(None, material, lambda label, length: nullcontext())
    shown = []
    audience = Audience(stage.progress, checked=shown.append)
    goes_on = play_act(Act("ask", "Somebody asks", play), stage, told, audience)

    assert not goes_on
    assert [check.passed for check in told.checks] == [True, False]
    assert "NODE_NOT_RUNNING" in told.checks[1].detail
    assert shown == [told.checks]


def test_acts_have_different_names():
    assert len({act.name for act in ACTS}) == len(ACTS)
