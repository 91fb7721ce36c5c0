"""Signed notes (C2SP signed-note): a text that people can read, signed by one or more keys.

A note is the text, a blank line, and a line for each signature::

    If you think cryptography is the answer to your problem,
    then you don't know what your problem is.

    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqf...

The text ends in a newline and is signed as it stands, without a context of ours; name what it is
for in its first line. Only Ed25519 (type byte 0x01) is written or verified; lines of other keys
and types are carried along. ``verify_note`` counts keys that signed, not lines.

Source: https://c2sp.org/signed-note
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keys.errors import NoteError, SignatureError
from keys.signing import SigningKey, verify_raw

MAX_SIGNATURES = 64
"""Lines: the specification asks for at least 16; a charter is signed by every member."""

MAX_NOTE_BYTES = 1 << 20
"""Bytes: a charter of 64 members with their certificates and keys takes about 200 kB."""

KEY_ID_BYTES = 4

_ED25519 = b"\x01"
_MARK = "— "


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line, not verified: the key's name, its id and what follows the id."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """Write the line, with its newline."""
        encoded = base64.b64encode(self.key_id + self.signature).decode()
        return f"{_MARK}{self.name} {encoded}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note whose signatures nobody has verified yet.

    Attributes:
        text: The signed text with its final newline, without the blank line.
        signatures: In the order of the lines; several may be by one key.
    """

    text: str
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> str:
        """Write the note exactly as it was parsed."""
        return self.text + "\n" + "".join(signature.line() for signature in self.signatures)


def key_id(name: str, public: bytes) -> bytes:
    """Give the four bytes that stand for an Ed25519 key in a signature line."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:KEY_ID_BYTES]


def sign_note(text: str, signers: Sequence[tuple[str, SigningKey]]) -> str:
    """Sign a text and write the whole note.

    Args:
        text: Ends in a newline; no other control character.
        signers: Key name and key, in the order in which the lines stand.

    Raises:
        NoteError: NOTE_MALFORMED; the text or a name cannot stand in a note, or nobody signs.
    """
    _check_text(text)
    _check_count(len(signers))
    return _write(Note(text, tuple(_sign(text, name, key) for name, key in signers)))


def add_signature(note_text: str | bytes, name: str, key: SigningKey) -> str:
    """Add a line to a note; a line by the same key is replaced, so signing twice changes nothing.

    Raises:
        NoteError: NOTE_MALFORMED; the note or the name, or there is no room for a line.
    """
    note = parse_note(note_text)
    added = _sign(note.text, name, key)
    kept = tuple(old for old in note.signatures if (old.name, old.key_id) != (name, added.key_id))
    _check_count(len(kept) + 1)
    return _write(Note(note.text, (*kept, added)))


def parse_note(data: bytes | str) -> Note:
    """Read a note without verifying anything.

    Raises:
        NoteError: NOTE_MALFORMED; the message says which rule of the format is broken.
    """
    whole = _decode(data)
    body, separator, lines = whole.rpartition("\n\n")
    if not separator:
        raise NoteError("a note needs a blank line before its signatures")
    text = body + "\n"
    _check_text(text)
    if not lines.endswith("\n"):
        raise NoteError("a note ends in a newline")
    signatures = lines[:-1].split("\n")
    _check_count(len(signatures))
    return Note(text, tuple(_parse_line(line) for line in signatures))


def verify_note(note: Note, keys: Mapping[str, bytes]) -> frozenset[str]:
    """Verify every line made by a known key and say whose they are.

    Args:
        note: What ``parse_note`` read.
        keys: Key name to Ed25519 public key, 32 bytes.

    Returns:
        The names that signed, at least one. Lines whose name and key id are not both those of a
        known key are ignored, as the format demands.

    Raises:
        NoteError: SIGNATURE_INVALID, a line of a known key does not verify; SIGNATURE_MISSING, no
            line is of a known key.
    """
    signed = set()
    for line in note.signatures:
        public = keys.get(line.name)
        if public is None or line.key_id != key_id(line.name, public):
            continue
        _verify_line(note.text, line, public)
        signed.add(line.name)
    if not signed:
        raise NoteError("no known key signed this note", reason="SIGNATURE_MISSING")
    return frozenset(signed)


def _verify_line(text: str, line: NoteSignature, public: bytes) -> None:
    try:
        verify_raw(public, text.encode(), line.signature)
    except SignatureError as error:
        raise NoteError(
            "a signature line of a known key does not verify", reason="SIGNATURE_INVALID"
        ) from error


def _write(note: Note) -> str:
    whole = note.encode()
    _check_size(len(whole.encode()))
    return whole


def _sign(text: str, name: str, key: SigningKey) -> NoteSignature:
    _check_name(name)
    return NoteSignature(name, key_id(name, key.public), key.sign_raw(text.encode()))


def _decode(data: bytes | str) -> str:
    try:
        raw = data.encode() if isinstance(data, str) else data
        _check_size(len(raw))
        whole = raw.decode()
    except UnicodeError as error:
        raise NoteError("a note is valid UTF-8") from error
    _check_characters(whole)
    return whole


def _check_characters(text: str) -> None:
    if any(character < " " and character != "\n" for character in text):
        raise NoteError("a note holds no control character but the newline")


def _check_text(text: str) -> None:
    _check_characters(text)
    if not text.endswith("\n"):
        raise NoteError("the text of a note ends in a newline")
    _check_unicode(text)


def _check_name(name: str) -> None:
    if not name or "+" in name or any(c.isspace() or c < " " for c in name):
        raise NoteError("a key name is not empty and has neither spaces nor a plus sign")
    _check_unicode(name)


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeError as error:
        raise NoteError("a note is valid UTF-8") from error


def _check_size(size: int) -> None:
    if size > MAX_NOTE_BYTES:
        raise NoteError("a note is at most 1 MiB long")


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_SIGNATURES:
        raise NoteError(f"a note has 1 to {MAX_SIGNATURES} signatures")


def _parse_line(line: str) -> NoteSignature:
    name, space, encoded = line.removeprefix(_MARK).partition(" ")
    if not line.startswith(_MARK) or not space:
        raise NoteError("a signature line is an em dash, a name and a signature")
    _check_name(name)
    blob = _decode_base64(encoded)
    if len(blob) <= KEY_ID_BYTES:
        raise NoteError("a signature line holds a key id and a signature")
    return NoteSignature(name, blob[:KEY_ID_BYTES], blob[KEY_ID_BYTES:])


def _decode_base64(encoded: str) -> bytes:
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("a signature is standard base64") from error
    # One text for one signature: loose trailing bits would make two notes of the same content.
    if base64.b64encode(blob).decode() != encoded:
        raise NoteError("a signature is standard base64")
    return blob
