"""Close a sum, and decide as a holder whether a close may be answered."""

from collections.abc import Iterable

from federation.names import MemberId
from federation.statements.sums import SumClose
from federation.sums.error import SumFaultError, SumRefusedError
from federation.sums.history import PastSum, check_repeat
from federation.sums.judgement import Standing, judge, judge_shares
from federation.sums.opening import Sum, split_digests
from federation.sums.state import SumState, closed_twice


def close(state: SumState) -> SumClose:
    """Close over everybody whose shares the holders accepted.

    Raises:
        SumRefusedError: SUM_TOO_FEW, fewer are accepted than the opening asks for; SUM_OVER, the
            sum is closed.
    """
    if state.closes:
        raise SumRefusedError("a sum is closed once", reason="SUM_OVER")
    findings = judge(state).items()
    names = [name for name, found in findings if found.standing is Standing.ACCEPTED]
    check_enough(state.sum, names)
    waiting = state.waiting_shares()
    digests = (waiting[name][0] for name in names)
    return SumClose(state.sum.opening.sum_id, tuple(names), b"".join(digests))


def check_close(
    state: SumState, me: MemberId, bound: bytes | None, past: Iterable[PastSum], now: int
) -> SumClose:
    """Return the close if this holder may answer it; arguments and errors are ``answer``'s."""
    opened = state.sum
    opened.index(me)
    said = state.single_close()
    if bound is not None and bound != opened.close_digest(said):
        raise closed_twice(opened)
    check_enough(opened, said.contributors)
    for name, digest in closed_shares(said):
        _check_closed(state, name, digest)
    check_repeat(remember_close(opened, said, now), past)
    return said


def remember_close(opened: Sum, close: SumClose, now: int) -> PastSum:
    """Return what a holder remembers of a close that it answers."""
    opening = opened.opening
    return PastSum(opening.sum_id, opening.labels_digest, frozenset(close.contributors), now)


def safe_echoes(threshold: int, holders: int) -> int:
    """Return how many echoes let no two closes be answered, even with threshold - 1 traitors.

    Two closes with q echoes each take 2q echoes; every honest holder gives one, and threshold - 1
    traitors two: 2q > holders + threshold - 1 makes it impossible.
    """
    return (holders + threshold + 1) // 2


def closed_shares(said: SumClose) -> Iterable[tuple[MemberId, bytes]]:
    """Give each closed contributor with the digest of its shares."""
    return zip(said.contributors, split_digests(said.shares_digests), strict=True)


def check_enough(opened: Sum, names: Iterable[MemberId]) -> None:
    """Refuse to add up, or to open norms of, fewer vectors than the opening asks for.

    Raises:
        SumRefusedError: SUM_TOO_FEW.
    """
    count, least = len(set(names)), opened.opening.least_contributors
    if count < least:
        raise SumRefusedError(
            f"{count} vectors would be added up, and {least} are needed", reason="SUM_TOO_FEW"
        )


def _check_closed(state: SumState, contributor: MemberId, shares_digest: bytes) -> None:
    """Accept a closed contributor by its checks; shares it posted later do not undo a close."""
    if contributor not in state.sum.opening.contributors:
        raise SumFaultError(
            "the close names a member that does not contribute here",
            reason="CLOSE_INVALID",
            members=(state.sum.opener,),
        )
    if shares_digest not in state.shares.get(contributor, {}):
        raise SumRefusedError("closed shares are not here yet", reason="SUM_NOT_READY")
    standing = judge_shares(state, contributor, shares_digest).standing
    if standing is Standing.WAITING:
        raise SumRefusedError("too few holders have checked the shares", reason="SUM_NOT_READY")
    if standing is Standing.EXCLUDED:
        raise SumFaultError(
            f"the close names {contributor}, whose vector is left out by now",
            reason="CLOSE_INVALID",
        )
