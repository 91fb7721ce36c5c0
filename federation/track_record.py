"""Count how members' nominations ended in verification rounds, for how reliable they are.

Only what a tally decided teaches: an examination is one member's word about others. A nomination
that stood when the round was decided was upheld by CONFIRMED and overturned by REFUTED, once for
each round. What the police designated is not judged by members, and what has expired is forgotten
by everybody at the same second, as its rows may be gone already on some nodes.

Source: DESIGN §7 (reliability of a member, Beta counts).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from federation.findings import Finding
from federation.matters.procedure import State
from federation.roles import Role
from federation.views import Row
from federation.weighing import NOMINATION

_TEACHING: Final = frozenset({State.CONFIRMED, State.REFUTED})


def teaches(finding: Finding) -> bool:
    """Say whether a finding tells something of those who nominated its token."""
    return finding.state in _TEACHING and not finding.examined


def count_outcomes(
    rounds: Iterable[tuple[Finding, Sequence[Row]]],
    roles: Mapping[str, frozenset[Role]],
    now: int,
) -> dict[str, tuple[int, int]]:
    """Return by member how many of its nominations were upheld, and how many overturned.

    Args:
        rounds: Findings, each with the evidence about its token.
        roles: By member.
        now: Seconds since 1970.
    """
    upheld: Counter[str] = Counter()
    overturned: Counter[str] = Counter()
    for finding, rows in rounds:
        if not teaches(finding):
            continue
        ended = upheld if finding.state is State.CONFIRMED else overturned
        ended.update({row[1] for row in rows if _stood(row, finding.time, now)})
    members = sorted({*upheld, *overturned})
    judged = [one for one in members if Role.POLICE not in roles.get(one, frozenset())]
    return {one: (upheld[one], overturned[one]) for one in judged}


def _stood(row: Row, decided: int, now: int) -> bool:
    body, issued, expires = row[4], row[11], row[13]
    return body == NOMINATION and issued <= decided and not 0 < expires <= max(now, decided)
