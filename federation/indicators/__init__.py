"""Know every kind of indicator and the one form in which all members write it.

The table of forms is in README.md; the vectors are in tests/vectors/indicators.csv.
"""

from federation.indicators.error import IndicatorError
from federation.indicators.kind import PERSONS, Kind, KindClass, kind_class, kind_name
from federation.indicators.network import registrable_domain
from federation.indicators.registry import (
    MAXIMUM_TEXT_CHARACTERS,
    Indicator,
    kind_by_name,
    parse_indicator,
)

__all__ = [
    "MAXIMUM_TEXT_CHARACTERS",
    "PERSONS",
    "Indicator",
    "IndicatorError",
    "Kind",
    "KindClass",
    "kind_by_name",
    "kind_class",
    "kind_name",
    "parse_indicator",
    "registrable_domain",
]
