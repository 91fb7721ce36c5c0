"""Fold how a sum stands from what its parties said: same statements, same state, in any order.

Only shapes and names are looked at here; ``judgement`` looks into the checks. Who said what is
the caller's to know: from a member's log, or from the certificate of a stream.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from federation.names import FederationName, MemberId
from federation.statements.sums import (
    SumBody,
    SumCheck,
    SumClose,
    SumEcho,
    SumOpen,
    SumPartial,
    SumShares,
)
from federation.sums.error import SumFaultError, SumRefusedError
from federation.sums.opening import Sum, check_opening
from federation.sums.sealing import is_signed, sealed_bytes


class Exclusion(enum.StrEnum):
    """Say why a contributor's vector is left out; stable, for programs."""

    NOT_ALLOWED = "NOT_ALLOWED"
    SHARES_LATE = "SHARES_LATE"
    SHARES_UNSIGNED = "SHARES_UNSIGNED"
    SHARES_TWICE = "SHARES_TWICE"
    SHARES_LENGTH = "SHARES_LENGTH"
    SHARE_INVALID = "SHARE_INVALID"
    DEGREE_WRONG = "DEGREE_WRONG"
    ZERO_WRONG = "ZERO_WRONG"
    NORM_DISPUTED = "NORM_DISPUTED"
    NORM_EXCEEDED = "NORM_EXCEEDED"
    NOT_ONE_HOT = "NOT_ONE_HOT"
    PROOF_DISPUTED = "PROOF_DISPUTED"


@dataclass(frozen=True, slots=True)
class Said:
    """What a member said, and when; what stands there more than once was said more than once."""

    member: MemberId
    time: int
    body: SumBody


@dataclass(frozen=True, slots=True)
class SumState:
    """How a sum stands; ``fold_sum`` makes it.

    Attributes:
        sum: What was opened, by whom.
        shares: All different shares that each contributor signed, in due form, by digest.
        excluded: Whose vectors are left out already, and why.
        checks: What each holder found, in its order; of one contributor's shares the first counts.
        closes: All different closes of the opener: more than one is evidence against it.
        echoes: Digest of the close that each holder repeated first.
        partials: Each holder's first partial for each close.
    """

    sum: Sum
    shares: Mapping[MemberId, Mapping[bytes, SumShares]]
    excluded: Mapping[MemberId, Exclusion]
    checks: Mapping[MemberId, tuple[SumCheck, ...]]
    closes: tuple[SumClose, ...]
    echoes: Mapping[MemberId, bytes]
    partials: Mapping[MemberId, Mapping[bytes, SumPartial]]

    def waiting_shares(self) -> dict[MemberId, tuple[bytes, SumShares]]:
        """Return everybody's shares, with their digest, but for those who are left out."""
        return {
            name: next(iter(posted.items()))
            for name, posted in self.shares.items()
            if name not in self.excluded
        }

    def single_close(self) -> SumClose:
        """Return the close.

        Raises:
            SumFaultError: SUM_CLOSED_TWICE, naming the opener; ``closes`` is the evidence.
            SumRefusedError: SUM_NOT_READY; there is none.
        """
        if len(self.closes) > 1:
            raise closed_twice(self.sum)
        if not self.closes:
            raise SumRefusedError("the sum is not closed", reason="SUM_NOT_READY")
        return self.closes[0]


_Body = TypeVar("_Body", SumShares, SumCheck, SumClose, SumEcho, SumPartial)


def fold_sum(
    federation: FederationName,
    sum_id: bytes,
    said: Iterable[Said],
    signing_keys: Mapping[MemberId, bytes],
) -> SumState:
    """Fold one sum.

    Args:
        federation: Whose members speak.
        sum_id: Which sum; what belongs to others is ignored.
        said: Of each member in the order in which it said it.
        signing_keys: Public keys of the members, from the charter.

    Raises:
        SumFaultError: SUM_UNKNOWN; nobody opened it.
    """
    mine = [each for each in said if each.body.sum_id == sum_id]
    opened = _find_opening(federation, mine)
    shares, excluded = _contributions(opened, mine, signing_keys)
    holders = opened.opening.holders
    echoes = {name: _by(mine, name, SumEcho) for name in holders}
    partials = {name: _by(mine, name, SumPartial) for name in holders}
    return SumState(
        sum=opened,
        shares=shares,
        excluded=excluded,
        checks={name: found for name in holders if (found := _by(mine, name, SumCheck))},
        closes=tuple(sorted(set(_by(mine, opened.opener, SumClose)), key=opened.close_digest)),
        echoes={name: found[0].close_digest for name, found in echoes.items() if found},
        partials={
            name: {each.close_digest: each for each in reversed(found)}
            for name, found in partials.items()
            if found
        },
    )


def closed_twice(opened: Sum) -> SumFaultError:
    """Make the error that two closes of one sum are."""
    return SumFaultError(
        "the sum was closed twice: two totals could show one vector",
        reason="SUM_CLOSED_TWICE",
        members=(opened.opener,),
    )


def _find_opening(federation: FederationName, said: Iterable[Said]) -> Sum:
    for each in sorted(said, key=lambda each: each.member):
        if isinstance(each.body, SumOpen):
            opened = Sum(federation, each.member, each.body)
            try:
                check_opening(opened)
            except SumRefusedError:
                continue
            return opened
    raise SumFaultError("nobody opened this sum", reason="SUM_UNKNOWN")


def _contributions(
    opened: Sum, said: Iterable[Said], signing_keys: Mapping[MemberId, bytes]
) -> tuple[dict[MemberId, dict[bytes, SumShares]], dict[MemberId, Exclusion]]:
    shares: dict[MemberId, dict[bytes, SumShares]] = {}
    excluded: dict[MemberId, Exclusion] = {}
    for name in sorted({each.member for each in said if isinstance(each.body, SumShares)}):
        if name not in opened.opening.contributors:
            excluded[name] = Exclusion.NOT_ALLOWED
            continue
        posted = _signed(opened, name, said, signing_keys.get(name))
        why = _exclusion(opened, posted)
        if why is not None:
            excluded[name] = why
        formed = {digest: s for digest, (s, _) in posted.items() if _is_formed(opened, s)}
        if formed:
            shares[name] = formed
    return shares, excluded


def _signed(
    opened: Sum, contributor: MemberId, said: Iterable[Said], public: bytes | None
) -> dict[bytes, tuple[SumShares, int]]:
    """Return what a contributor signed, by digest, each with its earliest time."""
    posted: dict[bytes, tuple[SumShares, int]] = {}
    for each in said:
        if each.member == contributor and isinstance(each.body, SumShares):
            digest = opened.shares_digest(contributor, each.body.sealed_shares)
            if is_signed(each.body, digest, public):
                _, earliest = posted.get(digest, (each.body, each.time))
                posted[digest] = (each.body, min(each.time, earliest))
    return dict(sorted(posted.items()))


def _exclusion(opened: Sum, posted: Mapping[bytes, tuple[SumShares, int]]) -> Exclusion | None:
    if not posted:
        return Exclusion.SHARES_UNSIGNED
    if len(posted) > 1:
        return Exclusion.SHARES_TWICE
    ((shares, time),) = posted.values()
    if not _is_formed(opened, shares):
        return Exclusion.SHARES_LENGTH
    return Exclusion.SHARES_LATE if time > opened.opening.deadline_time else None


def _is_formed(opened: Sum, shares: SumShares) -> bool:
    lengths = {len(sealed) for sealed in shares.sealed_shares}
    is_complete = len(shares.sealed_shares) == len(opened.opening.holders)
    return is_complete and lengths == {sealed_bytes(opened)}


def _by(said: Iterable[Said], member: MemberId, kind: type[_Body]) -> tuple[_Body, ...]:
    return tuple(
        each.body for each in said if each.member == member and isinstance(each.body, kind)
    )
