"""Nominations as a member's desk writes them, from a seed, in batches that fit into memory."""

import random
import re
from collections.abc import Iterator
from typing import Final

from federation.indicators import Kind
from federation.statements import Nomination, Statement, nomination_id
from federation.statements.codec import encode_statement
from federation.vocabulary import (
    FraudStage,
    FraudType,
    LegalBasis,
    PermissibleAction,
    Purpose,
    SubjectRole,
    TrafficLight,
)
from tests.bench.clock import SEED

BATCH: Final = 2_048
"""Statements of one append: what a desk says at once."""

KIND: Final = Kind.DOMAIN
FRAUD: Final = FraudType.INVESTMENT
TERM_SECONDS: Final = 9 * 86_400


def nominations(member: str, count: int, now: int, seed: int = SEED) -> Iterator[Statement]:
    """Yield nominations of distinct tokens, issued at ``now``."""
    source = random.Random(seed)
    for _ in range(count):
        yield _nomination(member, source.randbytes(16), now)


def batches(member: str, count: int, now: int, seed: int = SEED) -> Iterator[list[bytes]]:
    """Yield the same nominations as a log holds them, a batch at a time.

    Only token and id differ between them, so one is encoded and these are put in its place.
    """
    source = random.Random(seed)
    form = _nomination(member, bytes(range(16)), now)
    parts = re.split(
        b"(" + re.escape(form.id) + b"|" + re.escape(bytes(range(16))) + b")",
        encode_statement(form),
    )
    first, one, between, _, last = parts
    is_id_first = one == form.id
    for start in range(0, count, BATCH):
        encoded = []
        for _ in range(min(BATCH, count - start)):
            token = source.randbytes(16)
            names = (_id(member, token), token) if is_id_first else (token, _id(member, token))
            encoded.append(b"".join((first, names[0], between, names[1], last)))
        yield encoded


def _id(member: str, token: bytes) -> bytes:
    return nomination_id(member, token, kind=KIND, epoch=1, fraud_type=FRAUD)


def _nomination(member: str, token: bytes, now: int) -> Statement:
    return Statement(
        id=_id(member, token),
        issued_time=now,
        purpose=Purpose.NOMINATION,
        legal_basis=LegalBasis.ATNFL_32,
        tlp=TrafficLight.AMBER_STRICT,
        pap=PermissibleAction.GREEN,
        body=Nomination(
            token=token,
            kind=KIND,
            epoch=1,
            fraud_type=FRAUD,
            stage=FraudStage.UNSPECIFIED,
            subject_role=SubjectRole.UNSPECIFIED,
            confidence=80,
        ),
        expires_time=now + TERM_SECONDS,
    )
