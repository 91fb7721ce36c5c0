"""Private sums: the total of what members hold, and nothing else of it.

``opening`` says what is added up, ``contribution`` what a contributor does, ``closing`` and
``holder`` what opener and holders do, ``state`` what was said, ``judgement`` whose vector counts,
``total`` what came out, ``progress`` how it stands. ``README.md`` has the protocol and who learns
what.
"""

from federation.statements.shape import round_coarse
from federation.statements.sums import (
    MIN_CONTRIBUTORS,
    SumBody,
    SumCheck,
    SumClose,
    SumEcho,
    SumLabels,
    SumOpen,
    SumPartial,
    SumShares,
)
from federation.sums.closing import check_close, close, remember_close, safe_echoes
from federation.sums.contribution import Numbers, contribute, remember_contribution
from federation.sums.error import SumFaultError, SumRefusedError
from federation.sums.fixed_point import to_floats
from federation.sums.history import (
    REPEAT_WINDOW_SECONDS,
    PastSum,
    check_repeat,
    fingerprint_labels,
)
from federation.sums.holder import answer, check, echo
from federation.sums.judgement import Finding, Standing, judge
from federation.sums.labels import (
    check_labels,
    digest_named,
    fingerprint_named,
    label_of,
    split_labels,
)
from federation.sums.opening import Sum, check_opening, digest_labels, open_sum
from federation.sums.progress import (
    CLOSE_SECONDS,
    SPREAD_SECONDS,
    Phase,
    Progress,
    can_close,
    check_not_repeated,
    follow,
    has_checked,
    is_gathered,
)
from federation.sums.state import Exclusion, Said, SumState, fold_sum
from federation.sums.total import Total, read_partial, read_total

__all__ = [
    "CLOSE_SECONDS",
    "MIN_CONTRIBUTORS",
    "REPEAT_WINDOW_SECONDS",
    "SPREAD_SECONDS",
    "Exclusion",
    "Finding",
    "Numbers",
    "PastSum",
    "Phase",
    "Progress",
    "Said",
    "Standing",
    "Sum",
    "SumBody",
    "SumCheck",
    "SumClose",
    "SumEcho",
    "SumFaultError",
    "SumLabels",
    "SumOpen",
    "SumPartial",
    "SumRefusedError",
    "SumShares",
    "SumState",
    "Total",
    "answer",
    "can_close",
    "check",
    "check_close",
    "check_labels",
    "check_not_repeated",
    "check_opening",
    "check_repeat",
    "close",
    "contribute",
    "digest_labels",
    "digest_named",
    "echo",
    "fingerprint_labels",
    "fingerprint_named",
    "fold_sum",
    "follow",
    "has_checked",
    "is_gathered",
    "judge",
    "label_of",
    "open_sum",
    "read_partial",
    "read_total",
    "remember_close",
    "remember_contribution",
    "round_coarse",
    "safe_echoes",
    "split_labels",
    "to_floats",
]
