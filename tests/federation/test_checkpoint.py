"""Checkpoints: exact text, the member's signature, nothing else."""

import base64
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.checkpoint import (
    MAX_CHECKPOINT_BYTES,
    Checkpoint,
    CheckpointError,
    CheckpointSignatureError,
    OriginMismatchError,
    encode_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from federation.errors import PeerError
from federation.merkle import EMPTY_ROOT, MAX_TREE_SIZE
from federation.names import Audience, FederationName, MemberId, Origin
from keys.note import add_signature, sign_note
from keys.secret import Secret
from keys.signing import SigningKey

KEY = SigningKey.from_seed(Secret(bytes(range(32))))
STRANGER = SigningKey.from_seed(Secret(bytes(32)))
ORIGIN = Origin(FederationName("harbour"), MemberId("bank-a"))
ROOT = bytes(range(32))
TIME = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)
CHECKPOINT = Checkpoint(ORIGIN, 20_852_163, ROOT, TIME)
TEXT = (
    "harbour/bank-a/all\n"
    "20852163\n"
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    "time 2026-03-01T12:30:05Z\n"
)

names = st.from_regex(r"[a-z0-9](-?[a-z0-9]){0,9}", fullmatch=True)
origins = st.builds(Origin, names.map(FederationName), names.map(MemberId), names.map(Audience))
times = st.datetimes(timezones=st.just(UTC)).map(lambda time: time.replace(microsecond=0))
printable = st.text(min_size=1, max_size=20).filter(str.isprintable)
checkpoints = st.builds(
    Checkpoint,
    origins,
    st.integers(1, MAX_TREE_SIZE),
    st.binary(min_size=32, max_size=32),
    times,
    st.lists(printable, max_size=3).map(tuple),
)


def with_line(number: int, line: str) -> str:
    lines = TEXT.split("\n")
    lines[number] = line
    return "\n".join(lines)


def test_the_text_is_the_documented_one():
    assert encode_checkpoint(CHECKPOINT) == TEXT
    assert parse_checkpoint(TEXT) == CHECKPOINT


def test_a_signed_checkpoint_verifies_and_keeps_its_bytes():
    signed = sign_checkpoint(CHECKPOINT, KEY)
    verified = verify_checkpoint(signed.note, ORIGIN, KEY.public)

    assert verified == signed
    assert verified.checkpoint == CHECKPOINT
    assert signed.note.startswith(TEXT.encode() + "\n— harbour/bank-a ".encode())


def test_the_documented_example_verifies():
    readme = Path(__file__).parents[2] / "proto" / "README.md"
    section = readme.read_text(encoding="utf-8").split("## Checkpoints", 1)[1]
    example = section.split("```\n", 2)[1]

    assert example.encode() == sign_checkpoint(CHECKPOINT, KEY).note


@given(checkpoints)
def test_encoding_and_parsing_are_inverse(checkpoint):
    text = encode_checkpoint(checkpoint)

    assert parse_checkpoint(text) == checkpoint
    assert encode_checkpoint(parse_checkpoint(text)) == text


@given(checkpoints)
def test_every_signed_checkpoint_verifies(checkpoint):
    signed = sign_checkpoint(checkpoint, KEY)

    assert verify_checkpoint(signed.note, checkpoint.origin, KEY.public) == signed


@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from([*TEXT.split("\n"), "", "x", "time "])).map("\n".join)
)
def test_parsing_is_total_and_exact(text):
    try:
        checkpoint = parse_checkpoint(text)
    except CheckpointError:
        return

    assert encode_checkpoint(checkpoint) == text


@given(st.binary(max_size=300))
def test_verifying_is_total(note):
    with pytest.raises(CheckpointError):
        verify_checkpoint(note, ORIGIN, KEY.public)


@given(st.data())
def test_no_changed_byte_verifies(data):
    note = sign_checkpoint(CHECKPOINT, KEY).note
    position = data.draw(st.integers(0, len(note) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != note[position]))
    with pytest.raises(CheckpointError):
        verify_checkpoint(
            note[:position] + bytes([byte]) + note[position + 1 :], ORIGIN, KEY.public
        )


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("empty", ""),
        ("no last line end", TEXT[:-1]),
        ("time missing", TEXT[: TEXT.index("time")]),
        ("leading empty line", "\n" + TEXT),
        ("carriage returns", TEXT.replace("\n", "\r\n")),
        ("origin of two parts", with_line(0, "harbour/bank-a")),
        ("origin in capitals", with_line(0, "Harbour/bank-a/all")),
        ("size with a leading zero", with_line(1, "020852163")),
        ("size of two zeros", with_line(1, "00")),
        ("size with a sign", with_line(1, "+1")),
        ("negative size", with_line(1, "-1")),
        ("size with a space", with_line(1, " 1")),
        ("size with an underscore", with_line(1, "1_0")),
        ("size in other digits", with_line(1, "\u0661")),
        ("size beyond 2**63 - 1", with_line(1, str(2**63))),
        ("size of twenty digits", with_line(1, "9" * 20)),
        ("empty size", with_line(1, "")),
        ("short root", with_line(2, base64.b64encode(ROOT[:31]).decode())),
        ("long root", with_line(2, base64.b64encode(ROOT + b"x").decode())),
        ("root without padding", with_line(2, base64.b64encode(ROOT).decode()[:-1])),
        ("root with loose bits", with_line(2, base64.b64encode(ROOT).decode()[:-2] + "9=")),
        ("root in the web alphabet", with_line(2, base64.urlsafe_b64encode(b"\xff" * 32).decode())),
        ("root in other letters", with_line(2, "\uff21" * 44)),
        ("root of a non-empty tree under size 0", with_line(1, "0")),
        ("time without its word", with_line(3, "2026-03-01T12:30:05Z")),
        ("time in another zone", with_line(3, "time 2026-03-01T12:30:05+00:00")),
        ("time with a fraction", with_line(3, "time 2026-03-01T12:30:05.5Z")),
        ("time that does not exist", with_line(3, "time 2026-02-30T12:30:05Z")),
        ("leap second", with_line(3, "time 2026-06-30T23:59:60Z")),
        ("hour 24", with_line(3, "time 2026-06-30T24:00:00Z")),
        ("year 0", with_line(3, "time 0000-06-30T00:00:00Z")),
        ("time not in its place", with_line(3, "note x") + "time 2026-03-01T12:30:05Z\n"),
        ("empty extension line", TEXT + "\n"),
        ("control character in an extension line", TEXT + "a\tb\n"),
    ],
)
def test_a_malformed_text_is_refused(what, text):
    with pytest.raises(CheckpointError) as caught:
        parse_checkpoint(text)

    assert caught.value.reason == "CHECKPOINT_MALFORMED", what
    assert isinstance(caught.value, PeerError)


@pytest.mark.parametrize(
    "fields",
    [
        {"size": -1},
        {"size": 2**63},
        {"size": 0},
        {"root": b"short"},
        {"time": TIME.replace(tzinfo=None)},
        {"time": TIME.replace(tzinfo=timezone(timedelta(hours=1)))},
        {"time": TIME.replace(microsecond=1)},
        {"extensions": ("",)},
        {"extensions": ("a\nb",)},
        {"extensions": ("\ud800",)},
    ],
)
def test_an_impossible_checkpoint_cannot_be_made(fields):
    usual = {"origin": ORIGIN, "size": 1, "root": ROOT, "time": TIME, "extensions": ()}
    with pytest.raises(CheckpointError):
        Checkpoint(**usual | fields)


def test_an_empty_log_has_a_checkpoint():
    empty = Checkpoint(ORIGIN, 0, EMPTY_ROOT, TIME)

    assert parse_checkpoint(encode_checkpoint(empty)) == empty


@pytest.mark.parametrize("other", ["harbour/bank-b/all", "harbour/bank-a/group", "bay/bank-a/all"])
def test_a_checkpoint_of_another_log_is_refused(other):
    signed = sign_checkpoint(CHECKPOINT, KEY)
    with pytest.raises(OriginMismatchError) as caught:
        verify_checkpoint(signed.note, Origin.parse(other), KEY.public)

    assert caught.value.reason == "CHECKPOINT_ORIGIN_MISMATCH"


def test_a_signature_by_another_key_is_refused():
    with pytest.raises(CheckpointSignatureError) as caught:
        verify_checkpoint(sign_checkpoint(CHECKPOINT, STRANGER).note, ORIGIN, KEY.public)

    assert caught.value.reason == "CHECKPOINT_SIGNATURE_INVALID"


def test_a_signature_under_another_name_is_refused():
    note = sign_note(TEXT, [("harbour/bank-b", KEY)]).encode()

    with pytest.raises(CheckpointSignatureError):
        verify_checkpoint(note, ORIGIN, KEY.public)


def test_a_signature_moved_to_another_text_is_refused():
    note = sign_checkpoint(CHECKPOINT, KEY).note.replace(b"20852163", b"20852164")

    with pytest.raises(CheckpointSignatureError):
        verify_checkpoint(note, ORIGIN, KEY.public)


@pytest.mark.parametrize("public", [b"", b"\x00" * 32, b"\xff" * 31])
def test_an_unusable_public_key_verifies_nothing(public):
    with pytest.raises(CheckpointSignatureError):
        verify_checkpoint(sign_checkpoint(CHECKPOINT, KEY).note, ORIGIN, public)


def test_a_co_signature_does_no_harm_and_is_kept():
    note = add_signature(sign_checkpoint(CHECKPOINT, KEY).note, "witness", STRANGER).encode()

    assert verify_checkpoint(note, ORIGIN, KEY.public).note == note


def test_a_checkpoint_is_not_endless():
    padded = Checkpoint(ORIGIN, 1, ROOT, TIME, ("x" * MAX_CHECKPOINT_BYTES,))
    with pytest.raises(CheckpointError):
        sign_checkpoint(padded, KEY)
    note = sign_note(encode_checkpoint(padded), [(ORIGIN.key_name, KEY)]).encode()
    with pytest.raises(CheckpointError):
        verify_checkpoint(note, ORIGIN, KEY.public)
