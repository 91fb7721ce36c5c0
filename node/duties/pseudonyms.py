"""Name people by pseudonyms under a key of this member's, so that counts need no names."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

from federation.packing import pack
from keys.secret import Secret
from node.store.private import PrivateStore

PSEUDONYM_BYTES: Final = 16
_KEY_BYTES: Final = 32
_SETTING: Final = "people.key"
_LABEL: Final = b"tocsin/pseudonym/1"


class Pseudonyms:
    """Makes pseudonyms; the key is made once and stays in the private store."""

    def __init__(self, private: PrivateStore) -> None:
        self._private = private
        self._key: Secret | None = None

    def of(self, role: str, person: str) -> bytes:
        """Return a person's pseudonym in a role, 16 bytes; blocking at first.

        The same person has another one in another role, and at another member.
        """
        return self.keyed(role.encode(), person.strip().encode())[:PSEUDONYM_BYTES]

    def keyed(self, *parts: bytes) -> bytes:
        """Return 32 bytes that depend on the parts and on this member alone."""
        if self._key is None:
            self._key = self._load()
        return hmac.new(self._key.reveal(), pack(_LABEL, *parts), hashlib.sha256).digest()

    def _load(self) -> Secret:
        return Secret(self._private.get_or_put(_SETTING, secrets.token_bytes(_KEY_BYTES)))
