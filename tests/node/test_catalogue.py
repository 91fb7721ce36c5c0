from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.indicators import Kind, KindClass
from federation.last_words import MOST_WORDS
from federation.statements import Alarm, Nomination, QuotaGrant
from federation.vocabulary import AlarmKind, FraudStage, FraudType, SubjectRole
from node.log.ledger import Ledger
from node.store.catalogue import MAX_TOKENS, Catalogue
from node.store.sqlite import SqliteStore
from tests.node.log_samples import (
    MEMBERS,
    NOW,
    nomination,
    nominations,
    opaque,
    open_ledger,
    opinion,
    protection,
    reassigned,
    replicate,
    retraction,
    statement,
    token,
)

A, B, _ = MEMBERS


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[SqliteStore, Ledger]]:
    store, ledger = open_ledger(tmp_path / "public.db")
    yield store, ledger
    store.close()


@pytest.fixture
def ledger(opened: tuple[SqliteStore, Ledger]) -> Ledger:
    return opened[1]


@pytest.fixture
def catalogue(opened: tuple[SqliteStore, Ledger]) -> Catalogue:
    return Catalogue(opened[0])


def test_rows_of_a_token_come_together(ledger: Ledger, catalogue: Catalogue) -> None:
    ledger.append([nomination(A, 1), opinion(A, 1), reassigned(A, 1), protection(A, 2)])
    found = catalogue.evidence([token(1), token(2), token(3)])

    assert found.keys() == {token(1), token(2)}
    assert [len(rows) for rows in found[token(1)]] == [2, 1, 0]
    assert [len(rows) for rows in found[token(2)]] == [0, 0, 1]


def test_a_full_look_up_finds_every_token(ledger: Ledger, catalogue: Catalogue) -> None:
    ledger.append(nominations(A, 0, 5_000))
    tokens = [token(number) for number in range(0, 2 * MAX_TOKENS, 2)]
    found = catalogue.evidence(tokens)

    assert found.keys() == {token(number) for number in range(0, 5_000, 2)}
    with pytest.raises(ValueError, match="4096"):
        catalogue.evidence([*tokens, token(1)])


def test_of_a_flood_about_one_token_the_last_words_are_given(
    ledger: Ledger, catalogue: Catalogue
) -> None:
    kind = next(one for one in FraudType if one)
    stage, role = FraudStage.UNSPECIFIED, SubjectRole.UNSPECIFIED
    said = Nomination(token(1), next(iter(Kind)), 1, kind, stage, role, 60)
    ledger.append([statement(said, opaque("flood", number)) for number in range(3 * MOST_WORDS)])
    ledger.append([opinion(A, 1)])

    rows = catalogue.evidence([token(1), token(2)])[token(1)].evidence

    assert sorted(row[-1] for row in rows) == list(range(2 * MOST_WORDS, 3 * MOST_WORDS + 1))


def test_buckets_part_the_tokens_by_their_first_bits(ledger: Ledger, catalogue: Catalogue) -> None:
    ledger.append(nominations(A, 0, 500))
    everything = sorted(token(number) for number in range(500))
    for bits in (1, 3, 8, 13):
        parts = [catalogue.bucket(prefix, bits) for prefix in range(1 << min(bits, 8))]
        if bits <= 8:
            assert [one for part in parts for one in part] == everything
        shift = 128 - bits
        assert all(
            int.from_bytes(one) >> shift == prefix
            for prefix, part in enumerate(parts)
            for one in part
        )
    assert catalogue.bucket(0, 0) == everything
    assert catalogue.bucket(0, 0, 7) == everything[:7]
    assert catalogue.bucket(int.from_bytes(token(7)), 128) == [token(7)]
    for prefix, bits in ((2, 1), (-1, 4), (0, 129)):
        with pytest.raises(ValueError, match="prefix"):
            catalogue.bucket(prefix, bits)


def test_own_nominations_are_told_apart_from_others(tmp_path: Path) -> None:
    store, mine = open_ledger(tmp_path / "a" / "public.db", A)
    other_store, other = open_ledger(tmp_path / "b" / "public.db", B)
    mine.append([nomination(A, 1, confidence=70, expires=NOW + 9), opinion(A, 1)])
    other.append(nominations(B, 1, 2))
    replicate(other, mine, B)
    catalogue = Catalogue(store)
    identifier = opaque(A, "nomination", 1)

    assert catalogue.nominations(A, [token(1), token(2)]) == {identifier: (70, NOW + 9, 0)}
    assert catalogue.nominations_by_token(A, [token(1), token(2)]) == {token(1): (identifier,)}
    assert catalogue.positions(token(2)) == [(B, 1)]
    assert sorted(catalogue.positions(token(1))) == [(B, 0), (A, 0), (A, 1)]
    store.close()
    other_store.close()


def test_outcomes_count_by_member(ledger: Ledger, catalogue: Catalogue) -> None:
    ledger.append([*nominations(A, 0, 3), retraction(A, 0), retraction(A, 1)])

    assert catalogue.outcomes() == {A: (0, 2)}
    assert catalogue.token_count() == 1


def test_alarms_come_newest_first(ledger: Ledger, catalogue: Catalogue) -> None:
    alarm = Alarm(alarm_kind=AlarmKind.QUOTA_EXCEEDED, member=ledger.own.member, reason="TRIAL")
    bodies = [statement(alarm, opaque("alarm", n), issued=NOW + n) for n in (2, 9, 5)]
    ledger.append(bodies)
    found = catalogue.alarms(2)

    assert [(row.member, row.issued) for row in found] == [(A, NOW + 9), (A, NOW + 5)]
    assert [row.body for row in found] == [bodies[1], bodies[2]]


def test_grants_are_found_by_member_and_class(ledger: Ledger, catalogue: Catalogue) -> None:
    grants = [
        QuotaGrant(grant_id=opaque(n), member=ledger.own.member, kind_class=kind, amount=n)
        for n, kind in ((5, KindClass.PHONE), (6, KindClass.NETWORK))
    ]
    ledger.append([statement(grant, opaque("grant", grant.amount)) for grant in grants])

    assert catalogue.grants(A, KindClass.PHONE) == [(opaque(5), A, 5)]
    assert catalogue.grants(B, KindClass.PHONE) == []
    assert catalogue.ceremony_statements() == []


def test_the_root_changes_with_what_is_known_and_with_time(
    ledger: Ledger, catalogue: Catalogue
) -> None:
    empty = catalogue.root(NOW)
    ledger.append([nomination(A, 1, expires=NOW + 10)])

    assert catalogue.root(NOW) != empty
    assert catalogue.root(NOW + 10) != catalogue.root(NOW)
    ledger.append([retraction(A, 1)])
    assert catalogue.root(NOW) == empty
