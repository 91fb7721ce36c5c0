"""The published vectors of RFC 9497, called function by function."""

import json
from pathlib import Path
from typing import Any

import pytest

from keys.errors import GroupError, ProofError, RequestError
from keys.oprf import Mode, Suite, length_prefixed
from keys.proof import prove, verify
from keys.secret import Secret

VECTORS = Path(__file__).parents[1] / "vectors" / "oprf_ristretto255.json"
SUITES = {entry["mode"]: entry for entry in json.loads(VECTORS.read_text())}
CASES = [
    pytest.param(mode, vector, id=f"mode{mode}-{index}")
    for mode, entry in SUITES.items()
    for index, vector in enumerate(entry["vectors"])
]


def packed(text: str) -> bytes:
    return bytes.fromhex(text.replace(",", ""))


def split(text: str) -> list[bytes]:
    return [bytes.fromhex(part) for part in text.split(",")]


def key_of(mode: int) -> Any:
    entry = SUITES[mode]
    return Suite(Mode(mode)).derive_key_pair(packed(entry["seed"]), packed(entry["keyInfo"]))


@pytest.mark.parametrize("mode", [0, 1])
def test_the_key_pair_derives_from_the_published_seed(mode: int) -> None:
    keys = key_of(mode)

    assert keys.private.reveal().hex() == SUITES[mode]["skSm"]
    assert Suite(Mode(mode)).group_tag.hex() == SUITES[mode]["groupDST"]
    if mode == Mode.VOPRF:
        assert keys.public.hex() == SUITES[mode]["pkSm"]


@pytest.mark.parametrize(("mode", "vector"), CASES)
def test_every_step_agrees_with_the_published_bytes(mode: int, vector: dict[str, Any]) -> None:
    suite, keys = Suite(Mode(mode)), key_of(mode)
    inputs = split(vector["Input"])
    blinding = suite.blind(inputs, Secret(packed(vector["Blind"])))
    evaluated = suite.evaluate(keys.private, blinding.elements)
    outputs = suite.finalize(inputs, suite.unblind(blinding.blinds, evaluated))

    assert blinding.elements == packed(vector["BlindedElement"])
    assert evaluated == packed(vector["EvaluationElement"])
    assert outputs == split(vector["Output"])
    if mode == Mode.VOPRF:
        nonce = Secret(packed(vector["Proof"]["r"]))
        proof = prove(keys.private, keys.public, blinding.elements, evaluated, nonce=nonce)
        assert proof == packed(vector["Proof"]["proof"])
        verify(keys.public, blinding.elements, evaluated, proof)


def test_random_blinds_give_the_same_outputs_as_published_ones() -> None:
    suite, keys = Suite(Mode.VOPRF), key_of(1)
    vector = SUITES[1]["vectors"][2]
    inputs = split(vector["Input"])
    blinding = suite.blind(inputs)
    evaluated = suite.evaluate(keys.private, blinding.elements)

    assert blinding.elements != packed(vector["BlindedElement"])
    assert suite.finalize(inputs, suite.unblind(blinding.blinds, evaluated)) == split(
        vector["Output"]
    )


@pytest.mark.parametrize("bind", [False, True])
@pytest.mark.parametrize("position", [0, 20, 31, 32, 50, 63])
def test_a_proof_with_one_changed_byte_does_not_hold(bind: bool, position: int) -> None:
    suite, keys = Suite(Mode.VOPRF), key_of(1)
    elements = suite.blind([b"one", b"two"]).elements
    evaluated = suite.evaluate(keys.private, elements)
    proof = bytearray(prove(keys.private, keys.public, elements, evaluated, bind=bind))
    verify(keys.public, elements, evaluated, bytes(proof), bind=bind)
    proof[position] ^= 1

    with pytest.raises(ProofError):
        verify(keys.public, elements, evaluated, bytes(proof), bind=bind)


def test_a_bound_and_an_unbound_proof_do_not_pass_for_each_other() -> None:
    suite, keys = Suite(Mode.VOPRF), key_of(1)
    elements = suite.blind([b"one", b"two"]).elements
    evaluated = suite.evaluate(keys.private, elements)
    bound = prove(keys.private, keys.public, elements, evaluated, bind=True)
    unbound = prove(keys.private, keys.public, elements, evaluated)

    with pytest.raises(ProofError):
        verify(keys.public, elements, evaluated, bound)
    with pytest.raises(ProofError):
        verify(keys.public, elements, evaluated, unbound, bind=True)


def test_an_unbound_proof_of_more_than_64_items_is_neither_made_nor_accepted() -> None:
    suite, keys = Suite(Mode.VOPRF), key_of(1)
    elements = suite.blind([bytes([i]) for i in range(65)]).elements
    evaluated = suite.evaluate(keys.private, elements)
    bound = prove(keys.private, keys.public, elements, evaluated, bind=True)
    verify(keys.public, elements, evaluated, bound, bind=True)

    with pytest.raises(ProofError):
        prove(keys.private, keys.public, elements, evaluated)
    with pytest.raises(ProofError):
        verify(keys.public, elements, evaluated, bound)


def test_zero_and_uncanonical_blinds_are_refused() -> None:
    suite = Suite(Mode.OPRF)
    element = suite.hash_to_group([b"x"])

    with pytest.raises(GroupError):
        suite.blind([b"x"], Secret(bytes(32)))
    with pytest.raises(GroupError):
        suite.unblind(Secret(bytes(32)), element)
    with pytest.raises(GroupError):
        suite.unblind(Secret(b"\xff" * 32), element)


def test_inputs_longer_than_two_length_bytes_are_refused() -> None:
    with pytest.raises(RequestError):
        length_prefixed(bytes(2**16))
