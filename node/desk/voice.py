"""Hold what every statement of the desk is made with: whose it is, its stores, its limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from node.desk.intake import Intake
from node.desk.own_claims import OwnClaims
from node.speaker import Speaker
from node.store.catalogue import Catalogue
from node.store.private import PrivateStore
from node.verdicts import Verdicts


@dataclass(frozen=True, slots=True)
class Stores:
    """What a statement of the desk reads and writes beside the log."""

    catalogue: Catalogue
    private: PrivateStore
    verdicts: Verdicts
    claims: OwnClaims


@dataclass(frozen=True, slots=True)
class Voice:
    """What one member speaks with.

    Attributes:
        member: In whose name.
        intake: Makes tokens of raw values.
        speaker: Appends to the own log.
        pad: Least points of a batch, as the charter has it now.
        epoch: Of the token keys in use.
        clock: Seconds since 1970.
    """

    member: str
    intake: Intake
    speaker: Speaker
    stores: Stores
    pad: Callable[[], int]
    epoch: Callable[[], int]
    clock: Callable[[], int]
