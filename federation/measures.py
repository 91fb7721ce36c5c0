"""Hold the code list of measures: who may order and carry out which, about what.

A measure that restricts somebody needs a reason, a term and a way back, and only what an offender
or a mule uses may carry one. Nothing here is about a person: no kind of indicator names one, and
no measure fits an organisation (R70).

Source: DOMAIN §6.5, R07, R22, R23.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from federation.indicators.kind import PERSONS, Kind
from federation.roles import INDUSTRY, Role
from federation.vocabulary import Measure, SubjectRole

RESTRICTABLE: Final = frozenset({SubjectRole.OFFENDER_RESOURCE, SubjectRole.MULE})
"""What a subject must be in the fraud to be restricted: never a victim or a spoofed number."""

_CARRIER: Final = frozenset({Role.CARRIER})
_BANK: Final = frozenset({Role.BANK})
_INTERNET: Final = frozenset({Role.INTERNET})

_LINES: Final = frozenset(
    {
        Kind.PHONE,
        Kind.IMSI,
        Kind.ICCID,
        Kind.SMS_PORT,
        Kind.SMS_SIGNATURE,
        Kind.CALL_FORWARD,
        Kind.LEASED_LINE,
    }
)
_IOT: Final = frozenset({Kind.IOT_SIM, Kind.ICCID, Kind.IMSI})
_DEVICES: Final = frozenset({Kind.IMEI, Kind.SITE, Kind.DEVICE})
_MONEY: Final = frozenset(
    {Kind.BANK_ACCOUNT, Kind.IBAN, Kind.PAN, Kind.PAYMENT_ACCOUNT, Kind.CRYPTO_ADDRESS}
)
# A number stands for the accounts that were opened with it (R17, R23).
_BY_NUMBER: Final = frozenset({Kind.PHONE})
_ACCOUNTS: Final = frozenset(
    {Kind.IM_ACCOUNT, Kind.EMAIL, Kind.CLOUD_TENANT, Kind.ADVERTISEMENT, Kind.SEARCH_KEYWORD}
)
_SITES: Final = frozenset({Kind.DOMAIN, Kind.URL})
_NETWORK: Final = _SITES | {Kind.IP}
_ANYTHING: Final = frozenset(Kind) - {Kind.ORGANISATION} - PERSONS


@dataclass(frozen=True, slots=True)
class MeasureRule:
    """One row of the code list.

    Attributes:
        actors: Roles that carry it out; none: it is no order but a decision.
        kinds: What it can be about.
        restricts: Whether it takes something away from somebody.
        by_police: Whether only police may order it.
        article: Of the Anti-Telecom-Network-Fraud Law; empty: practice.
    """

    actors: frozenset[Role]
    kinds: frozenset[Kind]
    restricts: bool
    by_police: bool = False
    article: str = ""


def _rule(
    actors: frozenset[Role], kinds: frozenset[Kind], article: str, *, restricts: bool = True
) -> MeasureRule:
    return MeasureRule(actors, kinds, restricts, article=article)


def _police(article: str, *, restricts: bool) -> MeasureRule:
    return MeasureRule(_BANK, _MONEY, restricts, by_police=True, article=article)


MEASURES: Final[Mapping[Measure, MeasureRule]] = MappingProxyType(
    {
        Measure.T_CHECK: _rule(_CARRIER, _LINES, "10", restricts=False),
        Measure.T_REFUSE: _rule(_CARRIER, _LINES, "10"),
        Measure.T_REVERIFY: _rule(_CARRIER, _LINES, "11, 33", restricts=False),
        Measure.T_LIMIT: _rule(_CARRIER, _LINES, "11"),
        Measure.T_SUSPEND: _rule(_CARRIER, _LINES, "11"),
        Measure.T_IOT_SUSPEND: _rule(_CARRIER, _IOT, "12"),
        Measure.T_IOT_REVERIFY: _rule(_CARRIER, _IOT, "12", restricts=False),
        Measure.T_BLOCK_CALL: _rule(_CARRIER, _LINES, "13"),
        Measure.T_TRACE: _rule(_CARRIER, _LINES, "13", restricts=False),
        Measure.T_DEVICE_BLOCK: _rule(_CARRIER | _INTERNET, _DEVICES, "14"),
        Measure.T_SHUTDOWN: MeasureRule(_CARRIER, _LINES | _IOT, restricts=True, by_police=True),
        Measure.F_VERIFY: _rule(_BANK, _MONEY | _BY_NUMBER, "18", restricts=False),
        Measure.F_REVERIFY: _rule(_BANK, _MONEY | _BY_NUMBER, "18", restricts=False),
        Measure.F_DELAY: _rule(_BANK, _MONEY | _BY_NUMBER, "18"),
        Measure.F_LIMIT: _rule(_BANK, _MONEY | _BY_NUMBER, "18"),
        Measure.F_STOP: _rule(_BANK, _MONEY, "18"),
        Measure.F_URGENT_STOP: _police("20", restricts=True),
        Measure.F_FREEZE: _police("20", restricts=True),
        Measure.F_UNFREEZE: _police("20", restricts=False),
        Measure.F_RETURN: _police("20", restricts=False),
        Measure.I_RECTIFY: _rule(_INTERNET, _ACCOUNTS | _SITES, "22", restricts=False),
        Measure.I_LIMIT: _rule(_INTERNET, _ACCOUNTS | _BY_NUMBER, "22"),
        Measure.I_SUSPEND: _rule(_INTERNET, _ACCOUNTS | _BY_NUMBER, "22"),
        Measure.I_CLOSE: _rule(_INTERNET, _ACCOUNTS, "22"),
        Measure.I_NOREREG: _rule(_INTERNET, _ACCOUNTS | _BY_NUMBER | _DEVICES, "22"),
        Measure.I_TAKEDOWN_APP: _rule(_INTERNET, frozenset({Kind.APP}), "23"),
        Measure.I_TAKEDOWN_DOMAIN: _rule(_INTERNET, frozenset({Kind.DOMAIN}), "24"),
        Measure.N_BLOCK: _rule(_CARRIER | _INTERNET, _NETWORK, "25, 32"),
        Measure.W_WARN: _rule(INDUSTRY, _LINES | _MONEY | _ACCOUNTS, "34", restricts=False),
        Measure.W_DISSUADE: _rule(INDUSTRY, _LINES | _MONEY | _ACCOUNTS, "34", restricts=False),
        Measure.X_HANDOVER: _rule(INDUSTRY, _ANYTHING, "26", restricts=False),
        Measure.R_LIFT: _rule(frozenset(), frozenset(), "32(3)", restricts=False),
        Measure.R_CLEAR: _rule(frozenset(), frozenset(), "", restricts=False),
    }
)
"""Every measure; one without actors cannot be ordered."""

SHARED_BY_ALL: Final = _NETWORK | {Kind.APP, Kind.ADVERTISEMENT, Kind.SEARCH_KEYWORD}
"""Kinds that are nobody's customer: who has met one can act on it."""


def restricts(measure: Measure) -> bool:
    """Say whether a measure takes something away from somebody."""
    return MEASURES[measure].restricts


def can_act(roles: frozenset[Role], measure: Measure) -> bool:
    """Say whether a member in these roles carries a measure out."""
    return bool(roles & MEASURES[measure].actors)


def holds_money(measure: Measure) -> bool:
    """Say whether a bank carries it out on a police order, so that an amount belongs to it."""
    rule = MEASURES[measure]
    return rule.by_police and rule.actors == _BANK


def fits(measure: Measure, kind: Kind) -> bool:
    """Say whether a measure can be ordered about this kind of indicator."""
    return kind in MEASURES[measure].kinds
