"""The conformance runner passes the published vectors and notices every corrupted byte."""

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.conformance import SuiteResult, run_oprf_vectors

VECTORS = Path(__file__).parents[1] / "vectors" / "oprf_ristretto255.json"
DOCUMENT: list[dict[str, Any]] = json.loads(VECTORS.read_text())
SUITE = "ristretto255-SHA512"


def hexadecimal_places(entry: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every text of a suite except its name and hash."""
    items = entry.items() if isinstance(entry, dict) else enumerate(entry)
    for key, value in items:
        if isinstance(value, str) and key not in ("identifier", "hash"):
            yield (*path, key)
        elif isinstance(value, (dict, list)):
            yield from hexadecimal_places(value, (*path, key))


PLACES = list(hexadecimal_places(DOCUMENT))


def corrupted(path: tuple[Any, ...], change: Any) -> list[dict[str, Any]]:
    document = copy.deepcopy(DOCUMENT)
    holder: Any = document
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = change(holder[path[-1]])
    return document


def test_the_published_vectors_all_pass() -> None:
    assert run_oprf_vectors(DOCUMENT) == [
        SuiteResult(SUITE, 0, passed=2, failed=0),
        SuiteResult(SUITE, 1, passed=3, failed=0),
    ]


@pytest.mark.parametrize("path", PLACES, ids=lambda path: "-".join(map(str, path)))
def test_a_changed_digit_in_any_field_fails(path: tuple[Any, ...]) -> None:
    def first(text: str) -> str:
        return ("1" if text[0] == "0" else "0") + text[1:]

    def last(text: str) -> str:
        return text[:-1] + ("1" if text[-1] == "0" else "0")

    for change in (first, last, lambda text: text[:-2], lambda text: text + " ", lambda text: 7):
        results = run_oprf_vectors(corrupted(path, change))
        assert results[path[0]].failed >= 1
        assert results[1 - path[0]].failed == 0


def test_a_key_that_disagrees_fails_every_vector_of_its_suite() -> None:
    results = run_oprf_vectors(corrupted((1, "seed"), lambda text: "00" + text[2:]))

    assert results[1] == SuiteResult(SUITE, 1, passed=0, failed=3)


def test_suites_and_modes_that_are_not_implemented_are_ignored_by_name() -> None:
    foreign = [
        {"identifier": "P256-SHA256", "mode": 1, "vectors": [{}]},
        {"identifier": "decaf448-SHAKE256", "mode": 0},
        {"identifier": SUITE, "mode": 2, "vectors": [{}]},
    ]
    results = run_oprf_vectors([*foreign, *DOCUMENT])

    assert [result.ignored for result in results] == [True, True, True, False, False]
    assert [result.failed for result in results] == [0, 0, 0, 0, 0]
    assert results[2] == SuiteResult(SUITE, 2, passed=0, failed=0, ignored=True)


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        "text",
        [None],
        [[]],
        [{}],
        [{"identifier": "ristretto255-SHA513", "mode": 1}],
        [{"identifier": SUITE}],
        [{"identifier": SUITE, "mode": True}],
        [{"identifier": SUITE, "mode": 9}],
        [{**DOCUMENT[0], "vectors": []}],
        [{**DOCUMENT[0], "vectors": None}],
        [{**DOCUMENT[0], "vectors": [None]}],
        [{**DOCUMENT[1], "vectors": [{**DOCUMENT[1]["vectors"][0], "Proof": None}]}],
        [{**DOCUMENT[1], "vectors": [{**DOCUMENT[1]["vectors"][0], "Batch": 2}]}],
        [{**DOCUMENT[1], "vectors": [{**DOCUMENT[1]["vectors"][0], "Batch": True}]}],
    ],
)
def test_a_malformed_document_is_a_failure_and_not_a_crash(document: object) -> None:
    results = run_oprf_vectors(document)

    assert [(result.passed, result.ignored) for result in results] == [(0, False)]
    assert results[0].failed >= 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@settings(max_examples=60)
@given(st.sampled_from(PLACES), JSON)
def test_any_value_in_any_place_is_survived(path: tuple[Any, ...], value: Any) -> None:
    results = run_oprf_vectors(corrupted(path, lambda _: value))

    assert results[path[0]].failed >= 1


def test_the_whole_published_file_passes_where_it_is_at_hand() -> None:
    root = Path(__file__).parents[2]
    data = Path(os.environ.get("TOCSIN_DATA", root.parent / "shared" / "data"))
    file = data / "rfc9497-vectors.json"
    if not file.exists():
        pytest.skip(f"{file.name} is not at hand")
    results = run_oprf_vectors(json.loads(file.read_text()))

    assert [r.passed for r in results if not r.ignored] == [2, 3]
    assert sum(r.failed for r in results) == 0
    assert len(results) == 15
