"""Forks are proved to third parties, and honest growth never is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from federation.checkpoint import Checkpoint, SignedCheckpoint, sign_checkpoint
from federation.errors import PeerError
from federation.fork import (
    ForkEvidence,
    ForkEvidenceError,
    UndecidedError,
    compare_checkpoints,
    verify_fork_evidence,
)
from federation.merkle import CompactRange, consistency_path, leaf_hash, root_at
from federation.names import FederationName, MemberId, Origin
from federation.tiles import TileReader, append_leaves
from keys.note import add_signature
from keys.secret import Secret
from keys.signing import SigningKey
from tests.federation import naive_tree

KEY = SigningKey.from_seed(Secret(bytes(range(32))))
STRANGER = SigningKey.from_seed(Secret(bytes(32)))
ORIGIN = Origin(FederationName("harbour"), MemberId("bank-a"))
OTHER_ORIGIN = Origin(FederationName("harbour"), MemberId("bank-b"))
TIME = datetime(2026, 3, 1, tzinfo=UTC)
LARGEST = 80

HONEST = tuple(b"honest %d" % number for number in range(LARGEST))
READER = naive_tree.node_reader(HONEST)

sizes = st.integers(0, LARGEST)
hashes32 = st.binary(min_size=32, max_size=32)


def history(size: int, *, changed_at: int = LARGEST) -> tuple[bytes, ...]:
    """Return entries that leave the honest ones at ``changed_at``."""
    return tuple(
        b"forged %d" % number if number >= changed_at else HONEST[number] for number in range(size)
    )


def checkpoint(
    entries: tuple[bytes, ...],
    *,
    seconds: int = 0,
    key: SigningKey = KEY,
    origin: Origin = ORIGIN,
) -> SignedCheckpoint:
    grown = CompactRange()
    grown.extend([leaf_hash(entry) for entry in entries])
    time = TIME + timedelta(seconds=seconds)
    return sign_checkpoint(Checkpoint(origin, len(entries), grown.root(), time), key)


def evidence_of(small: int, large: int, changed_at: int) -> ForkEvidence:
    first, second = checkpoint(history(small, changed_at=changed_at)), checkpoint(HONEST[:large])
    evidence = compare_checkpoints(first, second, READER)
    assert evidence is not None
    return evidence


@given(st.data())
def test_every_fork_is_found_and_proved(data):
    small = data.draw(st.integers(1, LARGEST))
    large = data.draw(st.integers(small, LARGEST))
    forged = checkpoint(history(small, changed_at=data.draw(st.integers(0, small - 1))), seconds=5)
    honest = checkpoint(HONEST[:large])
    pair = data.draw(st.permutations([forged, honest]))
    evidence = compare_checkpoints(*pair, READER)

    assert evidence is not None
    first, second = verify_fork_evidence(ForkEvidence.decode(evidence.encode()), KEY.public)
    assert {first.note, second.note} == {forged.note, honest.note}
    assert first.checkpoint.size <= second.checkpoint.size


@given(sizes, sizes, st.integers(-9, 9))
def test_honest_growth_is_no_fork(one, other, seconds):
    first, second = checkpoint(HONEST[:one]), checkpoint(HONEST[:other], seconds=seconds)

    assert compare_checkpoints(first, second, READER) is None


@settings(max_examples=400)
@given(st.data())
def test_honest_growth_can_never_be_turned_into_evidence(data):
    """An accuser has any two honest notes, all the entries, and a free hand with the path."""
    one, other = data.draw(sizes), data.draw(sizes)
    notes = [
        checkpoint(HONEST[:one], seconds=data.draw(st.integers(0, 3))).note,
        checkpoint(HONEST[:other], seconds=data.draw(st.integers(0, 3))).note,
    ]
    true_path = consistency_path(*sorted((one, other)), READER) if one and other else []
    true_roots = [naive_tree.tree_head(HONEST[:size]) for size in (one, other)]
    pool = [*true_path, *true_roots, *(leaf_hash(entry) for entry in HONEST[:3])]
    anything = st.sampled_from(pool) | hashes32
    prefix_root = data.draw(st.none() | anything)
    path = data.draw(
        st.just(true_path) | st.lists(anything, max_size=9) | _edits(true_path, anything)
    )
    claim = ForkEvidence(ORIGIN, *notes, prefix_root, tuple(path) if prefix_root else ())

    with pytest.raises(ForkEvidenceError):
        verify_fork_evidence(claim, KEY.public)


def _edits(path: list[bytes], anything: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[bytes]]:
    """Draw the path with one hash added, dropped or put in place of another."""
    places = st.integers(0, len(path))
    return st.one_of(
        st.builds(lambda at, value: [*path[:at], value, *path[at:]], places, anything),
        st.builds(lambda at, value: [*path[:at], value, *path[at + 1 :]], places, anything),
        st.builds(lambda at: path[:at] + path[at + 1 :], places),
    )


def test_every_pair_of_honest_sizes_is_safe_from_the_true_path_and_any_known_root():
    size = 20
    notes = [checkpoint(HONEST[:count]).note for count in range(size + 1)]
    roots = [naive_tree.tree_head(HONEST[:count]) for count in range(size + 1)]
    for large in range(1, size + 1):
        for small in range(1, large + 1):
            path = tuple(consistency_path(small, large, READER))
            for root in roots:
                claim = ForkEvidence(ORIGIN, notes[small], notes[large], root, path)
                with pytest.raises(ForkEvidenceError):
                    verify_fork_evidence(claim, KEY.public)


def test_equal_sizes_with_different_roots_need_no_tree():
    first, second = checkpoint(HONEST[:7]), checkpoint(history(7, changed_at=6))
    evidence = compare_checkpoints(first, second)

    assert evidence is not None
    assert (evidence.prefix_root, evidence.path) == (None, ())
    assert evidence == compare_checkpoints(second, first)
    verify_fork_evidence(evidence, KEY.public)


def test_the_same_tree_signed_twice_is_no_fork():
    first, second = checkpoint(HONEST[:7]), checkpoint(HONEST[:7], seconds=60)

    assert compare_checkpoints(first, second) is None
    with pytest.raises(ForkEvidenceError):
        verify_fork_evidence(ForkEvidence(ORIGIN, first.note, second.note), KEY.public)


def test_an_empty_log_contradicts_nothing():
    empty, later = checkpoint(()), checkpoint(HONEST[:7])

    assert compare_checkpoints(empty, later) is None
    with pytest.raises(ForkEvidenceError):
        verify_fork_evidence(
            ForkEvidence(ORIGIN, empty.note, later.note, b"\x01" * 32, ()), KEY.public
        )


def test_different_sizes_without_a_tree_are_undecided():
    with pytest.raises(UndecidedError) as caught:
        compare_checkpoints(checkpoint(HONEST[:3]), checkpoint(HONEST[:7]))

    assert caught.value.reason == "FORK_UNDECIDED"
    assert caught.value.hint


@given(st.integers(1, 40), st.integers(1, 39), st.integers(0, 79))
def test_the_wrong_tree_never_makes_an_accusation(small, more, changed_at):
    assume(changed_at < small + more)
    wrong = naive_tree.node_reader(history(LARGEST, changed_at=changed_at))
    with pytest.raises(UndecidedError):
        compare_checkpoints(checkpoint(HONEST[:small]), checkpoint(HONEST[: small + more]), wrong)


@given(st.integers(1, 40), st.integers(1, 39), st.integers(0, 6), hashes32)
def test_a_damaged_node_never_makes_an_accusation(small, more, level, garbage):
    def damaged(at: int, index: int) -> bytes:
        return garbage if at == level else READER(at, index)

    try:
        found = compare_checkpoints(
            checkpoint(HONEST[:small]), checkpoint(HONEST[: small + more]), damaged
        )
    except UndecidedError:
        return

    assert found is None


def test_checkpoints_of_different_logs_are_not_compared():
    with pytest.raises(ValueError, match="different logs"):
        compare_checkpoints(checkpoint(HONEST[:3]), checkpoint(HONEST[:3], origin=OTHER_ORIGIN))


def test_evidence_is_made_from_tiles_too():
    leaves = [leaf_hash(b"%d" % number) for number in range(1_000)]
    tiles = {(t.level, t.index): t.hashes for t in append_leaves(0, leaves, lambda *_: b"")}
    reader = TileReader(1_000, lambda level, index: tiles[level, index])
    large = sign_checkpoint(Checkpoint(ORIGIN, 1_000, root_at(1_000, reader), TIME), KEY)
    small = sign_checkpoint(Checkpoint(ORIGIN, 600, b"\x07" * 32, TIME), KEY)
    evidence = compare_checkpoints(large, small, reader)

    assert evidence is not None
    verify_fork_evidence(evidence, KEY.public)


@pytest.mark.parametrize(("small", "large"), [(1, 2), (4, 7), (5, 7), (8, 8), (16, 33), (20, 33)])
def test_evidence_with_any_part_changed_is_refused(small, large):
    evidence = evidence_of(small, large, 0)
    honest_first = checkpoint(HONEST[:small]).note
    stranger = checkpoint(history(small, changed_at=0), key=STRANGER).note
    elsewhere = checkpoint(history(small, changed_at=0), origin=OTHER_ORIGIN).note
    bad = [
        replace(evidence, origin=OTHER_ORIGIN),
        replace(evidence, second=evidence.first),
        replace(evidence, first=honest_first, second=checkpoint(HONEST[:large]).note),
        replace(evidence, first=stranger),
        replace(evidence, first=elsewhere),
        replace(evidence, first=b""),
        replace(evidence, second=evidence.second[:-3]),
        replace(evidence, prefix_root=b"\x00" * 32),
        replace(evidence, prefix_root=b"\x00" * 32, path=(*evidence.path, b"\x00" * 32)),
        *(
            replace(evidence, path=(*evidence.path[:at], b"\x05" * 32, *evidence.path[at + 1 :]))
            for at in range(len(evidence.path))
        ),
    ]
    if small < large:
        bad.append(replace(evidence, prefix_root=None, path=()))
        bad.append(replace(evidence, path=evidence.path[:-1]))
        bad.append(replace(evidence, first=evidence.second, second=evidence.first))
    for claim in bad:
        with pytest.raises(ForkEvidenceError) as caught:
            verify_fork_evidence(claim, KEY.public)

        assert isinstance(caught.value, PeerError)


def test_evidence_holds_only_under_the_members_own_keys():
    evidence = evidence_of(5, 9, 2)
    with pytest.raises(ForkEvidenceError):
        verify_fork_evidence(evidence, STRANGER.public)
    with pytest.raises(ForkEvidenceError):
        verify_fork_evidence(evidence)

    verify_fork_evidence(evidence, STRANGER.public, KEY.public)


def test_a_fork_across_a_change_of_key_is_proved_with_both_keys():
    first = checkpoint(history(5, changed_at=2))
    second = checkpoint(HONEST[:9], key=STRANGER)
    evidence = compare_checkpoints(first, second, READER)

    assert evidence is not None
    verify_fork_evidence(evidence, KEY.public, STRANGER.public)
    with pytest.raises(ForkEvidenceError):
        verify_fork_evidence(evidence, STRANGER.public)


def test_co_signed_notes_are_evidence_too():
    evidence = evidence_of(5, 9, 2)
    witnessed = add_signature(evidence.first, "witness", STRANGER).encode()

    verify_fork_evidence(replace(evidence, first=witnessed), KEY.public)


@given(
    st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"tocsin/fork/v1\n" + tail)
)
def test_decoding_is_total_and_exact(encoded):
    try:
        evidence = ForkEvidence.decode(encoded)
    except ForkEvidenceError:
        return

    assert evidence.encode() == encoded


@given(st.data())
def test_cut_or_changed_evidence_is_refused_or_still_exact(data):
    encoded = evidence_of(5, 9, 2).encode()
    position = data.draw(st.integers(0, len(encoded) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda byte: byte != encoded[position]))
    changed = encoded[:position] + bytes([value]) + encoded[position + 1 :]
    for bad in (encoded[:position], encoded + b"\x00", changed):
        with pytest.raises(ForkEvidenceError):
            verify_fork_evidence(ForkEvidence.decode(bad), KEY.public)


@given(
    st.binary(max_size=50),
    st.binary(max_size=50),
    st.none() | hashes32,
    st.lists(hashes32, max_size=5),
)
def test_encoding_and_decoding_are_inverse(first, second, prefix_root, path):
    evidence = ForkEvidence(ORIGIN, first, second, prefix_root, tuple(path) if prefix_root else ())

    assert ForkEvidence.decode(evidence.encode()) == evidence


@pytest.mark.parametrize(
    "fields",
    [
        {"first": b"x" * (16 * 1024 + 1)},
        {"prefix_root": b"x"},
        {"prefix_root": b"x" * 32, "path": (b"x",)},
        {"prefix_root": b"x" * 32, "path": (b"x" * 32,) * 65},
        {"path": (b"x" * 32,)},
    ],
)
def test_impossible_evidence_cannot_be_made(fields):
    with pytest.raises(ForkEvidenceError):
        ForkEvidence(**{"origin": ORIGIN, "first": b"", "second": b""} | fields)
