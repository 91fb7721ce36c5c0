"""Write charters: the first version, the next one with a change, and signatures.

Every function returns a whole, unsigned version; one version makes one change::

    second = add_member(first, card.member, time=now)
    draft = encode_charter(second).encode()
    note = sign_charter(draft, MemberId("carrier-a"), key)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from federation.charter.charter import Charter, parse_charter, parse_text
from federation.charter.error import CharterError, refuse, refuse_format
from federation.charter.member import Member
from federation.charter.quota import DEFAULT_QUOTAS, RoleQuota
from federation.names import FederationName, MemberId
from federation.roles import Role
from keys.errors import NoteError
from keys.note import add_signature, sign_note
from keys.signing import SigningKey


def create_charter(
    federation: FederationName,
    members: Iterable[Member],
    holders: Sequence[MemberId],
    threshold: int,
    *,
    time: int,
    quotas: Mapping[Role, RoleQuota] = DEFAULT_QUOTAS,
) -> Charter:
    """Write the first version; every member has to sign it.

    Raises:
        CharterError: CHARTER_INVALID; what it would say cannot be.
    """
    return Charter(
        federation=federation,
        version=1,
        created_time=time,
        previous=None,
        members=_ordered(members),
        threshold=threshold,
        holders=tuple(holders),
        quotas=quotas,
    )


def add_member(charter: Charter, *members: Member, time: int) -> Charter:
    """Add members; each has to sign the version that adds it.

    Raises:
        CharterError: CHARTER_INVALID; a name, key or root is taken, or one comes revoked.
    """
    if any(member.revoked_time is not None for member in members):
        refuse("a new member cannot be revoked already")
    return _next_version(charter, time, members=_ordered((*charter.members, *members)))


def change_member(charter: Charter, member: Member, *, time: int) -> Charter:
    """Change a member's address, region, roles or keys; new keys need its old signature.

    Raises:
        CharterError: MEMBER_UNKNOWN or CHARTER_INVALID.
    """
    return _next_version(charter, time, members=_replaced(charter, member))


def revoke_member(
    charter: Charter,
    member: MemberId,
    *,
    time: int,
    holders: Sequence[MemberId] | None = None,
    threshold: int | None = None,
) -> Charter:
    """Put a member out from ``time`` on; it stays listed, for its log.

    Args:
        charter: The current version.
        member: Who leaves.
        time: Since when, and the time of the new version.
        holders: The key holders from now on; None: those before without the member.
        threshold: Their threshold; None: as before.

    Raises:
        CharterError: MEMBER_UNKNOWN; or CHARTER_INVALID, too few key holders would be left.
    """
    out = charter.member(member)
    if out.revoked_time is not None:
        refuse(f"{member} is revoked already")
    remaining = tuple(name for name in charter.holders if name != member)
    return _next_version(
        charter,
        time,
        members=_replaced(charter, replace(out, revoked_time=time)),
        holders=remaining if holders is None else tuple(holders),
        threshold=charter.threshold if threshold is None else threshold,
    )


def with_holders(
    charter: Charter, holders: Sequence[MemberId], threshold: int, *, time: int
) -> Charter:
    """Name other key holders; they hold a key once a ceremony has reshared it.

    Raises:
        CharterError: CHARTER_INVALID.
    """
    return _next_version(charter, time, holders=tuple(holders), threshold=threshold)


def set_quota(charter: Charter, role: Role, quota: RoleQuota, *, time: int) -> Charter:
    """Change what a role may ask for."""
    return _next_version(charter, time, quotas={**charter.quotas, role: quota})


def sign_charter(
    data: bytes, member: MemberId, key: SigningKey, previous: Charter | None = None
) -> bytes:
    """Sign a draft, or add a signature to a charter that others have signed.

    Args:
        data: The text as ``encode_charter`` writes it, or a signed note.
        member: Who signs.
        key: Its key in this charter, or the one it had in ``previous``.
        previous: The version before, where it is at hand.

    Raises:
        CharterError: CHARTER_MALFORMED or CHARTER_INVALID; or CHARTER_KEY_CHANGED, the key is not
            the member's, so that the signature would be worth nothing.
    """
    text = _draft_text(data)
    charter = parse_charter(data).charter if text is None else parse_text(text)
    versions = [charter] if previous is None else [charter, previous]
    listed = [version.find(member) for version in versions]
    if key.public not in {found.signing_key for found in listed if found is not None}:
        refuse(f"the key is not the one listed for {member}", "CHARTER_KEY_CHANGED")
    name = charter.key_name(member)
    try:
        note = add_signature(data, name, key) if text is None else sign_note(text, [(name, key)])
    except NoteError as error:
        raise CharterError(str(error), reason="CHARTER_MALFORMED") from error
    return note.encode()


def _draft_text(data: bytes) -> str | None:
    """Return the text where there is no signature yet: only signatures follow a blank line."""
    if b"\n\n" in data:
        return None
    try:
        return data.decode("ascii")
    except UnicodeError:
        refuse_format("a charter is ASCII")


def _next_version(
    charter: Charter,
    time: int,
    *,
    members: tuple[Member, ...] | None = None,
    holders: tuple[MemberId, ...] | None = None,
    threshold: int | None = None,
    quotas: Mapping[Role, RoleQuota] | None = None,
) -> Charter:
    if time < charter.created_time:
        refuse("the new version would be older than the current one", "CHARTER_TIME_REVERSED")
    return Charter(
        federation=charter.federation,
        version=charter.version + 1,
        created_time=time,
        previous=charter.digest(),
        members=charter.members if members is None else members,
        threshold=charter.threshold if threshold is None else threshold,
        holders=charter.holders if holders is None else holders,
        quotas=charter.quotas if quotas is None else quotas,
    )


def _ordered(members: Iterable[Member]) -> tuple[Member, ...]:
    return tuple(sorted(members, key=lambda member: member.member))


def _replaced(charter: Charter, changed: Member) -> tuple[Member, ...]:
    charter.member(changed.member)
    return tuple(
        changed if member.member == changed.member else member for member in charter.members
    )
