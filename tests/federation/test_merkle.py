"""The log's tree against RFC 9162, a naive twin and the published vectors."""

import base64
import hashlib
import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import PeerError
from federation.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    MAX_TREE_SIZE,
    CompactRange,
    CompactRangeError,
    ConsistencyError,
    InclusionError,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    root_at,
    verify_consistency,
    verify_inclusion,
)
from tests.federation import naive_tree

# This vector expects success for two equal "roots" of 12 bytes; no tree has such a root.
STRICTER_THAN_PUBLISHED = {"sizes-are-equal-one-and-proof-is-empty"}

LARGEST = 70  # leaves: past 64, so that every shape up to seven levels occurs
DATA = naive_tree.entries(LARGEST)
LEAVES = [leaf_hash(entry) for entry in DATA]
ROOTS = [naive_tree.tree_head(DATA[:size]) for size in range(LARGEST + 1)]
READER = naive_tree.node_reader(DATA)


def flipped(value: bytes, bit: int = 0) -> bytes:
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def damaged(path: list[bytes]):
    """Yield paths that differ from ``path``."""
    for position, value in enumerate(path):
        yield [*path[:position], flipped(value, 8 * position), *path[position + 1 :]]
        yield path[:position] + path[position + 1 :]
        yield [*path[:position], value[:-1], *path[position + 1 :]]
    yield [*path, b"\x00" * HASH_BYTES]
    yield [b"\x00" * HASH_BYTES, *path]
    if len(path) > 1 and path[0] != path[1]:
        yield [path[1], path[0], *path[2:]]


def test_leaf_and_node_hashes_carry_their_prefix():
    assert leaf_hash(b"entry") == hashlib.sha256(b"\x00entry").digest()
    assert (
        node_hash(b"l" * 32, b"r" * 32) == hashlib.sha256(b"\x01" + b"l" * 32 + b"r" * 32).digest()
    )
    assert EMPTY_ROOT.hex().startswith("e3b0c44298fc1c14")


def test_every_root_equals_the_definition():
    grown = CompactRange()
    roots = [grown.root()]
    for leaf in LEAVES:
        grown.append(leaf)
        roots.append(grown.root())

    assert roots == ROOTS
    assert [root_at(size, READER) for size in range(LARGEST + 1)] == ROOTS
    assert grown.size == LARGEST


@pytest.mark.parametrize("size", range(1, LARGEST + 1))
def test_every_inclusion_proof_is_the_defined_one_and_verifies(size):
    for index in range(size):
        path = inclusion_path(index, size, naive_tree.node_reader(DATA[:size]))
        verify_inclusion(LEAVES[index], index, size, ROOTS[size], path)

        assert path == naive_tree.inclusion(index, DATA[:size])


@pytest.mark.parametrize("new_size", range(1, LARGEST + 1))
def test_every_consistency_proof_is_the_defined_one_and_verifies(new_size):
    for old_size in range(1, new_size + 1):
        path = consistency_path(old_size, new_size, naive_tree.node_reader(DATA[:new_size]))
        verify_consistency(old_size, ROOTS[old_size], new_size, ROOTS[new_size], path)

        assert path == naive_tree.consistency(old_size, DATA[:new_size])


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 33, 64, 70])
def test_a_tampered_inclusion_proof_is_refused(size):
    for index in range(size):
        path = inclusion_path(index, size, READER)
        claims = [(LEAVES[index], index, size, ROOTS[size], bad) for bad in damaged(path)]
        claims += [
            (flipped(LEAVES[index]), index, size, ROOTS[size], path),
            (LEAVES[index], index, size, flipped(ROOTS[size], 255), path),
            (LEAVES[index][:31], index, size, ROOTS[size], path),
            (LEAVES[index], -1, size, ROOTS[size], path),
            (LEAVES[index], size, size, ROOTS[size], path),
            (LEAVES[index], index, 0, ROOTS[size], path),
            (LEAVES[index], index, MAX_TREE_SIZE + 1, ROOTS[size], path),
        ]
        claims += [
            (LEAVES[index], other, size, ROOTS[size], path)
            for other in range(size)
            if other != index
        ]
        for claim in claims:
            with pytest.raises(InclusionError):
                verify_inclusion(*claim)


@pytest.mark.parametrize("new_size", [1, 2, 3, 5, 8, 13, 33, 64, 70])
def test_a_tampered_consistency_proof_is_refused(new_size):
    for old_size in range(1, new_size + 1):
        path = consistency_path(old_size, new_size, READER)
        old, new = ROOTS[old_size], ROOTS[new_size]
        claims = [(old_size, old, new_size, new, bad) for bad in damaged(path)]
        claims += [
            (old_size, flipped(old), new_size, new, path),
            (old_size, old, new_size, flipped(new), path),
            (old_size, old[:31], new_size, new, path),
            (old_size, old, new_size, new + b"\x00", path),
            (0, old, new_size, new, path),
            (0, EMPTY_ROOT, new_size, new, []),
            (new_size + 1, old, new_size, new, path),
            (old_size, old, MAX_TREE_SIZE + 1, new, path),
        ]
        for claim in claims:
            with pytest.raises(ConsistencyError):
                verify_consistency(*claim)


def test_a_consistency_proof_fits_one_old_size_only():
    new_size = 33
    for old_size in range(1, new_size + 1):
        path = consistency_path(old_size, new_size, READER)
        for claimed in set(range(1, new_size + 1)) - {old_size}:
            with pytest.raises(ConsistencyError):
                verify_consistency(claimed, ROOTS[old_size], new_size, ROOTS[new_size], path)


def test_a_failed_verification_carries_the_evidence():
    path = consistency_path(3, 7, READER)
    with pytest.raises(ConsistencyError) as inconsistent:
        verify_consistency(3, ROOTS[4], 7, ROOTS[7], path)
    with pytest.raises(InclusionError) as missing:
        verify_inclusion(LEAVES[2], 1, 3, ROOTS[3], [LEAVES[0]])

    assert isinstance(inconsistent.value, PeerError)
    assert inconsistent.value.old_root == ROOTS[4]
    assert inconsistent.value.path == tuple(path)
    assert (missing.value.index, missing.value.size) == (1, 3)
    assert missing.value.leaf == LEAVES[2]


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_no_inclusion_path_is_made_outside_the_tree(index, size):
    with pytest.raises(IndexError):
        inclusion_path(index, size, READER)


@pytest.mark.parametrize(("old_size", "new_size"), [(0, 3), (4, 3), (-1, 3)])
def test_no_consistency_path_is_made_between_impossible_sizes(old_size, new_size):
    with pytest.raises(IndexError):
        consistency_path(old_size, new_size, READER)


@given(st.lists(st.integers(0, 40), max_size=12))
def test_batches_do_not_change_the_range(cuts):
    one_by_one, batched = CompactRange(), CompactRange()
    leaves = [leaf_hash(number.to_bytes(2)) for number in range(sum(cuts))]
    position = 0
    for cut in cuts:
        batched.extend(leaves[position : position + cut])
        position += cut
    for leaf in leaves:
        one_by_one.append(leaf)

    assert batched.encode() == one_by_one.encode()
    assert batched.root() == one_by_one.root()


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_stored_range_goes_on_where_it_stopped(before, after):
    leaves = [leaf_hash(number.to_bytes(2)) for number in range(before + after)]
    whole, part = CompactRange(), CompactRange()
    whole.extend(leaves)
    part.extend(leaves[:before])
    resumed = CompactRange.decode(part.encode())
    resumed.extend(leaves[before:])

    assert resumed.encode() == whole.encode()
    assert len(part.encode()) == 8 + HASH_BYTES * before.bit_count()


def test_a_copy_grows_apart():
    original = CompactRange()
    original.extend(LEAVES[:5])
    twin = original.copy()
    twin.extend(LEAVES[5:9])

    assert original.root() == ROOTS[5]
    assert twin.root() == ROOTS[9]


@given(st.binary(max_size=120))
def test_range_decoding_is_total_and_exact(encoded):
    try:
        decoded = CompactRange.decode(encoded)
    except CompactRangeError:
        return

    assert decoded.encode() == encoded


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\x00" * 7,
        b"\x00" * 9,
        (3).to_bytes(8) + b"\x00" * 32,
        (2).to_bytes(8) + b"\x00" * 64,
        (2).to_bytes(8) + b"\x00" * 31,
        (2**63).to_bytes(8) + b"\x00" * 32,
    ],
)
def test_a_range_of_wrong_length_is_refused(encoded):
    with pytest.raises(CompactRangeError):
        CompactRange.decode(encoded)


def test_a_range_takes_only_hashes_and_only_while_there_is_room():
    full = CompactRange.decode(MAX_TREE_SIZE.to_bytes(8) + b"\x00" * 32 * 63)
    with pytest.raises(ValueError, match="full"):
        full.append(LEAVES[0])
    with pytest.raises(ValueError, match="32 bytes"):
        full.append(b"entry")

    assert full.size == MAX_TREE_SIZE


def test_extending_costs_little_beside_the_hashing():
    leaves = [leaf_hash(number.to_bytes(4)) for number in range(2_000)]

    def hash_only() -> None:
        for left in leaves:
            hashlib.sha256(b"\x01" + left + left).digest()

    def extend() -> None:
        CompactRange().extend(leaves)

    def best_microseconds(work) -> float:
        times = []
        for _ in range(9):
            started = time.process_time()
            work()
            times.append(time.process_time() - started)
        return min(times) / len(leaves) * 1e6

    overhead = best_microseconds(extend) - best_microseconds(hash_only)

    assert overhead < 2


def _published(kind: str) -> list[Path]:
    shared = Path(__file__).parents[2] / ".." / "shared" / "data"
    folder = Path(os.environ.get("TOCSIN_DATA", shared)) / "rfc6962" / "testdata" / kind
    return sorted(folder.rglob("*.json"))


def _decoded(vector: dict, name: str) -> bytes:
    return base64.b64decode(vector[name] or "")


def _path(vector: dict) -> list[bytes]:
    return [base64.b64decode(value) for value in vector["proof"] or []]


def _check(vector: dict, error: type[Exception], verify, *claim) -> None:
    if vector["wantErr"]:
        with pytest.raises(error):
            verify(*claim)
    else:
        verify(*claim)


@pytest.mark.parametrize("kind", ["inclusion", "consistency"])
def test_the_published_vectors_are_there_in_number(kind):
    files = _published(kind)
    if not files:
        pytest.skip(f"rfc6962/testdata/{kind} is not on this machine")

    assert len(files) > 90


@pytest.mark.parametrize(
    "file", _published("inclusion"), ids=lambda file: f"{file.parent.name}-{file.stem}"
)
def test_a_published_inclusion_vector(file):
    vector = json.loads(file.read_text())

    _check(
        vector,
        InclusionError,
        verify_inclusion,
        _decoded(vector, "leafHash"),
        vector["leafIdx"],
        vector["treeSize"],
        _decoded(vector, "root"),
        _path(vector),
    )


@pytest.mark.parametrize(
    "file", _published("consistency"), ids=lambda file: f"{file.parent.name}-{file.stem}"
)
def test_a_published_consistency_vector(file):
    vector = json.loads(file.read_text())
    vector["wantErr"] |= file.stem in STRICTER_THAN_PUBLISHED

    _check(
        vector,
        ConsistencyError,
        verify_consistency,
        vector["size1"],
        _decoded(vector, "root1"),
        vector["size2"],
        _decoded(vector, "root2"),
        _path(vector),
    )


@settings(max_examples=200)
@given(st.data())
def test_random_bytes_never_verify_and_never_crash(data):
    hashes = st.binary(max_size=40) | st.binary(min_size=32, max_size=32)
    size, index = data.draw(st.integers(-1, 2**64)), data.draw(st.integers(-1, 2**64))
    path = data.draw(st.lists(hashes, max_size=70))

    with pytest.raises(InclusionError):
        verify_inclusion(LEAVES[0], index, size, data.draw(hashes), path)
    with pytest.raises(ConsistencyError):
        verify_consistency(index, ROOTS[1], size, data.draw(hashes), path)
