"""The text of a warning: made from templates, never with a way for a fraudster to copy it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.statements.warning import SEALED_PARAMETERS_BYTES
from federation.vocabulary import FraudType
from federation.warning_text import (
    MAX_PARAMETER_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    PARAMETER_BYTES,
    ParametersError,
    TextParameters,
    WarningTextError,
    check_text,
    compose,
    compose_for_guardian,
    decode_parameters,
    encode_parameters,
)
from keys.sealing import INDICATOR_OVERHEAD_BYTES

# What people write that is fine.
GOOD = ("", "税务局工作人员", "the tax office", "退税需要保证金", "a refund for a parcel", "李主任")
# Digits of several scripts: Latin, full-width, circled, Arabic-Indic, mathematical, Roman.
SCRIPTS = ("0123456789", "０１２３４５６７８９", "⓪①②③④⑤⑥⑦⑧⑨", "٠١٢٣٤٥٦٧٨٩", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗")


def refusal(text):
    with pytest.raises(WarningTextError) as caught:
        check_text(text)

    assert not text or text not in str(caught.value)

    return caught.value.reason


@pytest.mark.parametrize("fraud_type", FraudType)
@pytest.mark.parametrize("impersonated", GOOD)
@pytest.mark.parametrize("pretext", GOOD)
def test_every_template_with_every_good_part_passes_its_own_linter(
    fraud_type, impersonated, pretext
):
    texts = compose(fraud_type, TextParameters(impersonated, pretext))

    assert set(texts) == {"zh", "en"}
    assert all(impersonated in text and pretext in text for text in texts.values())


def test_the_longest_parts_fit_into_every_text():
    longest = "字" * MAX_PARAMETER_CHARACTERS
    for fraud_type in FraudType:
        texts = compose(fraud_type, TextParameters(longest, longest))

        assert all(len(text) <= MAX_TEXT_CHARACTERS for text in texts.values())


def test_the_guardians_copy_passes_and_says_nothing_of_the_case():
    texts = compose_for_guardian()
    for text in texts.values():
        check_text(text)

    assert set(texts) == {"zh", "en"}
    assert not any("验证码" in text or "claim" in text for text in texts.values())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("see https://evil.example/pay", "TEXT_HAS_LINK"),
        ("HTTP evil", "TEXT_HAS_LINK"),
        ("tuikuan-kefu.example", "TEXT_HAS_LINK"),
        ("tuikuan-kefu．example", "TEXT_HAS_LINK"),
        ("客服.网络", "TEXT_HAS_LINK"),
        ("evil dot example", "TEXT_HAS_LINK"),
        ("客服点com", "TEXT_HAS_LINK"),
        ("请打开网址", "TEXT_HAS_LINK"),
        ("+86 138 1234 5678", "TEXT_HAS_NUMBER"),
        ("please tell 110", "TEXT_HAS_NUMBER"),
        ("一三八一二三四五六七八", "TEXT_HAS_NUMBER"),
        ("幺 三 八 零", "TEXT_HAS_NUMBER"),
        ("one three eight, double zero", "TEXT_HAS_NUMBER"),
        ("Ⅻ", "TEXT_HAS_NUMBER"),
        ("¹²³", "TEXT_HAS_NUMBER"),
        ("someone@evil", "TEXT_HAS_ACCOUNT"),
        ("wxid_kefu", "TEXT_HAS_ACCOUNT"),
        ("加微信领取", "TEXT_HAS_ACCOUNT"),
        ("account number follows", "TEXT_HAS_ACCOUNT"),
        ("回复是确认", "TEXT_HAS_REPLY_PATH"),
        ("请拨打客服", "TEXT_HAS_REPLY_PATH"),
        ("Reply YES", "TEXT_HAS_REPLY_PATH"),
        ("call us back", "TEXT_HAS_REPLY_PATH"),
        ("scan the code", "TEXT_HAS_REPLY_PATH"),
        ("re\u200bply", "TEXT_HAS_CHARACTER"),
        ("abc\u202e", "TEXT_HAS_CHARACTER"),
        ("line\nbreak", "TEXT_HAS_CHARACTER"),
        ("a/b", "TEXT_HAS_CHARACTER"),
        ("😀", "TEXT_HAS_CHARACTER"),
        ("字" * (MAX_TEXT_CHARACTERS + 1), "TEXT_TOO_LONG"),
    ],
)
def test_a_text_that_could_be_a_trap_is_refused(text, reason):
    assert refusal(text) == reason


@given(
    st.text("abc 字，。", max_size=30),
    st.text("0123456789", min_size=5, max_size=15),
    st.sampled_from(SCRIPTS),
    st.sampled_from(["", " ", "-", "."]),
    st.text("abc 字，。", max_size=30),
)
def test_no_number_gets_through_in_whatever_script_or_spacing(
    before, digits, script, between, after
):
    hidden = between.join(script[int(digit)] for digit in digits)

    assert refusal(before + hidden + after) == "TEXT_HAS_NUMBER"


@given(st.from_regex(r"[a-z]{2,12}(-[a-z]{1,5})?\.(example|com|cn|top)", fullmatch=True))
def test_no_domain_gets_through(domain):
    assert refusal(f"please see {domain} now") == "TEXT_HAS_LINK"


@given(st.text(max_size=60))
def test_any_text_is_accepted_or_refused_with_a_reason(text):
    reason = ""
    try:
        check_text(text)
    except WarningTextError as error:
        reason = error.reason

    assert reason.startswith("TEXT_") or not any(one.isdigit() for one in text)


@given(st.sampled_from(GOOD), st.sampled_from(GOOD))
def test_parameters_survive_their_bytes_and_have_one_length(impersonated, pretext):
    parameters = TextParameters(impersonated, pretext)
    encoded = encode_parameters(parameters)

    assert len(encoded) == PARAMETER_BYTES
    assert decode_parameters(encoded) == parameters


def test_the_longest_parameters_fit_before_and_after_sealing():
    encoded = encode_parameters(TextParameters("字" * 40, "𠀀" * 40))

    assert len(encoded) == PARAMETER_BYTES
    assert PARAMETER_BYTES + INDICATOR_OVERHEAD_BYTES == SEALED_PARAMETERS_BYTES


@given(st.binary(max_size=600))
def test_any_bytes_are_parameters_or_refused(data):
    reason = "ACCEPTED"
    try:
        decode_parameters(data)
    except (ParametersError, WarningTextError) as error:
        reason = error.reason

    assert reason.startswith(("ACCEPTED", "TEXT_", "PARAMETERS_INVALID"))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"impersonated": "see evil.example", "pretext": ""}, "TEXT_HAS_LINK"),
        ({"impersonated": "x" * 41, "pretext": ""}, "TEXT_TOO_LONG"),
        ({"impersonated": 1, "pretext": ""}, "PARAMETERS_INVALID"),
        ({"impersonated": ""}, "PARAMETERS_INVALID"),
        ([], "PARAMETERS_INVALID"),
    ],
)
def test_what_another_node_sealed_is_checked_again(values, reason):
    with pytest.raises((ParametersError, WarningTextError)) as caught:
        decode_parameters(json.dumps(values).encode())

    assert caught.value.reason == reason
