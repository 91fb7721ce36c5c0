"""Say in one word where an indicator stands: nominated, in verification, confirmed, refuted.

Of what DOMAIN §2 lists, MITIGATED and MONITORED are states of measures, not of what is known, and
stand in the matters of orders.
"""

import enum
from collections.abc import Mapping, Sequence

from federation.findings import Finding, confirmation, latest
from federation.matters.procedure import State
from federation.roles import Role
from federation.verdict import Verdict


class IndicatorState(enum.StrEnum):
    """Name where an indicator stands."""

    UNKNOWN = "UNKNOWN"
    OBSERVED = "OBSERVED"
    NOMINATED = "NOMINATED"
    VERIFYING = "VERIFYING"
    CONFIRMED = "CONFIRMED"
    DESIGNATED = "DESIGNATED"
    REFUTED = "REFUTED"
    INSUFFICIENT = "INSUFFICIENT"
    EXPIRED = "EXPIRED"
    RELEASED = "RELEASED"


def indicator_state(
    verdict: Verdict, findings: Sequence[Finding], roles: Mapping[str, frozenset[Role]]
) -> IndicatorState:
    """Return where an indicator stands; only a word of the police that counts designates it."""
    supports = [term for term in verdict.terms if term.weight > 0]
    nominating = [term for term in supports if term.body in _NOMINATING]
    if any(Role.POLICE in roles.get(term.member, frozenset()) for term in nominating):
        return IndicatorState.DESIGNATED
    found = _from_findings(findings)
    if found is not None and (found not in _ENDED or not supports):
        return found
    if nominating:
        return IndicatorState.NOMINATED
    if supports:
        return IndicatorState.OBSERVED
    return IndicatorState.EXPIRED if verdict.terms else IndicatorState.UNKNOWN


_NOMINATING = frozenset({"NOMINATION", "DESIGNATION"})
_ENDED = frozenset({IndicatorState.REFUTED, IndicatorState.RELEASED})


def _from_findings(findings: Sequence[Finding]) -> IndicatorState | None:
    """Return what the matters say; None where none says anything."""
    if any(one.state is State.VERIFYING for one in findings):
        return IndicatorState.VERIFYING
    last = latest(findings)
    tried = [one for one in findings if one.state is State.INSUFFICIENT]
    if tried and (last is None or max(one.time for one in tried) > last.time):
        return IndicatorState.INSUFFICIENT
    if last is None:
        return None
    if last.state is State.CONFLICT:
        return IndicatorState.VERIFYING
    if confirmation(findings) is not None:
        return IndicatorState.CONFIRMED
    return IndicatorState(last.state)
