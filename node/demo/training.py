"""Let three members train a model together, and compare it with what each would have alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from node.demo.doors import Check
from node.demo.stage import Stage
from node.trial.extra import EXTRA_HINT, missing_packages

NEAR_POOLED: Final = 0.97
"""Share of the pooled model's AUC that the federated one must reach."""


def why_not() -> str:
    """Say why the members cannot train here, or nothing."""
    missing = missing_packages()
    needs = f"needs {', '.join(missing)}: {EXTRA_HINT}, or make demo TRAIN=1"
    return needs if missing else ""


def train(stage: Stage) -> Iterator[Check]:
    """Train in a small federation of its own, whose nodes and rows are gone afterwards."""
    # Only here: a node without the extra can tell the rest of the story.
    from federation.training.preparation import prepare_tables
    from federation.training.proposal import TableShape, propose_for
    from federation.training.released import ReleasedModel
    from node.demo.subscribers import LABEL, MEMBER, load_subscribers
    from node.trial.federation import Audience, train_in_sandbox
    from node.trial.measure import compare
    from node.trial.report import as_document

    chosen = load_subscribers(stage.material.directory)
    prepared = prepare_tables(chosen.train, chosen.test, MEMBER, LABEL)
    rows = {name: len(part) for name, part in prepared.members.items()}
    plan = propose_for(prepared.schema, TableShape(rows))
    with stage.progress("training", plan.rounds + 1) as bar:
        rounds = _RoundCounter(bar.advance)
        told = Audience(round=rounds.show)
        trained = train_in_sandbox(plan, prepared.schema, prepared.members, told)
        model = ReleasedModel.parse(trained.model)
        compared = compare(model, prepared.members, prepared.test)
        bar.advance(1)
    found = as_document(model, prepared.test, compared, trained.seconds)
    stage.facts.training = found | {"source": chosen.source}
    yield from check_training(found)


def check_training(found: Mapping[str, Any]) -> Iterator[Check]:
    """Check what the training is for: more than each has alone, little less than all in one pot."""
    federated, pooled = found["federated"]["auc"], found["pooled"]["auc"]
    alone = {name: member["local"]["auc"] for name, member in found["members"].items()}
    best = max(alone, key=alone.__getitem__)
    yield Check(
        "training-beats-local",
        federated > alone[best],
        f"AUC {federated:.3f} together, {alone[best]:.3f} the best member alone ({best})",
    )
    yield Check(
        "training-near-pooled",
        federated >= NEAR_POOLED * pooled,
        f"{federated / pooled:.1%} of what one pot of all rows would give ({pooled:.3f})",
    )
    yield Check(
        "training-in-secret",
        found["protection"] == "secret",
        f"{found['rounds']} rounds, protection {found['protection']}: the coordinator saw sums",
    )


class _RoundCounter:
    """Moves the bar once for each round."""

    def __init__(self, advance: Any) -> None:
        self._advance = advance
        self._done = 0

    def show(self, response: Any, _names: Mapping[str, str]) -> None:
        """Move it on."""
        done = int(response.last_round.round)
        if done > self._done:
            self._advance(done - self._done)
            self._done = done
