"""Say together what several sectors' models say about one subject, in five levels each.

Each member's log-odds, less the usual ones of its own rows, fall into one of five levels; only the
sum of the levels and the number of members are shown. Adding log-odds is what independent evidence
of different sectors comes to. Source: DOMAIN §8.2 (late fusion).
"""

from typing import Final

import numpy as np
import numpy.typing as npt

LEVEL_NATS: Final = 2.0
"""Log-odds of one level: twice as coarse as what a person tells apart, seven times the odds."""
MOST_LEVEL: Final = 2
"""Levels above and below the usual one: -2 to 2."""
LEAST_MEMBERS: Final = 2
"""Members with a model and rows of the subject: the sum of one would be its own. DOMAIN §8.2."""


def level_of(log_odds: npt.NDArray[np.floating] | float, prior: float) -> npt.NDArray[np.int64]:
    """Give the level of log-odds; ``prior`` are those of label 1 among the model's rows."""
    levels = np.rint((np.asarray(log_odds) - prior) / LEVEL_NATS)
    found: npt.NDArray[np.int64] = np.clip(levels, -MOST_LEVEL, MOST_LEVEL).astype(np.int64)
    return found


def fused_log_odds(level_sum: int) -> float:
    """Give the log-odds above the usual that a sum of levels comes to."""
    return LEVEL_NATS * level_sum
