"""Statements and their bytes: each pair agrees both ways, and all other bytes are refused."""

import dataclasses
import re
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.statements import (
    BODY_NUMBERS,
    MAX_STATEMENT_BYTES,
    Alarm,
    Body,
    ClassDeal,
    MemberOutcome,
    MetricValue,
    Statement,
    StatementError,
    SumLabels,
    SumPartial,
    UnknownBody,
    decode_body,
    decode_statement,
    encode_body,
    encode_statement,
)
from federation.statements import error as error_module
from tests.federation.said import EXAMPLES, NOW, SUM, nomination, opaque, said, sighting, statements
from tocsin.v1 import statement_pb2

REASONS = set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", error_module.StatementError.__doc__)) | {"ACCEPTED"}
PARTS = (ClassDeal, MemberOutcome, MetricValue, Statement)
PAIRS = {kind.__name__: kind for kind in (*typing.get_args(Body), *PARTS)}
MESSAGES = {
    name: message
    for file in (
        statement_pb2.DESCRIPTOR,
        *statement_pb2.DESCRIPTOR.dependencies,
    )
    for name, message in file.message_types_by_name.items()
}


def message_of(statement):
    return statement_pb2.Statement.FromString(encode_statement(statement))


def outcome(data):
    try:
        decode_statement(data)
    except StatementError as error:
        return error.reason
    return "ACCEPTED"


def refused(message):
    with pytest.raises(StatementError) as caught:
        decode_statement(message.SerializeToString())
    return caught.value.reason


def test_every_body_of_the_contract_has_a_dataclass_with_its_number():
    oneof = statement_pb2.Statement.DESCRIPTOR.oneofs_by_name["body"]

    assert {kind.__name__: number for kind, number in BODY_NUMBERS.items()} == {
        field.message_type.name: field.number for field in oneof.fields
    }


@pytest.mark.parametrize("name", PAIRS)
def test_a_dataclass_has_exactly_the_fields_of_its_message(name):
    fields = {field.name for field in dataclasses.fields(PAIRS[name])}
    descriptor = MESSAGES[name]
    expected = {field.name for field in descriptor.fields if field.containing_oneof is None}
    expected |= {oneof.name for oneof in descriptor.oneofs}

    assert fields == expected


def test_the_examples_show_every_body():
    assert {type(body) for body in EXAMPLES} == set(BODY_NUMBERS)


@pytest.mark.parametrize("body", EXAMPLES, ids=lambda body: type(body).__name__)
def test_every_body_survives_its_bytes(body):
    statement = said(body, expires_time=NOW + 1, region="440300")

    assert decode_statement(encode_statement(statement)) == statement


@pytest.mark.parametrize("body", EXAMPLES, ids=lambda body: type(body).__name__)
def test_the_message_holds_each_field_under_its_name(body):
    message = message_of(said(body))
    inner = getattr(message, message.WhichOneof("body"))

    for field in dataclasses.fields(body):
        value, wire = getattr(body, field.name), getattr(inner, field.name)
        if field.name.endswith("_time"):
            assert inner.HasField(field.name) == (value is not None)
            assert wire.seconds == (value or 0)
        elif isinstance(value, tuple):
            assert len(wire) == len(value)
        else:
            assert wire == (0 if value is None else value)


@pytest.mark.parametrize("body", EXAMPLES, ids=lambda body: type(body).__name__)
def test_every_body_survives_alone(body):
    assert decode_body(type(body), encode_body(body)) == body


def test_a_body_alone_may_be_longer_than_a_statement():
    partial = SumPartial(opaque("sum"), opaque("close", 32), bytes(8 << 17), opaque("key", 64))

    assert decode_body(SumPartial, encode_body(partial)) == partial
    with pytest.raises(StatementError) as caught:
        encode_statement(said(partial))
    assert caught.value.reason == "STATEMENT_TOO_LARGE"


@given(st.sampled_from(EXAMPLES), st.binary(max_size=300))
def test_any_bytes_are_a_body_or_refused(body, data):
    reason = "ACCEPTED"
    try:
        decode_body(type(body), data)
    except StatementError as error:
        reason = error.reason

    assert reason in REASONS


@given(statements)
def test_any_statement_survives_its_bytes(statement):
    assert decode_statement(encode_statement(statement)) == statement


@given(st.binary(max_size=300))
def test_any_bytes_are_a_statement_or_refused(data):
    assert outcome(data) in REASONS


@given(statements, st.data())
def test_damaged_bytes_are_a_statement_or_refused(statement, data):
    damaged = bytearray(encode_statement(statement))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        if data.draw(st.booleans()):
            damaged[place] = data.draw(st.integers(0, 255))
        else:
            del damaged[place]

    assert outcome(bytes(damaged)) in REASONS


@given(st.data())
def test_any_message_of_the_contract_is_a_statement_or_refused(data):
    message = message_of(said(data.draw(st.sampled_from(EXAMPLES))))
    inner = getattr(message, message.WhichOneof("body"))
    target = data.draw(st.sampled_from([message, inner]))
    field = data.draw(st.sampled_from([f for f in target.DESCRIPTOR.fields if not f.message_type]))
    kinds = {field.TYPE_BYTES: st.binary(max_size=80), field.TYPE_STRING: st.text(max_size=20)}
    numbers = {field.TYPE_ENUM: st.integers(-5, 200), field.TYPE_UINT32: st.integers(0, 2**32 - 1)}
    values = (kinds | numbers).get(field.type, st.integers(0, 2**64 - 1))
    if field.is_repeated:
        getattr(target, field.name).extend(data.draw(st.lists(values, max_size=4)))
    else:
        setattr(target, field.name, data.draw(values))

    assert outcome(message.SerializeToString()) in REASONS


@given(st.sampled_from([24, 40, 600]), st.binary(max_size=40))
def test_a_body_from_a_newer_node_is_kept_by_its_number(number, content):
    message = message_of(said(nomination()))
    message.ClearField("nomination")
    tag = number << 3 | 2
    varint = bytes((tag & 0x7F | 0x80, tag >> 7)) if tag > 127 else bytes((tag,))
    if tag >> 14:
        pytest.fail("the test writes tags of two bytes only")
    encoded = message.SerializeToString() + varint + bytes((len(content),)) + content
    statement = decode_statement(encoded)

    assert statement.body == UnknownBody(number)
    with pytest.raises(StatementError) as caught:
        encode_statement(statement)
    assert caught.value.reason == "UNKNOWN_BODY"


@pytest.mark.parametrize("field", ["purpose", "legal_basis", "tlp", "pap", "issued_time"])
def test_what_is_required_of_a_statement_cannot_be_left_out(field):
    message = message_of(said(nomination()))
    message.ClearField(field)

    assert refused(message) == "FIELD_MISSING"


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("token", "LENGTH_INVALID"),
        ("kind", "FIELD_MISSING"),
        ("epoch", "COUNT_INVALID"),
        ("fraud_type", "FIELD_MISSING"),
        ("confidence", "CONFIDENCE_INVALID"),
    ],
)
def test_what_is_required_of_a_nomination_cannot_be_left_out(field, reason):
    message = message_of(said(nomination()))
    message.nomination.ClearField(field)

    assert refused(message) == reason


def test_a_statement_without_a_body_says_nothing():
    message = message_of(said(nomination()))
    message.ClearField("nomination")

    assert refused(message) == "BODY_MISSING"


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("token", bytes(range(15)), "LENGTH_INVALID"),
        ("token", bytes(range(17)), "LENGTH_INVALID"),
        ("kind", 255, "ENUM_UNKNOWN"),
        ("kind", -1, "ENUM_UNKNOWN"),
        ("stage", 77, "ENUM_UNKNOWN"),
        ("confidence", 101, "CONFIDENCE_INVALID"),
        ("epoch", 2**32 - 1, "COUNT_INVALID"),
        ("sealed_details", b"short", "LENGTH_INVALID"),
        ("sealed_details", bytes(65_537), "LENGTH_INVALID"),
    ],
)
def test_a_wrong_value_is_refused_with_its_reason(field, value, reason):
    message = message_of(said(nomination()))
    setattr(message.nomination, field, value)

    assert refused(message) == reason


@pytest.mark.parametrize(("seconds", "nanos"), [(NOW, 1), (0, 0), (-1, 0), (2**40, 0)])
def test_a_time_is_a_whole_second_of_this_century(seconds, nanos):
    message = message_of(said(nomination()))
    message.issued_time.seconds, message.issued_time.nanos = seconds, nanos
    message.issued_time.SetInParent()

    assert refused(message) == "TIME_INVALID"


def test_an_expiry_of_zero_is_not_the_same_as_none():
    message = message_of(said(nomination()))
    message.expires_time.SetInParent()

    assert refused(message) == "TIME_INVALID"


def test_a_statement_does_not_expire_before_it_was_said():
    with pytest.raises(StatementError) as caught:
        said(nomination(), expires_time=NOW)

    assert caught.value.reason == "TIME_INVALID"


@pytest.mark.parametrize(
    "body", [nomination(last_seen_time=NOW + 301), sighting(seen_time=NOW + 301)]
)
def test_nothing_was_seen_after_it_was_said(body):
    with pytest.raises(StatementError) as caught:
        said(body)

    assert caught.value.reason == "TIME_INVALID"


def test_a_region_left_out_is_the_whole_country():
    message = message_of(said(nomination()))
    message.ClearField("region")

    assert decode_statement(message.SerializeToString()).region == "000000"


def test_a_statement_too_large_for_a_run_of_entries_is_refused_unread():
    with pytest.raises(StatementError) as caught:
        decode_statement(bytes(MAX_STATEMENT_BYTES + 1))

    assert caught.value.reason == "STATEMENT_TOO_LARGE"


def test_the_largest_alarm_still_fits_and_two_of_its_kind_are_refused():
    evidence = b"\xff" * (640 * 1024)
    alarm = [alarm for alarm in EXAMPLES if isinstance(alarm, Alarm)][1]
    one = dataclasses.replace(alarm, first_evidence=evidence)
    two = dataclasses.replace(one, second_evidence=evidence)

    assert decode_statement(encode_statement(said(one))).body == one
    with pytest.raises(StatementError) as caught:
        encode_statement(said(two))
    assert caught.value.reason == "STATEMENT_TOO_LARGE"


def test_no_error_repeats_the_value_that_it_refuses():
    for reason_of in (
        lambda: nomination(token=b"13812345678\0\0\0\0\0"),
        lambda: said(nomination(), region="955881"),
        lambda: dataclasses.replace(EXAMPLES[11], dealer="13812345678"),
    ):
        with pytest.raises(StatementError) as caught:
            reason_of()
        shown = f"{caught.value}{caught.value.hint}{caught.value.__cause__}"

        assert "138" not in shown
        assert "9558" not in shown


def test_a_text_that_is_left_out_is_refused_where_the_body_has_no_other():
    message = statement_pb2.Statement()
    message.MergeFromString(encode_statement(said(SumLabels(SUM, "KINDS", opaque("labels")))))
    message.sum_labels.ClearField("source")

    assert outcome(message.SerializeToString()) == "REASON_INVALID"
