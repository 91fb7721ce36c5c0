"""Whatever bytes a peer sends, the answer is a value or the documented error."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from keys.ceremony import Deal, combine_commitments, verify_deal_new, verify_deal_refresh
from keys.ceremony import verify_share as verify_share_of
from keys.errors import (
    CeremonyError,
    CheckError,
    GroupError,
    ProofError,
    RequestError,
)
from keys.group import GENERATOR, IDENTITY
from keys.proof import verify
from keys.secret import Secret
from keys.threshold import PublicKey
from keys.tokens import (
    CheckMode,
    PartialEvaluation,
    blind_batch,
    evaluate_batch,
    finish_batch,
    verify_batch_proof,
)
from tests.keys.sharing import deal_sharing

SHARING = deal_sharing(2, [1, 2, 3])
BATCH = blind_batch([b"one", b"two"], CheckMode.SUM, pad_to=2)

# Random bytes are almost never elements: mix in real ones, so that deeper checks are reached.
ELEMENTS = st.sampled_from([GENERATOR, IDENTITY, BATCH.blinded[:32]]) | st.binary(
    min_size=32, max_size=32
)
PACKED = st.lists(ELEMENTS, max_size=4).map(b"".join) | st.binary(max_size=80)
INDEXES = st.integers(-2, 300)


@given(PACKED, PACKED, st.binary(max_size=70) | PACKED, st.booleans())
def test_a_foreign_proof_is_refused_with_proof_error(
    elements: bytes, evaluated: bytes, proof: bytes, bind: bool
) -> None:
    try:
        verify(SHARING.public.element, elements, evaluated, proof, bind=bind)
    except ProofError:
        return
    raise AssertionError("a proof made of random bytes holds")


@given(INDEXES, st.lists(INDEXES, max_size=4), PACKED, PACKED, st.sampled_from(list(CheckMode)))
def test_a_foreign_request_is_answered_or_refused(
    index: int, subset: list[int], blinded: bytes, check_point: bytes, mode: CheckMode
) -> None:
    try:
        answer = evaluate_batch(SHARING.shares[1], index, subset, blinded, check_point, mode)
    except (GroupError, RequestError):
        return

    assert len(answer.elements) == len(blinded)
    assert len(answer.check_element) == len(check_point)


@given(PACKED, PACKED, PACKED, st.sampled_from([1, 2]))
def test_a_foreign_answer_never_yields_a_token(
    elements: bytes, check_element: bytes, proof: bytes, liar: int
) -> None:
    honest = {
        i: evaluate_batch(
            SHARING.shares[i], i, [1, 2], BATCH.blinded, BATCH.check_point, BATCH.mode
        )
        for i in (1, 2)
    }
    honest[liar] = PartialEvaluation(elements, check_element, proof)
    try:
        finish_batch(BATCH, SHARING.public, [1, 2], honest)
    except CheckError:
        return
    raise AssertionError("a foreign answer passed the check")


@given(INDEXES, st.lists(INDEXES, max_size=3), PACKED, PACKED, st.binary(max_size=70))
def test_a_foreign_batch_proof_is_refused(
    index: int, subset: list[int], blinded: bytes, elements: bytes, proof: bytes
) -> None:
    try:
        verify_batch_proof(SHARING.public, index, subset, blinded, elements, proof)
    except (ProofError, RequestError):
        return
    raise AssertionError("a proof made of random bytes holds")


DEALS = st.builds(
    Deal, INDEXES, st.lists(ELEMENTS | st.binary(max_size=40), max_size=3).map(tuple), PACKED
)


@given(DEALS, st.integers(-1, 300), st.binary(max_size=40), INDEXES)
def test_a_foreign_deal_is_refused_with_ceremony_error(
    deal: Deal, threshold: int, share: bytes, receiver: int
) -> None:
    for check in (
        lambda: verify_deal_new(deal, threshold, b"context"),
        lambda: verify_deal_refresh(deal, threshold, b"context"),
        lambda: verify_share_of(deal, receiver, Secret(share)),
        lambda: combine_commitments([deal], SHARING.public),
    ):
        with suppress(CeremonyError):
            check()


@given(st.integers(-1, 300), st.lists(ELEMENTS | st.binary(max_size=40), max_size=3).map(tuple))
def test_a_foreign_public_key_is_a_key_or_a_group_error(
    threshold: int, commitments: tuple[bytes, ...]
) -> None:
    try:
        public = PublicKey(threshold, commitments)
    except GroupError:
        return

    assert len(public.commitments) == public.threshold == threshold
