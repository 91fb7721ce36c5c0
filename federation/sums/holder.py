"""Do a holder's part: check the shares, echo the close where that is asked for, answer it.

Nothing secret is kept between the steps: a holder opens the sealed shares again.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np

from federation.names import MemberId
from federation.statements.sums import SumCheck, SumClose, SumEcho, SumPartial
from federation.sums import one_hot
from federation.sums.closing import check_close, check_enough, closed_shares
from federation.sums.error import SumFaultError, SumRefusedError
from federation.sums.field import Vector, add, encode_elements
from federation.sums.form import COMBINATIONS, combine
from federation.sums.history import PastSum
from federation.sums.norms import share_norms
from federation.sums.opening import Sum
from federation.sums.sealing import open_share
from federation.sums.state import SumState
from keys.sealing import SealingKey
from keys.signing import SigningKey

PARTIAL_CONTEXT: Final = "sum-partial/v1"


def check(state: SumState, me: MemberId, key: SealingKey) -> SumCheck:
    """Open this holder's share of every contributor not left out, and publish what proves its form.

    Raises:
        SumRefusedError: SUM_NOT_PARTY; SUM_TOO_FEW, where norms are opened and too few have posted
            shares.
    """
    opened, waiting = state.sum, state.waiting_shares()
    opened.index(me)
    if opened.opening.norm_blocks:
        check_enough(opened, waiting)
    words: dict[MemberId, Vector] = {}
    for contributor, (digest, shares) in waiting.items():
        try:
            row = open_share(opened, contributor, shares, me, key)
        except SumFaultError:
            continue
        words[contributor] = _publish(opened, row, digest)
    refused = tuple(name for name in waiting if name not in words)
    return SumCheck(
        sum_id=opened.opening.sum_id,
        contributors=tuple(words),
        shares_digests=b"".join(waiting[name][0] for name in words),
        combinations=b"".join(encode_elements(each) for each in words.values()),
        refused=refused,
        refused_digests=b"".join(waiting[name][0] for name in refused),
    )


def echo(
    state: SumState, me: MemberId, bound: bytes | None, past: Iterable[PastSum], now: int
) -> SumEcho:
    """Repeat the close, as a holder; ``bound`` and the errors are those of ``answer``."""
    said = check_close(state, me, bound, past, now)
    return SumEcho(state.sum.opening.sum_id, state.sum.close_digest(said))


def answer(
    state: SumState,
    me: MemberId,
    keys: tuple[SealingKey, SigningKey],
    *,
    bound: bytes | None,
    past: Iterable[PastSum],
    now: int,
) -> SumPartial:
    """Add up the shares of exactly the closed contributors, and sign the result.

    Args:
        state: How the sum stands, as this holder sees it.
        me: The holder.
        keys: Its sealing key and its signing key.
        bound: Digest of the close of this sum that it has echoed or answered before; None: none.
            The caller stores it, and ``remember_close``, durably before the answer leaves.
        past: The closes it answered.
        now: Seconds since 1970.

    Raises:
        SumFaultError: SUM_CLOSED_TWICE, naming the opener; CLOSE_INVALID; SHARE_INVALID.
        SumRefusedError: SUM_NOT_PARTY, SUM_NOT_READY, SUM_TOO_FEW or SUM_REPEATED.
    """
    said = check_close(state, me, bound, past, now)
    close_digest = state.sum.close_digest(said)
    echoed = sum(digest == close_digest for digest in state.echoes.values())
    if echoed < state.sum.opening.echoes:
        raise SumRefusedError("too few holders have repeated the close", reason="SUM_NOT_READY")
    sealing_key, signing_key = keys
    vector = encode_elements(_add_shares(state, said, me, sealing_key))
    message = state.sum.partial_message(me, close_digest, vector)
    signature = signing_key.sign(PARTIAL_CONTEXT, message)
    return SumPartial(state.sum.opening.sum_id, close_digest, vector, signature)


def _publish(opened: Sum, row: Vector, shares_digest: bytes) -> Vector:
    layout = opened.layout
    words = [combine(layout, row, opened.challenge(shares_digest))]
    if layout.blocks:
        words.append(share_norms(layout, row))
    if layout.one_hot:
        proved = np.concatenate((row[: layout.labels], row[layout.labels + COMBINATIONS :]))
        challenge = opened.one_hot_challenge(shares_digest)
        words.append(one_hot.answer(proved, layout.labels, challenge))
    return np.concatenate(words)


def _add_shares(state: SumState, said: SumClose, me: MemberId, key: SealingKey) -> Vector:
    labels = state.sum.opening.label_count
    added = np.zeros(labels, dtype=np.uint64)
    for contributor, digest in closed_shares(said):
        row = open_share(state.sum, contributor, state.shares[contributor][digest], me, key)
        added = add(added, row[:labels])
    return added
