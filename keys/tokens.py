"""Offer what a client and a holder of tokens need, in one import.

A client's loop, over holders ``subset`` of exactly the threshold::

    batch = blind_batch([token_input(federation, kind, value) for value in values], CheckMode.SUM)
    partials = {i: ask(i, subset, batch.blinded, batch.check_point) for i in subset}
    tokens = finish_batch(batch, public, subset, partials)  # CheckError: no token leaves

A holder answers with ``evaluate_batch`` and signs ``evaluation_digest`` and
``response_digest``. After a CheckError each holder owes ``prove_batch``; whoever's proof
fails ``verify_batch_proof`` is to blame.
"""

from keys.blinding import (
    MINIMUM_BATCH_ITEMS,
    BlindedBatch,
    StrictChallenge,
    blind_batch,
    finish_batch,
    finish_strict,
    strict_challenge,
)
from keys.derivation import CONTENT_KEY_BYTES, TOKEN_BYTES, TokenKey, split_output, token_input
from keys.evaluation import (
    MAXIMUM_BATCH_ITEMS,
    CheckMode,
    PartialEvaluation,
    evaluate_batch,
    prove_batch,
    verify_batch_proof,
)
from keys.transcript import evaluation_digest, response_digest

__all__ = [
    "CONTENT_KEY_BYTES",
    "MAXIMUM_BATCH_ITEMS",
    "MINIMUM_BATCH_ITEMS",
    "TOKEN_BYTES",
    "BlindedBatch",
    "CheckMode",
    "PartialEvaluation",
    "StrictChallenge",
    "TokenKey",
    "blind_batch",
    "evaluate_batch",
    "evaluation_digest",
    "finish_batch",
    "finish_strict",
    "prove_batch",
    "response_digest",
    "split_output",
    "strict_challenge",
    "token_input",
    "verify_batch_proof",
]
