"""Bring the number of a resident identity card to its one form.

It names a person, so it is no indicator of fraud: nobody nominates, checks or watches one. It has
a kind because a person's own question about accounts needs a token (DOMAIN R57).
"""

import re
from datetime import date
from typing import Final

from stdnum.cn import ric

from federation.indicators.character import strip_separators
from federation.indicators.error import IndicatorError
from federation.indicators.kind import Kind

SYNTHETIC_AREA: Final = "99"
"""First two digits that no area has, for tests and trials."""

_FORM: Final = re.compile(r"([0-9]{2})[0-9]{4}([0-9]{4})([0-9]{2})([0-9]{2})[0-9]{3}[0-9X]")
_FIRST_YEAR: Final = 1850
# First two digits of GB/T 2260, with those for residents from Hong Kong, Macao and Taiwan.
_AREAS: Final = frozenset(
    str(code)
    for first, last in (
        (11, 15),
        (21, 23),
        (31, 37),
        (41, 46),
        (50, 54),
        (61, 65),
        (71, 71),
        (81, 83),
    )
    for code in range(first, last + 1)
) | {SYNTHETIC_AREA}


def canonical_resident_id(text: str) -> str:
    """Return the 18 characters of a resident identity card, the check character verified.

    Raises:
        IndicatorError: With a ``RESIDENT_ID_`` rule.

    Source: GB 11643-1999.
    """
    value = strip_separators(text).upper()
    found = _FORM.fullmatch(value)
    if found is None or found[1] not in _AREAS or not _is_date(*found.groups()[1:]):
        message = "must be 18 characters of the form of GB 11643"
        raise IndicatorError(Kind.RESIDENT_ID, "RESIDENT_ID_SYNTAX", message)
    if ric.calc_check_digit(value) != value[-1]:
        raise IndicatorError(Kind.RESIDENT_ID, "RESIDENT_ID_CHECK", "wrong check character")
    return value


def _is_date(year: str, month: str, day: str) -> bool:
    try:
        return date(int(year), int(month), int(day)).year >= _FIRST_YEAR
    except ValueError:
        return False
