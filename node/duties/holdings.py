"""Keep which own accounts stand under which identity: tokens, keys, own references, no identity.

A member loads them from its own systems, and again in every epoch of the token keys. A citizen
gets a reference for each account that only this node can lead back to it.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from federation.packing import pack
from federation.statements.shape import IDENTIFIER_BYTES
from federation.vocabulary import AccountKind
from node.store.private import PrivateStore
from node.store.rows import insert_new, put

MAX_ACCOUNT_CHARACTERS: Final = 200
"""Characters of an own reference, as in a watchlist."""

_SECRET: Final = "one-id/secret"  # noqa: S105  # the name of a setting
_SECRET_BYTES: Final = 32
_ADD: Final = insert_new("holding", ("token", "kind", "account"))
_KEEP_KEY: Final = put("identity_key", ("token", "content_key"))


@dataclass(frozen=True, slots=True)
class Holding:
    """An own account under an identity."""

    token: bytes
    kind: AccountKind
    account: str = field(repr=False)


class Holdings:
    """The accounts of one member's customers; every method blocks on the database."""

    def __init__(self, private: PrivateStore) -> None:
        self._private = private
        self._database = private.database

    def add(self, holdings: Iterable[Holding], keys: Mapping[bytes, bytes]) -> list[bool]:
        """Add accounts, and say of each whether it is new.

        Args:
            holdings: The accounts.
            keys: By token the content keys of their identities; they never leave the node.
        """
        with self._database.write() as connection:
            added = connection.changed(_ADD, map(_row, holdings))
            connection.executemany(_KEEP_KEY, keys.items())
        return added

    def remove(self, holdings: Iterable[Holding]) -> list[bool]:
        """Remove accounts, and say of each whether it was there."""
        query = "DELETE FROM holding WHERE token = ? AND kind = ? AND account = ?"
        with self._database.write() as connection:
            removed = connection.changed(query, map(_row, holdings))
            connection.execute(
                "DELETE FROM identity_key WHERE token NOT IN (SELECT token FROM holding)"
            )
        return removed

    def content_key(self, token: bytes) -> bytes | None:
        """Return the content key of an identity under which there are accounts."""
        query = "SELECT content_key FROM identity_key WHERE token = ?"
        with self._database.read() as connection:
            for row in connection.execute(query, (token,)).fetchall():
                return bytes(row[0])
        return None

    def of(self, token: bytes) -> list[Holding]:
        """Return the accounts under an identity, by kind and reference."""
        query = "SELECT kind, account FROM holding WHERE token = ? ORDER BY kind, account"
        with self._database.read() as connection:
            rows = connection.execute(query, (token,)).fetchall()
        return [Holding(token, AccountKind(kind), account) for kind, account in rows]

    def counts(self) -> dict[AccountKind, int]:
        """Return how many accounts there are, by kind."""
        query = "SELECT kind, COUNT(*) FROM holding GROUP BY kind ORDER BY kind"
        with self._database.read() as connection:
            return {AccountKind(kind): n for kind, n in connection.execute(query).fetchall()}

    def reference(self, holding: Holding, request_id: bytes, opener: str) -> bytes:
        """Return what a citizen calls an account in one request, 16 bytes: nothing to others."""
        message = pack(
            request_id,
            opener.encode(),
            holding.token,
            bytes([holding.kind]),
            holding.account.encode(),
        )
        secret = self._private.get_or_put(_SECRET, secrets.token_bytes(_SECRET_BYTES))
        return hmac.digest(secret, message, "sha256")[:IDENTIFIER_BYTES]


def _row(one: Holding) -> tuple[bytes, int, str]:
    return one.token, int(one.kind), one.account
