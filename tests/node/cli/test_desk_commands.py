"""Commands against a desk on a real socket: what they ask, what they write, how they end."""

import gzip
import json

import grpc
import pytest

from node.cli.batch import CHECK_ROWS
from node.cli.connection import LONG_CALL_SECONDS
from node.cli.import_report import Tally
from node.home import Home
from tests.node.cli.desk import open_desk
from tocsin.desk.v1 import desk_service_pb2 as desk
from tocsin.desk.v1 import operation_service_pb2 as operation
from tocsin.v1 import statement_pb2, vocabulary_pb2


@pytest.fixture
def seen(home):
    with open_desk(home) as seen:
        yield seen


@pytest.fixture
def run(tocsin, home, seen):
    return lambda *words: tocsin("--home", home.root, *words)


@pytest.fixture
def write(tmp_path):
    def write(text, name="values.csv"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    return write


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


def test_one_value_is_checked(run, seen):
    known = run("check", "domain", "fraud.example", "--json")
    table = run("check", "phone", "13000000000", "--region", "CN", "--purpose", "watch")

    assert known.code == table.code == 0
    assert objects(known.out) == [
        {
            "line": None,
            "kind": "domain",
            "value": "fraud.example",
            "band": "HIGH",
            "display_codes": ["OVERSEAS"],
            "sources": 1,
            "expires_time": "2026-11-23T04:00:00Z",
            "error": None,
        }
    ]
    assert table.out.splitlines()[1].split() == ["phone", "NONE", "0", "-", "-", "13000000000"]
    assert seen.requests[1].values[0].region == "CN"
    assert seen.requests[1].purpose == vocabulary_pb2.PURPOSE_WATCH


def test_a_file_is_checked_in_order_with_bad_rows_in_place(run, write):
    path = write("kind,value\ndomain,fraud.example\ndomain,bad\ndomain,too,many\nip,192.0.2.1\n")
    ended = run("check", "--file", path, "--json")
    strict = run("check", "--file", path, "--strict")
    rows = objects(ended.out)

    assert ended.code == 0
    assert strict.code == 1
    assert [row["line"] for row in rows] == [2, 3, 4, 5]
    assert [row["band"] for row in rows] == ["HIGH", None, None, "NONE"]
    assert [row["error"] and row["error"]["reason"] for row in rows] == [
        None,
        "INDICATOR_INVALID",
        "ROW_WIDTH",
        None,
    ]
    assert ended.err.splitlines()[:2] == [
        "line 3: INDICATOR_INVALID no indicator of its kind",
        "line 4: ROW_WIDTH the row has 3 fields and the header 2",
    ]


def test_one_value_that_is_none_is_an_error_of_its_own(run):
    text = run("check", "domain", "bad")
    as_json = run("check", "domain", "bad", "--json")

    assert text.code == as_json.code == 1
    assert text.err == "tocsin: error: no indicator of its kind [INDICATOR_INVALID]\n"
    assert objects(as_json.out)[0]["error"]["reason"] == "INDICATOR_INVALID"


def test_a_long_file_is_sent_in_batches_and_answered_in_order(run, seen, write):
    path = write("".join(f"{place}.example\n" for place in range(5_000)), "domains.txt.gz")
    rows = objects(run("check", "--file", path, "--kind", "domain", "--json").out)

    assert [row["value"] for row in rows] == [f"{place}.example" for place in range(5_000)]
    sizes = sorted(len(call.values) for call in seen.of(desk.CheckRequest))
    assert sizes == [5_000 % CHECK_ROWS, *[CHECK_ROWS] * (5_000 // CHECK_ROWS)]


def test_a_quota_that_ends_midway_keeps_what_was_answered(run, seen, write):
    path = write("value\n" + "a.example\n" * 3_000)
    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    seen.fail("Check", code, "QUOTA_EXCEEDED", "The quota is used up.", after=3, hint="wait")
    ended = run("check", "--file", path, "--kind", "domain", "--json")

    assert ended.code == 1
    assert len(objects(ended.out)) == 3 * CHECK_ROWS
    assert ended.err.splitlines() == [
        "tocsin: error: The quota is used up [QUOTA_EXCEEDED]",
        "tocsin: hint: wait",
    ]


def test_a_file_is_nominated_and_the_same_again_changes_nothing(run, seen, write):
    path = write(
        "Number,Type,Score,Note,seen\n"
        "+8613000000000,FT02,90,on a flyer,2026-11-01\n"
        "bad,loan,50,,\n"
        "+8613000000001,investmnet,50,,\n"
        "+8613000000002,,101,,\n"
        "+8613000000003,,,,\n"
    )
    columns = "value=Number,fraud_type=Type,confidence=Score,last_seen=seen"
    words = ("nominate", "--file", path, "--map", columns, "--kind", "phone", "--details", "Note")
    first = run(*words, "--fraud-type", "romance", "--last-seen", "2026-10-01", "--json")
    again = run(*words, "--fraud-type", "romance", "--last-seen", "2026-10-01", "--strict")
    rows = seen.of(desk.NominateRequest)[0].rows

    assert first.code == 0
    assert objects(first.out) == [{"added": 2, "unchanged": 0, "refused": 3}]
    assert again.code == 1
    assert again.out == "added 0, unchanged 2, refused 3\n"
    assert first.err.splitlines()[:3] == [
        "line 3: INDICATOR_INVALID no indicator of its kind",
        "line 4: FRAUD_TYPE_UNKNOWN unknown fraud type: did you mean investment?",
        "line 5: CONFIDENCE_INVALID confidence is a number from 1 to 100",
    ]
    assert "Not shared: the values" in first.err
    assert [row.confidence for row in rows] == [90, 50, 80]
    assert [row.fraud_type for row in rows] == [2, 5, 9]
    assert rows[0].details == "on a flyer"
    assert rows[0].last_seen_time.ToJsonString() == "2026-11-01T00:00:00Z"
    assert rows[2].last_seen_time.ToJsonString() == "2026-10-01T00:00:00Z"


def test_one_value_is_nominated_with_everything_that_can_be_said(run, seen):
    ended = run(
        *("nominate", "domain", "a.example", "--fraud-type", "Fake Task", "--confidence", "70"),
        *("--stage", "contact", "--subject-role", "offender_resource", "--expires", "2030-01-01"),
        *("--details", "text", "--legal-basis", "atnfl_22", "--tlp", "green"),
    )
    request = seen.of(desk.NominateRequest)[0]
    row = request.rows[0]

    assert ended.code == 0
    assert ended.out == "added 1, unchanged 0, refused 0\n"
    assert request.legal_basis == vocabulary_pb2.LEGAL_BASIS_ATNFL_22
    assert request.tlp == vocabulary_pb2.TRAFFIC_LIGHT_GREEN
    assert row.stage == vocabulary_pb2.FRAUD_STAGE_CONTACT
    assert row.subject_role == vocabulary_pb2.SUBJECT_ROLE_OFFENDER_RESOURCE
    assert row.expires_time.seconds == 1_893_456_000
    assert not row.HasField("last_seen_time")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "[FRAUD_TYPE_MISSING]"),
        (("--fraud-type", "fraud"), "[FRAUD_TYPE_UNKNOWN]"),
        (("--fraud-type", "loan", "--stage", "s9"), "[STAGE_UNKNOWN]"),
        (("--fraud-type", "loan", "--expires", "soon"), "[EXPIRES_INVALID]"),
    ],
)
def test_wrong_options_are_refused_before_any_call(run, seen, words, reason):
    ended = run("nominate", "domain", "a.example", *words)

    assert ended.code == 1
    assert reason in ended.err
    assert seen.requests == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ("sight", "--as", "false_positive", "--count", "3"),
            desk.SightRequest(sighting_kind=statement_pb2.SIGHTING_KIND_FALSE_POSITIVE, count=3),
        ),
        (
            ("opine", "--opinion", "Strongly-Agree", "--basis", "own_records"),
            desk.OpineRequest(
                value=statement_pb2.OPINION_VALUE_STRONGLY_AGREE,
                basis=statement_pb2.OPINION_BASIS_OWN_RECORDS,
                confidence=80,
            ),
        ),
        (
            ("retract", "--reason", "erasure"),
            desk.RetractRequest(reason=statement_pb2.RETRACTION_REASON_ERASURE),
        ),
        (("reassign",), desk.ReassignRequest()),
        (
            ("protect", "--ground", "hotline", "--local"),
            desk.ProtectRequest(ground=statement_pb2.PROTECTION_GROUND_HOTLINE, local_only=True),
        ),
    ],
)
def test_what_else_can_be_said_of_values(run, seen, write, words, expected):
    one = run(words[0], "phone", "+8613000000000", *words[1:])
    path = write("kind,value\nphone,+8613000000000\nphone,bad\n")
    many = run(words[0], "--file", path, *words[1:], "--json")
    request = seen.requests[0]
    expected.values.add(kind="phone", value="+8613000000000")

    assert one.code == many.code == 0
    assert request == expected
    assert objects(many.out) == [{"added": 0, "unchanged": 1, "refused": 1}]


def test_a_reassignment_has_a_time(run, seen):
    run("reassign", "phone", "1", "--since", "2026-11-23T12:00:00+08:00")

    assert seen.requests[0].effective_time.seconds == 1_795_406_400


def test_customers_are_watched_under_own_references(run, seen, write):
    path = write("number,customer\n+8613000000000,c-1\n+8613000000001,c-2\n")
    added = run(
        *("watch", "add", "--file", path, "--kind", "phone"),
        *("--map", "value=number,reference=customer"),
    )
    one = run("watch", "add", "phone", "+8613000000002", "--reference", "c-3")

    assert added.out == "added 2, unchanged 0, refused 0\n"
    assert one.code == 0
    assert [row.reference for call in seen.requests for row in call.rows] == ["c-1", "c-2", "c-3"]
    assert "does not learn whom you watch" in added.err


def test_an_import_that_is_stopped_says_how_far_it_came(run, seen, write, monkeypatch):
    take = Tally.take

    def stop_after_two(tally, answer):
        if tally.added == 2:
            raise KeyboardInterrupt
        take(tally, answer)

    monkeypatch.setattr(Tally, "take", stop_after_two)
    path = write("".join(f"+861300000000{place},c\n" for place in range(9)), "customers.txt")
    stopped = run("watch", "add", "--file", path, "--kind", "phone", "--reference", "c")

    assert (stopped.code, stopped.out) == (1, "added 2, unchanged 0, refused 0\n")
    assert stopped.err.endswith("tocsin: error: stopped\n")


def test_a_file_that_cannot_be_read_has_no_sums(run, seen, tmp_path):
    failed = run("watch", "add", "--file", tmp_path / "none.csv", "--json")

    assert (failed.code, failed.out) == (1, "")
    assert "FILE_UNREADABLE" in failed.err


def test_an_unknown_kind_is_refused_before_any_row_is_sent(run, seen, write):
    path = write("+8613000000000\n+8613000000001\n", "customers.txt")
    near = run("watch", "add", "--file", path, "--kind", "phon")
    far = run("check", "--file", path, "--kind", "+8613000000000")
    matching = run("match", "offer", path, "--with", "net-p", "--kind", "phon")

    assert [done.code for done in (near, far, matching)] == [2, 2, 2]
    assert "no such kind of indicator, did you mean phone?" in near.err
    assert "the kinds are phone, imsi" in far.err
    assert "+8613000000000" not in far.err
    assert not seen.requests


def test_customers_leave_the_watchlist_by_a_file_too(run, seen, write):
    path = write("number,customer\n+8613000000000,c-1\nbad,c-2\n")
    removed = run(
        *("watch", "remove", "--file", path, "--kind", "phone", "--json"),
        *("--map", "value=number,reference=customer"),
    )
    one = run("watch", "remove", "phone", "+8613000000002")

    assert objects(removed.out) == [{"removed": 1, "refused": 1}]
    assert "line 3: INDICATOR_INVALID" in removed.err
    assert (one.code, one.out) == (0, "removed 1, refused 0\n")
    rows = [row for call in seen.of(desk.RemoveWatchRequest) for row in call.rows]
    assert [row.reference for row in rows] == ["c-1", "c-2", ""]


def test_a_full_match_goes_from_part_to_part(run, seen):
    text, document = run("watch", "match"), run("watch", "match", "--json")

    assert text.out == "checked 5, hits 2\n"
    assert objects(document.out) == [{"checked": 5, "hits": 2}]
    assert [call.page_token for call in seen.of(desk.MatchWatchRequest)] == ["", "ab"] * 2


def test_the_watchlist_comes_in_pages(run, seen):
    everything = run("watch", "list", "--json")
    some = run("watch", "list", "--limit", "3")
    hits = objects(run("hits", "--json").out)

    assert len(objects(everything.out)) == 2_500
    assert [call.page_token for call in seen.of(desk.ListWatchRequest)] == ["", "1000", "2000", ""]
    assert some.out.splitlines()[1:] == [
        f"phone             {'0' * 32}  line-000{place}" for place in range(3)
    ]
    assert hits[0]["band"] == "LOW"
    assert hits[0]["first_seen_time"] == "2026-11-23T04:00:00Z"


def test_a_verdict_is_explained(run):
    text = run("explain", "domain", "fraud.example")
    document = objects(run("explain", "domain", "fraud.example", "--json").out)[0]

    assert "band HIGH, score 0.750" in text.out
    assert "bank-y wrote: seen on a flyer" in text.out
    assert document["explanation"]["terms"][0]["weight"] == 0.75


@pytest.mark.parametrize(("ready", "code"), [(True, 0), (False, 2)])
def test_the_status_tells_by_its_code_whether_the_node_is_ready(run, seen, ready, code):
    seen.status.ready = ready
    full = run("status")
    short = run("node", "status", "--json")

    assert full.code == short.code == code
    assert "night/bank-x/all" in full.out
    assert objects(short.out)[0]["catalogue_root"] == "11" * 32
    assert objects(short.out)[0]["ready"] is ready


def test_logs_are_listed_newest_first(run, seen):
    rows = objects(run("log", "show", "--limit", "450", "--json").out)
    text = run("log", "show", "--limit", "1", "--origin", "night/bank-y/all")

    assert [row["index"] for row in rows] == list(range(699, 249, -1))
    assert rows[0]["statement"] == {"id": "x"}
    assert text.out == '     699  { "id": "x" }\n'
    assert seen.requests[-1].origin == "night/bank-y/all"


def test_logs_are_verified_and_one_unsound_is_a_failure(run, seen):
    answer = operation.VerifyLogResponse
    good = [
        answer(origin="night/a/all", checked=5, total=10),
        answer(origin="night/a/all", checked=10, total=10, done=True, sound=True),
    ]
    seen.verified = good
    sound = run("log", "verify")
    seen.verified = [
        *good,
        answer(origin="night/b/all", done=True, bad_index=0, reason="ROOT_MISMATCH"),
    ]
    unsound = run("log", "verify", "--json")

    assert sound.code == 0
    assert sound.out == "sound    night/a/all  10 entries\n"
    assert unsound.code == 1
    assert [row["sound"] for row in objects(unsound.out)] == [True, False]
    assert objects(unsound.out)[1]["bad_index"] == 0
    assert seen.deadlines[-1] > LONG_CALL_SECONDS - 60


def test_logs_are_synchronised_rebuilt_and_compacted(run, seen, monkeypatch):
    synchronised = run("log", "sync", "--json")
    rebuilt = run("log", "rebuild")
    compacted = run("log", "compact", "--expired-before", "2026-01-01", "--yes")
    unconfirmed = run("log", "compact", "--expired-before", "2026-01-01")

    assert synchronised.code == 1  # a peer was not reached
    assert objects(synchronised.out)[0]["unreachable"] == ["bank-y"]
    assert rebuilt.code == 0
    assert compacted.out == "dropped 6 bodies\n"
    assert seen.of(operation.CompactLogRequest)[0].expired_before_time.seconds == 1_767_225_600
    assert unconfirmed.code == 1
    assert len(seen.of(operation.CompactLogRequest)) == 1


def test_a_ceremony_is_opened_and_waited_for(run, seen):
    ended = run("key", "ceremony", "--json")
    status = run("key", "status")

    assert ended.code == 0
    assert objects(ended.out)[0]["state"] == "CONFIRMED"
    assert "Nobody has the whole key" in ended.err
    assert seen.of(operation.StartCeremonyRequest)[0].action == statement_pb2.KEY_ACTION_GENERATE
    assert "2 of 3" in status.out


@pytest.mark.parametrize(
    ("verb", "state", "wait", "code", "said"),
    [
        ("refresh", "FAILED", "5", 1, "A holder complained"),
        ("reshare", "OPEN", "0", 0, "it waits for bank-y"),
        ("refresh", "OPEN", "1", 1, "it waits for bank-y"),
    ],
)
def test_a_ceremony_that_does_not_end_well_says_why(run, seen, verb, state, wait, code, said):
    seen.ceremony_states = [state]
    ended = run("key", verb, "--wait", wait)

    assert ended.code == code
    assert said in ended.err


def test_a_grant_names_the_command_for_the_other_holders(run, seen):
    ended = run("key", "grant", "bank-y", "--class", "phone", "--amount", "5", "--json")
    identifier = objects(ended.out)[0]["grant_id"]
    again = run(
        *("key", "grant", "bank-y", "--class", "phone", "--amount", "5", "--grant-id", identifier)
    )
    wrong = run("key", "grant", "bank-y", "--class", "phone", "--amount", "5", "--grant-id", "12")

    assert f"--grant-id {identifier}" in ended.err
    assert again.code == 0
    assert len({request.grant_id for request in seen.of(operation.GrantQuotaRequest)}) == 1
    assert "[GRANT_ID_INVALID]" in wrong.err


@pytest.mark.parametrize(
    ("code", "reason", "exit_code"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_ALLOWED", 1),
        (grpc.StatusCode.UNAVAILABLE, "HOLDERS_UNAVAILABLE", 1),
        (grpc.StatusCode.INTERNAL, "INTERNAL", 1),
        (grpc.StatusCode.FAILED_PRECONDITION, "KEYS_MISSING", 1),
    ],
)
def test_what_the_node_refuses_keeps_its_reason_and_hint(run, seen, code, reason, exit_code):
    seen.fail("Explain", code, reason, "The node says no.", hint="do this")
    ended = run("explain", "domain", "a.example")

    assert ended.code == exit_code
    assert ended.err.splitlines() == [
        f"tocsin: error: The node says no [{reason}]",
        "tocsin: hint: do this",
    ]


def test_every_call_has_a_deadline(run, seen, write):
    run("status")
    run("hits")
    run("check", "domain", "a.example")
    run("key", "refresh", "--wait", "0")

    assert len(seen.deadlines) == 5
    assert all(0 < seconds <= LONG_CALL_SECONDS for seconds in seen.deadlines)


def test_a_socket_without_a_node_is_no_running_node(tocsin, home):
    with open_desk(home):
        pass
    home.socket.touch()
    ended = tocsin("--home", home.root, "hits")

    assert ended.code == 1
    assert "[NODE_NOT_RUNNING]" in ended.err


def test_a_home_deep_in_the_file_system_is_reached(tocsin, make_home, home, tmp_path):
    deep = Home(tmp_path.joinpath(*["a-directory-with-a-long-name"] * 5))
    deep.root.parent.mkdir(parents=True)
    home.root.rename(deep.root)
    with open_desk(deep):
        ended = tocsin("--home", deep.root, "check", "domain", "fraud.example")

    assert ended.code == 0
    assert "HIGH" in ended.out


def test_a_running_node_is_told_of_a_charter_before_it_is_installed(
    tocsin, home, seen, tmp_path, passphrase_file
):
    note = tmp_path / "charter.note"
    tocsin("charter", "create", note, home.card)
    signing = ("--passphrase-file", passphrase_file)
    tocsin("--home", home.root, "charter", "sign", note, *signing)
    seen.fail("AdoptCharter", grpc.StatusCode.INVALID_ARGUMENT, "CHARTER_INVALID")
    refused = tocsin("--home", home.root, "charter", "adopt", note)
    installed_early = home.charter.exists()
    seen.failures.clear()
    adopted = tocsin("--home", home.root, "charter", "adopt", note)

    assert refused.code == 1
    assert not installed_early
    assert adopted.code == 0
    assert home.charter.exists()
    assert seen.of(operation.AdoptCharterRequest)[-1].charter == note.read_bytes()
    assert "The running node follows it" in adopted.err
