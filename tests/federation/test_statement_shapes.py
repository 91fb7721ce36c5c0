"""No raw identifier fits into a statement: every field but the sealed details refuses them."""

import dataclasses
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.checkpoint import Checkpoint, sign_checkpoint
from federation.indicators.kind import Kind
from federation.names import FederationName, MemberId, Origin
from federation.statements import (
    Alarm,
    Nomination,
    StatementError,
    decode_statement,
    encode_statement,
    nomination_id,
)
from federation.statements.shape import check_coarse, round_coarse
from federation.vocabulary import AlarmKind, FraudStage, FraudType
from keys.signing import SigningKey
from tests.federation.said import EXAMPLES, NOW, TOKEN, nomination, opaque, said

RAW = [
    "13812345678",
    "+8613812345678",
    "8613812345678",
    "+86-138-1234-5678",
    "4008123123",
    "evil.example",
    "bank-login.example.com",
    "evil-example.com",  # sixteen characters, as a token has bytes
    "https://evil.example/pay?id=1",
    "someone@evil.example",
    "6222020200112233",  # a card, sixteen digits
    "6222020200112233445",
    "BE71096123456769",  # an IBAN, sixteen characters
    "DE89370400440532013000",
    "460001234567890",
    "203.0.113.77",
    "110101199003071234",
    "【中国银行】",
    "张三13812345678",
    "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
]
NUMBERS = [13_812_345_678, 8_613_812_345_678, 6_222_020_200_112_233, 460_001_234_567_890]
ALARM = next(body for body in EXAMPLES if isinstance(body, Alarm))
STATEMENT = said(nomination())


def fields_of(*types):
    """Return every field of these types with an example that holds it."""
    examples = {type(body): body for body in [STATEMENT, *EXAMPLES]}
    examples[Alarm] = ALARM
    examples |= {
        type(deal): deal for deal in examples.values() for deal in getattr(deal, "deals", ())
    }
    for example in examples.values():
        for field in dataclasses.fields(example):
            value = getattr(example, field.name)
            item = value[0] if isinstance(value, tuple) and value else value
            if type(item) in types and not field.name.startswith("sealed_"):
                yield pytest.param(example, field.name, id=f"{type(example).__name__}.{field.name}")


def put(example, field, value):
    if isinstance(getattr(example, field), tuple):
        value = (value,)
    return dataclasses.replace(example, **{field: value})


def lengths(example, field):
    """Return the lengths to pad to: that of the example, and those of opaque fields."""
    return {len(getattr(example, field)), 0, 16, 32, 64}


@pytest.mark.parametrize("raw", RAW)
@pytest.mark.parametrize(("example", "field"), list(fields_of(str, MemberId)))
def test_no_text_field_takes_a_raw_identifier(example, field, raw):
    for text in (raw, raw.lower(), raw.upper(), raw.replace(".", "-")):
        if not any(character.isdigit() for character in text) and "." not in text:
            continue  # a domain whose dots are gone is a word like any member's
        with pytest.raises(StatementError):
            put(example, field, text)


@pytest.mark.parametrize("raw", RAW)
@pytest.mark.parametrize(("example", "field"), list(fields_of(bytes)))
def test_no_opaque_field_takes_a_raw_identifier_padded_or_not(example, field, raw):
    for length in lengths(example, field):
        for padding in (b"\0", b" ", b"0"):
            for encoded in (
                raw.encode().ljust(length, padding),
                raw.encode().rjust(length, padding),
            ):
                with pytest.raises(StatementError):
                    put(example, field, encoded)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(("example", "field"), list(fields_of(int)))
def test_no_number_field_takes_a_telephone_or_card_number(example, field, number):
    for value in (number, -number):
        with pytest.raises(StatementError):
            put(example, field, value)


@pytest.mark.parametrize("number", [0, 9_999_999_999, 1 << 40, 0xFFFF << 30, (1 << 60) - (1 << 44)])
def test_a_large_number_with_few_bits_that_count_is_accepted(number):
    check_coarse("largest", number, 0, 1 << 60)

    assert round_coarse(number) == number


@given(st.integers(0, (1 << 61) - 2))
def test_a_number_is_rounded_up_by_little(number):
    rounded = round_coarse(number)
    check_coarse("largest", rounded, number, (1 << 61))

    assert rounded - number <= number >> 15


def test_the_fields_are_all_found():
    assert len(list(fields_of(str, MemberId))) >= 7
    assert len(list(fields_of(bytes))) >= 17
    assert len(list(fields_of(int))) >= 15


@pytest.mark.parametrize("shares", [b"13812345678", b"1" * 1168, b"1" * 1170])
def test_a_sealed_share_has_exactly_the_size_of_one(shares):
    deal = EXAMPLES[9].deals[0]
    with pytest.raises(StatementError) as caught:
        dataclasses.replace(deal, sealed_shares=(shares,))

    assert caught.value.reason == "LENGTH_INVALID"


@given(
    st.binary(min_size=15, max_size=15), st.integers(0, 15), st.sampled_from(b"\x01\x7f\xc0\xff")
)
def test_bytes_that_are_no_text_are_a_token(others, place, byte):
    token = others[:place] + bytes((byte,)) + others[place:]

    assert nomination(token=token).token == token


@pytest.mark.parametrize("region", ["000000", "110000", "440305", "810000"])
def test_a_region_is_a_code_of_the_standard(region):
    assert said(nomination(), region=region).region == region


@pytest.mark.parametrize("region", ["", "00000", "0000000", "955881", "4403", "44030a", "١١٠٠٠٠"])
def test_what_is_no_region_is_refused(region):
    with pytest.raises(StatementError) as caught:
        said(nomination(), region=region)

    assert caught.value.reason == "REGION_INVALID"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"threshold": 1}, "COUNT_INVALID"),
        ({"threshold": 3}, "COUNT_INVALID"),
        ({"holders": ()}, "LIST_INVALID"),
        ({"holders": (MemberId("bank-a"), MemberId("bank-a"))}, "LIST_INVALID"),
        ({"share_epoch": 0}, "COUNT_INVALID"),
    ],
)
def test_a_ceremony_that_cannot_be_is_refused(change, reason):
    with pytest.raises(StatementError) as caught:
        dataclasses.replace(EXAMPLES[7], **change)

    assert caught.value.reason == reason


def test_a_deal_is_for_every_class_in_order():
    deal = EXAMPLES[9]
    for deals in (deal.deals[:-1], deal.deals[::-1], ()):
        with pytest.raises(StatementError) as caught:
            dataclasses.replace(deal, deals=deals)
        assert caught.value.reason == "LIST_INVALID"


def test_evidence_of_a_fork_is_signed_checkpoints_and_nothing_else():
    origin = Origin(FederationName("harbour"), MemberId("bank-a"))
    when = datetime.fromtimestamp(NOW, UTC)
    key = SigningKey.generate()
    notes = [
        sign_checkpoint(Checkpoint(origin, 7, opaque(root, 32), when), key).note for root in (1, 2)
    ]
    fork = Alarm(
        AlarmKind.LOG_FORKED, MemberId("bank-a"), first_evidence=notes[0], second_evidence=notes[1]
    )

    assert fork.first_evidence == notes[0]
    for wrong in (b"", b"13812345678", opaque("answer", 200), notes[0][:-1], notes[0] * 2):
        with pytest.raises(StatementError) as caught:
            dataclasses.replace(fork, second_evidence=wrong)
        assert caught.value.reason == "EVIDENCE_INVALID"


@pytest.mark.parametrize("kind", [AlarmKind.QUOTA_EXCEEDED, AlarmKind.STATEMENT_REFUSED])
def test_other_alarms_carry_no_evidence(kind):
    with pytest.raises(StatementError) as caught:
        Alarm(kind, MemberId("bank-a"), first_evidence=opaque("answer", 200))

    assert caught.value.reason == "EVIDENCE_INVALID"


def claim(**change):
    facts = {"kind": Kind.PHONE, "epoch": 1, "fraud_type": FraudType.LOAN}
    member, token = change.pop("member", "bank-a"), change.pop("token", TOKEN)
    return nomination_id(member, token, **facts | change)


def test_the_same_claim_has_the_same_id():
    assert claim() == claim()
    assert len(claim()) == 16
    assert said(nomination(), id=claim()).id == claim()


@pytest.mark.parametrize(
    "change",
    [
        {"member": "bank-b"},
        {"token": opaque("other")},
        {"kind": Kind.IMSI},
        {"epoch": 2},
        {"fraud_type": FraudType.OTHER},
        {"stage": FraudStage.CONTACT},
        {"model_digest": opaque("model", 32)},
    ],
)
def test_another_claim_has_another_id(change):
    assert claim(**change) != claim()


def test_a_nomination_names_the_model_that_led_to_it_and_only_by_a_digest():
    named = nomination(model_digest=opaque("model", 32))

    assert decode_statement(encode_statement(said(named))).body == named
    assert nomination().model_digest == b""
    for wrong in (opaque("model", 31), opaque("model", 33), b"+8613800138000".ljust(32)):
        with pytest.raises(StatementError):
            nomination(model_digest=wrong)


def test_a_nomination_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        EXAMPLES[0].confidence = 1
    assert isinstance(EXAMPLES[0], Nomination)
