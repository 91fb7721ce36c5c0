"""A course says of every lone nomination at every second what ``outline`` says."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from federation.course import STAGES, Said, course
from federation.decay import lifetime_seconds
from federation.indicators import Kind
from federation.roles import Role
from federation.verdict import Outline, Standing, outline
from federation.vocabulary import Band, Origin, SubjectRole
from federation.weighing import NOMINATION

NOW = 1_800_000_000
BANK = "bank-x"
SAID = st.builds(
    Said,
    st.sampled_from([BANK, "carrier-a", "stranger"]),
    st.sampled_from(Kind).map(int),
    st.integers(0, 100),
    st.sampled_from(Origin).map(int),
    st.sampled_from(SubjectRole).map(int),
)


def standing(reliability: float, revoked: frozenset[str] = frozenset()) -> Standing:
    roles = {BANK: frozenset({Role.BANK}), "carrier-a": frozenset({Role.CARRIER, Role.POLICE})}
    return Standing(roles, {BANK: reliability}, revoked)


def read(said: Said, judged: Standing, age: int) -> Outline:
    found = course(said, judged)
    stage = sum(max(age, 0) >= end for end in found.ends)
    band, codes, sources = found.told[stage]
    drop = 0 if band is Band.NONE else NOW - age + found.drops[stage]
    return Outline(band, codes, drop, sources)


def by_rows(said: Said, judged: Standing, age: int) -> Outline:
    about = (said.confidence, said.origin, 1, 0, said.role, 1)
    when = (min(NOW, NOW - age), NOW - age, 0, 1, 0)
    row = (bytes(16), said.member, bytes(16), said.kind, NOMINATION, *about, *when)
    return outline([row], (), (), judged, NOW)


def ages(said: Said, judged: Standing) -> list[int]:
    """Return ages around every end and drop, where the two could differ."""
    found = course(said, judged)
    turns = {0, lifetime_seconds(said.kind), *found.ends, *found.drops}
    return sorted({turn + step for turn in turns for step in (-2, -1, 0, 1, 2)})


@settings(max_examples=60, deadline=None)
@given(SAID, st.sampled_from([0.0, 0.11, 0.8, 0.95, 1.0]), st.integers(0, 400 * 86_400))
@example(Said(BANK, int(Kind.DOMAIN), 0, int(Origin.OVERSEAS), 0), 0.8, 5)
@example(Said(BANK, int(Kind.PHONE), 80, int(Origin.OVERSEAS), int(SubjectRole.SPOOFED)), 0.8, 5)
def test_a_course_says_what_an_outline_says(said: Said, reliability: float, age: int) -> None:
    for judged in (standing(reliability), standing(reliability, frozenset({BANK}))):
        for each in (age, *ages(said, judged)):
            assert read(said, judged, each) == by_rows(said, judged, each)


@settings(max_examples=30, deadline=None)
@given(SAID, st.floats(0.05, 1.0))
def test_stages_follow_each_other(said: Said, reliability: float) -> None:
    found = course(said, standing(reliability))

    assert list(found.ends) == sorted(found.ends)
    assert len(found.ends) + 1 == len(found.told) == STAGES
