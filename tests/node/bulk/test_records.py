"""Records and files of tokens: ranges part all keys, joins are what sets say, bad files refused."""

from __future__ import annotations

import os
import random

import pytest

from node.bulk.records import each_record, join_range, key_range, pack_records
from node.bulk.token_file import HEADER_BYTES, open_tokens, write_tokens
from node.errors import RequestError

EDGES = [bytes(16), b"\0" * 15 + b"\1", b"\x7f" + b"\xff" * 15, b"\x80" + bytes(15), b"\xff" * 16]


@pytest.mark.parametrize("ranges", [1, 2, 3, 7, 64])
def test_ranges_part_all_keys_and_a_join_is_what_sets_say(tmp_path, ranges):
    draw = random.Random(ranges)
    tokens = [*EDGES[1:], *(draw.randbytes(16) for _ in range(500))]
    known = sorted(draw.sample(tokens, 200))
    write_tokens(tmp_path / "known", "night", 1, known)
    lines = list(range(len(tokens)))
    draw.shuffle(lines)
    paths = []
    for number, start in enumerate(range(0, len(tokens), 100)):
        paths.append(tmp_path / str(number))
        own = slice(start, start + 100)
        paths[-1].write_bytes(pack_records(tokens[own], lines[own]))
    catalogue = open_tokens(tmp_path / "known", "night", 1).tokens()
    joined = [
        record
        for number in range(ranges)
        for record in each_record(join_range(paths, catalogue, *key_range(number, ranges)))
    ]
    wanted = set(known)

    assert joined == sorted(
        (token, line) for token, line in zip(tokens, lines, strict=True) if token in wanted
    )


def test_tokens_that_end_in_zeros_are_told_apart_and_come_back_whole(tmp_path):
    tokens = [b"\1" + bytes(15), b"\1" + bytes(14) + b"\1", b"\2" + bytes(15)]
    write_tokens(tmp_path / "known", "night", 1, tokens)
    path = tmp_path / "part"
    path.write_bytes(pack_records([tokens[0], tokens[2]], [5, 2**40]))
    catalogue = open_tokens(tmp_path / "known", "night", 1).tokens()

    assert list(each_record(join_range([path], catalogue, bytes(16), None))) == [
        (tokens[0], 5),
        (tokens[2], 2**40),
    ]


def test_an_empty_catalogue_and_an_empty_part_match_nothing(tmp_path):
    write_tokens(tmp_path / "known", "night", 1, [])
    path = tmp_path / "part"
    path.write_bytes(b"")
    catalogue = open_tokens(tmp_path / "known", "night", 1).tokens()

    assert join_range([path], catalogue, bytes(16), None) == b""


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data[:-1], "TOKENS_INVALID"),
        (lambda data: b"x" + data[1:], "TOKENS_INVALID"),
        (lambda data: data[:HEADER_BYTES] + data[-16:] + data[HEADER_BYTES:], "TOKENS_INVALID"),
        (lambda data: data + data[-16:], "TOKENS_INVALID"),
        (lambda data: b"", "TOKENS_INVALID"),
    ],
)
def test_a_file_that_is_damaged_is_refused(tmp_path, spoil, reason):
    path = tmp_path / "known"
    write_tokens(path, "night", 1, sorted(os.urandom(16) for _ in range(9)))
    path.write_bytes(spoil(path.read_bytes()))

    with pytest.raises(RequestError) as caught:
        open_tokens(path, "night", 1)

    assert caught.value.reason == reason


@pytest.mark.parametrize(("federation", "epoch"), [("day", 1), ("night", 2)])
def test_tokens_of_another_key_are_refused(tmp_path, federation, epoch):
    write_tokens(tmp_path / "known", "night", 1, [os.urandom(16)])

    with pytest.raises(RequestError) as caught:
        open_tokens(tmp_path / "known", federation, epoch)

    assert caught.value.reason == "TOKENS_OF_ANOTHER_KEY"


def test_tokens_out_of_order_are_not_written(tmp_path):
    with pytest.raises(RequestError):
        write_tokens(tmp_path / "known", "night", 1, [b"\2" * 16, b"\1" * 16])

    assert not list(tmp_path.iterdir())
