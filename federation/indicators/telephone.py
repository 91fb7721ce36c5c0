"""Bring telephone numbers to E.164, Chinese service codes to ``CN-SVC:``.

    "(010) 0000-0000", region CN   → +861000000000
    "tel:+86-130-0000-0000"        → +8613000000000
    "+86 95588"                    → CN-SVC:95588

Source: ITU-T E.164, RFC 3966, DOMAIN §6.3.
"""

import re

import phonenumbers

from federation.indicators.character import fold_width
from federation.indicators.error import IndicatorError
from federation.indicators.kind import Kind

# E.164 §6.2.1: country code and national number together.
MAXIMUM_E164_DIGITS = 15

# In mainland China a number of 8 digits or fewer is a local one: without its area code it
# names a different line in every city.
_LONGEST_CHINESE_LOCAL_DIGITS = 8

# Numbers that every part of the slow path leaves as they are: North American ones and Chinese
# mobiles, except 179xx, which reads as a carrier-selection prefix. A test compares the paths.
_CLEAN = re.compile(r"\+(?:1[2-9][0-9]{9}|861(?:[3-689][0-9]|7[0-8])[0-9]{8})")

# +999 is unassigned, so no subscriber can ever own such a number: demonstrations and tests
# use it. The numbering-plan metadata knows no such code, hence a rule of its own.
_SYNTHETIC = re.compile(r"\+999[0-9]{7,12}")

# Three-digit emergency and 1xxxx codes, 95xxx of national and 96xxx of provincial scope.
_SERVICE_CODE = re.compile(r"1[0-9]{2,5}|95[0-9]{3,6}|96[0-9]{3,4}")
_SERVICE_PREFIX = "CN-SVC:"

_DIALLED = re.compile(r"\+?[0-9]+")
_EXTENSION = re.compile(r"[0-9)]\s*(?:;?\s*e?xt|x|#|,|;|доб|転|转|轉|内线|分机)", re.IGNORECASE)
_CONTEXT = re.compile(r"\+[0-9]{1,7}")
# Address books wrap numbers in directional marks; they are deleted like visual separators.
_SEPARATORS = dict.fromkeys(map(ord, " -.()/[]\u200e\u200f\u202a\u202b\u202c\u2066\u2068\u2069"))


def canonical_phone(text: str, region: str | None = None) -> str:
    """Return ``+`` and the E.164 digits, or ``CN-SVC:`` and a Chinese service code.

    Args:
        text: International form (``+``, ``00``, ``tel:``), or national form if ``region`` is given.
        region: ISO 3166 code of the country whose national form may be used.

    Raises:
        IndicatorError: With a ``PHONE_`` rule.
    """
    return text if _CLEAN.fullmatch(text) else _canonical_from_any(text, region)


def _canonical_from_any(text: str, region: str | None) -> str:
    region = _known_region(region)
    number = _dialled(text)
    if number.startswith(_SERVICE_PREFIX):
        return number
    if number.startswith("00") and region in (None, "CN"):
        number = f"+{number[2:]}"
    if number.startswith("+999"):
        return _synthetic(number)
    service = number.removeprefix("+86") if number.startswith("+") or region == "CN" else ""
    if _SERVICE_CODE.fullmatch(service):
        return _SERVICE_PREFIX + service
    if region is None and not number.startswith("+"):
        raise _refusal("PHONE_REGION_MISSING", "a national form needs a region")
    return _settled(number, region)


def _refusal(rule: str, message: str) -> IndicatorError:
    return IndicatorError(Kind.PHONE, rule, message)


def _known_region(region: str | None) -> str | None:
    if region is None:
        return None
    if region.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise _refusal("PHONE_REGION_UNKNOWN", "the region is no country code of ISO 3166")
    return region.upper()


def _dialled(text: str) -> str:
    text = fold_width(text).strip()
    if text[:7].upper() == _SERVICE_PREFIX:
        return _service_code(text[7:])
    context = ""
    if text[:4].lower() == "tel:":
        text, context = _without_parameters(text[4:])
    elif _EXTENSION.search(text):
        raise _refusal("PHONE_EXTENSION", "an extension names a desk, not a number")
    number = _plain_digits(text).translate(_SEPARATORS)
    if not _DIALLED.fullmatch(number):
        raise _refusal("PHONE_CHARACTER", "only digits and visual separators are allowed")
    return number if number.startswith("+") else context + number


def _service_code(code: str) -> str:
    if not _SERVICE_CODE.fullmatch(code):
        raise _refusal("PHONE_SERVICE_CODE", "no service code of 1xx, 95xxx or 96xxx form")
    return _SERVICE_PREFIX + code


def _without_parameters(text: str) -> tuple[str, str]:
    """Return the number and the context of a ``tel:`` URI; refuse every other parameter."""
    number, *parameters = text.split(";")
    context = ""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.lower() == "ext":
            raise _refusal("PHONE_EXTENSION", "an extension names a desk, not a number")
        if name.lower() != "phone-context" or context or not _CONTEXT.fullmatch(value):
            raise _refusal("PHONE_PARAMETER", "the only tel: parameter allowed is phone-context=+")
        context = value
    return number, context


def _plain_digits(text: str) -> str:
    if text.isascii():
        return text
    return "".join(str(int(char)) if char.isdecimal() else char for char in text)


def _synthetic(number: str) -> str:
    if not _SYNTHETIC.fullmatch(number):
        raise _refusal("PHONE_NOT_POSSIBLE", "+999 must be followed by 7 to 12 digits")
    return number


def _settled(number: str, region: str | None) -> str:
    """Return the form that reading it again no longer changes.

    A plan may strip a trunk prefix from what is left after stripping one. Texts that keep
    changing, such as a row of zeros, are refused: members would stop at different rounds.
    """
    value = _e164(number, region)
    for _ in range(3):
        previous, value = value, _e164(value, None)
        if value == previous:
            return value
    raise _refusal("PHONE_AMBIGUOUS", "the numbering plan reads it in more than one way")


def _e164(number: str, region: str | None) -> str:
    parsed = _possible(number, region)
    if parsed is None and number.startswith("00"):
        # The region's own prefix for calls abroad is not 00, yet lists are written with it.
        parsed = _possible(f"+{number[2:]}", None)
    if parsed is None:
        raise _refusal("PHONE_NOT_POSSIBLE", "unknown country code or impossible length")
    value = str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
    if len(value) - 1 > MAXIMUM_E164_DIGITS:
        raise _refusal("PHONE_NOT_POSSIBLE", f"more than {MAXIMUM_E164_DIGITS} digits")
    if parsed.country_code == 86 and len(value) - 3 <= _LONGEST_CHINESE_LOCAL_DIGITS:
        raise _refusal("PHONE_AREA_CODE", "a Chinese landline needs its area code")
    return value


def _possible(number: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    outcome = phonenumbers.is_possible_number_with_reason(parsed)
    return parsed if outcome == phonenumbers.ValidationResult.IS_POSSIBLE else None
