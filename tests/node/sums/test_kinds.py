"""What every node can count: its nominations and its hits, by kind."""

from contextlib import closing

import pytest

from federation.indicators import Kind
from federation.names import FederationName, MemberId, Origin
from federation.statements.codec import encode_statement
from federation.sums import label_of
from federation.vocabulary import Purpose
from keys.signing import SigningKey
from node.log.ledger import Ledger
from node.store.catalogue import Catalogue
from node.store.private import PrivateStore
from node.store.sqlite import SqliteStore
from node.sums.kinds import PERIOD_SECONDS, hit_kinds, kind_labels, nominated_kinds, register_kinds
from node.sums.sources import Asked, Sources
from tests.federation.said import NOW, nomination, opaque, said, sum_open

ME = MemberId("bank-a")


def asked(labels, purpose=Purpose.OPERATION, source="KINDS"):
    return Asked(source, tuple(labels), b"", sum_open(purpose=purpose), MemberId("net-p"), NOW)


@pytest.fixture
def catalogue(tmp_path):
    key = SigningKey.generate()
    with closing(SqliteStore(tmp_path / "public.db")) as store:
        ledger = Ledger(store, "harbour", ME, key, lambda _: key.public, lambda: NOW)
        times = [NOW, NOW - PERIOD_SECONDS, NOW - PERIOD_SECONDS - 1, NOW]
        kinds = [Kind.PHONE, Kind.PHONE, Kind.PHONE, Kind.DOMAIN]
        ledger.append(
            [
                encode_statement(
                    said(
                        nomination(token=opaque(place), kind=kind),
                        id=opaque(f"id {place}"),
                        issued_time=time,
                    )
                )
                for place, (kind, time) in enumerate(zip(kinds, times, strict=True))
            ]
        )
        assert ledger.own == Origin(FederationName("harbour"), ME)
        yield Catalogue(store)


def named(counts, labels):
    names = kind_labels()
    return {names[label]: int(count) for label, count in zip(labels, counts, strict=True) if count}


def test_own_nominations_of_the_last_thirty_days_are_counted(catalogue):
    labels = list(kind_labels())
    counts = nominated_kinds(ME, catalogue).count(asked(labels))

    assert named(counts, labels) == {"phone": 2, "domain": 1}
    assert named(nominated_kinds("bank-b", catalogue).count(asked(labels)), labels) == {}


def test_the_order_is_that_of_the_labels_and_unknown_ones_are_zero(catalogue):
    domain = label_of(b"kind", b"DOMAIN")
    counts = nominated_kinds(ME, catalogue).count(asked([domain, label_of(b"what"), domain]))

    assert counts.tolist() == [1, 0, 1]


def test_customers_that_became_hits_are_counted(tmp_path, catalogue):
    with closing(PrivateStore(tmp_path / "private.db")) as private:
        tokens = [opaque(f"customer {place}") for place in range(3)]
        private.add_watch([(token, int(Kind.PHONE), "a reference") for token in tokens])
        private.add_hits([(tokens[0], NOW), (tokens[1], NOW - PERIOD_SECONDS - 1)])
        sources = Sources()
        register_kinds(sources.register, ME, catalogue, private)
        labels = list(kind_labels())

        assert named(hit_kinds(private).count(asked(labels)), labels) == {"phone": 1}
        assert [one.name for one in sources.all()] == ["HITS", "KINDS"]
        with pytest.raises(ValueError, match="KINDS"):
            sources.register(nominated_kinds(ME, catalogue))


def test_every_kind_has_a_label_of_its_own():
    assert len(kind_labels()) == len(Kind)
