"""What is said becomes visible everywhere, what is taken back goes, and views are only folds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.members import Federation, eventually, running_federation, write_lines

MEMBERS = ("carrier-a", "bank-x", "net-p", "net-q")
# Seconds: the targets are 2 and 5; a loaded machine gets some more, and still no minute.
VISIBLE_SECONDS = 10.0

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with running_federation(tmp_path_factory.mktemp("views") / "f", MEMBERS) as found:
        yield found


def test_a_nomination_and_its_retraction_are_soon_visible_everywhere(
    federation: Federation,
) -> None:
    federation.nominate("net-q", "phone", "+8613800000001")
    _wait_everywhere(federation, "+8613800000001", known=True)
    federation.do("net-q", "retract", "phone", "+8613800000001")
    _wait_everywhere(federation, "+8613800000001", known=False)


def test_a_hit_comes_with_the_news_and_goes_with_the_retraction(federation: Federation) -> None:
    federation.do("bank-x", "watch", "add", "phone", "+8613800000002", "--reference", "line-2")

    assert not federation.do("bank-x", "hits", "--json").rows

    federation.nominate("net-p", "phone", "+8613800000002")
    eventually(lambda: _references(federation) == ["line-2"], VISIBLE_SECONDS)
    federation.do("net-p", "retract", "phone", "+8613800000002")
    eventually(lambda: not _references(federation), VISIBLE_SECONDS)


def test_equal_logs_give_equal_catalogues_and_folding_again_changes_nothing(
    federation: Federation, tmp_path: Path
) -> None:
    kinds = {
        "phone": [f"+86138001{number:05}" for number in range(400)],
        "domain": [f"shop-{number}.example" for number in range(400)],
    }
    for member, (kind, values) in zip(("net-q", "bank-x"), kinds.items(), strict=True):
        file = write_lines(tmp_path / f"{kind}.txt", values)
        facts = ("--kind", kind, "--fraud-type", "investment")
        federation.do(member, "nominate", "--file", str(file), *facts)
    federation.do("net-q", "retract", "phone", kinds["phone"][7])
    federation.do("bank-x", "sight", "phone", kinds["phone"][8])
    federation.do("carrier-a", "reassign", "phone", kinds["phone"][9])
    as_of = int(time.time())
    for moment in (as_of, as_of + 10**7):
        eventually(lambda moment=moment: len(federation.roots(MEMBERS, moment)) == 1)
    before = federation.roots(MEMBERS, as_of)

    for member in MEMBERS:
        rebuilt = federation.do(member, "log", "rebuild", "--json").document

        assert rebuilt["agree"]
        assert rebuilt["digest_before"] == rebuilt["digest_after"]
        assert rebuilt["statement_count"] > sum(map(len, kinds.values()))
    assert federation.roots(MEMBERS, as_of) == before
    assert federation.band("net-p", "phone", kinds["phone"][7]) == "NONE"
    assert federation.band("net-p", "phone", kinds["phone"][9]) == "NONE"
    assert federation.band("net-p", "phone", kinds["phone"][10]) != "NONE"


def _wait_everywhere(federation: Federation, number: str, *, known: bool) -> None:
    for member in MEMBERS:
        eventually(
            lambda member=member: (federation.band(member, "phone", number) != "NONE") is known,
            VISIBLE_SECONDS,
        )


def _references(federation: Federation) -> list[str]:
    return [hit["reference"] for hit in federation.do("bank-x", "hits", "--json").rows]
