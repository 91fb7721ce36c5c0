"""Tokens from shares: every subset agrees, and no tampering gets a token out."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import pytest

from keys.batch import add_all, multiply_all
from keys.ceremony import combine_shares
from keys.errors import CheckError, GroupError, ProofError, RequestError
from keys.group import GENERATOR, IDENTITY, add, subtract
from keys.oprf import Mode, Suite
from keys.scalar import encode_scalar, lagrange, multiply_secret
from keys.secret import Secret
from keys.tokens import (
    CheckMode,
    PartialEvaluation,
    TokenKey,
    blind_batch,
    evaluate_batch,
    evaluation_digest,
    finish_batch,
    finish_strict,
    prove_batch,
    response_digest,
    split_output,
    strict_challenge,
    token_input,
    verify_batch_proof,
)
from tests.keys.sharing import INPUTS, Sharing, answer, deal_sharing, finish, tokens_of

SHARED = Suite(Mode.VOPRF)
TWO_OF_THREE = deal_sharing(2, [1, 2, 3])


def whole_key(sharing: Sharing) -> Secret:
    """Put the key together, which nobody may do outside a test."""
    subset = sorted(sharing.shares)[: sharing.public.threshold]
    parts = [multiply_secret(lagrange(i, subset), sharing.shares[i]) for i in subset]
    return combine_shares(parts)


def single_key_tokens(sharing: Sharing) -> list[TokenKey]:
    elements = SHARED.evaluate(whole_key(sharing), SHARED.hash_to_group(INPUTS))
    return [split_output(output) for output in SHARED.finalize(INPUTS, elements)]


@pytest.mark.parametrize("mode", list(CheckMode))
@pytest.mark.parametrize("subset", list(combinations([1, 2, 3], 2)))
def test_two_of_three_give_the_single_key_tokens(subset: tuple[int, ...], mode: CheckMode) -> None:
    assert tokens_of(TWO_OF_THREE, subset, mode) == single_key_tokens(TWO_OF_THREE)


@pytest.mark.parametrize(
    ("threshold", "holders", "subsets"),
    [
        (1, [1], [(1,)]),
        (3, [1, 2, 3], [(1, 2, 3)]),
        (3, [1, 2, 3, 4, 5], list(combinations([1, 2, 3, 4, 5], 3))),
        (2, [7, 200, 255], [(7, 255), (200, 255)]),
    ],
)
def test_every_subset_of_the_threshold_gives_the_single_key_tokens(
    threshold: int, holders: list[int], subsets: list[tuple[int, ...]]
) -> None:
    sharing = deal_sharing(threshold, holders)
    expected = single_key_tokens(sharing)

    assert [tokens_of(sharing, subset) for subset in subsets] == [expected] * len(subsets)


def test_tokens_keep_the_order_of_inputs_and_drop_the_decoys() -> None:
    batch = blind_batch(INPUTS[:3], CheckMode.SUM)
    tokens = finish(TWO_OF_THREE, batch, [1, 3], answer(TWO_OF_THREE, batch, [1, 3]))

    assert len(batch.blinded) == 64 * 32
    assert tokens == single_key_tokens(TWO_OF_THREE)[:3]
    assert [len(token.token) for token in tokens] == [16] * 3
    assert [len(token.content_key) for token in tokens] == [32] * 3


def swap(elements: bytes, blinded: bytes) -> bytes:
    return elements[32:64] + elements[:32] + elements[64:]


def shift_pair(elements: bytes, blinded: bytes) -> bytes:
    """Keep the plain sum of all answers, as a holder who knows only C could try."""
    first = add(elements[:32], blinded[:32])
    return first + subtract(elements[32:64], blinded[:32]) + elements[64:]


def shift_by_generator(elements: bytes, blinded: bytes) -> bytes:
    first, second = add(elements[:32], GENERATOR), subtract(elements[32:64], GENERATOR)
    return first + second + elements[64:]


def change_last(elements: bytes, blinded: bytes) -> bytes:
    return elements[:-32] + add(elements[-32:], GENERATOR)


def double_all(elements: bytes, blinded: bytes) -> bytes:
    return add_all(elements, elements)


TAMPERINGS = [swap, shift_pair, shift_by_generator, change_last, double_all]


@pytest.mark.parametrize("mode", list(CheckMode))
@pytest.mark.parametrize("tamper", TAMPERINGS)
def test_tampered_answers_give_no_token(
    mode: CheckMode, tamper: Callable[[bytes, bytes], bytes]
) -> None:
    batch = blind_batch(INPUTS, mode)
    partials = answer(TWO_OF_THREE, batch, [1, 2])
    partials[2] = replace(partials[2], elements=tamper(partials[2].elements, batch.blinded))

    with pytest.raises(CheckError) as caught:
        finish(TWO_OF_THREE, batch, [1, 2], partials)
    # Only the batch proofs name the liar at once; the other checks need prove_batch.
    assert caught.value.suspects == ((2,) if mode is CheckMode.RFC else ())


@pytest.mark.parametrize("tamper", TAMPERINGS)
def test_the_liar_is_the_one_whose_batch_proof_fails(
    tamper: Callable[[bytes, bytes], bytes],
) -> None:
    batch, subset = blind_batch(INPUTS, CheckMode.SUM), [1, 2]
    partials = answer(TWO_OF_THREE, batch, subset)
    claimed = {1: partials[1].elements, 2: tamper(partials[2].elements, batch.blinded)}
    proofs = {
        i: prove_batch(TWO_OF_THREE.shares[i], i, subset, batch.blinded, claimed[i]) for i in subset
    }
    public = TWO_OF_THREE.public

    verify_batch_proof(public, 1, subset, batch.blinded, claimed[1], proofs[1])
    with pytest.raises(ProofError):
        verify_batch_proof(public, 2, subset, batch.blinded, claimed[2], proofs[2])
    with pytest.raises(ProofError):
        verify_batch_proof(public, 1, subset, batch.blinded, claimed[1], proofs[2])


@pytest.mark.parametrize("mode", list(CheckMode))
def test_a_holder_with_the_wrong_share_is_named(mode: CheckMode) -> None:
    batch = blind_batch(INPUTS, mode)
    partials = answer(TWO_OF_THREE, batch, [1, 2])
    imposter = TWO_OF_THREE.shares[3]
    point = batch.check_point
    partials[2] = evaluate_batch(imposter, 2, [1, 2], batch.blinded, point, mode)

    with pytest.raises(CheckError) as caught:
        finish(TWO_OF_THREE, batch, [1, 2], partials)
    # In STRICT mode the true holder answers the challenge, so only the combination is wrong.
    assert caught.value.suspects == (() if mode is CheckMode.STRICT else (2,))


def test_a_wrong_answer_to_a_strict_challenge_names_the_holder() -> None:
    batch, subset, public = blind_batch(INPUTS, CheckMode.STRICT), [1, 2], TWO_OF_THREE.public
    partials = answer(TWO_OF_THREE, batch, subset)
    challenge = strict_challenge(batch, public, subset, partials)
    point = challenge.check_point
    answers = {
        i: evaluate_batch(TWO_OF_THREE.shares[3], i, subset, b"", point, CheckMode.STRICT)
        for i in subset
    }

    with pytest.raises(CheckError) as caught:
        finish_strict(batch, public, subset, challenge, answers)
    assert caught.value.suspects == (1, 2)


def test_a_strict_challenge_of_another_batch_is_refused() -> None:
    subset, public = [1, 2], TWO_OF_THREE.public
    one, two = blind_batch(INPUTS, CheckMode.STRICT), blind_batch(INPUTS, CheckMode.STRICT)
    challenge = strict_challenge(one, public, subset, answer(TWO_OF_THREE, one, subset))

    with pytest.raises(RequestError):
        finish_strict(two, public, subset, challenge, {})


@pytest.mark.parametrize("mode", [CheckMode.SUM, CheckMode.RFC])
@pytest.mark.parametrize("element", [IDENTITY, b"\xff" * 32, b"\x01" + bytes(31)])
def test_invalid_elements_in_an_answer_name_the_holder(mode: CheckMode, element: bytes) -> None:
    batch = blind_batch(INPUTS, mode)
    partials = answer(TWO_OF_THREE, batch, [2, 3])
    partials[3] = replace(partials[3], elements=partials[3].elements[:-32] + element)

    with pytest.raises(CheckError) as caught:
        finish(TWO_OF_THREE, batch, [2, 3], partials)
    assert caught.value.suspects == (3,)


def test_answers_that_cancel_out_are_a_failed_check() -> None:
    batch = blind_batch(INPUTS, CheckMode.SUM)
    partials = answer(TWO_OF_THREE, batch, [1, 2])
    negated = subtract(IDENTITY, partials[1].elements[:32])
    partials[2] = replace(partials[2], elements=negated + partials[2].elements[32:])

    with pytest.raises(CheckError):
        finish(TWO_OF_THREE, batch, [1, 2], partials)


@pytest.mark.parametrize("length", [0, 31, 32, 70 * 32 - 1, 71 * 32])
def test_an_answer_of_another_size_names_the_holder(length: int) -> None:
    batch = blind_batch(INPUTS, CheckMode.SUM)
    partials = answer(TWO_OF_THREE, batch, [1, 2])
    partials[1] = replace(partials[1], elements=(partials[1].elements * 2)[:length])

    with pytest.raises(CheckError) as caught:
        finish(TWO_OF_THREE, batch, [1, 2], partials)
    assert caught.value.suspects == (1,)


@pytest.mark.parametrize("present", [[1], [1, 3], [1, 2, 3]])
def test_answers_come_from_exactly_the_holders_asked(present: list[int]) -> None:
    batch = blind_batch(INPUTS, CheckMode.SUM)
    one = answer(TWO_OF_THREE, batch, [1, 2])[1]

    with pytest.raises(CheckError):
        finish_batch(batch, TWO_OF_THREE.public, [1, 2], dict.fromkeys(present, one))


@pytest.mark.parametrize("subset", [[], [1], [1, 1], [2, 1], [0, 1], [1, 256], [1, 2, 3]])
def test_a_subset_that_is_not_the_threshold_ascending_is_refused(subset: list[int]) -> None:
    batch = blind_batch(INPUTS, CheckMode.SUM)

    with pytest.raises(RequestError):
        TWO_OF_THREE.public.check_subset(subset)
    with pytest.raises(RequestError):
        finish_batch(batch, TWO_OF_THREE.public, subset, {})


@pytest.mark.parametrize("subset", [[], [2, 3], [1, 1], [2, 1], [0, 1]])
def test_a_holder_refuses_a_subset_that_does_not_fit_it(subset: list[int]) -> None:
    batch = blind_batch(INPUTS, CheckMode.STRICT)

    with pytest.raises(RequestError):
        evaluate_batch(TWO_OF_THREE.shares[1], 1, subset, batch.blinded, None, batch.mode)


@pytest.mark.parametrize(
    ("mode", "blinded", "check_point"),
    [
        (CheckMode.SUM, GENERATOR, None),
        (CheckMode.SUM, b"", GENERATOR),
        (CheckMode.STRICT, GENERATOR, GENERATOR),
        (CheckMode.STRICT, b"", None),
        (CheckMode.RFC, GENERATOR, GENERATOR),
        (CheckMode.RFC, b"", None),
        (CheckMode.RFC, GENERATOR + b"x", None),
        (CheckMode.SUM, GENERATOR, GENERATOR + b"x"),
        (CheckMode.STRICT, GENERATOR * 16_385, None),
    ],
)
def test_a_holder_refuses_parts_that_do_not_fit_the_mode(
    mode: CheckMode, blinded: bytes, check_point: bytes | None
) -> None:
    with pytest.raises(RequestError):
        evaluate_batch(TWO_OF_THREE.shares[1], 1, [1, 2], blinded, check_point, mode)


@pytest.mark.parametrize("element", [IDENTITY, b"\xff" * 32, b"\x01" + bytes(31)])
def test_a_holder_refuses_invalid_elements_by_index(element: bytes) -> None:
    batch = blind_batch(INPUTS, CheckMode.STRICT)
    blinded = batch.blinded[:64] + element + batch.blinded[96:]

    with pytest.raises(GroupError) as caught:
        evaluate_batch(TWO_OF_THREE.shares[1], 1, [1, 2], blinded, None, CheckMode.STRICT)
    assert caught.value.indexes == (2,)
    with pytest.raises(GroupError):
        evaluate_batch(TWO_OF_THREE.shares[1], 1, [1, 2], b"", element, CheckMode.STRICT)


def test_duplicate_empty_and_oversized_batches_are_refused() -> None:
    too_many = [number.to_bytes(4, "big") for number in range(16_385)]

    for inputs in ([b"a", b"b", b"a"], [], too_many):
        with pytest.raises(RequestError):
            blind_batch(inputs, CheckMode.SUM)
    with pytest.raises(RequestError):
        blind_batch([b"a"], CheckMode.SUM, pad_to=16_385)


def test_a_batch_crosses_to_a_worker_process_whole() -> None:
    batch = blind_batch(INPUTS, CheckMode.SUM)
    carried = pickle.loads(pickle.dumps(batch))
    share = pickle.loads(pickle.dumps(TWO_OF_THREE.shares[1]))
    point = carried.check_point
    partials = {
        1: evaluate_batch(share, 1, [1, 2], carried.blinded, point, carried.mode),
        2: answer(TWO_OF_THREE, batch, [1, 2])[2],
    }

    assert carried == batch
    assert finish(TWO_OF_THREE, carried, [1, 2], partials) == single_key_tokens(TWO_OF_THREE)


def test_neither_identifiers_nor_secrets_show_in_any_repr() -> None:
    batch = blind_batch(INPUTS, CheckMode.SUM)
    token = tokens_of(TWO_OF_THREE, [1, 2])[0]

    assert "8613800" not in f"{batch!r} {batch}"
    assert batch.blinds.reveal()[:8].hex() not in repr(batch)
    assert token.content_key.hex() not in f"{token!r} {token}"
    assert repr(token.content_key) not in f"{token!r} {token}"
    assert token.token.hex() in repr(token)


def test_a_token_input_has_the_documented_bytes() -> None:
    assert token_input("ab", 7, b"xyz") == b"TOCSIN1\x02ab\x07\x00\x03xyz"


@pytest.mark.parametrize(
    ("federation", "kind", "value"),
    [
        ("", 1, b"x"),
        ("f" * 256, 1, b"x"),
        ("f", 0, b"x"),
        ("f", 256, b"x"),
        ("f", 1, b""),
        ("f", 1, bytes(65_535)),
    ],
)
def test_a_token_input_that_does_not_fit_its_fields_is_refused(
    federation: str, kind: int, value: bytes
) -> None:
    with pytest.raises(RequestError):
        token_input(federation, kind, value)


REQUEST = {
    "federation": "test.example",
    "kind_class": 1,
    "epoch": 2,
    "share_epoch": 3,
    "mode": 1,
    "subset": (1, 2),
    "batch_id": bytes(16),
    "blinded": GENERATOR,
    "check_point": GENERATOR,
}
OTHERS = {
    "federation": "test.examplf",
    "kind_class": 2,
    "epoch": 3,
    "share_epoch": 4,
    "mode": 2,
    "subset": (1, 3),
    "batch_id": b"\x01" + bytes(15),
    "blinded": GENERATOR * 2,
    "check_point": None,
}


@pytest.mark.parametrize("field", list(REQUEST))
def test_a_request_digest_covers_every_field(field: str) -> None:
    first = evaluation_digest(**REQUEST)  # type: ignore[arg-type]  # one dict for all fields
    other = evaluation_digest(**{**REQUEST, field: OTHERS[field]})  # type: ignore[arg-type]

    assert len(first) == 32
    assert first == evaluation_digest(**REQUEST)  # type: ignore[arg-type]
    assert first != other


def test_bytes_that_move_between_fields_change_the_digest() -> None:
    joined = {**REQUEST, "blinded": GENERATOR * 2, "check_point": b""}

    assert evaluation_digest(**joined) != evaluation_digest(**REQUEST)  # type: ignore[arg-type]


def test_a_response_digest_covers_request_holder_and_every_part() -> None:
    base = PartialEvaluation(GENERATOR, GENERATOR, b"proof")
    request = evaluation_digest(**REQUEST)  # type: ignore[arg-type]
    digests = {
        response_digest(request, 1, base),
        response_digest(bytes(32), 1, base),
        response_digest(request, 2, base),
        response_digest(request, 1, replace(base, elements=b"")),
        response_digest(request, 1, replace(base, check_element=b"")),
        response_digest(request, 1, replace(base, proof=b"")),
    }

    assert len(digests) == 6


@pytest.mark.parametrize(
    ("field", "value"), [("epoch", 2**32), ("epoch", -1), ("batch_id", bytes(15))]
)
def test_request_fields_that_do_not_fit_the_wire_are_refused(field: str, value: object) -> None:
    with pytest.raises(RequestError):
        evaluation_digest(**{**REQUEST, field: value})  # type: ignore[arg-type]


def test_mixed_scalars_cannot_stand_for_one_key() -> None:
    batch = blind_batch(INPUTS, CheckMode.RFC, pad_to=1)
    partials = answer(TWO_OF_THREE, batch, [1, 2])
    factor = encode_scalar(2)
    partials[1] = replace(partials[1], elements=multiply_all(factor, partials[1].elements))

    with pytest.raises(CheckError) as caught:
        finish(TWO_OF_THREE, batch, [1, 2], partials)
    assert caught.value.suspects == (1,)
