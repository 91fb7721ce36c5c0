"""Describe one member as the charter lists it, and the card on which it introduces itself."""

import re
from dataclasses import dataclass
from typing import Final

from federation.charter.document import (
    Document,
    Fields,
    encode_base64,
    encode_document,
    parse_document,
)
from federation.charter.error import CharterError, refuse, refuse_format
from federation.names import FederationName, MemberId
from federation.roles import SOLITARY, SPEAKING, VOTING, Role
from federation.statements.error import StatementError
from federation.statements.shape import WHOLE_COUNTRY, check_member, check_region, check_time
from keys.errors import KeysError
from keys.identity import parse_authority
from keys.sealing import check_sealing_key
from keys.signing import check_public_key

CARD_HEADER: Final = "tocsin member card v1"
# Bytes: one member with its certificate and keys takes about 4 kB.
MAX_CARD_BYTES: Final = 32 * 1024
# Characters: a DNS name's 253, brackets of IPv6 and a port.
MAX_ADDRESS_CHARACTERS: Final = 261

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\]"
_ADDRESS = re.compile(rf"(?:{_HOST}):([1-9][0-9]{{0,4}})")
_MAX_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class Member:
    """One organisation in a federation.

    Attributes:
        member: Its name, never given to another organisation.
        roles: One or more; partner and auditor stand alone.
        address: Where its node listens, ``host:port``.
        authority: Root certificate of its own, PEM.
        signing_key: Ed25519, 32 bytes: signs its logs and this charter.
        sealing_key: 1,216 bytes: what is meant for it alone is sealed to this.
        region: GB/T 2260, six digits.
        revoked_time: Since when it is out; a revoked member stays listed, for its log.

    Raises:
        CharterError: CHARTER_INVALID; the message says which of them cannot be.
    """

    member: MemberId
    roles: frozenset[Role]
    address: str
    authority: bytes
    signing_key: bytes
    sealing_key: bytes
    region: str = WHOLE_COUNTRY
    revoked_time: int | None = None

    def __post_init__(self) -> None:
        if not self.roles or (len(self.roles) > 1 and self.roles & SOLITARY):
            refuse(f"{self.member} has no role, or partner or auditor beside another")
        self._check_shapes()
        self._check_address()
        self._check_keys()

    @property
    def is_voting(self) -> bool:
        """Say whether it counts for the majority that changes the charter."""
        return self.revoked_time is None and bool(self.roles & VOTING)

    @property
    def is_speaking(self) -> bool:
        """Say whether it has a log."""
        return bool(self.roles & SPEAKING)

    def is_revoked(self, now: int) -> bool:
        """Say whether it is out at that second."""
        return self.revoked_time is not None and self.revoked_time <= now

    def _check_shapes(self) -> None:
        try:
            check_member("member", self.member)
            check_region(self.region)
            if self.revoked_time is not None:
                check_time("revoked_time", self.revoked_time)
        except StatementError as error:
            raise CharterError(f"{self.member}: {error}") from error

    def _check_address(self) -> None:
        found = _ADDRESS.fullmatch(self.address)
        if len(self.address) > MAX_ADDRESS_CHARACTERS or not found or int(found[1]) > _MAX_PORT:
            refuse(f"the address of {self.member} is not host:port")

    def _check_keys(self) -> None:
        try:
            parse_authority(self.authority)
            check_public_key(self.signing_key)
            check_sealing_key(self.sealing_key)
        except KeysError as error:
            raise CharterError(f"{self.member}: {error}") from error
        if not self.authority.isascii():
            refuse(f"the root certificate of {self.member} is not PEM")


@dataclass(frozen=True, slots=True)
class Card:
    """What an organisation hands in to be added to a charter."""

    federation: FederationName
    member: Member


def encode_card(member: Member, federation: FederationName) -> bytes:
    """Write the card that ``tocsin init`` leaves, for whoever prepares the charter."""
    return encode_document(
        CARD_HEADER, {"federation": federation, **encode_member(member)}
    ).encode()


def parse_card(data: bytes) -> Card:
    """Read a card, whatever the bytes.

    Raises:
        CharterError: CHARTER_MALFORMED or CHARTER_INVALID.
    """
    if len(data) > MAX_CARD_BYTES:
        refuse_format("a member card is at most 32 KiB long")
    try:
        text = data.decode("ascii")
    except UnicodeError:
        refuse_format("a member card is ASCII")
    fields = parse_document(CARD_HEADER, text)
    card = Card(fields.parsed("federation", FederationName), parse_member(fields))
    if encode_card(card.member, card.federation) != data:
        refuse_format("a member card has one form, and this is another")
    return card


def encode_member(member: Member) -> Document:
    """Write a member as it stands in a charter."""
    return {
        "address": member.address,
        "authority": member.authority.decode("ascii"),
        "member": member.member,
        "region": member.region,
        "revoked_time": member.revoked_time,
        "roles": sorted(member.roles),
        "sealing_key": encode_base64(member.sealing_key),
        "signing_key": encode_base64(member.signing_key),
    }


def parse_member(fields: Fields) -> Member:
    """Read what ``encode_member`` wrote.

    Raises:
        CharterError: CHARTER_MALFORMED or CHARTER_INVALID.
    """
    return Member(
        member=fields.parsed("member", MemberId),
        roles=frozenset(fields.convert("roles", role, Role) for role in fields.texts("roles")),
        address=fields.text("address"),
        authority=fields.parsed("authority", _encode_ascii),
        signing_key=fields.base64("signing_key"),
        sealing_key=fields.base64("sealing_key"),
        region=fields.text("region"),
        revoked_time=fields.optional("revoked_time", fields.number),
    )


def _encode_ascii(text: str) -> bytes:
    return text.encode("ascii")
