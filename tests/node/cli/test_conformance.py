"""``tocsin conformance`` over vector files: good ones pass, one changed byte fails."""

import json
from pathlib import Path

import pytest

VECTORS = Path(__file__).parents[2] / "vectors"
OPRF = VECTORS / "oprf_ristretto255.json"
INDICATORS = VECTORS / "indicators.csv"


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


def test_the_published_vectors_pass(tocsin):
    ended = tocsin("conformance", "oprf", OPRF, "--json")
    suites = objects(ended.out)

    assert ended.code == 0
    assert {suite["mode"] for suite in suites} == {0, 1}
    assert sum(suite["passed"] for suite in suites) == 5


def test_a_changed_digit_fails(tocsin, tmp_path):
    document = json.loads(OPRF.read_text())
    output = document[0]["vectors"][0]["Output"]
    document[0]["vectors"][0]["Output"] = ("0" if output[0] != "0" else "1") + output[1:]
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(document))
    ended = tocsin("conformance", "oprf", changed)

    assert ended.code == 1
    assert "failed   ristretto255-SHA512 mode 0: 1 passed, 1 failed" in ended.out


def test_suites_of_other_groups_are_named_and_not_counted(tocsin, tmp_path):
    document = [*json.loads(OPRF.read_text()), {"identifier": "P256-SHA256", "mode": 0}]
    wider = tmp_path / "wider.json"
    wider.write_text(json.dumps(document))
    only = tmp_path / "only.json"
    only.write_text(json.dumps(document[-1:]))
    both = tocsin("conformance", "oprf", wider)
    nothing = tocsin("conformance", "oprf", only)

    assert both.code == 0
    assert "ignored  P256-SHA256 mode 0" in both.out
    assert nothing.code == 1
    assert "Nothing was tested" in nothing.err


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_vector_file_has_one_error(tocsin, tmp_path, content):
    path = tmp_path / "vectors"
    path.write_bytes(content)
    oprf = tocsin("conformance", "oprf", path)
    indicators = tocsin("conformance", "indicators", path)

    assert oprf.code == indicators.code == 1
    assert "[VECTORS_UNREADABLE]" in oprf.err
    assert "[VECTORS_UNREADABLE]" in indicators.err


def test_the_canonical_forms_pass(tocsin):
    ended = tocsin("conformance", "indicators", INDICATORS)

    assert ended.code == 0
    assert ended.out.endswith(" passed, 0 failed\n")


def test_a_wrong_canonical_form_is_named_by_row_and_not_by_value(tocsin, tmp_path):
    path = tmp_path / "wrong.csv"
    path.write_text(
        "\ufeffkind,value,canonical,region,note\n"
        "domain,EXAMPLE.com,example.com,,\n"
        "phone,+8613000000000,+8613000000001,,\n"
    )
    ended = tocsin("conformance", "indicators", path)
    as_json = objects(tocsin("conformance", "indicators", path, "--json").out)

    assert ended.code == 1
    assert ended.out == "failed   row 2, phone: different\n1 passed, 1 failed\n"
    assert [row["passed"] for row in as_json] == [True, False]
    assert "130000" not in ended.out + ended.err
