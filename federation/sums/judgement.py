"""Judge every contributor's shares by what the holders found in them.

Whether a contributor sealed a false share or a holder says so falsely cannot be told from outside.
Either way the vector is left out: that costs one vector and shows nothing. Who spoke against it
stands beside the reason, so that a holder that speaks against many is seen.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from federation.names import MemberId
from federation.statements.sums import SumCheck
from federation.sums.error import SumFaultError, SumRefusedError
from federation.sums.field import Vector, decode_elements
from federation.sums.form import COMBINATIONS, check_entries, check_zeros
from federation.sums.norms import decide, holders_for_norms, open_norms
from federation.sums.one_hot import check_one_hot
from federation.sums.opening import Sum, split_digests
from federation.sums.state import Exclusion, SumState


class Standing(enum.StrEnum):
    """Say how a contributor's shares stand."""

    WAITING = "WAITING"
    ACCEPTED = "ACCEPTED"
    EXCLUDED = "EXCLUDED"


@dataclass(frozen=True, slots=True)
class Finding:
    """How one contributor's shares stand.

    Attributes:
        standing: Waiting as long as too few holders have checked them.
        reason: Why they are left out.
        refused_by: Holders that could not open them.
        norms: Squared norms in squared units, where they are opened.
    """

    standing: Standing
    reason: Exclusion | None = None
    refused_by: tuple[MemberId, ...] = ()
    norms: tuple[int, ...] = ()


def judge(state: SumState) -> dict[MemberId, Finding]:
    """Judge everybody who posted shares."""
    findings = {name: _excluded(why) for name, why in state.excluded.items()}
    for contributor, (digest, _) in state.waiting_shares().items():
        findings[contributor] = judge_shares(state, contributor, digest)
    return dict(sorted(findings.items()))


def judge_shares(state: SumState, contributor: MemberId, shares_digest: bytes) -> Finding:
    """Judge one contributor's shares, which a digest names, by the holders' checks alone."""
    refused = tuple(
        holder
        for holder, checks in state.checks.items()
        if any((contributor, shares_digest) in _refused(check) for check in checks)
    )
    if refused:
        return _excluded(Exclusion.SHARE_INVALID, refused)
    words = _words(state, contributor, shares_digest)
    return _judge_words(state.sum, words)


def _judge_words(opened: Sum, words: Mapping[int, Vector]) -> Finding:
    opening = opened.opening
    is_proved = opening.norm_blocks or opening.one_hot
    needed = holders_for_norms(opening.threshold) if is_proved else opening.threshold
    if len(words) < needed:
        return Finding(Standing.WAITING)
    reason = Exclusion.DEGREE_WRONG
    try:
        check_entries(words, opening.threshold)
        if opening.one_hot:
            reason = Exclusion.PROOF_DISPUTED
            return _judge_proof(words, opening.threshold, opening.one_hot)
        if not opening.norm_blocks:
            return Finding(Standing.ACCEPTED)
        reason = Exclusion.ZERO_WRONG
        check_zeros(words, opening.threshold)
        reason = Exclusion.NORM_DISPUTED
        norms = open_norms(words, opening.threshold)
    except SumFaultError:
        return _excluded(reason)
    if decide(norms, opening.norm_bounds):
        return Finding(Standing.EXCLUDED, Exclusion.NORM_EXCEEDED, norms=norms)
    return Finding(Standing.ACCEPTED, norms=norms)


def _judge_proof(words: Mapping[int, Vector], threshold: int, ones: int) -> Finding:
    proofs = {index: vector[COMBINATIONS:] for index, vector in words.items()}
    if check_one_hot(proofs, threshold, ones):
        return Finding(Standing.ACCEPTED)
    return _excluded(Exclusion.NOT_ONE_HOT)


def _words(state: SumState, contributor: MemberId, shares_digest: bytes) -> dict[int, Vector]:
    found = {}
    for holder, checks in state.checks.items():
        for check in reversed(checks):
            words = _words_in(state.sum, check, contributor, shares_digest)
            if words is not None:
                found[state.sum.index(holder)] = words
    return found


def _words_in(
    opened: Sum, check: SumCheck, contributor: MemberId, shares_digest: bytes
) -> Vector | None:
    """Return what one check publishes of these shares; nothing where it is not in due form."""
    if contributor not in check.contributors:
        return None
    place = check.contributors.index(contributor)
    if split_digests(check.shares_digests)[place] != shares_digest:
        return None
    count = opened.layout.words
    try:
        words = decode_elements(check.combinations, len(check.contributors) * count)
    except SumRefusedError:
        return None
    return words[place * count : (place + 1) * count]


def _refused(check: SumCheck) -> set[tuple[MemberId, bytes]]:
    return set(zip(check.refused, split_digests(check.refused_digests), strict=True))


def _excluded(reason: Exclusion, refused_by: tuple[MemberId, ...] = ()) -> Finding:
    return Finding(Standing.EXCLUDED, reason, refused_by)
