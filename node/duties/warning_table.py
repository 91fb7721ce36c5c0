"""Keep what a carrier needs to warn its own customers, on this node alone.

Content keys of own customers' numbers, guardians with their consent, and the outbox of messages.
None of it ever leaves the node but the messages, through the carrier's own gateway.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from federation.names import MemberId
from federation.packing import pack
from federation.vocabulary import WarningChannel
from node.store.private import PrivateStore
from node.store.rows import insert_new, put

CUSTOMER: Final = "CUSTOMER"
GUARDIAN: Final = "GUARDIAN"

MESSAGE_ID_BYTES: Final = 8
"""Bytes of a message's id: no two of a carrier's open messages share them by chance."""
_MESSAGE_LABEL: Final = b"tocsin/warning/message/1"
_COLUMNS: Final = (
    "message, matter, opener, recipient, address, channel, text_zh, text_en, made, sent"
)


@dataclass(frozen=True, slots=True)
class Guardian:
    """Whom a customer wants to be told, too, and from when until when the consent holds."""

    reference: str = field(repr=False)
    contact: str = field(repr=False)
    consent_time: int
    until_time: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message for the carrier's gateway.

    Attributes:
        recipient: CUSTOMER or GUARDIAN.
        address: The customer's reference, or the guardian's telephone number.
        texts: By language; empty once it was sent.
        sent: When the gateway reported it; 0: it has not.
    """

    matter: bytes
    opener: MemberId
    recipient: str
    address: str = field(repr=False)
    channel: WarningChannel
    texts: Mapping[str, str] = field(repr=False)
    made: int
    sent: int = 0

    @property
    def id(self) -> str:
        """Return what names it: the same message has the same id after a crash."""
        parts = (self.matter, self.opener.encode(), self.recipient.encode(), self.address.encode())
        packed = pack(_MESSAGE_LABEL, *parts, bytes([self.channel]))
        return hashlib.sha256(packed).digest()[:MESSAGE_ID_BYTES].hex()


class WarningTable:
    """What one carrier keeps about warnings; every method blocks on the database."""

    def __init__(self, private: PrivateStore) -> None:
        self._private = private
        self._database = private.database

    def customers(self, tokens: Iterable[bytes]) -> set[bytes]:
        """Return those of the tokens that stand on the watchlist."""
        return self._private.watched(tokens)

    def keep_keys(self, keys: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep the content keys of own customers' numbers, each with its token."""
        with self._database.write() as connection:
            connection.executemany(put("content_key", ("token", "content_key")), keys)

    def content_key(self, token: bytes) -> bytes | None:
        """Return the content key of an own customer's number."""
        found = self._select("SELECT content_key FROM content_key WHERE token = ?", (token,))
        return bytes(found[0][0]) if found else None

    def references(self, token: bytes) -> list[str]:
        """Return the own references under which a number stands on the watchlist."""
        query = "SELECT DISTINCT reference FROM watch WHERE token = ? ORDER BY reference"
        return [row[0] for row in self._select(query, (token,))]

    def add_guardian(self, guardian: Guardian) -> None:
        """Keep a guardian, or replace what was kept of the same one."""
        row = (guardian.reference, guardian.contact, guardian.consent_time, guardian.until_time)
        query = put("guardian", ("reference", "contact", "consent", "until"), key=2)
        with self._database.write() as connection:
            connection.execute(query, row)

    def guardians(self) -> list[Guardian]:
        """Return every guardian."""
        query = "SELECT reference, contact, consent, until FROM guardian ORDER BY 1, 2"
        return [Guardian(*row) for row in self._select(query)]

    def consenting(self, reference: str, now: int) -> list[Guardian]:
        """Return the guardians of a customer whose consent holds now."""
        query = (
            "SELECT reference, contact, consent, until FROM guardian"
            " WHERE reference = ? AND consent <= ? AND until > ? ORDER BY contact"
        )
        return [Guardian(*row) for row in self._select(query, (reference, now, now))]

    def remove_guardians(self, reference: str) -> int:
        """Forget the guardians of a customer, and return how many there were."""
        with self._database.write() as connection:
            query = "DELETE FROM guardian WHERE reference = ?"
            return max(0, connection.execute(query, (reference,)).rowcount)

    def place(self, messages: Sequence[Message]) -> None:
        """Put messages into the outbox; those that are or were there stay as they are."""
        query = insert_new("outbox", _COLUMNS.split(", "))
        with self._database.write() as connection:
            connection.executemany(query, [_row(one) for one in messages])

    def message(self, message_id: str) -> Message | None:
        """Return one message, sent or not."""
        query = f"SELECT {_COLUMNS} FROM outbox WHERE message = ?"  # noqa: S608  # a constant
        found = self._select(query, (message_id,))
        return _message(found[0]) if found else None

    def messages(self) -> list[Message]:
        """Return every message of warnings that are not over, oldest first."""
        query = f"SELECT {_COLUMNS} FROM outbox ORDER BY made, message"  # noqa: S608  # a constant
        return [_message(row) for row in self._select(query)]

    def mark_sent(self, message_id: str, now: int) -> None:
        """Note that a message was sent, and forget its text."""
        query = "UPDATE outbox SET sent = ?, text_zh = '', text_en = '' WHERE message = ?"
        with self._database.write() as connection:
            connection.execute(query, (now, message_id))

    def drop(self, message_ids: Iterable[str]) -> None:
        """Forget messages altogether."""
        with self._database.write() as connection:
            connection.executemany(
                "DELETE FROM outbox WHERE message = ?", [(one,) for one in message_ids]
            )

    def _select(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._database.read() as connection:
            return connection.execute(query, values).fetchall()


def _row(one: Message) -> tuple[Any, ...]:
    texts = (one.texts.get("zh", ""), one.texts.get("en", ""))
    head = (one.id, one.matter, str(one.opener), one.recipient, one.address, int(one.channel))
    return (*head, *texts, one.made, one.sent)


def _message(row: Sequence[Any]) -> Message:
    _id, matter, opener, recipient, address, channel, chinese, english, made, sent = row
    texts = {"zh": chinese, "en": english}
    return Message(
        bytes(matter),
        MemberId(opener),
        recipient,
        address,
        WarningChannel(channel),
        texts,
        made,
        sent,
    )
