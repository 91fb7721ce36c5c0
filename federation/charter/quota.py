"""Say how much a role may ask for; the limits stand in the charter.

A day is a UTC day. Limits on evaluations are what the federation as a whole grants; each holder
counts its own part of it (``federation.authorisation.holder_limit``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from federation.charter.document import Document, Fields
from federation.charter.error import refuse, refuse_format
from federation.indicators.kind import KindClass
from federation.roles import CASE_ROLES, INDUSTRY, Role

# Evaluations or look-ups: ten digits, as in statements; far beyond a country's numbers.
MAX_QUOTA: Final = 9_999_999_999
# Points: a batch has at most 16,384 of them (DESIGN §5).
MAX_PAD: Final = 16_384

# Evaluations a day and class: two million fresh customers or nominations, one core's two minutes.
INDUSTRY_EVALUATIONS: Final = 2_000_000
# Evaluations a day and class: case work and a partner's deliveries (200 contacts, padded); at this
# pace the numbers of one area code (10**7) take five years.
CASE_EVALUATIONS: Final = 6_000
# Days of full use that the cap of an epoch allows, so that patience does not buy a dictionary.
EPOCH_DAYS: Final = 100
# Look-ups a day: a partner's deliveries through padded buckets.
PARTNER_LOOKUPS: Final = 20_000
# Look-ups a day for those who hold a replica and ask elsewhere only to compare.
MEMBER_LOOKUPS: Final = 2_000_000
# Points a batch is padded to, so that its size does not tell one call from another.
INDUSTRY_PAD: Final = 64
# The same where every point counts against a small quota.
CASE_PAD: Final = 8


@dataclass(frozen=True, slots=True)
class RoleQuota:
    """What a member of a role may ask for.

    Attributes:
        evaluate: Evaluations a day, for every kind class.
        evaluate_epoch: Evaluations in one key epoch, for every kind class.
        lookup: Tokens and prefixes looked up a day.
        pad: Least size of a batch; decoys count too.

    Raises:
        CharterError: CHARTER_INVALID; a class is missing or a number out of bounds.
    """

    evaluate: Mapping[KindClass, int]
    evaluate_epoch: Mapping[KindClass, int]
    lookup: int
    pad: int

    def __post_init__(self) -> None:
        for limits in (self.evaluate, self.evaluate_epoch):
            if set(limits) != set(KindClass):
                refuse("a quota names every kind class")
        numbers = (*self.evaluate.values(), *self.evaluate_epoch.values(), self.lookup)
        if not all(0 <= number <= MAX_QUOTA for number in numbers):
            refuse(f"a quota is from 0 to {MAX_QUOTA}")
        if not 1 <= self.pad <= MAX_PAD:
            refuse(f"a batch is padded to 1 to {MAX_PAD} points")


def uniform_quota(evaluate: int, lookup: int, pad: int) -> RoleQuota:
    """Give every kind class the same daily limit, and ``EPOCH_DAYS`` of it an epoch."""
    return RoleQuota(
        evaluate=MappingProxyType(dict.fromkeys(KindClass, evaluate)),
        evaluate_epoch=MappingProxyType(dict.fromkeys(KindClass, evaluate * EPOCH_DAYS)),
        lookup=lookup,
        pad=pad,
    )


NO_QUOTA: Final = uniform_quota(0, 0, 1)

_INDUSTRY_QUOTA: Final = uniform_quota(INDUSTRY_EVALUATIONS, MEMBER_LOOKUPS, INDUSTRY_PAD)
_CASE_QUOTA: Final = uniform_quota(CASE_EVALUATIONS, PARTNER_LOOKUPS, CASE_PAD)

DEFAULT_QUOTAS: Final[Mapping[Role, RoleQuota]] = MappingProxyType(
    dict.fromkeys(INDUSTRY, _INDUSTRY_QUOTA)
    | dict.fromkeys(CASE_ROLES, _CASE_QUOTA)
    | {Role.PARTNER: _CASE_QUOTA, Role.AUDITOR: NO_QUOTA}
)
"""What a new charter grants; every number can be changed in it."""


def widest_quota(quotas: Iterable[RoleQuota]) -> RoleQuota:
    """Give a member of several roles the larger of each limit, and the larger padding."""
    every = tuple(quotas) or (NO_QUOTA,)
    return RoleQuota(
        evaluate={name: max(quota.evaluate[name] for quota in every) for name in KindClass},
        evaluate_epoch={
            name: max(quota.evaluate_epoch[name] for quota in every) for name in KindClass
        },
        lookup=max(quota.lookup for quota in every),
        pad=max(quota.pad for quota in every),
    )


def encode_quotas(quotas: Mapping[Role, RoleQuota]) -> Document:
    """Write quotas as they stand in a charter, by the name of the role."""
    return {role.value: _encode_quota(quota) for role, quota in quotas.items()}


def parse_quotas(fields: Fields) -> dict[Role, RoleQuota]:
    """Read what ``encode_quotas`` wrote.

    Raises:
        CharterError: CHARTER_MALFORMED or CHARTER_INVALID.
    """
    return {_parse_role(name): _parse_quota(fields.inner(name)) for name in fields.names()}


def _encode_quota(quota: RoleQuota) -> Document:
    return {
        "evaluate": _encode_classes(quota.evaluate),
        "evaluate_epoch": _encode_classes(quota.evaluate_epoch),
        "lookup": quota.lookup,
        "pad": quota.pad,
    }


def _encode_classes(limits: Mapping[KindClass, int]) -> Document:
    return {name.name.lower(): limits[name] for name in KindClass}


def _parse_quota(fields: Fields) -> RoleQuota:
    return RoleQuota(
        evaluate=_parse_classes(fields.inner("evaluate")),
        evaluate_epoch=_parse_classes(fields.inner("evaluate_epoch")),
        lookup=fields.number("lookup"),
        pad=fields.number("pad"),
    )


def _parse_classes(fields: Fields) -> dict[KindClass, int]:
    return {name: fields.number(name.name.lower()) for name in KindClass}


def _parse_role(name: str) -> Role:
    try:
        return Role(name)
    except ValueError:
        refuse_format("a quota is for a role that does not exist")
