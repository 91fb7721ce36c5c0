"""An IoT card is held to its level, functions, device and area, and only misuse is told."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.iot import (
    PROFILE_COLUMNS,
    USE_COLUMNS,
    Function,
    Inspection,
    IotError,
    Profile,
    Sheet,
    Status,
    Use,
    Violation,
    judge_use,
    read_profile,
    read_use,
)
from federation.iot_sheet import (
    OLDEST_MONTHS,
    month_of,
    month_start,
    month_subject,
    read_month,
    sheet_labels,
)
from federation.vocabulary import FraudStage

SIM, IMEI, OTHER_IMEI = "carrier-a:8986001", "35209900176148", "49015420323751"
NOW = 1_790_000_000


def profile(**fields):
    defaults = {
        "sim": SIM,
        "level": 1,
        "functions": frozenset({Function.DATA}),
        "imei": IMEI,
        "areas": ("1101", "12"),
    }
    return Profile(**defaults | fields)


def use(**fields):
    return Use(**{"sim": SIM, "function": Function.DATA, "imei": IMEI, "area": "110105"} | fields)


@pytest.mark.parametrize(
    ("card", "used", "expected"),
    [
        (profile(), use(), set()),
        (profile(), use(area="120000"), set()),
        (profile(), use(imei="", area=""), set()),
        (profile(imei="", areas=()), use(imei=OTHER_IMEI, area="44"), set()),
        (profile(), use(function=Function.VOICE), {Violation.FUNCTION_FORBIDDEN}),
        (profile(), use(function=Function.SMS), {Violation.FUNCTION_FORBIDDEN}),
        (profile(functions=frozenset(Function), level=3), use(function=Function.VOICE), set()),
        (profile(), use(imei=OTHER_IMEI), {Violation.IMEI_MISMATCH}),
        (profile(), use(area="1102"), {Violation.OUT_OF_AREA}),
        (profile(status=Status.SUSPENDED), use(), {Violation.USED_WHILE_SUSPENDED}),
        (profile(status=Status.RESTORED), use(), set()),
    ],
)
def test_a_use_is_held_against_the_profile_and_what_is_not_known_is_not(card, used, expected):
    assert judge_use(card, used) == expected


def test_a_card_used_for_voice_is_told_once_by_the_gravest_violation():
    inspection = Inspection()
    inspection.add_profile(profile())
    inspection.add_profile(profile(sim="carrier-a:quiet"))
    inspection.add_profile(profile(sim="carrier-a:moved", status=Status.RESTORED))
    inspection.add_profile(profile(sim="carrier-a:off", status=Status.SUSPENDED))
    for _ in range(3):
        inspection.add_use(use(function=Function.VOICE, area="44"))
    inspection.add_use(use(sim="carrier-a:moved", imei=OTHER_IMEI))
    voice, moved = sorted(inspection.misused(), key=lambda one: one.sim)

    assert (voice.sim, voice.uses) == (SIM, 3)
    assert voice.violations == (Violation.FUNCTION_FORBIDDEN, Violation.OUT_OF_AREA)
    assert voice.claim == (FraudStage.CONTACT, 80)
    assert moved.claim == (FraudStage.PREPARATION, 60)
    assert inspection.sheet() == Sheet(checked=4, abnormal=2, suspended=1, restored=1)
    assert SIM not in repr(profile())
    assert IMEI not in repr(use())


def test_a_card_that_may_do_more_than_its_level_is_abnormal_and_nobody_misused_it():
    inspection = Inspection()
    inspection.add_profile(profile(level=2, functions=frozenset({Function.VOICE})))
    inspection.add_use(use(function=Function.VOICE))

    assert [one.violations for one in inspection.abnormal()] == [(Violation.LEVEL_EXCEEDED,)]
    assert list(inspection.misused()) == []
    assert inspection.sheet().abnormal == 1


def test_a_card_twice_and_a_use_of_no_card_are_refused():
    inspection = Inspection()
    inspection.add_profile(profile())
    with pytest.raises(IotError) as twice:
        inspection.add_profile(profile())
    with pytest.raises(IotError) as missing:
        inspection.add_use(use(sim="carrier-a:other"))

    assert (twice.value.reason, missing.value.reason) == (
        "IOT_PROFILE_TWICE",
        "IOT_PROFILE_MISSING",
    )
    assert inspection.sheet().checked == 1


GOOD = {
    "sim": "Carrier-A:8986001",
    "level": "2",
    "functions": "data|SMS",
    "imei": "352099001761481",
    "areas": "1101| 12",
    "status": "",
}


def test_texts_of_a_profile_and_a_use_are_read():
    read = read_profile(GOOD)
    functions = frozenset({Function.DATA, Function.SMS})
    plain = read_profile({**dict.fromkeys(PROFILE_COLUMNS, ""), "sim": SIM, "level": "1"})

    assert read == Profile(SIM, 2, functions, IMEI, ("1101", "12"), Status.ACTIVE)
    assert plain == Profile(SIM, 1, frozenset({Function.DATA}))
    assert read_use({"sim": SIM, "function": "voice", "imei": "", "area": " 44 "}) == Use(
        SIM, Function.VOICE, "", "44"
    )


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("sim", "8986001"),
        ("sim", ""),
        ("level", "0"),
        ("level", "4"),
        ("level", "²"),
        ("functions", "data|fax"),
        ("imei", "12345"),
        ("status", "lost"),
    ],
)
def test_a_wrong_column_is_named_and_its_text_is_not(column, text):
    with pytest.raises(IotError) as caught:
        read_profile({**GOOD, column: text})

    assert caught.value.reason == f"IOT_{column.upper()}_INVALID"
    assert not text or text not in str(caught.value)


@given(st.fixed_dictionaries(dict.fromkeys(PROFILE_COLUMNS, st.text(max_size=8))))
def test_any_texts_are_a_profile_or_an_error(cells):
    with contextlib.suppress(IotError):
        assert read_profile(cells).level in (1, 2, 3)


@given(st.fixed_dictionaries(dict.fromkeys(USE_COLUMNS, st.text(max_size=8))))
def test_any_texts_are_a_use_or_an_error(cells):
    with contextlib.suppress(IotError):
        assert ":" in read_use(cells).sim


def test_a_month_is_read_back_from_what_a_sum_is_about():
    month = month_of(NOW)

    assert read_month(month_subject(month), NOW) == month
    assert read_month(month_subject(month - OLDEST_MONTHS + 1), NOW) == month - OLDEST_MONTHS + 1
    assert read_month(month_subject(month - OLDEST_MONTHS), NOW) is None
    assert read_month(month_subject(month + 1), NOW) is None
    assert month_start(month) <= NOW < month_start(month + 1)
    assert month_of(month_start(month)) == month_of(month_start(month + 1) - 1) == month
    assert list(sheet_labels().values()) == ["checked", "abnormal", "suspended", "restored"]
