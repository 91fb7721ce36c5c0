"""A brief has nobody in it, and only its readers read it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.brief_linter import lint_text
from federation.briefs import BriefError, BriefText, check_texts, open_texts, seal_key, seal_texts
from federation.names import FederationName, MemberId
from federation.statements import CaseBrief
from federation.vocabulary import FraudStage, FraudType, LureClass, SupplyRole
from keys.sealing import SealingKey
from tests.federation.said import opaque

FEDERATION = FederationName("test")
SPEAKER, READER, OTHER = (MemberId(name) for name in ("bank-a", "carrier-b", "net-c"))
KEYS = {member: SealingKey.generate() for member in (SPEAKER, READER, OTHER)}
CLEAN = (
    BriefText(
        "en",
        "Refund scam against shoppers",
        "On 2026-11-20 a caller posed as a courier and asked for 48,000 yuan in 3 parts.",
        "Call the shop back by the number in its app. Hotline 96110.",
    ),
    BriefText(
        "zh", "冒充客服退款", "受害人张某某收到自称快递客服的来电,损失4.8万元。", "不要共享屏幕。"
    ),
)


def rules(text):
    return {one.rule for one in lint_text(text)}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("call +86 138 1234 5678 now", "NUMBER"),
        ("拨打138-1234-5678", "NUMBER"),
        ("電話１３８１２３４５６７８", "NUMBER"),
        ("1\u200b3812345678", "NUMBER"),
        ("card 6222 0202 0011 2233 445", "NUMBER"),
        ("身份证110101199003071234", "NUMBER"),
        ("tel 138.1234.5678", "NUMBER"),
        ("tel 138,1234,5678", "NUMBER"),
        ("mail someone@evil.example", "EMAIL_ADDRESS"),
        ("see tuikuan-kefu.example", "WEB_ADDRESS"),
        ("see evil[.]example", "WEB_ADDRESS"),
        ("see evil [dot] example", "WEB_ADDRESS"),
        ("see hxxps://evil", "WEB_ADDRESS"),
        ("at 203.0.113.77", "WEB_ADDRESS"),
        ("host xn--fiq228c", "WEB_ADDRESS"),
        ("iban DE89370400440532013000", "ACCOUNT"),
        ("to bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "ACCOUNT"),
        ("加微信: kefu_8899", "HANDLE"),
        ("QQ号 123456", "HANDLE"),
        ("telegram @refund_desk", "HANDLE"),
        ("受害人王小明报案", "PERSON"),
        ("李女士接到电话", "PERSON"),
        ("姓名:陈大文", "PERSON"),
        ("Mr. Smith was called", "PERSON"),
        ("the victim Jane Doe paid", "PERSON"),
    ],
)
def test_what_tells_who_it_was_is_found(text, rule):
    assert rule in rules(text)


@pytest.mark.parametrize(
    "text",
    [
        *(getattr(one, part) for one in CLEAN for part in ("title", "text", "lessons")),
        "Losses of 1,234,567 yuan on 2026-11-20, 300 calls within 20 minutes, type FT04.",
        "The victim lost 9,800 CNY; see ATNFL art. 20 and DOMAIN R56.",
        "张某称损失5000元,犯罪嫌疑人李某某已到案。",
        "The caller used version 3.2 of an app, e.g. for screen sharing.",
    ],
)
def test_what_tells_only_how_it_was_is_clean(text):
    assert lint_text(text) == ()


@given(st.text())
def test_the_linter_reads_any_text(text):
    assert all(0 <= one.place <= len(text) * 18 for one in lint_text(text))


@given(st.integers(10**9, 10**11), st.sampled_from(["", " ", "-", "."]))
def test_no_telephone_number_gets_through_in_groups(number, separator):
    digits = f"1{number}"
    grouped = separator.join((digits[:3], digits[3:7], digits[7:]))

    assert rules(f"call {grouped} now") & {"NUMBER", "WEB_ADDRESS"}


def test_a_refusal_names_rule_and_place_and_never_the_words():
    with pytest.raises(BriefError) as caught:
        check_texts([BriefText("en", "A case", "Jane at 138 1234 5678 paid.")])

    assert caught.value.reason == "BRIEF_NOT_CLEAN"
    assert str(caught.value) == "en text: NUMBER at character 8"


@pytest.mark.parametrize(
    "texts",
    [
        (),
        (BriefText("fr", "t", "t"),),
        (CLEAN[0], CLEAN[0]),
        (BriefText("en", " ", "t"),),
        (BriefText("en", "t", ""),),
    ],
)
def test_words_without_language_or_title_are_none(texts):
    with pytest.raises(BriefError) as caught:
        check_texts(texts)

    assert caught.value.reason == "BRIEF_INVALID"


def brief(texts=CLEAN, readers=(SPEAKER, READER)):
    key = opaque("brief key", 32)
    sealed = seal_key(key, FEDERATION, SPEAKER, {one: KEYS[one].public for one in readers})
    return CaseBrief(
        FraudType.CUSTOMER_SERVICE,
        (FraudStage.CONTACT,),
        (LureClass.CARE,),
        (SupplyRole.TRAFFIC,),
        (),
        readers,
        sealed,
        seal_texts(texts, key),
    )


def test_each_reader_reads_it():
    for reader in (SPEAKER, READER):
        assert open_texts(brief(), FEDERATION, SPEAKER, reader, KEYS[reader]) == CLEAN


@pytest.mark.parametrize(
    ("speaker", "reader", "key"),
    [(SPEAKER, OTHER, OTHER), (SPEAKER, READER, OTHER), (OTHER, READER, READER)],
)
def test_nobody_else_reads_it_nor_under_another_name(speaker, reader, key):
    with pytest.raises(BriefError) as caught:
        open_texts(brief(), FEDERATION, speaker, reader, KEYS[key])

    assert caught.value.reason == "BRIEF_CLOSED"


def test_words_that_a_speaker_did_not_lint_are_not_shown():
    dirty = (BriefText("en", "A case", "call 138 1234 5678"),)
    with pytest.raises(BriefError) as caught:
        open_texts(brief(dirty), FEDERATION, SPEAKER, READER, KEYS[READER])

    assert caught.value.reason == "BRIEF_NOT_CLEAN"


def test_every_code_of_the_lists_has_its_place():
    assert len([one for one in FraudType if one is not FraudType.OTHER]) == 12
    assert {one.name for one in SupplyRole} == {"MATERIAL", "TECH", "TRAFFIC", "SETTLEMENT"}
    assert {one.name for one in LureClass} == {"PROFIT", "THREAT", "CARE"}
