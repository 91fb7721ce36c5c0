"""Check this implementation against published vectors of RFC 9497.

The document is the RFC's own JSON form: a list of suites, each with ``identifier``, ``mode``,
``vectors`` and the key derivation's inputs and results; bytes are lower-case hexadecimal, and
batches are joined by commas.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from keys.errors import KeysError
from keys.oprf import SUITE_IDENTIFIER, KeyPair, Mode, Suite
from keys.proof import prove, verify
from keys.secret import Secret

_FOREIGN_SUITES: Final = frozenset(
    {"decaf448-SHAKE256", "P256-SHA256", "P384-SHA384", "P521-SHA512"}
)
_POPRF_MODE: Final = 2
_HEXADECIMAL: Final = re.compile(r"(?:[0-9a-f]{2})*")
_UNKNOWN_MODE: Final = -1


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """Say how one suite of a document fared.

    Attributes:
        identifier: The suite's name in the document.
        mode: The mode's number, -1 where the document has none.
        passed: Vectors that agree in every byte.
        failed: Vectors that do not, malformed ones among them.
        ignored: The suite or mode is one that this project does not implement.
    """

    identifier: str
    mode: int
    passed: int
    failed: int
    ignored: bool = False


class _MismatchError(Exception):
    """A vector is malformed or disagrees."""


def run_oprf_vectors(document: object) -> list[SuiteResult]:
    """Run every suite of a document; whatever its content, return a result for each.

    A suite whose key derivation or tags disagree fails with all its vectors, and a suite
    without vectors counts one failure.
    """
    if not isinstance(document, list):
        return [SuiteResult("", _UNKNOWN_MODE, passed=0, failed=1)]
    return [_run_suite(entry) for entry in document]


def _run_suite(entry: object) -> SuiteResult:
    if not isinstance(entry, dict):
        return SuiteResult("", _UNKNOWN_MODE, passed=0, failed=1)
    identifier, mode = _name(entry)
    if identifier in _FOREIGN_SUITES or (identifier, mode) == (SUITE_IDENTIFIER, _POPRF_MODE):
        return SuiteResult(identifier, mode, passed=0, failed=0, ignored=True)
    vectors = entry.get("vectors")
    vectors = vectors if isinstance(vectors, list) else []
    try:
        suite, keys = _checked_suite(entry, identifier, mode)
    except (_MismatchError, KeysError):
        return SuiteResult(identifier, mode, passed=0, failed=max(1, len(vectors)))
    passed = sum(_vector_holds(suite, keys, vector) for vector in vectors)
    failed = len(vectors) - passed if vectors else 1
    return SuiteResult(identifier, mode, passed, failed)


def _name(entry: Mapping[str, object]) -> tuple[str, int]:
    identifier, mode = entry.get("identifier"), entry.get("mode")
    is_number = isinstance(mode, int) and not isinstance(mode, bool)
    return (
        identifier if isinstance(identifier, str) else "",
        mode if isinstance(mode, int) and is_number else _UNKNOWN_MODE,
    )


def _checked_suite(
    entry: Mapping[str, object], identifier: str, mode: int
) -> tuple[Suite, KeyPair]:
    _require(identifier == SUITE_IDENTIFIER and mode in set(Mode))
    suite = Suite(Mode(mode))
    _require(entry.get("hash", "SHA512") == "SHA512")
    _require(_bytes(entry, "groupDST") == suite.group_tag)
    keys = suite.derive_key_pair(_bytes(entry, "seed"), _bytes(entry, "keyInfo"))
    _require(keys.private == Secret(_bytes(entry, "skSm")))
    if suite.mode is Mode.VOPRF or "pkSm" in entry:
        _require(_bytes(entry, "pkSm") == keys.public)
    return suite, keys


def _vector_holds(suite: Suite, keys: KeyPair, vector: object) -> bool:
    try:
        _check_vector(suite, keys, vector)
    except (_MismatchError, KeysError):
        return False
    return True


def _check_vector(suite: Suite, keys: KeyPair, vector: object) -> None:
    _require(isinstance(vector, dict))
    if not isinstance(vector, dict):
        raise _MismatchError
    inputs = _batch(vector, "Input")
    _require(type(vector.get("Batch")) is int and vector["Batch"] == len(inputs))
    blinds = Secret(b"".join(_batch(vector, "Blind")))
    blinded = suite.blind(inputs, blinds).elements
    _require(blinded == b"".join(_batch(vector, "BlindedElement")))
    evaluated = suite.evaluate(keys.private, blinded)
    _require(evaluated == b"".join(_batch(vector, "EvaluationElement")))
    outputs = suite.finalize(inputs, suite.unblind(blinds, evaluated))
    _require(outputs == _batch(vector, "Output"))
    if suite.mode is Mode.VOPRF:
        _check_proof(keys, blinded, evaluated, vector.get("Proof"))


def _check_proof(keys: KeyPair, blinded: bytes, evaluated: bytes, entry: object) -> None:
    if not isinstance(entry, dict):
        raise _MismatchError
    published, nonce = _bytes(entry, "proof"), Secret(_bytes(entry, "r"))
    _require(prove(keys.private, keys.public, blinded, evaluated, nonce=nonce) == published)
    verify(keys.public, blinded, evaluated, published)


def _batch(entry: Mapping[str, object], name: str) -> list[bytes]:
    text = entry.get(name)
    if not isinstance(text, str):
        raise _MismatchError
    return [_decode(part) for part in text.split(",")]


def _bytes(entry: Mapping[str, object], name: str) -> bytes:
    text = entry.get(name)
    if not isinstance(text, str):
        raise _MismatchError
    return _decode(text)


def _decode(text: str) -> bytes:
    # bytes.fromhex alone would skip blanks, and so overlook a corrupted byte.
    _require(_HEXADECIMAL.fullmatch(text) is not None)
    return bytes.fromhex(text)


def _require(holds: bool) -> None:
    if not holds:
        raise _MismatchError
