"""Pieces, frames, files and outcomes of a run: each total, whatever comes."""

from __future__ import annotations

import io
import struct

import pytest

from federation.errors import FederationError
from federation.names import MemberId
from federation.training.schema import Column, FeatureSchema
from federation.vocabulary import TrainingOutcome, TrainingReason
from node.errors import PeerError, RequestError
from node.training.bundle import Bundles
from node.training.frames import MAX_HEADER_BYTES, ProcessError, encode_frame, read_frame
from node.training.outcomes import round_outcomes
from node.training.pieces import MAX_PIECES, PIECE_BYTES, Assembly, split
from node.training.run_files import RunFiles, read_kept, unfinished

SCHEMA = FeatureSchema((Column("calls", unit="a day"),))
PLAN = bytes(range(32))


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
def test_pieces_make_the_message_again(size: int) -> None:
    payload, assembly, whole = bytes(size), Assembly(), None
    pieces = split(payload)
    for place, piece in enumerate(pieces):
        assert whole is None
        whole = assembly.add(place, len(pieces), piece)

    assert whole == payload


def test_pieces_out_of_order_or_bounds_are_refused() -> None:
    begun = Assembly()
    begun.add(0, 3, b"a")
    for assembly, piece, pieces, data in (
        (begun, 0, 3, b"a"),
        (begun, 2, 3, b"a"),
        (begun, 1, 2, b"a"),
        (begun, 1, 3, bytes(PIECE_BYTES + 1)),
        (Assembly(), 1, 2, b"a"),
        (Assembly(), 0, 0, b"a"),
        (Assembly(), 0, MAX_PIECES + 1, b"a"),
    ):
        with pytest.raises(PeerError):
            assembly.add(piece, pieces, data)
    with pytest.raises(PeerError):
        split(bytes(MAX_PIECES * PIECE_BYTES + 1))


def test_a_frame_is_read_as_it_was_written_and_nothing_else_is() -> None:
    frame = encode_frame({"kind": "round", "number": 3}, b"body")

    assert read_frame(io.BytesIO(frame)) == ({"kind": "round", "number": 3}, b"body")

    for data in (
        b"",
        frame[:-1],
        struct.pack(">IQ", MAX_HEADER_BYTES + 1, 0),
        struct.pack(">IQ", 0, 2**63),
        struct.pack(">IQ", 2, 0) + b"[]",
        struct.pack(">IQ", 2, 0) + b"{x",
        struct.pack(">IQ", 1, 0) + b"\xff",
    ):
        with pytest.raises(ProcessError):
            read_frame(io.BytesIO(data))


def test_a_run_s_files_outlive_it_and_say_whether_it_is_over(tmp_path) -> None:
    files = RunFiles(tmp_path, PLAN, Bundles(tmp_path / "models"))
    with pytest.raises(RequestError) as missing:
        files.begin(b"", SCHEMA.digest())
    with pytest.raises(RequestError) as differs:
        files.begin(SCHEMA.encode(), bytes(32))
    with pytest.raises(FederationError):
        files.begin(b"no schema", SCHEMA.digest())

    assert (missing.value.reason, differs.value.reason) == ("SCHEMA_MISSING", "SCHEMA_DIFFERS")
    assert list(unfinished(tmp_path)) == []
    assert read_kept(files.checkpoint()) == ({}, b"")

    files.begin(SCHEMA.encode(), SCHEMA.digest())
    files.keep_checkpoint(encode_frame({"number": 1}, b"model"))
    again = RunFiles(tmp_path, PLAN, Bundles(tmp_path / "models"))
    again.begin(b"", SCHEMA.digest())

    assert list(unfinished(tmp_path)) == [PLAN]
    assert again.schema() == SCHEMA
    assert read_kept(again.checkpoint()) == ({"number": 1}, b"model")

    again.end()

    assert list(unfinished(tmp_path)) == []


def test_every_enrolled_member_has_one_outcome_with_a_reason() -> None:
    found = {
        "a": {"status": "ok", "reason": ""},
        "b": {"status": "late", "reason": "x"},
        "c": {"status": "refused", "reason": "PLAN_EXPIRED"},
        "d": {"status": "refused", "reason": "TABLE_MISMATCH"},
        "e": {"status": "rejected", "reason": "UPDATE_NORM: too long"},
        "f": {"status": "refused", "reason": "SOMETHING_NEW"},
        "g": {"status": "unheard of", "reason": ""},
    }
    members = [MemberId(name) for name in (*found, "h")]
    outcomes = {one.member: (one.outcome, one.reason) for one in round_outcomes(members, found)}

    assert outcomes == {
        "a": (TrainingOutcome.OK, TrainingReason.UNSPECIFIED),
        "b": (TrainingOutcome.LATE, TrainingReason.DEADLINE_PASSED),
        "c": (TrainingOutcome.REFUSED, TrainingReason.PLAN_EXPIRED),
        "d": (TrainingOutcome.REFUSED, TrainingReason.DATA_INVALID),
        "e": (TrainingOutcome.REJECTED, TrainingReason.UPDATE_NORM),
        "f": (TrainingOutcome.REFUSED, TrainingReason.WORKER_FAILED),
        "g": (TrainingOutcome.REFUSED, TrainingReason.WORKER_FAILED),
        "h": (TrainingOutcome.LATE, TrainingReason.CONNECTION_LOST),
    }
