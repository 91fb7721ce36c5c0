"""Keep a member's secrets in one encrypted file; here its bytes, in ``node/keyfile.py`` the file.

Invariants:

- A passphrase goes through Argon2id to a key that opens nothing but the random master key.
- Each secret is sealed by itself (AES-256-GCM-SIV) and bound to federation, member, its name and a
  binding of the caller's choice (for a share: class, epoch, holder and commitments), so that an
  entry put under another name, in another store or with another binding does not open.
- The whole file carries a code under the master key, so entries cannot be dropped or mixed with
  those of an older copy, and a checksum, so that a damaged file is told from a wrong passphrase.

    store = KeyStore.create(passphrase, "night.example", "bank-a")
    store.put("signing", key.seed())
    data = store.encode()
    KeyStore.decode(data, passphrase).get("signing")
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from keys.errors import KeyStoreError
from keys.secret import Secret

FORMAT = "tocsin key store"
VERSION = 1

MAX_STORE_BYTES = 4 << 20
"""Bytes: a store with all shares of a hundred epochs takes about 100 kB."""

_KEY_BYTES = 32
_SALT_BYTES = 16
_NONCE_BYTES = 12
_TAG_BYTES = 16
_NAME = re.compile(r"[a-z0-9][a-z0-9._/-]{0,127}")
_MEMBER_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")
_MASTER_LABEL = "master key"
_ENTRY_LABEL = "entry"
_CODE_LABEL = b"tocsin/keystore/code\0"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one guess at a passphrase costs.

    Attributes:
        memory_kib: Argon2id memory, KiB.
        iterations: Passes over the memory.
        lanes: Parallel lanes.
    """

    memory_kib: int
    iterations: int
    lanes: int


DEFAULT_COST = Cost(memory_kib=65_536, iterations=3, lanes=4)
"""64 MiB, RFC 9106's second recommendation: about 0.15 s for us, 64 MiB a guess for a thief."""

_CEILING = Cost(memory_kib=1 << 20, iterations=64, lanes=64)
"""What a file may ask of the reader: a forged header must not eat all memory."""


class KeyStore:
    """A member's secrets, unlocked; in memory they stay sealed until ``get`` opens one."""

    __slots__ = ("_cost", "_entries", "_master", "_salt", "_wrapped", "federation", "member")

    federation: str
    member: str

    def __init__(self, federation: str, member: str, master: Secret) -> None:
        self.federation = federation
        self.member = member
        self._master = master
        self._entries: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"KeyStore({self.federation}/{self.member}, {len(self._entries)} entries)"

    @classmethod
    def create(
        cls, passphrase: Secret, federation: str, member: str, cost: Cost = DEFAULT_COST
    ) -> "KeyStore":
        """Make an empty store under a new random master key.

        Raises:
            ValueError: A name is not lower-case letters, digits, dots and hyphens, or the
                passphrase is empty.
        """
        if not (_MEMBER_NAME.fullmatch(federation) and _MEMBER_NAME.fullmatch(member)):
            raise ValueError("federation and member are lower-case letters, digits, dots, hyphens")
        store = cls(federation, member, Secret(os.urandom(_KEY_BYTES)))
        store.change_passphrase(passphrase, cost)
        return store

    @classmethod
    def decode(cls, data: bytes, passphrase: Secret) -> "KeyStore":
        """Unlock a store that ``encode`` wrote.

        Raises:
            KeyStoreError: KEYSTORE_INVALID, the file is damaged, forged or of a newer version;
                KEYSTORE_PASSPHRASE, the passphrase is wrong.
        """
        document = _read_document(data)
        try:
            return cls._unlock(document, passphrase)
        except (KeyError, TypeError, AttributeError, ValueError, MemoryError) as error:
            raise KeyStoreError("the key store's fields are not what they should be") from error

    @classmethod
    def _unlock(cls, document: dict[str, Any], passphrase: Secret) -> "KeyStore":
        federation, member = str(document["federation"]), str(document["member"])
        salt, wrapped = _decode_base64(document["salt"]), _decode_base64(document["master_key"])
        cost = _read_cost(document["argon2id"])
        context = _context(_MASTER_LABEL, federation, member)
        try:
            master = _open(_derive(passphrase, salt, cost), wrapped, context)
        except InvalidTag as error:
            raise KeyStoreError("the passphrase is wrong", reason="KEYSTORE_PASSPHRASE") from error
        store = cls(federation, member, master)
        store._fill(document)
        return store

    def reopen(self, data: bytes) -> "KeyStore":
        """Unlock a later state of the same store, without its passphrase.

        Raises:
            KeyStoreError: KEYSTORE_INVALID, it is damaged, forged or another store's.
        """
        document = _read_document(data)
        try:
            twin = KeyStore(
                str(document["federation"]),
                str(document["member"]),
                Secret(self._master.reveal()),
            )
            twin._fill(document)
        except (KeyError, TypeError, AttributeError, ValueError, MemoryError) as error:
            raise KeyStoreError("the key store's fields are not what they should be") from error
        return twin

    def _fill(self, document: dict[str, Any]) -> None:
        """Take over what a document holds, if its code is one of this store's master key."""
        self._salt = _decode_base64(document["salt"])
        self._wrapped = _decode_base64(document["master_key"])
        self._cost = _read_cost(document["argon2id"])
        self._entries = {
            str(name): _decode_base64(text) for name, text in document["entries"].items()
        }
        if not hmac.compare_digest(self._code(), _decode_base64(document["code"])):
            raise KeyStoreError("the key store was changed by somebody without its passphrase")

    def encode(self) -> bytes:
        """Write the store; the same state gives the same bytes."""
        body = {**self._body(), "code": _encode_base64(self._code())}
        checked = {**body, "sha256": _checksum({**body, "sha256": None})}
        return json.dumps(checked, indent=1, sort_keys=True).encode() + b"\n"

    def names(self) -> tuple[str, ...]:
        """List the entries in order."""
        return tuple(sorted(self._entries))

    def get(self, name: str, binding: bytes = b"") -> Secret:
        """Open one entry.

        Args:
            name: Under which it was put.
            binding: The bytes that were given to ``put``.

        Raises:
            KeyStoreError: KEYSTORE_ENTRY_MISSING, no such name; KEYSTORE_INVALID, the binding is
                another or the entry was tampered with.
        """
        if name not in self._entries:
            raise KeyStoreError("the key store has no such entry", reason="KEYSTORE_ENTRY_MISSING")
        try:
            return _open(self._master, self._entries[name], self._entry_context(name, binding))
        except InvalidTag as error:
            raise KeyStoreError("an entry does not open for this name and binding") from error

    def put(self, name: str, secret: Secret, binding: bytes = b"") -> None:
        """Add an entry or replace the one of this name; written when ``encode`` is.

        Args:
            name: Lower-case letters, digits and ``._/-``, at most 128.
            secret: Any length.
            binding: What the secret belongs to; not stored, and demanded again by ``get``.

        Raises:
            ValueError: The name has other characters.
        """
        if _NAME.fullmatch(name) is None:
            raise ValueError("an entry's name is lower-case letters, digits and ._/-")
        self._entries[name] = _seal(self._master, secret, self._entry_context(name, binding))

    def delete(self, name: str) -> None:
        """Remove an entry.

        Raises:
            KeyStoreError: KEYSTORE_ENTRY_MISSING.
        """
        if self._entries.pop(name, None) is None:
            raise KeyStoreError("the key store has no such entry", reason="KEYSTORE_ENTRY_MISSING")

    def change_passphrase(self, passphrase: Secret, cost: Cost = DEFAULT_COST) -> None:
        """Lock the store with another passphrase; older copies still open with the older one.

        Raises:
            ValueError: The passphrase is empty.
        """
        if not passphrase:
            raise ValueError("a passphrase must not be empty")
        self._cost, self._salt = cost, os.urandom(_SALT_BYTES)
        context = _context(_MASTER_LABEL, self.federation, self.member)
        self._wrapped = _seal(_derive(passphrase, self._salt, cost), self._master, context)

    def copy(self) -> "KeyStore":
        """Make a second store with the same content, to change while the first stays."""
        twin = KeyStore(self.federation, self.member, Secret(self._master.reveal()))
        twin._cost, twin._salt, twin._wrapped = self._cost, self._salt, self._wrapped
        twin._entries = dict(self._entries)
        return twin

    def wipe(self) -> None:
        """Forget the master key; the object is of no use afterwards."""
        self._master.wipe()

    def _entry_context(self, name: str, binding: bytes) -> bytes:
        return _context(_ENTRY_LABEL, self.federation, self.member, name) + binding

    def _body(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "federation": self.federation,
            "member": self.member,
            "argon2id": {
                "memory_kib": self._cost.memory_kib,
                "iterations": self._cost.iterations,
                "lanes": self._cost.lanes,
            },
            "salt": _encode_base64(self._salt),
            "master_key": _encode_base64(self._wrapped),
            "entries": {name: _encode_base64(self._entries[name]) for name in self.names()},
        }

    def _code(self) -> bytes:
        key = hmac.digest(self._master.reveal(), _CODE_LABEL, "sha256")
        return hmac.digest(key, _canonical(self._body()), "sha256")


def _read_document(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_STORE_BYTES:
        raise KeyStoreError("the key store is too long")
    try:
        document: dict[str, Any] = json.loads(data)
        checksum = _checksum({**document, "sha256": None})
    except (ValueError, TypeError, RecursionError) as error:
        raise KeyStoreError("the key store is not readable, perhaps cut short") from error
    if document.get("format") != FORMAT:
        raise KeyStoreError("the file is not a key store")
    if document.get("version") != VERSION:
        raise KeyStoreError(
            "the key store is of another version", hint="Open it with a newer release of tocsin."
        )
    if document.get("sha256") != checksum:
        raise KeyStoreError("the key store is damaged", hint="Restore it from a backup.")
    return document


def _read_cost(fields: dict[str, Any]) -> Cost:
    cost = Cost(fields["memory_kib"], fields["iterations"], fields["lanes"])
    for name in ("memory_kib", "iterations", "lanes"):
        value = getattr(cost, name)
        if type(value) is not int or not 1 <= value <= getattr(_CEILING, name):
            raise KeyStoreError("the key store asks for too costly a derivation")
    return cost


def _derive(passphrase: Secret, salt: bytes, cost: Cost) -> Secret:
    function = Argon2id(
        salt=salt,
        length=_KEY_BYTES,
        iterations=cost.iterations,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
    )
    return Secret(function.derive(passphrase.reveal()))


def _seal(key: Secret, secret: Secret, context: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCMSIV(key.reveal()).encrypt(nonce, secret.reveal(), context)


def _open(key: Secret, sealed: bytes, context: bytes) -> Secret:
    if len(sealed) < _NONCE_BYTES + _TAG_BYTES:
        raise InvalidTag
    nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    return Secret(AESGCMSIV(key.reveal()).decrypt(nonce, rest, context))


def _context(*parts: str) -> bytes:
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def _canonical(body: dict[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def _checksum(body: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(body)).hexdigest()


def _encode_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode_base64(text: object) -> bytes:
    if not isinstance(text, str):
        raise KeyStoreError("the key store's fields are not what they should be")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyStoreError("the key store's fields are not what they should be") from error
