"""Say what a statement bears under a standing, as one record of numbers for each that is said."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from federation.authorisation import protects_alone
from federation.course import Said
from federation.decay import CURVES
from federation.indicators.kind import Kind
from federation.roles import Role
from federation.verdict import Standing
from federation.vocabulary import Origin, SubjectRole
from federation.weighing import (
    DESIGNATION,
    NEWCOMER,
    NOMINATION,
    NOT_OFFENDERS,
    bearing,
    has_say,
)
from node.lookup.packed import FIRST_OTHER, FIRST_SAID
from node.lookup.reading import PROTECTED, REASSIGNED

# Records kept, 200 bytes each.
_RECORDS: Final = 32_768

HAS_SAY: Final = 1 << 0
IS_CUTOFF: Final = 1 << 1
IS_PROTECTION: Final = 1 << 2
PROTECTS_ALONE: Final = 1 << 3
IS_DESIGNATION: Final = 1 << 4
IS_NOMINATION: Final = 1 << 5
COUNTS: Final = 1 << 6
"""It accuses, and has weight."""
IS_DISPUTE: Final = 1 << 7
SUPPORTS: Final = 1 << 8
WITHDRAWS: Final = 1 << 9
RENEWS: Final = 1 << 10
FROM_ABROAD: Final = 1 << 11
OF_MULE: Final = 1 << 12
OF_POLICE: Final = 1 << 13
"""All others are what ``federation.weighing`` calls so."""

_RECORD: Final = np.dtype(
    [
        ("flags", np.int64),
        ("member", np.int64),
        ("amplitude", np.float64),
        ("lifetime", np.int64),
        ("exponent", np.float64),
    ]
)
Records = npt.NDArray[np.void]


def records(numbers: npt.NDArray[np.int64], said: Sequence[Said], standing: Standing) -> Records:
    """Return what each row of these numbers bears."""
    distinct, inverse = np.unique(numbers, return_inverse=True)
    members: dict[str, int] = {}
    table = np.zeros(len(distinct), _RECORD)
    for place, number in enumerate(distinct.tolist()):
        one = said[number % FIRST_OTHER - FIRST_SAID]
        member = one.member
        roles = frozenset() if member in standing.revoked else standing.roles.get(member)
        trust = standing.reliability.get(member, NEWCOMER)
        flags, *rest = _record(one, roles or frozenset(), trust)
        table[place] = (flags, members.setdefault(member, len(members)), *rest)
    return table[inverse]


@functools.lru_cache(_RECORDS)
def _record(said: Said, roles: frozenset[Role], trust: float) -> tuple[Any, ...]:
    standing = Standing({said.member: roles}, {said.member: trust})
    if said.body == REASSIGNED:
        return _flags(IS_CUTOFF, has_say(said.member, "reassigned", standing))
    if said.body == PROTECTED:
        kind = IS_PROTECTION | (PROTECTS_ALONE if protects_alone(roles) else 0)
        return _flags(kind, has_say(said.member, "protected_object", standing))
    if said.body == DESIGNATION:
        return _flags(IS_DESIGNATION, has_say(said.member, "designation", standing))
    return _evidence(said, roles, standing)


def _flags(flags: int, may_say: bool) -> tuple[Any, ...]:
    return (flags | HAS_SAY if may_say else 0, 0.0, 1, 1.0)


def _evidence(said: Said, roles: frozenset[Role], standing: Standing) -> tuple[Any, ...]:
    found = bearing(said.member, said.body, said.confidence, said.origin, standing)
    if found is None:
        return _flags(0, False)
    is_nomination, curve = said.body == NOMINATION, CURVES[Kind(said.kind)]
    flags = {
        HAS_SAY: True,
        IS_NOMINATION: is_nomination,
        COUNTS: found.weighs and said.role not in NOT_OFFENDERS,
        IS_DISPUTE: found.is_dispute,
        SUPPORTS: found.supports,
        WITHDRAWS: found.withdraws,
        RENEWS: found.renews,
        FROM_ABROAD: is_nomination and said.origin == Origin.OVERSEAS,
        OF_MULE: said.role == SubjectRole.MULE,
        OF_POLICE: Role.POLICE in roles,
    }
    bits = sum(flag for flag, holds in flags.items() if holds)
    return bits, found.amplitude, curve.lifetime_seconds, 1 / curve.speed
