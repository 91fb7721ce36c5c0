"""Name the entries of a sum so that they travel as opaque bytes, and are never taken for others.

What is digested and fingerprinted is a label together with its source and subject: the same token
counted by another source is another number, and the difference of the two shows nobody's vector.
"""

import hashlib
from collections.abc import Sequence

from federation.packing import pack
from federation.statements.shape import IDENTIFIER_BYTES
from federation.statements.sums import SumLabels, SumOpen
from federation.sums.error import SumFaultError
from federation.sums.field import Vector
from federation.sums.history import fingerprint_labels
from federation.sums.opening import digest_labels

_LABEL = b"tocsin/sum/label/1"


def label_of(*parts: bytes) -> bytes:
    """Return the label, 16 bytes, of something that is no token: a hash of what names it."""
    return hashlib.sha256(pack(_LABEL, *parts)).digest()[:IDENTIFIER_BYTES]


def split_labels(body: SumLabels) -> tuple[bytes, ...]:
    """Return the labels, 16 bytes each, in the order of a vector's entries."""
    packed = body.labels
    return tuple(
        packed[start : start + IDENTIFIER_BYTES]
        for start in range(0, len(packed), IDENTIFIER_BYTES)
    )


def digest_named(source: str, subject: bytes, labels: Sequence[bytes]) -> bytes:
    """Return the digest that stands in the opening, 32 bytes.

    Raises:
        SumRefusedError: SUM_REFUSED; a label stands twice.
    """
    return digest_labels(_named(source, subject, labels))


def fingerprint_named(body: SumLabels) -> Vector:
    """Return what sums over some of the same labels are recognised by."""
    return fingerprint_labels(_named(body.source, body.subject, split_labels(body)))


def check_labels(opening: SumOpen, body: SumLabels) -> None:
    """Accept the labels of an opening.

    Raises:
        SumFaultError: LABELS_WRONG; their number or digest is another one.
    """
    labels = split_labels(body)
    fits = len(labels) == opening.label_count and len(set(labels)) == len(labels)
    if not fits or digest_named(body.source, body.subject, labels) != opening.labels_digest:
        raise SumFaultError("the labels are not those of the opening", reason="LABELS_WRONG")


def _named(source: str, subject: bytes, labels: Sequence[bytes]) -> list[bytes]:
    prefix = pack(source.encode(), subject)
    return [pack(prefix, label) for label in labels]
