"""Digest an evaluation's request and response: what a holder signs, so that blame can be shown.

A holder signs ``request_digest + response_digest``. Every field is length-prefixed under a
context tag of its own, so no two different messages have the same digest.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from keys.errors import RequestError
from keys.evaluation import PartialEvaluation

BATCH_ID_BYTES: Final = 16
DIGEST_BYTES: Final = 32
_REQUEST_TAG: Final = b"TOCSIN-EVALUATION-REQUEST-1"
_RESPONSE_TAG: Final = b"TOCSIN-EVALUATION-RESPONSE-1"
_UINT32_BYTES: Final = 4


def evaluation_digest(
    *,
    federation: str,
    kind_class: int,
    epoch: int,
    share_epoch: int,
    mode: int,
    subset: Sequence[int],
    batch_id: bytes,
    blinded: bytes,
    check_point: bytes | None,
) -> bytes:
    """Digest all fields of one evaluation request, 32 bytes.

    Raises:
        RequestError: A number does not fit, or the batch id is not 16 bytes.
    """
    if len(batch_id) != BATCH_ID_BYTES:
        raise RequestError("a batch id is 16 bytes")
    numbers = [_uint32(number) for number in (kind_class, epoch, share_epoch, mode)]
    members = b"".join(map(_uint32, subset))
    fields = [federation.encode(), *numbers, members, batch_id, blinded, check_point or b""]
    return _digest(_REQUEST_TAG, fields)


def response_digest(request_digest: bytes, index: int, partial: PartialEvaluation) -> bytes:
    """Digest one holder's answer together with the request it answers, 32 bytes.

    Raises:
        RequestError: The request's digest or the index does not fit.
    """
    if len(request_digest) != DIGEST_BYTES:
        raise RequestError("a digest is 32 bytes")
    fields = [request_digest, _uint32(index), partial.elements, partial.check_element]
    return _digest(_RESPONSE_TAG, [*fields, partial.proof])


def _digest(tag: bytes, fields: Iterable[bytes]) -> bytes:
    digest = hashlib.sha256()
    for value in (tag, *fields):
        digest.update(_uint32(len(value)))
        digest.update(value)
    return digest.digest()


def _uint32(number: int) -> bytes:
    try:
        return number.to_bytes(_UINT32_BYTES, "big")
    except OverflowError as error:
        raise RequestError("a number does not fit 32 bits") from error
