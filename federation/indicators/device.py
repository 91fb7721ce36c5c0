"""Bring equipment, SIM and site identifiers to the digits that stay when cards or software move.

Source: 3GPP TS 23.003 (IMEI, IMSI), ITU-T E.118 (ICCID), DOMAIN §6.3.
"""

import datetime
import re

from stdnum import luhn

from federation.indicators.character import fold_width, require_digits, strip_separators
from federation.indicators.error import IndicatorError
from federation.indicators.kind import Kind

# What stands at a site, as carriers class it by type allocation code (DOMAIN §8.1).
SITE_DEVICE_CLASSES = ("phone", "module", "gateway", "unknown")

_IMEI_DIGITS = 14
_SITE = re.compile(
    r"([0-9bcdefghjkmnp-z]{7}):([0-9]{4}-[0-9]{2}-[0-9]{2})t([01][0-9]|2[0-3])z?:([a-z]+)",
    re.ASCII,
)


def canonical_imei(text: str) -> str:
    """Return the 14 digits of type and serial number; check digit and software version go.

    15 digits end in a Luhn digit, which is verified; 16 digits end in a software version.

    Raises:
        IndicatorError: With an ``IMEI_`` rule.
    """
    digits = require_digits(Kind.IMEI, fold_width(text).replace("/", ""), 14, 16)
    if len(digits) == 15 and not luhn.is_valid(digits):
        raise IndicatorError(Kind.IMEI, "IMEI_CHECK", "wrong check digit")
    return digits[:_IMEI_DIGITS]


def canonical_imsi(text: str) -> str:
    """Return the 14 or 15 digits of a subscriber identity.

    Raises:
        IndicatorError: With an ``IMSI_`` rule.
    """
    return require_digits(Kind.IMSI, text, 14, 15)


def canonical_iccid(text: str) -> str:
    """Return the 18 or 19 digits of a SIM card without its Luhn digit.

    Cards have 18 or 19 digits before the check digit, so 19 digits may be either. They are
    read as 18 and a check digit whenever that digit fits, also after the check digit of a
    20-digit number was taken off: then all spellings of one card give one value, and since a
    fitting digit follows from the others no two cards of one length are merged. The padding
    ``F`` of SIM files is dropped.

    Raises:
        IndicatorError: With an ``ICCID_`` rule.
    """
    digits = require_digits(Kind.ICCID, _without_padding(text), 18, 20)
    if not digits.startswith("89"):
        raise IndicatorError(Kind.ICCID, "ICCID_PREFIX", "a SIM card's number starts with 89")
    if len(digits) == 20:
        if not luhn.is_valid(digits):
            raise IndicatorError(Kind.ICCID, "ICCID_CHECK", "wrong check digit")
        digits = digits[:19]
    return digits[:18] if luhn.is_valid(digits) and len(digits) == 19 else digits


def _without_padding(text: str) -> str:
    return strip_separators(text).upper().removesuffix("F")


def canonical_site(text: str) -> str:
    """Return a cell of about 150 m, an hour of UTC and a device class: ``wv1hzz6:2026-01-31T22:…``.

    Raises:
        IndicatorError: With a ``SITE_`` rule.
    """
    match = _SITE.fullmatch(fold_width(text).lower())
    if match is None:
        message = "must be geohash-7:YYYY-MM-DDTHH:class, the hour in UTC"
        raise IndicatorError(Kind.SITE, "SITE_SYNTAX", message)
    cell, day, hour, device = match.groups()
    if not _is_day(day):
        raise IndicatorError(Kind.SITE, "SITE_DATE", "no such day")
    if device not in SITE_DEVICE_CLASSES:
        message = f"the device class must be one of {', '.join(SITE_DEVICE_CLASSES)}"
        raise IndicatorError(Kind.SITE, "SITE_CLASS", message)
    return f"{cell}:{day}T{hour}:{device}"


def _is_day(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True
