"""Names are proof of their own form."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import FederationError
from federation.names import (
    EVERYONE,
    MAX_NAME_CHARACTERS,
    Audience,
    FederationName,
    MemberId,
    NameFormatError,
    Origin,
)

KINDS = [FederationName, MemberId, Audience]
GOOD = ["a", "0", "bank-a", "north-sea-7", "a-b-c", "x" * MAX_NAME_CHARACTERS]
BAD = [
    "",
    "-",
    "-a",
    "a-",
    "a--b",
    "A",
    "a b",
    "a\n",
    "a/b",
    "a.b",
    "a_b",
    "é",
    "\u0661",
    "\uff41",
    "x" * (MAX_NAME_CHARACTERS + 1),
    "a\x00",
]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", GOOD)
def test_a_good_name_is_itself(kind, text):
    name = kind.parse(text)

    assert name == text
    assert type(name) is kind


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", BAD)
def test_a_bad_name_is_refused(kind, text):
    with pytest.raises(NameFormatError) as caught:
        kind.parse(text)

    assert caught.value.reason == "NAME_INVALID"


def test_the_error_does_not_repeat_the_text():
    with pytest.raises(NameFormatError) as caught:
        MemberId("+47 912 34 567")

    assert "912" not in repr(caught.value)
    assert "912" not in str(caught.value.hint)


def test_a_name_survives_copy_and_pickle():
    name = MemberId("bank-a")

    assert pickle.loads(pickle.dumps(name)) == name
    assert type(copy.deepcopy(name)) is MemberId


def test_an_origin_prints_and_parses():
    origin = Origin(FederationName("harbour"), MemberId("bank-a"))

    assert str(origin) == "harbour/bank-a/all"
    assert Origin.parse("harbour/bank-a/all") == origin
    assert origin.audience == EVERYONE
    assert origin.key_name == "harbour/bank-a"


@pytest.mark.parametrize(
    "text", ["", "a", "a/b", "a/b/c/d", "a//c", "/a/b", "a/b/", "a/B/c", "a/b/c\n"]
)
def test_a_bad_origin_is_refused(text):
    with pytest.raises(NameFormatError):
        Origin.parse(text)


@given(st.text(max_size=60))
def test_origin_parsing_is_total_and_exact(text):
    try:
        origin = Origin.parse(text)
    except FederationError:
        return

    assert str(origin) == text


@given(*(st.from_regex(r"[a-z0-9](-?[a-z0-9]){0,9}", fullmatch=True) for _ in range(3)))
def test_every_origin_of_good_names_parses_back(federation, member, audience):
    origin = Origin(FederationName(federation), MemberId(member), Audience(audience))

    assert Origin.parse(str(origin)) == origin


def test_one_kind_of_name_cannot_be_passed_for_another(tmp_path):
    snippet = tmp_path / "snippet.py"
    snippet.write_text(
        "from federation.names import FederationName, MemberId, Origin\n"
        "good = Origin(FederationName('a'), MemberId('b'))\n"
        "bad = Origin(MemberId('b'), FederationName('a'))\n"
    )
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(snippet)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.stdout.count("[arg-type]") == 2, result.stdout + result.stderr
    assert "snippet.py:2" not in result.stdout
