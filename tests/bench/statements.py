"""Nominations as a member's desk writes them, from a seed, in batches that fit into memory."""

import random
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

BATCH: Final = 2_048
"""Statements of one append: what a desk says at once."""

TERM_SECONDS: Final = 9 * 86_400


def nominations(member: str, count: int, now: int, seed: int = 1) -> Iterator[Statement]:
    """Yield nominations of distinct tokens, issued at ``now``."""
    source = random.Random(seed)
    for _ in range(count):
        yield _nomination(member, source.randbytes(16), now)


def batches(member: str, count: int, now: int, seed: int = 1) -> Iterator[list[bytes]]:
    """Yield the same nominations as a log holds them, a batch at a time."""
    encoded = []
    for statement in nominations(member, count, now, seed):
        encoded.append(encode_statement(statement))
        if len(encoded) == BATCH:
            yield encoded
            encoded = []
    if encoded:
        yield encoded


def _nomination(member: str, token: bytes, now: int) -> Statement:
    kind, fraud = Kind.DOMAIN, FraudType.INVESTMENT
    return Statement(
        id=nomination_id(member, token, kind=kind, epoch=1, fraud_type=fraud),
        issued_time=now,
        purpose=Purpose.NOMINATION,
        legal_basis=LegalBasis.ATNFL_32,
        tlp=TrafficLight.AMBER_STRICT,
        pap=PermissibleAction.GREEN,
        body=Nomination(
            token=token,
            kind=kind,
            epoch=1,
            fraud_type=fraud,
            stage=FraudStage.UNSPECIFIED,
            subject_role=SubjectRole.UNSPECIFIED,
            confidence=80,
        ),
        expires_time=now + TERM_SECONDS,
    )
