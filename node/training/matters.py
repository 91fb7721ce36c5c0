"""Find the training plans that stand in the logs, each folded into its matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from federation.charter import Charter
from federation.matters import FINAL, Matter, Refused, fold_matter, models_in_force
from federation.names import MemberId
from federation.roles import Role
from federation.statements import decode_statement
from federation.statements.shape import DIGEST_BYTES
from node.errors import RequestError
from node.store.catalogue import Catalogue, TrainingRow

LEAST_PREFIX_BYTES: Final = 4
"""Bytes of a digest that name a plan: less is a slip of the hand, not a choice."""


@dataclass(frozen=True, slots=True)
class PlanMatter:
    """A plan's matter and what does not count in it."""

    matter: Matter
    refused: tuple[Refused, ...]

    @property
    def is_open(self) -> bool:
        """Whether anything can still happen to it."""
        return self.matter.state not in FINAL


class TrainingMatters:
    """Folds plans when they are asked for, and again only when the logs or the charter changed."""

    def __init__(self, catalogue: Catalogue, charter: Callable[[], Charter]) -> None:
        self._catalogue = catalogue
        self._charter = charter
        self._key: tuple[int, int] = (-1, 0)
        self._plans: tuple[PlanMatter, ...] = ()

    def version(self) -> tuple[int, int]:
        """Return what changes when a plan may have changed; blocking."""
        return self._catalogue.training_count(), self._charter().version

    def all(self) -> tuple[PlanMatter, ...]:
        """Return every plan, newest first; blocking."""
        key = self.version()
        if key != self._key:
            rows = self._catalogue.training_statements()
            grouped = groupby(rows, lambda row: (row.plan, row.coordinator))
            folded = [self._fold(list(group)) for _name, group in grouped]
            plans = [one for one in folded if one is not None]
            plans.sort(key=lambda one: (-one.matter.opened, one.matter.id, one.matter.opener))
            self._plans, self._key = tuple(plans), key
        return self._plans

    def find(self, digest: bytes) -> PlanMatter:
        """Return the plan whose digest begins so; blocking.

        Raises:
            RequestError: PLAN_DIGEST_INVALID, PLAN_UNKNOWN or PLAN_AMBIGUOUS.
        """
        if not LEAST_PREFIX_BYTES <= len(digest) <= DIGEST_BYTES:
            raise RequestError(
                "a plan is named by at least the first 8 hexadecimal digits of its digest",
                reason="PLAN_DIGEST_INVALID",
                hint="tocsin train list",
            )
        found = [one for one in self.all() if one.matter.id.startswith(digest)]
        if not found:
            raise RequestError(
                "no plan has this digest", reason="PLAN_UNKNOWN", hint="tocsin train list"
            )
        if len(found) > 1:
            raise RequestError(
                "several plans fit: the digest is too short, or two members proposed one plan",
                reason="PLAN_AMBIGUOUS",
                hint="tocsin train list",
            )
        return found[0]

    def in_force(self) -> frozenset[tuple[bytes, MemberId]]:
        """Return plan and coordinator of the models in force; blocking."""
        found = models_in_force(one.matter for one in self.all())
        return frozenset((one.id, one.opener) for one in found.values())

    def roles(self, member: MemberId, time: int) -> frozenset[Role]:
        """Return what a member was at a second, by the charter in force."""
        known = self._charter().find(member)
        if known is None or known.is_revoked(time):
            return frozenset()
        return known.roles

    def _fold(self, rows: list[TrainingRow]) -> PlanMatter | None:
        said = [(MemberId(row.member), decode_statement(row.body)) for row in rows]
        folded = fold_matter(said, self.roles)
        if folded.matter is None:
            return None  # its proposal has not arrived yet, or never counted
        return PlanMatter(folded.matter, folded.refused)
