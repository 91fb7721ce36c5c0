"""What holds for every kind of matter, whoever says whatever: the table decides, and nothing else.

A kind takes part once it is registered in ``tests.federation.matter_examples``.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from federation.matters import (
    PROCEDURES,
    Kind,
    MatterError,
    Part,
    State,
    advance,
    choice_of,
    draw_states,
    fold_matter,
    list_steps,
    name_matter,
)
from federation.statements.shape import MAX_SKEW_SECONDS, MAX_TIME
from tests.federation.matter_examples import EXAMPLES, MEMBERS, Name
from tests.federation.said import NOW, opaque, said

KINDS = sorted(PROCEDURES)
ENGINE_REASONS = frozenset(
    {
        "MATTER_UNKNOWN",
        "TRANSITION_NOT_ALLOWED",
        "ROLE_NOT_ALLOWED",
        "NOT_THE_OPENER",
        "NOT_A_PARTY",
        "MATTER_DIFFERS",
    }
)
MAX_WALKS = 60  # most kinds need five
WALK_STEPS = 20
LONGEST_WAIT = 40 * 86_400  # seconds between two statements: past every term of the examples


def roles(member, _time):
    return MEMBERS[member]


def rows_for(matter, body):
    """Return the rows that the table has for a body in the state of a matter."""
    return [
        row
        for row in matter.procedure.table
        if (row.state, row.body, row.choice) == (matter.state, type(body), choice_of(body))
    ]


def allows(row, matter, member, statement):
    """Say whether a row allows it, read from the table without the fold's own code."""
    parts = {
        Part.ANYONE: True,
        Part.OPENER: member == matter.opener,
        Part.PARTY: member in matter.procedure.parties(matter.facts),
    }
    return (
        bool(row.roles & MEMBERS[member])
        and parts[row.part]
        and all(one.holds(matter.facts, member, statement) for one in row.rules)
    )


class MatterMachine(RuleBasedStateMachine):
    """Anybody says anything in one matter."""

    kind: Kind

    def __init__(self):
        super().__init__()
        self.matter = None
        self.time = NOW
        self.count = 0
        self.said = []

    def statement(self, body):
        self.count += 1
        own = opaque((self.kind, self.count))
        return said(body, id=own, issued_time=self.time)

    @precondition(lambda self: self.matter is None)
    @rule(data=st.data(), member=st.sampled_from(sorted(MEMBERS)))
    def open(self, data, member):
        body = data.draw(st.sampled_from(EXAMPLES[self.kind].opens))
        statement = self.statement(body)
        self.said.append((member, statement))
        try:
            self.matter = advance(None, member, MEMBERS[member], statement)
        except MatterError as error:
            self.check_reason(error)
            return
        rows = [one for one in self.matter.procedure.table if one.state is State.ABSENT]

        assert any(row.roles & MEMBERS[member] for row in rows)
        assert self.matter.opener == member
        assert self.matter.opened == self.time

    @precondition(lambda self: self.matter is not None)
    @rule(
        data=st.data(),
        member=st.sampled_from(sorted(MEMBERS)),
        wait=st.sampled_from([0, 1, 60, 3_600, 86_400]) | st.integers(0, LONGEST_WAIT),
        fitting=st.booleans(),
    )
    def say(self, data, member, wait, fitting):
        self.time += wait
        before = self.matter
        moves = EXAMPLES[self.kind].moves(Name(before.id, before.opener))
        likely = [body for body in moves if rows_for(before, body)]
        body = data.draw(st.sampled_from(likely if fitting and likely else list(moves)))
        statement = self.statement(body)
        self.said.append((member, statement))
        try:
            self.matter = advance(before, member, MEMBERS[member], statement)
        except MatterError as error:
            self.check_reason(error)
            self.check_refusal(before, member, statement)
        else:
            self.check_step(before, member, statement)

    def check_reason(self, error):
        rules = {one.name for row in PROCEDURES[self.kind].table for one in row.rules}

        assert error.reason in ENGINE_REASONS | rules
        assert str(error)

    def check_refusal(self, before, member, statement):
        named = name_matter(member, statement)
        ours = named is not None and (named.id, named.opener) == (before.id, before.opener)
        rows = rows_for(before, statement.body) if ours else []

        assert not any(allows(row, before, member, statement) for row in rows)

    def check_step(self, before, member, statement):
        after, rows = self.matter, rows_for(before, statement.body)
        row = next(one for one in rows if allows(one, before, member, statement))

        assert after.state is row.next
        assert (after.id, after.opener, after.opened) == (before.id, before.opener, before.opened)
        assert not before.is_over
        assert after.due == row.due.at(after.facts, statement.issued_time)
        assert after.ends == after.procedure.ends(after.facts)

    @invariant()
    def a_state_of_the_table(self):
        if self.matter is None:
            return
        procedure = self.matter.procedure

        assert self.matter.state in {row.next for row in procedure.table}
        assert self.matter.is_over is (self.matter.state in procedure.final)
        assert not self.matter.is_over or not self.matter.turn.members

    def teardown(self):
        """Fold what was said again: in any interleaving of the logs it is the same matter."""
        seen = outcome(self.said)
        for seed in range(3):
            assert outcome(interleaved(self.said, Random(seed))) == seen


def outcome(story, now=MAX_TIME):
    """Return what a story comes to, in a form that compares."""
    folded = fold_matter(story, roles, now)
    steps = [
        (one.member, one.statement.id, one.state, one.error and one.error.reason)
        for one in folded.steps
    ]
    return folded.matter, steps


def interleaved(story, random):
    """Return the statements with each member's own in order and the members' in any."""
    logs = {}
    for member, statement in story:
        logs.setdefault(member, []).append(statement)
    order = [member for member, log in logs.items() for _ in log]
    random.shuffle(order)
    places = {member: iter(log) for member, log in logs.items()}
    return [(member, next(places[member])) for member in order]


def test_every_kind_has_examples():
    assert set(EXAMPLES) == set(PROCEDURES)


@pytest.mark.parametrize("kind", KINDS)
def test_no_sequence_of_statements_reaches_what_the_table_forbids(kind):
    machine = type(f"{kind}Machine", (MatterMachine,), {"kind": kind})

    run_state_machine_as_test(
        machine, settings=settings(max_examples=30, stateful_step_count=25, deadline=None)
    )


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_any_interleaving_of_the_logs_gives_the_same_matter(kind, seed):
    random = Random(seed)
    story = random_story(kind, random)
    seen = outcome(story)

    assert outcome(interleaved(story, random)) == seen
    assert len(seen[1]) == len(story)


def random_story(kind, random):
    """Return what members said about one matter, at any time, most of it forbidden."""
    examples, members = EXAMPLES[kind], sorted(MEMBERS)
    opener, opening = random.choice(members), said(random.choice(examples.opens), id=opaque(kind))
    named = name_matter(opener, opening)
    story = [(opener, opening)]
    for number in range(random.randrange(20)):
        body = random.choice(examples.moves(Name(named.id, opener)))
        time = NOW + random.choice([number, random.randrange(LONGEST_WAIT)])
        own = opaque((kind, number, time))
        story.append((random.choice(members), said(body, id=own, issued_time=time)))
    return story


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**32), wait=st.integers(-1, LONGEST_WAIT))
@settings(max_examples=40, deadline=None)
def test_what_is_dated_ahead_of_the_clock_is_as_if_it_had_not_been_said(kind, seed, wait):
    random = Random(seed)
    story, now = random_story(kind, random), NOW - MAX_SKEW_SECONDS + wait
    latest = now + MAX_SKEW_SECONDS
    known = said_by(story, latest)
    folded = fold_matter(story, roles, now)
    late = [one for one in folded.refused if one.error.reason == "NOT_YET_VALID"]

    assert folded.matter == fold_matter(known, roles, MAX_TIME).matter
    assert len(late) == len(story) - len(known)
    assert all(one.error.waits for one in late)
    assert all(one.statement.issued_time <= latest for one in folded.steps if one.error is None)
    assert outcome(interleaved(story, random), now) == outcome(story, now)
    if folded.until is None:
        assert known == story
    else:
        assert folded.until > now
        assert fold_matter(story, roles, folded.until - 1).matter == folded.matter
        assert said_by(story, folded.until + MAX_SKEW_SECONDS) != known


def said_by(story, latest):
    """Return what members had said by a second, until one of their words is dated later."""
    silent, found = set(), []
    for member, statement in story:
        if statement.issued_time > latest:
            silent.add(member)
        if member not in silent:
            found.append((member, statement))
    return found


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**32), ahead=st.integers(1, LONGEST_WAIT))
@settings(max_examples=40, deadline=None)
def test_nobody_changes_what_is_by_what_is_dated_ahead(kind, seed, ahead):
    random = Random(seed)
    story = random_story(kind, random)
    now = max(one.issued_time for _member, one in story)
    before = fold_matter(story, roles, now).matter
    opener, opening = story[0]
    named = name_matter(opener, opening)
    for body in EXAMPLES[kind].moves(Name(named.id, opener)):
        time = now + MAX_SKEW_SECONDS + ahead
        word = said(body, id=opaque((kind, "ahead")), issued_time=time)
        extended = [*story, (random.choice(sorted(MEMBERS)), word)]

        assert fold_matter(extended, roles, now).matter == before


@pytest.mark.parametrize("kind", KINDS)
def test_walks_along_the_table_reach_every_state(kind):
    wanted = {row.next for row in PROCEDURES[kind].table}
    reached = set()
    for seed in range(MAX_WALKS):
        walk(kind, Random(seed), reached)
        if reached == wanted:
            break

    assert wanted - reached == set()


def walk(kind, random, reached):
    """Say only what is allowed, rather what leads to a new state than to an end."""
    matter, time = None, NOW
    pace = random.choice([1, 60, 3_600, 86_400])
    for number in range(WALK_STEPS):
        time += random.choice([1, pace])
        found = next_steps(kind, matter, number, time)
        if not found:
            return
        random.shuffle(found)
        matter = min(found, key=lambda one: (one.state in reached, one.is_over))
        reached.add(matter.state)


def next_steps(kind, matter, number, time):
    """Return the matters that one more statement can make of a matter."""
    examples = EXAMPLES[kind]
    moves = examples.opens if matter is None else examples.moves(Name(matter.id, matter.opener))
    tries = [
        (member, said(body, id=opaque((kind, number)), issued_time=time))
        for body in moves
        if matter is None or rows_for(matter, body)
        for member in sorted(MEMBERS)
    ]
    return [after for one in tries if (after := step(matter, *one)) is not None]


def step(matter, member, statement):
    """Return the matter after a statement; None where it does not count."""
    try:
        return advance(matter, member, MEMBERS[member], statement)
    except MatterError:
        return None


@pytest.mark.parametrize("kind", KINDS)
def test_the_drawing_and_the_list_have_each_row(kind):
    table = PROCEDURES[kind].table
    drawn, listed = draw_states(kind), list_steps(kind)
    lines = listed.splitlines()[2:]

    assert len(lines) == len(table)
    for row, line in zip(table, lines, strict=True):
        words = row.body.__name__ + (f" {row.choice.name}" if row.choice is not None else "")
        start = "[*]" if row.state is State.ABSENT else row.state
        (arrow,) = [
            one for one in drawn.splitlines() if one.startswith(f"    {start} --> {row.next}:")
        ]

        assert words in arrow
        assert line.startswith(f"| {row.state} | `{words}` |")
        assert all(f"`{rule.name}`" in line for rule in row.rules)
        assert all(role in line for role in row.roles)


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_says_everything_that_a_person_needs(kind):
    procedure = PROCEDURES[kind]
    states = {row.state for row in procedure.table}
    reached = {row.next for row in procedure.table} | {State.ABSENT}

    assert states <= reached, "a state with rows that nothing leads to"
    assert procedure.opens in procedure.bodies
    assert {row.body for row in procedure.table} == procedure.bodies
    assert all(row.kind is kind and row.roles for row in procedure.table)
    assert all(
        rule.name.isupper() and rule.sentence for row in procedure.table for rule in row.rules
    )
    assert all(row.body is procedure.opens for row in procedure.table if row.state is State.ABSENT)
