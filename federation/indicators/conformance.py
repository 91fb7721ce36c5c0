"""Run vectors of canonical forms, so that a node can prove it writes indicators like the others.

Source: DOMAIN R21; the format is in tests/vectors/README.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from federation.indicators.error import IndicatorError
from federation.indicators.registry import Indicator, parse_indicator

REFUSED = "!"


@dataclass(frozen=True, slots=True)
class VectorResult:
    """What became of one vector. Vectors are public, yet no value is repeated here.

    Attributes:
        row: Position among the rows given, from 1.
        kind: As the row names it.
        passed: Whether the outcome is the expected one.
        outcome: ``canonical``, ``different``, ``unstable``, ``malformed`` or the refusing rule.
    """

    row: int
    kind: str
    passed: bool
    outcome: str


def run_indicator_vectors(
    rows: Iterable[Sequence[str]], region: str | None = None
) -> list[VectorResult]:
    """Parse the value of each row and compare it with the canonical form that the row expects.

    Args:
        rows: kind, value, canonical form or ``!`` for refused, then optionally the region for
            national telephone numbers (may be empty); further fields are notes.
        region: For rows that name none, as a node's own country does at the desk.
    """
    return [_run(number, row, region) for number, row in enumerate(rows, start=1)]


def _run(number: int, row: Sequence[str], default_region: str | None) -> VectorResult:
    if len(row) < 3:
        return VectorResult(number, "", passed=False, outcome="malformed")
    kind, value, canonical = row[:3]
    region = (row[3] if len(row) > 3 else "") or default_region
    try:
        parsed = parse_indicator(kind, value, region=region)
    except IndicatorError as error:
        passed = canonical == REFUSED and error.rule != "KIND_UNKNOWN"
        return VectorResult(number, kind, passed, error.rule)
    if not _is_stable(parsed):
        return VectorResult(number, kind, passed=False, outcome="unstable")
    passed = parsed.value == canonical
    return VectorResult(number, kind, passed, "canonical" if passed else "different")


def _is_stable(indicator: Indicator) -> bool:
    try:
        return parse_indicator(indicator.kind, indicator.value) == indicator
    except IndicatorError:
        return False
