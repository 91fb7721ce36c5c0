"""Whatever members put into their logs, the index says what the rows say and stays small."""

import hashlib
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.decay import lifetime_seconds
from federation.indicators import PERSONS, Kind
from federation.roles import Role
from federation.statements import (
    Designation,
    Nomination,
    Opinion,
    ProtectedObject,
    Reassigned,
    Retraction,
    Sighting,
)
from federation.statements.shape import MAX_SKEW_SECONDS, MAX_TIME, MIN_TIME
from federation.verdict import Standing
from federation.vocabulary import (
    FraudStage,
    FraudType,
    OpinionBasis,
    OpinionValue,
    Origin,
    ProtectionGround,
    RetractionReason,
    SightingKind,
    SubjectRole,
)
from node.lookup import token_index
from node.lookup.token_index import TokenIndex
from node.store.catalogue import Catalogue
from node.verdicts import Verdicts
from tests.node.log_samples import MEMBERS, NOW, opaque, open_ledger, origin_of, statement, token

A, B, _ = MEMBERS
TIMES = st.one_of(
    st.sampled_from([MIN_TIME, NOW - 1, NOW, NOW + MAX_SKEW_SECONDS, 2**31, MAX_TIME]),
    st.integers(NOW - lifetime_seconds(Kind.PHONE) - 2, NOW + 2),
)
IDS = st.integers(0, 2)  # few, so that statements of all kinds meet under one id
TOKENS = st.integers(0, 3)
ROLES = st.dictionaries(
    st.sampled_from([A, B]),
    st.sampled_from(
        [
            frozenset(),
            frozenset({Role.BANK}),
            frozenset({Role.POLICE}),
            frozenset({Role.CARRIER}),
            frozenset({Role.REGULATOR}),
        ]
    ),
)
STANDINGS = st.builds(
    Standing,
    ROLES,
    st.dictionaries(st.sampled_from([A, B]), st.sampled_from([0.0, 0.11, 1.0])),
    st.frozensets(st.sampled_from([A, B]), max_size=1),
)


@st.composite
def said(draw: st.DrawFn) -> tuple[int, int, int, int | None]:
    """Draw token, id, time of issue and expiry, each at its worst."""
    issued = draw(TIMES)
    latest = st.sampled_from([issued + 1, MAX_TIME]) if issued < MAX_TIME else st.none()
    return draw(TOKENS), draw(IDS), issued, draw(st.one_of(st.none(), latest))


def seen_by(issued: int) -> st.SearchStrategy[int]:
    """Draw a time up to that of issue, beyond which no statement is read."""
    return TIMES.map(lambda time: min(time, issued))


@st.composite
def nominations(draw: st.DrawFn) -> bytes:
    number, identifier, issued, expires = draw(said())
    body = Nomination(
        token=token(number),
        kind=draw(st.sampled_from([one for one in Kind if one not in PERSONS])),
        epoch=draw(st.sampled_from([1, 2, 65_535])),
        fraud_type=next(one for one in FraudType if one),
        stage=FraudStage.UNSPECIFIED,
        subject_role=draw(st.sampled_from(SubjectRole)),
        confidence=draw(st.sampled_from([1, 13, 100])),
        last_seen_time=draw(st.one_of(st.none(), seen_by(issued))),
        origin=draw(st.sampled_from(Origin)),
    )
    return statement(body, opaque(identifier), issued, expires)


@st.composite
def sightings(draw: st.DrawFn) -> bytes:
    number, identifier, issued, expires = draw(said())
    kind = draw(st.sampled_from([one for one in SightingKind if one]))
    seen = draw(seen_by(issued))
    body = Sighting(token(number), Kind.PHONE, 1, kind, draw(st.integers(1, 10**6)), seen)
    return statement(body, opaque(identifier), issued, expires)


@st.composite
def opinions(draw: st.DrawFn) -> bytes:
    number, identifier, issued, expires = draw(said())
    value = draw(st.sampled_from([one for one in OpinionValue if one]))
    basis = next(one for one in OpinionBasis if one)
    confidence = draw(st.sampled_from([1, 50, 100]))
    body = Opinion(token(number), Kind.PHONE, 1, value, basis, confidence)
    return statement(body, opaque(identifier), issued, expires)


@st.composite
def marks(draw: st.DrawFn) -> bytes:
    """Draw a change of hands, or a protection."""
    number, identifier, issued, expires = draw(said())
    body = draw(
        st.one_of(
            st.builds(Reassigned, st.just(token(number)), st.just(Kind.PHONE), st.just(1), TIMES),
            st.builds(
                ProtectedObject,
                st.just(token(number)),
                st.just(Kind.PHONE),
                st.just(1),
                st.sampled_from([one for one in ProtectionGround if one]),
            ),
        )
    )
    return statement(body, opaque(identifier), issued, expires)


@st.composite
def retractions(draw: st.DrawFn) -> bytes:
    number, identifier, issued, _ = draw(said())
    reason = draw(st.sampled_from([one for one in RetractionReason if one]))
    body = Retraction(opaque(draw(IDS)), token(number), reason)
    return statement(body, opaque(identifier), issued)


def designation(number: int, identifier: int, review: int) -> bytes:
    digest = hashlib.sha256(b"case").digest()
    kind = next(one for one in FraudType if one)
    body = Designation(token(number), Kind.PHONE, 1, kind, digest, review)
    return statement(body, opaque(identifier))


WORDS = st.one_of(
    nominations(),
    nominations(),
    sightings(),
    opinions(),
    marks(),
    retractions(),
    st.builds(designation, TOKENS, IDS, TIMES),
)
STEPS = st.lists(
    st.tuples(st.booleans(), st.lists(WORDS, min_size=1, max_size=3), st.booleans()), max_size=8
)


class Judges(Verdicts):
    """Verdicts of one second and one standing."""

    def __init__(
        self, catalogue: Catalogue, now: int, standing: Standing, index: TokenIndex | None = None
    ) -> None:
        super().__init__(catalogue, self._no_charter, lambda: now, index=index)
        self._fixed = standing

    def standing(self) -> Standing:
        return self._fixed

    def _no_charter(self):
        raise AssertionError("the standing is fixed")


@pytest.fixture(autouse=True, scope="module")
def judged_together():
    """Judge even one token in memory, as batches are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_index, "SEVERAL_LEAST", 1)
        yield


@settings(max_examples=40, deadline=None)
@given(STEPS, st.lists(STANDINGS, min_size=1, max_size=3), st.lists(TIMES, min_size=1, max_size=3))
def test_the_index_says_what_the_rows_say(steps, standings, times) -> None:
    asked = [token(number) for number in range(5)]
    with tempfile.TemporaryDirectory() as folder:
        store, ledger = open_ledger(Path(folder, "a.db"), A)
        other, source = open_ledger(Path(folder, "b.db"), B)
        with closing(store), closing(other):
            index, catalogue = TokenIndex(store), Catalogue(store)
            index.refresh()
            for is_own, bodies, is_read in steps:
                if is_own:
                    ledger.append(bodies)
                else:
                    source.append(bodies)
                    origin = origin_of(B)
                    run = source.read(origin, ledger.size(origin), 1 << 20)
                    ledger.ingest(origin, run.bodies, run.compacted, run.checkpoint)
                if is_read:
                    index.refresh()
                for standing in standings:
                    for now in times:
                        quick = Judges(catalogue, now, standing, index)
                        slow = Judges(catalogue, now, standing)

                        assert quick.outline(asked) == slow.outline(asked)


def test_what_is_no_nomination_makes_the_index_no_larger(tmp_path) -> None:
    store, ledger = open_ledger(tmp_path / "public.db", A)
    with closing(store):
        ledger.append([designation(number, number, NOW + number) for number in range(100)])
        index = TokenIndex(store)
        index.refresh()
        ledger.append([designation(number, number, NOW + 500 + number) for number in range(100)])
        index.refresh()

        known = index.look([token(number) for number in range(100)])

        assert known is not None
        assert len(known.several) == 100
        assert len(known.said) == 1


def test_of_a_token_that_is_flooded_no_row_is_kept(tmp_path) -> None:
    store, ledger = open_ledger(tmp_path / "public.db", A)
    with closing(store):
        ledger.append([designation(1, number, NOW + number) for number in range(70)])
        index = TokenIndex(store)
        index.refresh()
        at_start = index.look([token(1)])
        ledger.append([designation(1, 70, NOW)])
        index.refresh()
        again = index.look([token(1)])

        assert at_start is not None
        assert again is not None
        assert at_start.ask == again.ask == [token(1)]
        assert len(again.rows.rows) == 0
