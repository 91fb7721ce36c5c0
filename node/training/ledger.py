"""Count the privacy that plans spend on a member's rows, and refuse what goes beyond its budget.

Epsilons of different plans over the same rows add up (basic composition), so the member, which
alone knows all of them, counts: a plan's whole epsilon is set aside when it is approved, and what
is set aside stays so once rounds may have run. Source: DESIGN §9.
"""

from __future__ import annotations

from typing import Final

from node.errors import PolicyError
from node.store.private import PrivateStore

MILLION: Final = 1_000_000
_PREFIX: Final = "epsilon"


class BudgetError(PolicyError):
    """A plan would spend more privacy than the member has left for these rows."""

    reason = "PRIVACY_BUDGET_SPENT"
    public = "The member's privacy budget does not suffice."
    hint = "train with a smaller epsilon, or raise [budget] epsilon in training.toml"


class EpsilonLedger:
    """Epsilons set aside, by data source and plan; durable, in millionths."""

    def __init__(self, private: PrivateStore) -> None:
        self._private = private

    def reserve(self, source: str, plan: bytes, epsilon: int, budget: int) -> None:
        """Set a plan's epsilon aside; once for a plan, however often it is asked.

        Args:
            source: Name of the rows.
            plan: Digest of the plan.
            epsilon: What the whole run spends, in millionths.
            budget: What all plans over these rows may spend, in millionths.

        Raises:
            BudgetError: PRIVACY_BUDGET_SPENT; nothing was set aside.
        """
        charge = self._private.set_aside(_key(source, plan), _prefix(source), epsilon, budget)
        if not charge.granted:
            left = charge.remaining / MILLION
            raise BudgetError(f"the plan spends {epsilon / MILLION:g}, {left:g} is left")

    def release(self, source: str, plan: bytes) -> None:
        """Give back what a plan has set aside; only for one that never ran over the rows."""
        self._private.remove_quotas(_key(source, plan))

    def is_reserved(self, source: str, plan: bytes, epsilon: int) -> bool:
        """Say whether a plan's epsilon was set aside: asked before each round."""
        return self._private.used(_key(source, plan)) >= epsilon

    def spent(self, source: str) -> int:
        """Return what is set aside for all plans over these rows, in millionths."""
        return sum(self._private.quotas(_prefix(source)).values())


def _key(source: str, plan: bytes) -> str:
    return f"{_prefix(source)}{plan.hex()}"


def _prefix(source: str) -> str:
    return f"{_PREFIX}/{source}/"
