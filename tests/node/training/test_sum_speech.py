"""What is said in a sum: in pieces, signed by who said it, and nothing else is read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from federation.statements import SumEcho
from keys.signing import SigningKey
from node.errors import PeerError
from node.training.pieces import PIECE_BYTES
from node.training.sum_speech import (
    CHECK,
    ECHO,
    PARTIAL,
    Speech,
    SpeechAssembly,
    speak,
    to_pieces,
)
from node.training.summands import MAX_SUMMANDS, Summands
from tests.federation.organisations import BANK, CARRIER
from tests.federation.said import opaque
from tocsin.v1 import training_service_pb2 as wire

PLAN, SUM = opaque("plan", 32), opaque("sum")
ECHOED = SumEcho(SUM, opaque("close", 32))


def said(**changes):
    return replace(speak(PLAN, BANK.name, ECHOED, BANK.signing_key), **changes)


def test_what_is_said_comes_out_of_its_pieces_whoever_passes_it_on():
    for sender in (BANK.name, CARRIER.name):
        (piece,) = to_pieces(said(), sender)
        heard = SpeechAssembly(sender).add(piece)

        assert heard == said()
        heard.verify(BANK.signing_key.public)
        assert heard.read() == ECHOED


def test_long_things_come_in_pieces_and_one_given_up_does_not_spoil_the_next():
    long = Speech(PLAN, SUM, PARTIAL, BANK.name, bytes(2 * PIECE_BYTES + 1), bytes(64))
    pieces, assembly = to_pieces(long, BANK.name), SpeechAssembly(BANK.name)

    assert len(pieces) == 3
    assert assembly.add(pieces[0]) is None
    assert assembly.add(to_pieces(said(), BANK.name)[0]) == said()
    assert [assembly.add(piece) for piece in pieces][-1] == long


@pytest.mark.parametrize(
    "change",
    [
        {"plan": opaque("other plan", 32)},
        {"sum_id": opaque("other sum")},
        {"part": CHECK},
        {"rows": 7},
        {"body": b"other"},
        {"signature": bytes(64)},
        {"signature": b""},
    ],
)
def test_anything_changed_is_not_signed(change):
    with pytest.raises(PeerError):
        said(**change).verify(BANK.signing_key.public)


def test_another_key_or_none_has_not_signed():
    for public in (SigningKey.generate().public, b""):
        with pytest.raises(PeerError):
            said().verify(public)


@pytest.mark.parametrize(
    "change", [{"body": b"\xff"}, {"sum_id": opaque("other")}, {"part": CHECK}]
)
def test_what_is_no_such_part_of_this_sum_is_not_read(change):
    with pytest.raises(PeerError):
        said(**change).read()


@pytest.mark.parametrize(
    "change",
    [
        {"plan_digest": b"short"},
        {"sum_id": b"short"},
        {"part": 0},
        {"part": 99},
        {"speaker": "No Member"},
        {"piece": 1},
        {"pieces": 0},
        {"body": bytes(PIECE_BYTES + 1)},
    ],
)
def test_a_piece_out_of_bounds_is_refused(change):
    (piece,) = to_pieces(said(), BANK.name)
    fields = {field.name: value for field, value in piece.ListFields()}

    with pytest.raises(PeerError):
        SpeechAssembly(BANK.name).add(wire.SumPiece(**(fields | change)))


def test_summands_are_bounded_replaced_copied_and_wiped():
    import numpy as np

    kept, summands = np.arange(3), Summands()
    summands.keep(PLAN, b"a", np.zeros(3, np.int64))
    summands.keep(PLAN, b"a", kept)
    found = summands.find(PLAN, b"a")
    found[0] = 9

    assert summands.find(PLAN, b"a").tolist() == [0, 1, 2]
    assert summands.find(PLAN, b"b") is None

    summands.drop(PLAN)

    assert summands.find(PLAN, b"a") is None
    assert not kept.any()

    for place in range(MAX_SUMMANDS + 1):
        summands.keep(PLAN, bytes([place]), np.zeros(1, np.int64))

    assert summands.find(PLAN, bytes([0])) is None
    assert summands.find(PLAN, bytes([MAX_SUMMANDS])) is not None


def test_a_part_that_only_asks_has_no_body_and_no_signature():
    (piece,) = to_pieces(Speech(PLAN, SUM, ECHO, BANK.name), BANK.name)

    assert (piece.body, piece.signature, piece.speaker) == (b"", b"", "")
    assert SpeechAssembly(BANK.name).add(piece) == Speech(PLAN, SUM, ECHO, BANK.name)
