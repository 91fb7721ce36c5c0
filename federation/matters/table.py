"""Put the procedures of all kinds into one table, indexed by what the fold asks."""

import enum
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from federation.matters.clue import CLUE
from federation.matters.disposition import DISPOSITION
from federation.matters.notice import NOTICE
from federation.matters.one_id import ONE_ID
from federation.matters.one_id_dispute import ONE_ID_DISPUTE
from federation.matters.procedure import Kind, Procedure, State, Transition
from federation.matters.report import REPORT
from federation.matters.responsibility import RESPONSIBILITY
from federation.matters.trace import TRACE
from federation.matters.training import TRAINING
from federation.matters.verification import VERIFICATION
from federation.matters.warning import WARNING
from federation.vocabulary import FraudStage

PROCEDURES: Final[Mapping[Kind, Procedure[Any]]] = {
    one.kind: one
    for one in (
        TRAINING,
        WARNING,
        REPORT,
        VERIFICATION,
        DISPOSITION,
        RESPONSIBILITY,
        NOTICE,
        CLUE,
        TRACE,
        ONE_ID,
        ONE_ID_DISPUTE,
    )
}
"""The procedure of every kind."""

PROCEDURE_OF: Final[Mapping[type, Procedure[Any]]] = {
    body: one for one in PROCEDURES.values() for body in one.bodies
}
"""The procedure that a body moves; no body moves two."""

TABLE: Final[tuple[Transition, ...]] = tuple(
    row for one in PROCEDURES.values() for row in one.table
)
"""Every step that there is."""

_Key = tuple[Kind, State, type, enum.IntEnum | None]


def choice_of(body: Any) -> enum.IntEnum | None:
    """Return the stage, decision or step that a body names, if its kind has one."""
    for name in ("stage", "decision", "step"):
        found = getattr(body, name, None)
        # The stage of a fraud is a fact like others: it decides no step.
        if isinstance(found, enum.IntEnum) and found and not isinstance(found, FraudStage):
            return found
    return None


def _index() -> Mapping[_Key, tuple[Transition, ...]]:
    found: defaultdict[_Key, tuple[Transition, ...]] = defaultdict(tuple)
    for row in TABLE:
        found[row.kind, row.state, row.body, row.choice] += (row,)
    return dict(found)


STEPS: Final = _index()
