"""Hold what constitutes a federation: members, key holders and quotas, in versions.

The text of a charter is a first line, then JSON in the one form of ``document``; with signatures
it is a C2SP signed note. What its text says is a claim until ``verify_charter`` has passed.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from federation.charter.document import Document, encode_document, parse_document
from federation.charter.error import CharterError, refuse, refuse_format
from federation.charter.member import Member, encode_member, parse_member
from federation.charter.quota import (
    RoleQuota,
    encode_quotas,
    parse_quotas,
    widest_quota,
)
from federation.names import FederationName, MemberId
from federation.roles import Role
from federation.statements.error import StatementError
from federation.statements.shape import check_time
from keys.errors import NoteError
from keys.identity import fingerprint
from keys.note import MAX_NOTE_BYTES, MAX_SIGNATURES, Note, parse_note

CHARTER_HEADER: Final = "tocsin charter v1"
MAX_MEMBERS: Final = MAX_SIGNATURES
"""Members: everyone listed signs the first version, and a note has room for so many."""
MAX_VERSION: Final = 2**31 - 1
DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Charter:
    """One version of a federation's charter.

    Attributes:
        federation: Its name, in every certificate, token and log.
        version: From 1, without gaps.
        created_time: When this version was written, seconds since 1970.
        previous: SHA-256 of the previous version's text; None for the first.
        members: In the order of their names, also those who are out.
        threshold: Key holders that evaluate a token together.
        holders: Key holders; a holder's index is its place, from 1.
        quotas: What each role may ask for; a role without an entry may ask for nothing.

    Raises:
        CharterError: CHARTER_INVALID; the message says which rule is broken.
    """

    federation: FederationName
    version: int
    created_time: int
    previous: bytes | None
    members: tuple[Member, ...]
    threshold: int
    holders: tuple[MemberId, ...]
    quotas: Mapping[Role, RoleQuota] = field(hash=False)
    _listed: Mapping[str, Member] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_listed", {member.member: member for member in self.members})
        self._check_history()
        self._check_members()
        self._check_holders()

    def find(self, member: str) -> Member | None:
        """Return the member of this name, revoked or not, if there is one."""
        return self._listed.get(member)

    def member(self, member: str) -> Member:
        """Return the member of this name, revoked or not.

        Raises:
            CharterError: MEMBER_UNKNOWN.
        """
        found = self._listed.get(member)
        if found is None:
            refuse("the charter lists no member of this name", "MEMBER_UNKNOWN")
        return found

    def active(self, now: int) -> tuple[Member, ...]:
        """Return the members that are not revoked at that second."""
        return tuple(member for member in self.members if not member.is_revoked(now))

    def quota(self, member: str) -> RoleQuota:
        """Return what a member may ask for: over its roles, the larger of each limit.

        Raises:
            CharterError: MEMBER_UNKNOWN.
        """
        roles = self.member(member).roles & self.quotas.keys()
        return widest_quota(self.quotas[role] for role in roles)

    def key_name(self, member: str) -> str:
        """Return the name under which a member signs notes."""
        return f"{self.federation}/{member}"

    def digest(self) -> bytes:
        """Return the SHA-256 of the text, which the next version names."""
        return hashlib.sha256(encode_charter(self).encode()).digest()

    def _check_history(self) -> None:
        if not 1 <= self.version <= MAX_VERSION or (self.version == 1) != (self.previous is None):
            refuse("the first version has number 1 and no previous one, the others have one")
        if self.previous is not None and len(self.previous) != DIGEST_BYTES:
            refuse("the digest of the previous version does not have 32 bytes")
        try:
            check_time("created_time", self.created_time)
        except StatementError as error:
            raise CharterError(str(error)) from error

    def _check_members(self) -> None:
        names = [member.member for member in self.members]
        if not 1 <= len(names) <= MAX_MEMBERS or names != sorted(set(names)):
            refuse(f"1 to {MAX_MEMBERS} members stand in the order of their names, each once")
        # A shared root would let one member pass for the other, a shared key sign for it.
        roots = {fingerprint(member.authority) for member in self.members}
        keys = {member.signing_key for member in self.members}
        if len(roots) != len(names) or len(keys) != len(names):
            refuse("two members have the same root certificate or signing key")

    def _check_holders(self) -> None:
        if not self.holders or len(set(self.holders)) != len(self.holders):
            refuse("there is at least one key holder, each once")
        for name in self.holders:
            holder = self.find(name)
            if holder is None or not holder.is_speaking or holder.revoked_time is not None:
                refuse(f"{name} cannot hold a key: not listed, revoked, or without a log")
        if not min(2, len(self.holders)) <= self.threshold <= len(self.holders):
            refuse("the threshold is from 2 to the number of holders, 1 only with a single holder")


@dataclass(frozen=True, slots=True)
class CharterNote:
    """A charter with its signatures, which nobody has verified yet."""

    charter: Charter
    note: Note


def encode_charter(charter: Charter) -> str:
    """Write the text that is signed."""
    previous = None if charter.previous is None else charter.previous.hex()
    document: Document = {
        "created_time": charter.created_time,
        "federation": charter.federation,
        "holders": list(charter.holders),
        "members": [encode_member(member) for member in charter.members],
        "previous": previous,
        "quotas": encode_quotas(charter.quotas),
        "threshold": charter.threshold,
        "version": charter.version,
    }
    return encode_document(CHARTER_HEADER, document)


def parse_text(text: str) -> Charter:
    """Read the text of a charter, without signatures.

    Raises:
        CharterError: CHARTER_MALFORMED, not exactly what ``encode_charter`` writes;
            CHARTER_INVALID, what it says cannot be.
    """
    if len(text) > MAX_NOTE_BYTES:
        refuse_format("a charter is at most 1 MiB long")
    fields = parse_document(CHARTER_HEADER, text)
    charter = Charter(
        federation=fields.parsed("federation", FederationName),
        version=fields.number("version"),
        created_time=fields.number("created_time"),
        previous=fields.optional("previous", fields.digest),
        members=tuple(parse_member(member) for member in fields.inners("members")),
        threshold=fields.number("threshold"),
        holders=tuple(
            fields.convert("holders", name, MemberId) for name in fields.texts("holders")
        ),
        quotas=parse_quotas(fields.inner("quotas")),
    )
    if encode_charter(charter) != text:
        refuse_format("a charter has one form, and this is another")
    return charter


def parse_charter(note: bytes) -> CharterNote:
    """Read a signed charter, whatever the bytes; verifies no signature.

    Raises:
        CharterError: CHARTER_MALFORMED or CHARTER_INVALID.
    """
    try:
        parsed = parse_note(note)
    except NoteError as error:
        raise CharterError(str(error), reason="CHARTER_MALFORMED") from error
    return CharterNote(parse_text(parsed.text), parsed)


def charter_digest(note: bytes) -> bytes:
    """Return the SHA-256 of a signed charter's text, to name it or to compare it by hand.

    Raises:
        CharterError: CHARTER_MALFORMED or CHARTER_INVALID.
    """
    return hashlib.sha256(parse_charter(note).note.text.encode()).digest()
