"""Tokens judged together say what each says by its rows alone."""

from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.indicators.kind import Kind
from federation.roles import Role
from federation.statements import (
    BODY_NUMBERS,
    ClueOutcome,
    Designation,
    Nomination,
    Opinion,
    Sighting,
)
from federation.verdict import Standing, outline
from federation.views import CUTOFF, EVIDENCE, PROTECTION
from federation.vocabulary import ClueResult, OpinionValue, Origin, SightingKind, SubjectRole
from node.lookup.packed import ASK, DETAIL, MISSING, Packed, Several
from node.lookup.reading import SaidNumbers, read_all
from node.lookup.several import outlines
from node.store.schema import view_name
from node.store.sqlite import SqliteStore

NOW, DAY = 1_800_000_000, 86_400
ROLES = {
    "bank-a": frozenset({Role.BANK}),
    "bank-b": frozenset({Role.BANK}),
    "carrier-c": frozenset({Role.CARRIER}),
    "police-d": frozenset({Role.POLICE}),
    "coordinator-e": frozenset({Role.COORDINATOR}),
    "partner-f": frozenset({Role.PARTNER}),
}
MEMBERS = st.sampled_from([*ROLES, "stranger"])
STANDINGS = st.builds(
    Standing,
    st.just(ROLES),
    st.dictionaries(st.sampled_from(list(ROLES)), st.sampled_from([0.0, 0.3, 0.7, 0.9, 1.0])),
    st.frozensets(st.sampled_from(list(ROLES)), max_size=1),
)
# Short enough that words follow, end and meet each other.
ISSUED = st.integers(NOW - 3 * DAY, NOW + 400) | st.sampled_from([NOW - 5, NOW - 4, NOW])
EXPIRES = st.just(0) | st.integers(NOW - DAY, NOW + 9 * DAY) | st.just(NOW)
SAYINGS = st.one_of(
    st.tuples(st.just(Nomination), st.sampled_from(Origin), st.sampled_from([0, 1, *SubjectRole])),
    st.tuples(st.just(Sighting), st.sampled_from(SightingKind), st.just(0)),
    st.tuples(st.just(Opinion), st.sampled_from(OpinionValue), st.just(0)),
    st.tuples(st.just(ClueOutcome), st.sampled_from(ClueResult), st.just(0)),
    st.tuples(st.just(Designation), st.just(NOW + DAY), st.just(0)),
)
KINDS = st.sampled_from([Kind.PHONE, Kind.DOMAIN, Kind.BANK_ACCOUNT])


@st.composite
def evidence(draw):
    """Draw what follows the token in a row."""
    body, detail, role = draw(SAYINGS)
    issued, seen = draw(ISSUED), draw(st.none() | ISSUED)
    about = (draw(st.integers(1, 100)), int(detail), 1, 0, int(role), 1)
    when = (issued, seen or issued, draw(EXPIRES), 1, 0)
    return (draw(MEMBERS), int(draw(KINDS)), BODY_NUMBERS[body], *about, *when)


CUTOFFS = st.tuples(MEMBERS, st.just(1), ISSUED, EXPIRES)
PROTECTIONS = st.tuples(MEMBERS, st.just(1), st.just(3), EXPIRES)
TOKENS = st.tuples(
    st.lists(evidence(), max_size=6),
    st.lists(CUTOFFS, max_size=2) | st.just([]),
    st.just([]) | st.lists(PROTECTIONS, max_size=2),
)


def rows_of(token, several):
    return sorted(
        (token, member, number.to_bytes(16), *rest)
        for number, (member, *rest) in enumerate(several, 1)
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with closing(SqliteStore(tmp_path_factory.mktemp("several") / "public.db")) as opened:
        yield opened


@settings(max_examples=150, deadline=None)
@given(st.lists(TOKENS, min_size=1, max_size=8), STANDINGS, st.sampled_from([0, 40, DAY, 8 * DAY]))
def test_tokens_judged_together_say_what_their_rows_say(store, drawn, standing, later) -> None:
    tokens = {number.to_bytes(8) * 2: found for number, found in enumerate(drawn, 1)}
    stored = {
        token: [rows_of(token, several) for several in found] for token, found in tokens.items()
    }
    fill(store, stored)
    with store.read() as reader:
        numbers, packed = SaidNumbers(), Packed()
        for entries in read_all(reader, numbers):
            packed.replace(entries)
    found = packed.find(list(tokens))
    kinds = found.details["said"]
    several = [list(tokens)[place] for place in found.places.tolist()]
    judged = outlines(found.several, numbers.known, standing, NOW + later)
    said = {
        token: made
        for token, made, settled in zip(
            several, judged.outlines, judged.settled.tolist(), strict=True
        )
        if settled
    }
    by_rows = {token: outline(*stored[token], standing, NOW + later) for token in several}

    assert said == {token: by_rows[token] for token in said}
    assert all(
        any(stored[token]) == (kind != MISSING) for token, kind in zip(tokens, kinds, strict=True)
    )
    assert ASK not in kinds


def test_hardly_any_token_is_left_to_the_database() -> None:
    draw, numbers = np.random.default_rng(5), SaidNumbers()
    counts = draw.integers(1, 5, 4_096)
    rows = np.zeros(counts.sum(), DETAIL)
    rows["said"] = [
        numbers[member, int(Kind.PHONE), confidence, 0, 0, BODY_NUMBERS[Nomination]]
        for member, confidence in zip(
            draw.choice(list(ROLES), len(rows)).tolist(),
            draw.integers(1, 101, len(rows)).tolist(),
            strict=True,
        )
    ]
    rows["issued"] = rows["seen"] = NOW - draw.integers(0, 9 * DAY, len(rows))
    judged = outlines(Several(counts, rows), numbers.known, Standing(ROLES, {}), NOW)

    assert np.count_nonzero(~judged.settled) <= 1


def fill(store, stored) -> None:
    with store.file.write() as connection:
        for table in (EVIDENCE, CUTOFF, PROTECTION):
            connection.execute(f"DELETE FROM {view_name(table)}")
        for place, table in enumerate((EVIDENCE, CUTOFF, PROTECTION)):
            marks = ", ".join("?" * len(table.columns))
            rows = [row for found in stored.values() for row in found[place]]
            connection.executemany(f"INSERT INTO {view_name(table)} VALUES ({marks})", rows)
