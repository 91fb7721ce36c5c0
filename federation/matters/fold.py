"""Fold matters: processes with states, moved on by what members say.

One table says in which state which statement, by whom and under which rules, leads where and by
when the next step is due. What the table does not allow is refused with the name of the rule.

    matter = advance(None, "coord", roles, plan_statement)
    matter = advance(matter, "bank-a", roles, approval_statement)

A matter is not stored. Views keep the statements, each under its speaker, so that logs commute;
``fold_matter`` folds them when they are read. Members' clocks differ and logs arrive in any order,
so it merges the logs by what is possible: a statement waits for those of others that allow it, and
is refused only when nobody's next statement can count. The same statements give the same matter.

A statement dated ahead of the clock, by more than clocks may differ, counts from its time on; until
then it and what its author said after it in the matter are as if they had not been said. Waiting
for one's own word, and not leaving it out, keeps a member from placing it among what it has said.

Source: DESIGN §7; DOMAIN §2. README.md has the diagrams.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from federation.matters.procedure import Matter, MatterError, Named, Part, Rule, State, Transition
from federation.matters.table import PROCEDURE_OF, STEPS, choice_of
from federation.names import MemberId
from federation.roles import Role
from federation.statements import Statement
from federation.statements.shape import MAX_SKEW_SECONDS

AnyMatter = Matter[Any]


def name_matter(member: MemberId, statement: Statement) -> Named | None:
    """Return which matter a member's statement is about, opener filled in; None: about none."""
    procedure = PROCEDURE_OF.get(type(statement.body))
    if procedure is None:
        return None
    named = procedure.names(statement)
    return Named(named.id, named.opener or member)


def advance(
    matter: AnyMatter | None, member: MemberId, roles: frozenset[Role], statement: Statement
) -> AnyMatter:
    """Return the matter after one more statement.

    Args:
        matter: None before the statement that opens it.
        member: Who speaks.
        roles: What the speaker is; none for one that was revoked by then.
        statement: What it says.

    Raises:
        MatterError: The statement does not count; the matter stays as it was.
    """
    before = matter or _unopened(member, statement)
    _check_names(before, statement)
    row = _find_row(before, member, roles, statement)
    facts = before.procedure.absorb(before.facts, member, statement)
    return replace(
        before,
        state=row.next,
        due=row.due.at(facts, statement.issued_time),
        ends=before.procedure.ends(facts),
        facts=facts,
    )


def _unopened(member: MemberId, statement: Statement) -> AnyMatter:
    procedure = PROCEDURE_OF.get(type(statement.body))
    if procedure is None or not isinstance(statement.body, procedure.opens):
        raise MatterError("MATTER_UNKNOWN", "nobody has opened this matter yet", waits=True)
    named, opened = procedure.names(statement), statement.issued_time
    facts = procedure.begin(statement)
    return Matter(procedure, named.id, State.ABSENT, member, opened, None, None, facts)


def _check_names(matter: AnyMatter, statement: Statement) -> None:
    if type(statement.body) not in matter.procedure.bodies:
        raise MatterError("MATTER_DIFFERS", "the statement is about another kind of matter")
    named = matter.procedure.names(statement)
    if named.id != matter.id or named.opener not in (None, matter.opener):
        raise MatterError("MATTER_DIFFERS", "the statement names another matter or opener")


def _find_row(
    matter: AnyMatter, member: MemberId, roles: frozenset[Role], statement: Statement
) -> Transition:
    body = statement.body
    rows = STEPS.get((matter.kind, matter.state, type(body), choice_of(body)), ())
    if not rows:
        raise MatterError("TRANSITION_NOT_ALLOWED", f"not in the state {matter.state}", waits=True)
    wrong_speaker: MatterError | None = None
    broken: Rule | None = None
    for row in rows:
        wrong = _wrong_speaker(row, matter, member, roles)
        if wrong is not None:  # another row for the same words may be for this speaker
            wrong_speaker = wrong_speaker or wrong
            continue
        broken = _broken_rule(row, matter, member, statement)
        if broken is None:
            return row
    if broken is not None:
        raise MatterError(broken.name, f"it must hold that {broken.sentence}", waits=broken.waits)
    assert wrong_speaker is not None  # noqa: S101  # there was a row, and it did not hold
    raise wrong_speaker


def _wrong_speaker(
    row: Transition, matter: AnyMatter, member: MemberId, roles: frozenset[Role]
) -> MatterError | None:
    if not roles & row.roles:
        return MatterError("ROLE_NOT_ALLOWED", "the member's roles do not allow it")
    if row.part is Part.OPENER and member != matter.opener:
        return MatterError("NOT_THE_OPENER", "only who opened the matter may say this")
    if row.part is Part.PARTY and member not in matter.procedure.parties(matter.facts):
        return MatterError("NOT_A_PARTY", "only who is a party to the matter may say this")
    return None


def _broken_rule(
    row: Transition, matter: AnyMatter, member: MemberId, statement: Statement
) -> Rule | None:
    facts = matter.facts
    return next((rule for rule in row.rules if not rule.holds(facts, member, statement)), None)


class Refused(NamedTuple):
    """A statement that does not count, and why."""

    member: MemberId
    statement: Statement
    error: MatterError


class Step(NamedTuple):
    """A statement in its turn, the state that it left, and why it did not count, if so."""

    member: MemberId
    statement: Statement
    state: State
    error: MatterError | None


@dataclass(frozen=True, slots=True)
class FoldedMatter:
    """A matter as all statements about it leave it; None where nobody opened it.

    Attributes:
        until: Second from which more of what was said counts; None: all that can count does.
    """

    matter: AnyMatter | None
    steps: tuple[Step, ...]
    until: int | None = None

    @property
    def refused(self) -> tuple[Refused, ...]:
        """Return the statements that do not count."""
        return tuple(
            Refused(one.member, one.statement, one.error)
            for one in self.steps
            if one.error is not None
        )


def fold_matter(
    said: Iterable[tuple[MemberId, Statement]],
    roles: Callable[[MemberId, int], frozenset[Role]],
    now: int,
) -> FoldedMatter:
    """Fold all statements of one matter.

    Args:
        said: In the order of each member's log; the order between members does not matter.
        roles: What a member was at a second; none if unknown or revoked by then.
        now: Seconds since 1970.
    """
    waiting, held = _by_log(said, now + MAX_SKEW_SECONDS)
    matter: AnyMatter | None = None
    steps: list[Step] = []
    while waiting:
        heads = sorted((queue[0].issued_time, member) for member, queue in waiting.items())
        stuck: list[Refused] = []
        for issued, member in heads:
            try:
                matter = advance(matter, member, roles(member, issued), waiting[member][0])
            except MatterError as error:
                stuck.append(Refused(member, waiting[member][0], error))
            else:
                steps.append(Step(member, waiting[member][0], matter.state, None))
                _drop_head(waiting, member)
                break
        else:
            state = State.ABSENT if matter is None else matter.state
            first = stuck[0]
            steps.append(Step(first.member, first.statement, state, first.error))
            _drop_head(waiting, first.member)
    state = State.ABSENT if matter is None else matter.state
    for member, statements in sorted(held.items()):
        steps.extend(Step(member, one, state, _not_yet()) for one in statements)
    until = min((one[0].issued_time - MAX_SKEW_SECONDS for one in held.values()), default=None)
    return FoldedMatter(matter, tuple(steps), until)


_Logs = dict[MemberId, deque[Statement]]


def _by_log(said: Iterable[tuple[MemberId, Statement]], latest: int) -> tuple[_Logs, _Logs]:
    """Part the logs into what counts, and what is dated later or was said after such a word."""
    waiting: _Logs = {}
    held: _Logs = {}
    for member, statement in said:
        is_held = member in held or statement.issued_time > latest
        (held if is_held else waiting).setdefault(member, deque()).append(statement)
    return waiting, held


def _not_yet() -> MatterError:
    message = "it, or what the member said before it, is dated ahead of the clock"
    return MatterError("NOT_YET_VALID", message, waits=True)


def _drop_head(waiting: _Logs, member: MemberId) -> None:
    waiting[member].popleft()
    if not waiting[member]:
        del waiting[member]
