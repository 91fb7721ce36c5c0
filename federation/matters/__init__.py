"""Matters: processes with states, moved on by statements; README.md has their diagrams."""

from federation.matters.clue import ClueFacts, ClueMatter
from federation.matters.disposition import IN_FORCE, DispositionMatter
from federation.matters.disposition_facts import Answer, DispositionFacts
from federation.matters.drawing import draw_states, list_steps
from federation.matters.fold import (
    AnyMatter,
    FoldedMatter,
    Refused,
    Step,
    advance,
    fold_matter,
    name_matter,
)
from federation.matters.procedure import (
    Kind,
    Matter,
    MatterError,
    Part,
    Procedure,
    Rule,
    State,
    Transition,
    Turn,
    handle_of,
)
from federation.matters.table import PROCEDURE_OF, PROCEDURES, TABLE, choice_of
from federation.matters.trace import TraceFacts, TraceMatter
from federation.matters.training import TrainingMatter, models_in_force
from federation.matters.training_facts import TrainingFacts, release_digest

__all__ = [
    "IN_FORCE",
    "PROCEDURES",
    "PROCEDURE_OF",
    "TABLE",
    "Answer",
    "AnyMatter",
    "ClueFacts",
    "ClueMatter",
    "DispositionFacts",
    "DispositionMatter",
    "FoldedMatter",
    "Kind",
    "Matter",
    "MatterError",
    "Part",
    "Procedure",
    "Refused",
    "Rule",
    "State",
    "Step",
    "TraceFacts",
    "TraceMatter",
    "TrainingFacts",
    "TrainingMatter",
    "Transition",
    "Turn",
    "advance",
    "choice_of",
    "draw_states",
    "fold_matter",
    "handle_of",
    "list_steps",
    "models_in_force",
    "name_matter",
    "release_digest",
]
