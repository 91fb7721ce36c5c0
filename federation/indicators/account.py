"""Bring bank accounts, cards and organisation codes to compact, checked forms.

Source: ISO 13616 (IBAN), ISO/IEC 7812 (PAN), GB 32100 (unified social credit code),
DOMAIN §6.3.
"""

import re

from stdnum import iban, luhn
from stdnum.cn import uscc
from stdnum.exceptions import ValidationError

from federation.indicators.character import fold_width, require_digits, strip_separators
from federation.indicators.error import IndicatorError
from federation.indicators.kind import Kind

_CNAPS = re.compile(r"[0-9]{12}")
_ACCOUNT = re.compile(r"[0-9]{5,32}")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{8,30}")
# Registering office and type, six digits of region, then an organisation code and a check.
_USCC = re.compile(r"[0-9A-HJ-NP-RTUWXY]{2}[0-9]{6}[0-9A-HJ-NP-RTUWXY]{10}")


def canonical_bank_account(text: str) -> str:
    """Return the bank's 12-digit CNAPS code, a colon and the account's digits.

    Raises:
        IndicatorError: With a ``BANK_ACCOUNT_`` rule.
    """
    bank, colon, account = fold_width(text).partition(":")
    bank, account = strip_separators(bank), strip_separators(account)
    if not colon or not _CNAPS.fullmatch(bank):
        message = "must start with a CNAPS code of 12 digits and a colon"
        raise IndicatorError(Kind.BANK_ACCOUNT, "BANK_ACCOUNT_BANK", message)
    if not _ACCOUNT.fullmatch(account):
        message = "the account must have 5 to 32 digits"
        raise IndicatorError(Kind.BANK_ACCOUNT, "BANK_ACCOUNT_NUMBER", message)
    return f"{bank}:{account}"


def canonical_iban(text: str) -> str:
    """Return the IBAN in capitals without spaces, its check digits and country form verified.

    Raises:
        IndicatorError: With an ``IBAN_`` rule.
    """
    value = strip_separators(text).upper()
    if not _IBAN.fullmatch(value):
        message = "must be a country, two check digits and the account"
        raise IndicatorError(Kind.IBAN, "IBAN_SYNTAX", message)
    if not _is_iban(value):
        message = "wrong check digits, or not the length and form of the country"
        raise IndicatorError(Kind.IBAN, "IBAN_CHECK", message)
    return value


def _is_iban(value: str) -> bool:
    # National check digits are left out: few countries have them, and the list would decide
    # which members accept an account.
    return bool(iban.is_valid(value, check_country=False))


def canonical_pan(text: str) -> str:
    """Return the 12 to 19 digits of a payment card, the Luhn digit verified.

    Raises:
        IndicatorError: With a ``PAN_`` rule.
    """
    digits = require_digits(Kind.PAN, text, 12, 19)
    if not luhn.is_valid(digits):
        raise IndicatorError(Kind.PAN, "PAN_CHECK", "wrong check digit")
    return digits


def canonical_organisation(text: str) -> str:
    """Return the 18 characters of a unified social credit code, the check character verified.

    Raises:
        IndicatorError: With an ``ORGANISATION_`` rule.
    """
    value = strip_separators(text).upper()
    if not _USCC.fullmatch(value):
        message = "must be 18 characters of the form of GB 32100"
        raise IndicatorError(Kind.ORGANISATION, "ORGANISATION_SYNTAX", message)
    if not _has_check_character(value):
        raise IndicatorError(Kind.ORGANISATION, "ORGANISATION_CHECK", "wrong check character")
    return value


def _has_check_character(value: str) -> bool:
    # NOTE: not uscc.validate, which refuses the letters that GB 32100 allows for the
    # registering office, such as N for rural collectives.
    try:
        return bool(uscc.calc_check_digit(value[:17]) == value[17])
    except ValidationError:
        return False
