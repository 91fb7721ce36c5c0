"""What members may say in each kind of matter, for the tests that hold for every kind.

A kind is registered with what opens one of its matters and what can be said about it::

    register(Kind.WARNING, opens=[warning_task()], moves=lambda name: [step(name.id, name.opener)])

``name.id`` is the id of the matter and ``name.opener`` who opened it; for a kind whose matters have
the id of their opening statement, it is that id. Bodies need not be allowed, only well formed: the
tests draw any of them at any time from anyone, and more often what the table has a row for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from federation.matters import Kind
from federation.names import MemberId
from federation.roles import Role
from federation.vocabulary import ModelStage, TrainingDecision
from tests.federation import (
    clue_world,
    duty_world,
    notice_world,
    one_id_world,
    trace_world,
    warning_world,
)
from tests.federation import disposition_world as disposition
from tests.federation import report_world as report
from tests.federation import training_world as training
from tests.federation import verification_world as verification

MEMBERS: dict[MemberId, frozenset[Role]] = training.ROLES | {
    MemberId("carrier-e"): frozenset({Role.CARRIER}),
    MemberId("net-f"): frozenset({Role.INTERNET}),
    MemberId("ministry"): frozenset({Role.REGULATOR}),
    MemberId("stranger"): frozenset(),
}
"""Who speaks: all roles that have a log, most of them twice, and one that was revoked."""


class Name(NamedTuple):
    """Which matter a body is about."""

    id: bytes
    opener: MemberId


@dataclass(frozen=True)
class Examples:
    """What can be said in the matters of one kind."""

    opens: Sequence[Any]
    moves: Callable[[Name], Sequence[Any]]


EXAMPLES: dict[Kind, Examples] = {}


def register(kind: Kind, *, opens: Sequence[Any], moves: Callable[[Name], Sequence[Any]]) -> None:
    """Let the tests of every kind know what can be said in this one."""
    EXAMPLES[kind] = Examples(opens, moves)


def _training_moves(name: Name) -> list[Any]:
    by = name.opener
    return [
        training.approve(coordinator=by),
        training.approve(coordinator=by, row_cap=1_000_000_000),
        replace(training.refuse(), coordinator=by),
        training.enrol(),
        training.enrol(training.A, training.B),
        *(training.ended(number) for number in (1, 2, 3)),
        training.ended(1, training.A),
        training.evaluate(),
        training.evaluate(contributors=2),
        *(training.stage(which) for which in ModelStage if which is not ModelStage.ENROLLED),
        replace(training.approve_release(), coordinator=by),
        replace(training.approve_release(decision=TrainingDecision.REFUSE_RELEASE), coordinator=by),
    ]


register(Kind.TRAINING_PLAN, opens=[training.PLAN], moves=_training_moves)
register(Kind.DISPOSITION, opens=disposition.OPENS, moves=disposition.moves)
register(Kind.NOTICE, opens=notice_world.OPENS, moves=notice_world.moves)
register(Kind.RESPONSIBILITY, opens=[duty_world.ITEM], moves=duty_world.moves)
register(Kind.REPORT, opens=report.OPENS, moves=report.moves)
register(Kind.VERIFICATION, opens=verification.OPENS, moves=verification.moves)
register(Kind.WARNING, opens=warning_world.OPENS, moves=warning_world.moves)
register(Kind.CLUE, opens=clue_world.OPENS, moves=clue_world.moves)
register(Kind.TRACE, opens=trace_world.OPENS, moves=trace_world.moves)
register(Kind.ONE_ID, opens=one_id_world.OPENS, moves=one_id_world.moves)
register(Kind.ONE_ID_DISPUTE, opens=one_id_world.DISPUTES, moves=one_id_world.dispute_moves)
