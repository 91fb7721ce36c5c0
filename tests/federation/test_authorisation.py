"""Authorisation: who may call what, for which purpose, and how often; who may say what."""

from dataclasses import replace

import pytest
from google.protobuf.descriptor import Descriptor
from hypothesis import given
from hypothesis import strategies as st

from federation.authorisation import (
    METHODS,
    STATEMENTS,
    Decision,
    Meter,
    QuotaState,
    Reason,
    Request,
    daily_limit,
    decide,
    epoch_limit,
    holder_limit,
    may_say,
    protects_alone,
)
from federation.charter import CharterError, revoke_member
from federation.indicators.kind import KindClass
from federation.names import MemberId
from federation.roles import SPEAKING, Role
from federation.vocabulary import Purpose
from tests.federation.organisations import (
    BANK,
    CARRIER,
    COORDINATOR,
    INTERNET,
    PARTNER,
    START,
    found,
    organisation,
)
from tocsin.v1 import (
    call_context_service_pb2,
    log_service_pb2,
    lookup_service_pb2,
    match_service_pb2,
    member_service_pb2,
    statement_pb2,
    token_service_pb2,
    training_service_pb2,
)

POLICE = organisation("police", Role.POLICE)
AUDITOR = organisation("auditor", Role.AUDITOR)
REGULATOR = organisation("regulator", Role.REGULATOR)
EVERYBODY = (CARRIER, BANK, INTERNET, COORDINATOR, PARTNER, POLICE, AUDITOR, REGULATOR)
CHARTER = found(*EVERYBODY)
REVOKED = revoke_member(CHARTER, BANK.name, time=START + 100)
AMPLE = QuotaState(limit=10**9, used=0, granted=0)

SERVICES = [
    service
    for module in (
        call_context_service_pb2,
        log_service_pb2,
        lookup_service_pb2,
        match_service_pb2,
        member_service_pb2,
        token_service_pb2,
        training_service_pb2,
    )
    for service in module.DESCRIPTOR.services_by_name.values()
]

names = st.sampled_from([each.name for each in EVERYBODY])
purposes = st.none() | st.sampled_from(Purpose)
classes = st.none() | st.sampled_from(KindClass)
amounts = st.integers(0, 20_000)
requests = st.builds(Request, names, st.sampled_from(sorted(METHODS)), purposes, classes, amounts)
counts = st.integers(0, 30_000)
quotas = st.none() | st.builds(QuotaState, counts, counts, counts)
times = st.integers(START, START + 200)


def reason(name: MemberId, method: str, purpose: Purpose | None = None) -> Reason:
    return decide(CHARTER, Request(name, method, purpose), AMPLE, START).reason


@given(requests, quotas, st.integers(START + 100, START + 10**8))
def test_a_revoked_member_is_never_allowed(
    request: Request, quota: QuotaState | None, now: int
) -> None:
    decision = decide(REVOKED, replace(request, member=BANK.name), quota, now)

    assert decision == Decision(Reason.MEMBER_REVOKED)
    assert not decision.allowed


@given(requests, quotas, times)
def test_an_unknown_member_is_never_allowed(
    request: Request, quota: QuotaState | None, now: int
) -> None:
    stranger = replace(request, member=MemberId("stranger"))

    assert decide(CHARTER, stranger, quota, now) == Decision(Reason.MEMBER_UNKNOWN)


def has_purpose(message: Descriptor) -> bool:
    inner = (field.message_type for field in message.fields if field.message_type)
    return "purpose" in message.fields_by_name or any(map(has_purpose, inner))


NAMING_A_PURPOSE = {
    f"{service.name}.{method.name}"
    for service in SERVICES
    for method in service.methods
    if has_purpose(method.input_type)
}


@given(requests, quotas, times)
def test_a_call_about_a_value_is_never_allowed_without_a_purpose(
    request: Request, quota: QuotaState | None, now: int
) -> None:
    blank = decide(CHARTER, replace(request, purpose=None), quota, now)

    assert not (blank.allowed and request.method in NAMING_A_PURPOSE)


@given(requests, times)
def test_a_purpose_that_the_vocabulary_lacks_is_never_allowed(request: Request, now: int) -> None:
    marketing = replace(request, purpose=99)  # type: ignore[arg-type]  # from a careless door

    decision = decide(CHARTER, marketing, AMPLE, now)

    assert not (decision.allowed and request.method in NAMING_A_PURPOSE)


@given(requests, quotas, times)
def test_no_more_than_limit_and_grant_is_ever_allowed(
    request: Request, quota: QuotaState | None, now: int
) -> None:
    if not decide(CHARTER, request, quota, now).allowed or METHODS[request.method].meter is None:
        return

    assert quota is not None
    assert quota.used + request.amount <= quota.limit + quota.granted


@given(requests, quotas, times)
def test_what_is_allowed_stays_allowed_with_less_use(
    request: Request, quota: QuotaState | None, now: int
) -> None:
    if quota is None or not decide(CHARTER, request, quota, now).allowed:
        return

    assert decide(CHARTER, request, replace(quota, used=0), now).allowed


@given(st.sampled_from(sorted(METHODS)), purposes, quotas, times)
def test_a_partner_only_asks(
    method: str, purpose: Purpose | None, quota: QuotaState | None, now: int
) -> None:
    decision = decide(CHARTER, Request(PARTNER.name, method, purpose), quota, now)

    assert not (decision.allowed and method.startswith("LogService."))
    assert not (decision.allowed and method in NAMING_A_PURPOSE and purpose is not Purpose.CHECK)


@pytest.mark.parametrize("role", [Role.PARTNER, Role.AUDITOR])
def test_partners_and_auditors_say_nothing(role: Role) -> None:
    said = [name for name in (*STATEMENTS, "newer_body") if may_say(frozenset({role}), name)]

    assert said == []


def test_every_method_of_the_contract_has_a_row_and_no_other() -> None:
    methods = {
        f"{service.name}.{method.name}" for service in SERVICES for method in service.methods
    }

    assert set(METHODS) == methods


def test_a_row_has_purposes_exactly_where_the_request_names_one() -> None:
    rows = {name for name, rule in METHODS.items() if all(rule.purposes.values())}

    assert rows == NAMING_A_PURPOSE
    assert not any(any(METHODS[name].purposes.values()) for name in set(METHODS) - rows)


def test_every_call_about_a_value_counts() -> None:
    assert {name for name, rule in METHODS.items() if rule.meter} == NAMING_A_PURPOSE


def test_every_body_of_a_statement_has_a_row_and_no_other() -> None:
    body = statement_pb2.Statement.DESCRIPTOR.oneofs_by_name["body"]

    assert set(STATEMENTS) == {field.name for field in body.fields}


@pytest.mark.parametrize(
    ("name", "purpose", "expected"),
    [
        (BANK.name, Purpose.PAYMENT_HOLD, Reason.ALLOWED),
        (BANK.name, None, Reason.PURPOSE_MISSING),
        (BANK.name, Purpose.CHECK, Reason.PURPOSE_NOT_ALLOWED),
        (CARRIER.name, Purpose.PAYMENT_HOLD, Reason.ROLE_NOT_ALLOWED),
        (PARTNER.name, Purpose.PAYMENT_HOLD, Reason.ROLE_NOT_ALLOWED),
        (POLICE.name, Purpose.PAYMENT_HOLD, Reason.ROLE_NOT_ALLOWED),
    ],
)
def test_only_a_bank_asks_about_calls_and_only_before_a_payment(
    name: MemberId, purpose: Purpose | None, expected: Reason
) -> None:
    assert reason(name, "CallContextService.GetCallContext", purpose) is expected


@pytest.mark.parametrize("purpose", [Purpose.OPERATION, Purpose.TRAINING])
def test_nobody_evaluates_for_a_reason_that_needs_no_value(purpose: Purpose) -> None:
    assert reason(CARRIER.name, "TokenService.Evaluate") is Reason.PURPOSE_MISSING
    for each in EVERYBODY:
        given_reason = reason(each.name, "TokenService.Evaluate", purpose)
        assert given_reason in (Reason.PURPOSE_NOT_ALLOWED, Reason.ROLE_NOT_ALLOWED)


@pytest.mark.parametrize(
    ("name", "method", "purpose", "expected"),
    [
        (CARRIER.name, "TokenService.Evaluate", Purpose.WATCH, Reason.ALLOWED),
        (PARTNER.name, "TokenService.Evaluate", Purpose.CHECK, Reason.ALLOWED),
        (PARTNER.name, "TokenService.Evaluate", Purpose.NOMINATION, Reason.PURPOSE_NOT_ALLOWED),
        (PARTNER.name, "LookupService.Explain", None, Reason.ROLE_NOT_ALLOWED),
        (PARTNER.name, "LogService.Read", None, Reason.ROLE_NOT_ALLOWED),
        (PARTNER.name, "TokenService.GetPublicKeys", None, Reason.ALLOWED),
        (AUDITOR.name, "LogService.Prove", None, Reason.ALLOWED),
        (AUDITOR.name, "TokenService.Evaluate", Purpose.CHECK, Reason.ROLE_NOT_ALLOWED),
        (POLICE.name, "TokenService.Evaluate", Purpose.WATCH, Reason.PURPOSE_NOT_ALLOWED),
        (REGULATOR.name, "LookupService.Lookup", Purpose.CHECK, Reason.PURPOSE_NOT_ALLOWED),
        (COORDINATOR.name, "TokenService.Evaluate", Purpose.PROTECTION, Reason.ALLOWED),
        (POLICE.name, "TokenService.Evaluate", Purpose.WARNING, Reason.ALLOWED),
        (BANK.name, "TokenService.Evaluate", Purpose.PAYMENT_HOLD, Reason.ALLOWED),
        (CARRIER.name, "TokenService.Evaluate", Purpose.PAYMENT_HOLD, Reason.PURPOSE_NOT_ALLOWED),
        (CARRIER.name, "TokenService.Nothing", None, Reason.METHOD_UNKNOWN),
    ],
)
def test_the_table_says(
    name: MemberId, method: str, purpose: Purpose | None, expected: Reason
) -> None:
    assert reason(name, method, purpose) is expected


def test_a_revocation_holds_from_its_second_on() -> None:
    request = Request(BANK.name, "MemberService.GetNode")

    assert decide(REVOKED, request, None, START + 99).allowed
    assert decide(REVOKED, request, None, START + 100).reason is Reason.MEMBER_REVOKED


def test_a_grant_is_used_after_the_limit() -> None:
    request = Request(CARRIER.name, "TokenService.Evaluate", Purpose.CHECK, KindClass.PHONE, 64)

    full = decide(CHARTER, request, QuotaState(limit=100, used=50, granted=13), START)
    granted = decide(CHARTER, request, QuotaState(limit=100, used=50, granted=14), START)

    assert full.reason is Reason.QUOTA_EXCEEDED
    assert granted.allowed


@given(st.integers(0, 10**10), st.integers(1, 255), st.integers(0, 254))
def test_holders_parts_add_up_to_the_quota_and_hardly_more(
    quota: int, threshold: int, others: int
) -> None:
    holders = threshold + others

    part = holder_limit(quota, threshold, holders)

    assert quota * threshold <= part * holders < quota * threshold + holders


def test_a_holders_part_needs_a_threshold_that_can_be() -> None:
    for threshold, holders in ((0, 3), (4, 3)):
        with pytest.raises(ValueError, match="threshold"):
            holder_limit(10, threshold, holders)


def test_limits_come_from_the_charter() -> None:
    evaluate = Request(PARTNER.name, "TokenService.Evaluate", kind_class=KindClass.PHONE)

    assert METHODS[evaluate.method].meter is Meter.EVALUATE
    assert daily_limit(CHARTER, evaluate) == 4_000
    assert epoch_limit(CHARTER, evaluate) == 400_000
    assert daily_limit(CHARTER, replace(evaluate, kind_class=None)) == 0
    assert daily_limit(CHARTER, Request(PARTNER.name, "LookupService.Lookup")) == 20_000
    assert epoch_limit(CHARTER, Request(PARTNER.name, "LookupService.Lookup")) == 0
    assert daily_limit(CHARTER, Request(PARTNER.name, "LogService.Read")) == 0
    with pytest.raises(CharterError):
        daily_limit(CHARTER, replace(evaluate, member=MemberId("stranger")))


def test_an_amount_is_never_negative() -> None:
    with pytest.raises(ValueError, match="negative"):
        Request(CARRIER.name, "TokenService.Evaluate", amount=-1)


def test_only_some_roles_say_some_things() -> None:
    assert may_say(frozenset({Role.CARRIER}), "reassigned")
    assert not may_say(frozenset({Role.BANK}), "reassigned")
    assert may_say(frozenset({Role.POLICE}), "nomination")
    assert may_say(frozenset({Role.COORDINATOR}), "training_plan")
    assert not may_say(frozenset({Role.COORDINATOR}), "training_approval")
    assert not may_say(frozenset({Role.POLICE}), "training_plan")
    assert not may_say(frozenset({Role.COORDINATOR}), "nomination")
    assert all(may_say(frozenset({role}), "newer_body") for role in SPEAKING)


def test_coordinator_and_regulator_protect_alone() -> None:
    alone = {role for role in Role if protects_alone(frozenset({role}))}

    assert alone == {Role.COORDINATOR, Role.REGULATOR}
