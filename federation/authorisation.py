"""Decide whether a member may make a call, and who may say what.

One table says for every method of the outside door which roles may call it, for which purposes,
and which limit it counts against. A call that the table does not allow is refused; so is one
for a purpose that is missing or not listed (DOMAIN R12, R64). The caller counts, durably and
before work is done::

    limit = daily_limit(charter, request)
    decision = decide(charter, request, QuotaState(limit, used, granted), now)
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from federation.charter import Charter, Member
from federation.indicators.kind import KindClass
from federation.names import MemberId
from federation.roles import INDUSTRY, REPLICATING, SPEAKING, Role
from federation.vocabulary import Purpose

PROTECTION_QUORUM: Final = 2
"""Members whose word protects an object where neither coordinator nor regulator has given it."""


class Reason(enum.StrEnum):
    """Say why a call is allowed or refused; stable, for programs."""

    ALLOWED = "ALLOWED"
    MEMBER_UNKNOWN = "MEMBER_UNKNOWN"
    MEMBER_REVOKED = "MEMBER_REVOKED"
    METHOD_UNKNOWN = "METHOD_UNKNOWN"
    ROLE_NOT_ALLOWED = "ROLE_NOT_ALLOWED"
    PURPOSE_MISSING = "PURPOSE_MISSING"
    PURPOSE_NOT_ALLOWED = "PURPOSE_NOT_ALLOWED"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"


class Meter(enum.Enum):
    """Name the limit of the charter that a method counts against."""

    EVALUATE = "evaluate"
    LOOKUP = "lookup"


@dataclass(frozen=True, slots=True)
class Request:
    """What a member asks for; who it is was settled by its certificate.

    Attributes:
        member: The caller.
        method: Service and method, for example ``TokenService.Evaluate``.
        purpose: None where the call names none.
        kind_class: For evaluations.
        amount: Points, tokens or prefixes; 0 where nothing is counted.

    Raises:
        ValueError: The amount is negative.
    """

    member: MemberId
    method: str
    purpose: Purpose | None = None
    kind_class: KindClass | None = None
    amount: int = 0

    def __post_init__(self) -> None:
        if self.amount < 0:
            raise ValueError("an amount is not negative")


@dataclass(frozen=True, slots=True)
class QuotaState:
    """One counter of the caller's: allowed, used so far, and granted beyond the limit."""

    limit: int
    used: int
    granted: int


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the call may go on, and why not."""

    reason: Reason

    @property
    def allowed(self) -> bool:
        """Say whether it may."""
        return self.reason is Reason.ALLOWED


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table.

    Attributes:
        purposes: For every role that may call, the purposes it may name; empty where the method
            has no purpose because it handles no value.
        meter: The limit it counts against, if any.
    """

    purposes: Mapping[Role, frozenset[Purpose]]
    meter: Meter | None = None


_NONE: Final[frozenset[Purpose]] = frozenset()
_ABOUT_VALUES: Final = frozenset(Purpose) - {Purpose.OPERATION, Purpose.TRAINING}
_IN_FAVOUR: Final = frozenset({Purpose.PROTECTION, Purpose.VERIFICATION})
_BEFORE_DELIVERY: Final = frozenset({Purpose.CHECK})

_VALUE_PURPOSES: Final[Mapping[Role, frozenset[Purpose]]] = MappingProxyType(
    dict.fromkeys(INDUSTRY, _ABOUT_VALUES - {Purpose.PAYMENT_HOLD})
    | {
        Role.BANK: _ABOUT_VALUES,
        Role.COORDINATOR: _IN_FAVOUR | {Purpose.CHECK},
        # A regulator does not query single indicators (DOMAIN §2).
        Role.REGULATOR: _IN_FAVOUR | {Purpose.NOMINATION},
        Role.POLICE: _IN_FAVOUR | {Purpose.NOMINATION, Purpose.CHECK, Purpose.WARNING},
        Role.PARTNER: _BEFORE_DELIVERY,
    }
)


def _open_to(roles: frozenset[Role]) -> Rule:
    return Rule(MappingProxyType(dict.fromkeys(roles, _NONE)))


_EVERYONE: Final = _open_to(frozenset(Role))
_READERS: Final = _open_to(REPLICATING)
_MEMBERS: Final = _open_to(SPEAKING)
# Proving an answer gives the answer again, so it counts like asking for it.
_EVALUATION: Final = Rule(_VALUE_PURPOSES, Meter.EVALUATE)
_LOOKUP: Final = Rule(_VALUE_PURPOSES, Meter.LOOKUP)
# A match tells as much as looking up each of its elements, all of which are counted at the start.
_MATCH: Final = Rule(
    MappingProxyType({Role.INTERNET: frozenset({Purpose.VERIFICATION})}), Meter.LOOKUP
)
_MATCHING: Final = _open_to(frozenset({Role.INTERNET}))
# Only who holds the payment back, and only for that (DOMAIN R38).
_CALL_CONTEXT: Final = Rule(
    MappingProxyType({Role.BANK: frozenset({Purpose.PAYMENT_HOLD})}), Meter.LOOKUP
)

METHODS: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "TokenService.Evaluate": _EVALUATION,
        "TokenService.ProveEvaluation": _EVALUATION,
        "TokenService.GetPublicKeys": _EVERYONE,
        "LookupService.Lookup": _LOOKUP,
        "LookupService.LookupPrefix": _LOOKUP,
        "LookupService.Explain": _MEMBERS,
        "LookupService.GetQuota": _EVERYONE,
        "CallContextService.GetCallContext": _CALL_CONTEXT,
        "MatchService.OpenMatch": _MATCH,
        # Whether the caller has opened the session, the session itself asks.
        "MatchService.ReadOffered": _MATCHING,
        "MatchService.EvaluateMatch": _MATCHING,
        "MatchService.CloseMatch": _MATCHING,
        "LogService.Read": _READERS,
        "LogService.Watch": _READERS,
        "LogService.Gossip": _READERS,
        "LogService.Prove": _READERS,
        "MemberService.GetCharter": _EVERYONE,
        "MemberService.GetNode": _EVERYONE,
        # Whether the caller approved the plan, or holds a share, each message is asked.
        "TrainingService.Attach": _MEMBERS,
        "TrainingService.Tunnel": _MEMBERS,
    }
)
"""Every method of ``tocsin.v1``."""

_NOMINATING: Final = INDUSTRY | {Role.REGULATOR, Role.POLICE}
_TRAINING: Final = INDUSTRY | {Role.COORDINATOR}
# A number's own carrier, or who decides about a complaint.
_CLEARING: Final = frozenset({Role.CARRIER, Role.COORDINATOR, Role.REGULATOR})

STATEMENTS: Final[Mapping[str, frozenset[Role]]] = MappingProxyType(
    dict.fromkeys(
        (
            "sighting",
            "opinion",
            "retraction",
            # Alone, or only together with others: see protects_alone.
            "protected_object",
            "alarm",
            # Whether the speaker is a holder or dealer, the ceremony itself asks.
            "key_open",
            "key_join",
            "key_deal",
            "key_confirm",
            "key_complaint",
            "quota_grant",
            # Who is named in a sum, and as what, the sum itself asks (federation/sums).
            "sum_open",
            "sum_labels",
            "sum_shares",
            "sum_check",
            "sum_close",
            "sum_echo",
            "sum_partial",
            # Who is asked and who decides, the matter itself asks (federation/matters).
            "verification_open",
            "verification_tally",
            "verification_examination",
        ),
        SPEAKING,
    )
    | {"nomination": _NOMINATING, "reassigned": frozenset({Role.CARRIER})}
    # Who may order what, lift it and decide an appeal, the matter itself asks.
    | dict.fromkeys(
        ("disposition_order", "disposition_decision", "appeal", "appeal_decision"), SPEAKING
    )
    # Only who has customers carries measures out.
    | dict.fromkeys(("disposition_receipt", "disposition_reverify"), INDUSTRY)
    # Who proposed the plan, the matter itself asks (federation/matters.py).
    | dict.fromkeys(
        ("training_plan", "training_round", "training_evaluation", "training_stage"), _TRAINING
    )
    # Duties are the regulator's to list, and those of members with customers to keep.
    | dict.fromkeys(("duty_item", "duty_withdrawal"), frozenset({Role.REGULATOR}))
    | {"problem_notice": frozenset({Role.REGULATOR}), "notice_step": INDUSTRY | {Role.REGULATOR}}
    | dict.fromkeys(("duty_adoption", "duty_attestation"), INDUSTRY)
    # Only who has rows of its own can give them.
    | {"training_approval": INDUSTRY}
    # What the carriers saw together, whoever of them or for them opened the sum.
    | {"farm_alert": frozenset({Role.CARRIER, Role.COORDINATOR})}
    # Whose step it is, the matter itself asks; who has customers can say how they mark a number.
    | dict.fromkeys(("report", "report_count", "report_step"), SPEAKING)
    | {"number_mark": INDUSTRY, "mark_correction": _CLEARING}
    # Likely victims are seen by those with customers, and by the police.
    | dict.fromkeys(("warning_task", "warning_step"), INDUSTRY | {Role.POLICE})
    # Only the police put an object into a case, and say what came of a clue: no vote does.
    | dict.fromkeys(("designation", "designation_lifted", "clue_outcome"), frozenset({Role.POLICE}))
    # A citizen comes to a member with customers, and such members have accounts.
    | dict.fromkeys(
        ("one_id_request", "one_id_answer", "one_id_dispute", "one_id_decision"), INDUSTRY
    )
    # Only the police ask where something leads, and only who has customers holds anything.
    | {"trace_open": frozenset({Role.POLICE}), "trace_hop": INDUSTRY}
    # Who found a clue and whom it was handed to, the matter itself asks.
    | dict.fromkeys(("clue", "clue_step", "clue_hand_over", "case_brief"), SPEAKING)
)
"""Every body of ``Statement``, by the name of its field, and the roles that may say it."""


def decide(charter: Charter, request: Request, quota: QuotaState | None, now: int) -> Decision:
    """Decide about one call; the first reason that applies is given.

    Args:
        charter: The version in force: it says who is a member, in which roles, revoked or not.
        request: What is asked for.
        quota: The caller's counter; a method that counts is refused without it.
        now: Seconds since 1970.
    """
    member = charter.find(request.member)
    if member is None:
        return Decision(Reason.MEMBER_UNKNOWN)
    if member.is_revoked(now):
        return Decision(Reason.MEMBER_REVOKED)
    rule = METHODS.get(request.method)
    if rule is None:
        return Decision(Reason.METHOD_UNKNOWN)
    refusal = _refuse_role(rule, member, request) or _refuse_amount(rule, request, quota)
    return Decision(refusal or Reason.ALLOWED)


def daily_limit(charter: Charter, request: Request) -> int:
    """Return how much the caller may ask one node for a day; 0 where nothing is counted.

    For evaluations it is the holder's part of the member's quota.

    Raises:
        CharterError: MEMBER_UNKNOWN.
    """
    quota = charter.quota(request.member)
    meter = _meter(request)
    if meter is Meter.LOOKUP:
        return quota.lookup
    if meter is None or request.kind_class is None:
        return 0
    return _holder_part(charter, quota.evaluate[request.kind_class])


def epoch_limit(charter: Charter, request: Request) -> int:
    """Return how much the caller may have evaluated at one holder in a whole key epoch.

    Raises:
        CharterError: MEMBER_UNKNOWN.
    """
    quota = charter.quota(request.member)
    if _meter(request) is not Meter.EVALUATE or request.kind_class is None:
        return 0
    return _holder_part(charter, quota.evaluate_epoch[request.kind_class])


def holder_limit(quota_per_day: int, threshold: int, holders: int) -> int:
    """Return one holder's part of a quota: spreading over holder sets then gains nothing.

    A point costs one evaluation at ``threshold`` of ``holders``, so all of them together allow
    ``quota_per_day`` points, up to rounding.

    Raises:
        ValueError: The threshold is not from 1 to the number of holders.
    """
    if not 1 <= threshold <= holders:
        raise ValueError("the threshold is from 1 to the number of holders")
    return -(-quota_per_day * threshold // holders)


def may_say(roles: frozenset[Role], body_name: str) -> bool:
    """Say whether a member in these roles may say such a statement.

    Args:
        roles: The member's.
        body_name: Name of the field in ``Statement``; a name from a newer contract is for every
            member that has a log, so that its statements are replicated.
    """
    return bool(roles & STATEMENTS.get(body_name, SPEAKING))


def protects_alone(roles: frozenset[Role]) -> bool:
    """Say whether one such member's word protects an object; else it takes PROTECTION_QUORUM."""
    return bool(roles & {Role.COORDINATOR, Role.REGULATOR})


def _refuse_role(rule: Rule, member: Member, request: Request) -> Reason | None:
    granted = [rule.purposes[role] for role in member.roles if role in rule.purposes]
    if not granted:
        return Reason.ROLE_NOT_ALLOWED
    allowed = frozenset[Purpose]().union(*granted)
    if not allowed:
        return None
    if not request.purpose:
        return Reason.PURPOSE_MISSING
    return None if request.purpose in allowed else Reason.PURPOSE_NOT_ALLOWED


def _refuse_amount(rule: Rule, request: Request, quota: QuotaState | None) -> Reason | None:
    if rule.meter is None:
        return None
    if quota is None or quota.used + request.amount > quota.limit + quota.granted:
        return Reason.QUOTA_EXCEEDED
    return None


def _meter(request: Request) -> Meter | None:
    rule = METHODS.get(request.method)
    return None if rule is None else rule.meter


def _holder_part(charter: Charter, quota: int) -> int:
    return holder_limit(quota, charter.threshold, len(charter.holders))
