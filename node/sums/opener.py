"""Open sums in this member's name, and close them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from federation.charter import Charter
from federation.names import MemberId
from federation.roles import INDUSTRY
from federation.statements import MAX_STATEMENT_BYTES, StatementError, SumClose, SumLabels, SumOpen
from federation.statements.shape import IDENTIFIER_BYTES
from federation.sums import (
    MIN_CONTRIBUTORS,
    PastSum,
    Sum,
    SumRefusedError,
    can_close,
    check_not_repeated,
    check_repeat,
    close,
    digest_named,
    fingerprint_named,
    has_checked,
    open_sum,
    remember_contribution,
    round_coarse,
)
from federation.sums.norms import holders_for_norms
from federation.sums.sealing import sealed_bytes
from federation.vocabulary import Purpose
from node.errors import PolicyError, RequestError
from node.sums.contributor import least_threshold
from node.sums.records import SumRecord, SumRecords
from node.telemetry import get_log

# Seconds that contributors have: their nodes answer by themselves, and one may just start again.
CONTRIBUTE_SECONDS: Final = 600
# Seconds that contributors have at most: a week, beyond which members have come and gone.
MAX_CONTRIBUTE_SECONDS: Final = 7 * 86_400
# Seconds that the opener waits for checks of further holders once enough have checked: with more,
# false ones are seen.
HOLDER_SECONDS: Final = 10
# Bytes of a statement around shares, labels or a partial.
_FRAME_BYTES: Final = 2_000
# Openings tried whose derived id reads as text, which one in 10^8 does.
_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class SumDraft:
    """A sum to open.

    Attributes:
        source: Which numbers of the contributors'.
        labels: 16 bytes each: tokens, or what ``label_of`` gives.
        contributors: Empty: every member of the charter that has customers.
        seconds: How long contributors have.
        largest: The largest entry, either way, in units; rounded up where it is long.
        scale: Units per one.
        echoes: Holders that must have repeated the close before any answers it.
        subject: What the labels are about, 32 bytes, or empty.
        one_hot: How many ones every vector has beside zeros, which the holders see to; 0: any
            numbers.
    """

    source: str
    labels: tuple[bytes, ...]
    purpose: Purpose
    contributors: tuple[MemberId, ...] = ()
    least: int = MIN_CONTRIBUTORS
    seconds: int = CONTRIBUTE_SECONDS
    largest: int = 1_000_000_000
    scale: int = 1
    echoes: int = 0
    subject: bytes = b""
    one_hot: int = 0


class Opener:
    """The sums that this member opens; every method blocks."""

    def __init__(self, me: MemberId, records: SumRecords, clock: Callable[[], int]) -> None:
        self._me = me
        self._records = records
        self._clock = clock
        self._ready: dict[bytes, int] = {}
        self.refused: dict[bytes, str] = {}
        """Why this opener does not close a sum."""

    def open(self, draft: SumDraft) -> tuple[SumOpen, SumLabels]:
        """Return what opens a sum, to be said together.

        Raises:
            RequestError: SUM_DRAFT_INVALID or SUM_TOO_LARGE.
            PolicyError: SUM_HOLDERS_MISSING or SUM_UNPROVEN.
            SumRefusedError: SUM_REPEATED, VECTOR_OVERFLOW or SUM_REFUSED.
        """
        if not 1 <= draft.seconds <= MAX_CONTRIBUTE_SECONDS:
            raise RequestError(
                f"contributors have 1 to {MAX_CONTRIBUTE_SECONDS} seconds",
                reason="SUM_DRAFT_INVALID",
            )
        labels = _labels(draft)
        opened = self._try_open(draft)
        labels = replace(labels, sum_id=opened.opening.sum_id)
        check_fits(opened)
        self._check_not_repeated(opened, labels)
        return opened.opening, labels

    def close(self, record: SumRecord) -> SumClose | None:
        """Return the close of an own sum once it is time; None before, and where none can be."""
        state, now = record.state, self._clock()
        sum_id = state.sum.opening.sum_id
        if not can_close(state, now):
            return None
        unseen = [name for name in state.sum.opening.holders if not has_checked(state, name)]
        if unseen and now < self._ready.setdefault(sum_id, now) + HOLDER_SECONDS:
            return None
        closed = close(state)
        try:
            check_not_repeated(state, closed, self._records.past_closes(now), now)
        except SumRefusedError as error:
            if self.refused.get(sum_id) != error.reason:
                get_log().warning("sum.not_closed", reason=error.reason)
            self.refused[sum_id] = error.reason
            return None
        return closed

    def due(self, sum_id: bytes) -> int | None:
        """Return when a sum that waits for further holders is to be looked at again."""
        ready = self._ready.get(sum_id)
        return None if ready is None else ready + HOLDER_SECONDS

    def _try_open(self, draft: SumDraft) -> Sum:
        charter = self._records.charter()
        for later in range(_ATTEMPTS):
            try:
                opening = self._opening(draft, charter, self._clock() + draft.seconds + later)
                return open_sum(charter.federation, self._me, opening)
            except StatementError as error:
                if error.reason != "BYTES_READABLE" or later == _ATTEMPTS - 1:
                    raise RequestError(str(error), reason="SUM_DRAFT_INVALID") from error
        raise RuntimeError("the loop returns or raises")

    def _opening(self, draft: SumDraft, charter: Charter, deadline: int) -> SumOpen:
        threshold = least_threshold(charter)
        if len(charter.holders) < threshold:
            raise PolicyError(
                "a private sum takes two key holders, and the charter has one",
                reason="SUM_HOLDERS_MISSING",
            )
        contributors = draft.contributors or default_contributors(charter, self._clock())
        if draft.one_hot and len(charter.holders) < holders_for_norms(threshold):
            raise PolicyError(
                f"a sum of answers takes {holders_for_norms(threshold)} key holders where"
                f" {threshold} open it, and the charter has {len(charter.holders)}: else one"
                " member's answer could count as many, unseen",
                reason="SUM_UNPROVEN",
                hint="add key holders to the charter",
            )
        return SumOpen(
            sum_id=_PLACEHOLDER,
            labels_digest=digest_named(draft.source, draft.subject, draft.labels),
            label_count=len(draft.labels),
            contributors=tuple(sorted(contributors)),
            least_contributors=draft.least,
            threshold=threshold,
            holders=charter.holders,
            purpose=draft.purpose,
            deadline_time=deadline,
            scale=draft.scale,
            largest=round_coarse(draft.largest),
            echoes=draft.echoes,
            one_hot=draft.one_hot,
        )

    def _check_not_repeated(self, opened: Sum, labels: SumLabels) -> None:
        now = self._clock()
        past: list[PastSum] = self._records.past_contributions(now)
        check_repeat(remember_contribution(opened, now, fingerprint_named(labels)), past)


_PLACEHOLDER: Final = b"\xff" * IDENTIFIER_BYTES


def _labels(draft: SumDraft) -> SumLabels:
    try:
        return SumLabels(_PLACEHOLDER, draft.source, b"".join(draft.labels), draft.subject)
    except StatementError as error:
        raise RequestError(str(error), reason="SUM_DRAFT_INVALID") from error


def default_contributors(charter: Charter, now: int) -> tuple[MemberId, ...]:
    """Return the members that have customers, and so numbers of their own."""
    return tuple(one.member for one in charter.active(now) if one.roles & INDUSTRY)


def check_fits(opened: Sum) -> None:
    """Accept a sum whose shares fit into a statement.

    Raises:
        RequestError: SUM_TOO_LARGE.
    """
    opening = opened.opening
    shares = sealed_bytes(opened) * len(opening.holders)
    labels = IDENTIFIER_BYTES * opening.label_count
    if max(shares, labels) + _FRAME_BYTES > MAX_STATEMENT_BYTES:
        raise RequestError(
            f"{opening.label_count} labels for {len(opening.holders)} holders are too many for a"
            f" statement of {MAX_STATEMENT_BYTES} bytes",
            reason="SUM_TOO_LARGE",
            hint="open several sums, each over a part of the labels",
        )
