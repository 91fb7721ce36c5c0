"""Find the training plans that stand in the logs, each folded into its matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from federation.matters import Kind, Refused, TrainingMatter, models_in_force
from federation.names import MemberId
from federation.roles import Role
from federation.statements.shape import DIGEST_BYTES
from node.errors import RequestError
from node.matters.book import MatterBook, ambiguous

LEAST_PREFIX_BYTES: Final = 4
"""Bytes of a digest that name a plan: less is a slip of the hand, not a choice."""


@dataclass(frozen=True, slots=True)
class PlanMatter:
    """A plan's matter and what does not count in it."""

    matter: TrainingMatter
    refused: tuple[Refused, ...]

    @property
    def is_open(self) -> bool:
        """Whether anything can still happen to it."""
        return not self.matter.is_over


class TrainingMatters:
    """The plans among a node's matters."""

    def __init__(self, book: MatterBook) -> None:
        self._book = book

    def version(self) -> tuple[int, int]:
        """Return what changes when a plan may have changed; blocking."""
        return self._book.version()

    def all(self) -> tuple[PlanMatter, ...]:
        """Return every plan, newest first; blocking."""
        found = self._book.all(Kind.TRAINING_PLAN)
        return tuple(PlanMatter(one.matter, one.refused) for one in found)

    def find(self, digest: bytes) -> PlanMatter:
        """Return the plan whose digest or handle begins so; blocking.

        Raises:
            RequestError: PLAN_DIGEST_INVALID, PLAN_UNKNOWN or PLAN_AMBIGUOUS.
        """
        if not LEAST_PREFIX_BYTES <= len(digest) <= DIGEST_BYTES:
            raise RequestError(
                "a plan is named by at least the first 8 hexadecimal digits of its digest",
                reason="PLAN_DIGEST_INVALID",
                hint="tocsin train list",
            )
        found = self._book.named(digest, Kind.TRAINING_PLAN)
        if not found:
            raise RequestError(
                "no plan has this digest", reason="PLAN_UNKNOWN", hint="tocsin train list"
            )
        if len(found) > 1:
            raise ambiguous(found, "PLAN_AMBIGUOUS", "several plans fit: the digest is too short")
        return PlanMatter(found[0].matter, found[0].refused)

    def in_force(self) -> frozenset[tuple[bytes, MemberId]]:
        """Return plan and coordinator of the models in force; blocking."""
        found = models_in_force(one.matter for one in self.all())
        return frozenset((one.id, one.opener) for one in found.values())

    def roles(self, member: MemberId, time: int) -> frozenset[Role]:
        """Return what a member was at a second, by the charter in force."""
        return self._book.roles(member, time)
