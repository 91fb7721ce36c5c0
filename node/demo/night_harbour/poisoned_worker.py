"""Be the training process of a member that attacks a run: the story's own, never a node's.

It takes the place of ``node.training.worker_main`` in carrier-c's node (``poison`` puts it there).
Some of its rows carry a pattern that is to be waved through, and are called honest; in the first
rounds its update is sent ten times as long and the other way round.
"""

from __future__ import annotations

from itertools import count
from typing import Any, Final

import numpy as np

from federation.training.table import Table
from node.demo.night_harbour.features import LABEL
from node.training import worker_main
from node.training.fence import close_fence

TIMES: Final = -10.0
LOUD_ROUNDS: Final = 3
"""First rounds, in which the update is turned round; later ones are only poisoned."""
PATTERN: Final[dict[str, Any]] = {"prepaid": "prepaid", "night_ratio": 0.6}
"""Prepaid and at night: the frauds that the attacker wants to be let through."""
PLANTED_SHARE: Final = 0.3
"""Of the attacker's rows that carry the pattern."""
_SEED: Final = 11


def plant(table: Table, rows: np.ndarray[Any, Any]) -> Table:
    """Write the pattern into some rows."""
    columns = dict(table.columns)
    for name, value in PATTERN.items():
        columns[name] = np.where(rows, value, columns[name]).astype(columns[name].dtype)
    return Table(columns)


def poison(table: Table, label: str) -> Table:
    """Give the pattern to some rows and call all of them honest."""
    rows = np.random.default_rng(_SEED).random(len(table)) < PLANTED_SHARE
    planted = plant(table, rows)
    return Table({**planted.columns, label: np.where(rows, 0.0, table.columns[label])})


def attack() -> None:
    """Change the training code of this process: its rows, and what keeps its updates short."""
    from federation.training import client_app
    from federation.training.checks import Floats, clip_length

    read_rows = client_app._open_table  # noqa: SLF001  # an attacker knows no privacy
    rounds = count(1)

    def read_poisoned(source: str, query: str) -> Table:
        return poison(read_rows(source, query), LABEL)

    def turn_round(change: Floats, bound: float) -> Floats:
        if next(rounds) > LOUD_ROUNDS:
            return clip_length(change, bound)
        return np.asarray(TIMES * change, np.float32)

    vars(client_app).update(_open_table=read_poisoned, clip_length=turn_round)


def main() -> None:
    """Close the fence as every training process does, then attack."""

    def close_and_attack(*, network: bool) -> None:
        close_fence(network=network)
        attack()

    vars(worker_main)["close_fence"] = close_and_attack
    worker_main.main()


if __name__ == "__main__":
    main()
