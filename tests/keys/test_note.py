"""Signed notes: the published examples, the format's refusals, and who counts as a signer."""

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.errors import NoteError
from keys.note import (
    MAX_NOTE_BYTES,
    MAX_SIGNATURES,
    Note,
    NoteSignature,
    add_signature,
    key_id,
    parse_note,
    sign_note,
    verify_note,
)
from keys.secret import Secret
from keys.signing import SigningKey

# The example of the reference implementation (golang.org/x/mod/sumdb/note).
GO_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
GO_PUBLIC = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_NOTE = (
    GO_TEXT + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXg"
    "KvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# The example of https://c2sp.org/signed-note.
C2SP_PUBLIC = base64.b64decode("AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")[1:]
C2SP_NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONn"
    "cAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)

KEYS = [SigningKey.from_seed(Secret(bytes([number]) * 32)) for number in range(4)]
A, B = KEYS[:2]
NOTE = sign_note("text\n", [("f/a", A), ("f/b", B)])
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.just("\n")).map(
    lambda text: text + "\n"
)


def test_the_reference_implementations_example_is_reproduced_byte_for_byte():
    key = SigningKey.from_seed(Secret(GO_SEED))

    assert (key.public, sign_note(GO_TEXT, [("PeterNeumann", key)])) == (GO_PUBLIC, GO_NOTE)


@pytest.mark.parametrize(
    ("note", "name", "public"),
    [(GO_NOTE, "PeterNeumann", GO_PUBLIC), (C2SP_NOTE, "example.com/foo", C2SP_PUBLIC)],
)
def test_published_notes_verify(note, name, public):
    signed = verify_note(parse_note(note.encode()), {name: public})

    assert frozenset({name}) == signed


def test_the_key_id_is_the_one_the_reference_implementation_shows():
    assert key_id("PeterNeumann", GO_PUBLIC).hex() == "c74f20a3"


@given(TEXTS)
def test_a_note_reads_back_as_it_was_written(text):
    written = sign_note(text, [("f/a", A), ("f/b", B)])
    note = parse_note(written.encode())

    assert text == note.text
    assert written == note.encode()
    assert {"f/a", "f/b"} == verify_note(note, {"f/a": A.public, "f/b": B.public})


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_parsing_is_total(data):
    _parse_or_refuse(data)


@given(st.data())
def test_parsing_damaged_notes_is_total_and_what_parses_writes_back(data):
    raw = bytearray(NOTE.encode())
    start = data.draw(st.integers(0, len(raw)))
    raw[start : start + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))

    _parse_or_refuse(bytes(raw))


def _parse_or_refuse(data):
    with contextlib.suppress(NoteError):
        assert parse_note(data).encode().encode() == (
            data.encode() if isinstance(data, str) else data
        )


LINE = NOTE.splitlines(keepends=True)[-1]


MALFORMED = [
    b"",
    "text\n",
    "text\n" + LINE,
    "text\n\n",
    "text" + LINE,
    NOTE.rstrip("\n"),
    NOTE + "\n",
    NOTE + "more\n",
    "te\txt\n\n" + LINE,
    "te\0xt\n\n" + LINE,
    "text\r\n\n" + LINE,
    NOTE.encode() + b"\xff",
    "te\udc80xt\n\n" + LINE,
    "text\n\n" + LINE.replace("—", "-"),
    "text\n\n" + LINE.replace("f/b", "f+b"),
    "text\n\n" + LINE.replace("f/b", ""),
    "text\n\n" + LINE.replace("f/b", "f\u00a0b"),
    "text\n\n" + LINE.replace("f/b ", "f/b  "),
    "text\n\n" + LINE.replace("\n", "=\n"),
    "text\n\n" + LINE.replace("\n", " \n"),
    "text\n\n— f/b AAAAAA==\n",
    "text\n\n— f/b AAAAAB==\n",
    "text\n\n— f/b ____\n",
    "text\n\n" + LINE * (MAX_SIGNATURES + 1),
    "x" * MAX_NOTE_BYTES + NOTE,
]


@pytest.mark.parametrize("data", MALFORMED, ids=map(str, range(len(MALFORMED))))
def test_a_malformed_note_is_refused(data):
    with pytest.raises(NoteError) as caught:
        parse_note(data)
    assert caught.value.reason == "NOTE_MALFORMED"


def test_a_signature_of_a_known_key_that_does_not_verify_condemns_the_whole_note():
    note = parse_note(NOTE.replace("text", "Text"))

    with pytest.raises(NoteError) as caught:
        verify_note(note, {"f/a": A.public})
    assert caught.value.reason == "SIGNATURE_INVALID"


@pytest.mark.parametrize(
    "keys",
    [{}, {"f/c": A.public}, {"f/a": B.public}, {"f/b": A.public}, {"f/a": b""}],
    ids=["none", "another name", "another key", "names swapped", "no key"],
)
def test_a_note_without_a_signature_of_a_known_key_is_refused(keys):
    with pytest.raises(NoteError) as caught:
        verify_note(parse_note(NOTE), keys)
    assert caught.value.reason == "SIGNATURE_MISSING"


def test_signatures_of_unknown_keys_are_ignored_even_beside_a_known_name():
    garbage = NoteSignature("f/a", b"\0\0\0\0", b"garbage")
    note = parse_note(NOTE)
    note = Note(note.text, (garbage, *note.signatures, NoteSignature("f/x", b"abcd", b"x")))

    assert {"f/a"} == verify_note(parse_note(note.encode()), {"f/a": A.public})


def test_a_key_that_signed_twice_counts_once():
    note = parse_note("text\n\n" + LINE + LINE)

    assert {"f/b"} == verify_note(note, {"f/a": A.public, "f/b": B.public})


def test_a_signature_can_be_added_and_adding_it_again_changes_nothing():
    note = sign_note("text\n", [("f/a", A)])
    once = add_signature(note, "f/b", B)

    assert once == NOTE
    assert once == add_signature(once.encode(), "f/b", B)


@pytest.mark.parametrize(
    ("text", "signers"),
    [
        ("no newline", [("f/a", A)]),
        ("tab\t\n", [("f/a", A)]),
        ("", [("f/a", A)]),
        ("half \ud800\n", [("f/a", A)]),
        ("x" * MAX_NOTE_BYTES + "\n", [("f/a", A)]),
        ("text\n", []),
        ("text\n", [("f a", A)]),
        ("text\n", [("f+a", A)]),
        ("text\n", [("", A)]),
        ("text\n", [("f/a", A)] * (MAX_SIGNATURES + 1)),
    ],
)
def test_what_could_not_be_read_back_is_not_signed(text, signers):
    with pytest.raises(NoteError) as caught:
        sign_note(text, signers)
    assert caught.value.reason == "NOTE_MALFORMED"


def test_sixteen_signatures_are_accepted_as_the_format_demands():
    keys = [SigningKey.generate() for _ in range(16)]
    note = sign_note("text\n", [(f"f/{index}", key) for index, key in enumerate(keys)])
    public = {f"f/{index}": key.public for index, key in enumerate(keys)}

    assert set(public) == verify_note(parse_note(note), public)
