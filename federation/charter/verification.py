"""Verify that a charter, or its next version, was agreed on by those whose agreement it takes.

- The first version is signed by everyone it lists.
- A later one is signed by a coordinator of the version before, if that had one; by a majority of
  the voting members of the version before; and by everyone it adds.
- A member's keys change only with its own signature under the old key.
- Nobody is taken off the list: a member that leaves is revoked, for good.
"""

from collections.abc import Iterable

from federation.charter.charter import Charter, CharterNote, parse_charter
from federation.charter.error import CharterError, refuse
from federation.charter.member import Member
from federation.names import MemberId
from federation.roles import Role
from keys.errors import NoteError
from keys.note import Note, verify_note


def verify_charter(note: bytes, previous: Charter | None) -> Charter:
    """Verify the first version, or one version against the one before.

    Args:
        note: The bytes as received.
        previous: The version before, verified; None for the first.

    Raises:
        CharterError: The reason says which rule it breaks.
    """
    parsed = parse_charter(note)
    if previous is None:
        _verify_first(parsed)
    else:
        _verify_next(parsed, previous)
    return parsed.charter


def adopt_charter(note: bytes, digest: bytes) -> Charter:
    """Accept a later version without those before it, for a node that starts with it.

    Args:
        note: The bytes as received.
        digest: Of the version wanted, compared out of band: the trust rests on it alone. That
            coordinator and majority signed is checked by the version's own list.

    Raises:
        CharterError: The reason says which rule it breaks.
    """
    parsed = parse_charter(note)
    if parsed.charter.digest() != digest:
        refuse("this is not the version that was compared", "CHARTER_PREVIOUS_MISMATCH")
    _require_agreement(parsed.charter, _signers(parsed.note, parsed.charter))
    return parsed.charter


def _verify_first(parsed: CharterNote) -> None:
    charter = parsed.charter
    if charter.version != 1:
        refuse(
            f"version {charter.version} needs the version before it",
            "CHARTER_VERSION_SKIPPED",
            "give the earlier versions in order, or the digest of this one",
        )
    everyone = [member.member for member in charter.members]
    _require_signed(everyone, _signers(parsed.note, charter))


def _verify_next(parsed: CharterNote, previous: Charter) -> None:
    charter = parsed.charter
    _check_history(charter, previous)
    _check_kept(charter, previous)
    before, after = _signers(parsed.note, previous), _signers(parsed.note, charter)
    _check_keys(charter, previous, before)
    added = [item.member for item in charter.members if previous.find(item.member) is None]
    renewed = [item.member for item in charter.members if _has_new_key(item, previous)]
    _require_signed((*added, *renewed), after)
    _require_agreement(previous, before)


def _signers(note: Note, charter: Charter) -> frozenset[MemberId]:
    """Return the members that signed under the keys of ``charter``; a revoked one cannot."""
    listed = [member for member in charter.members if member.revoked_time is None]
    keys = {charter.key_name(member.member): member.signing_key for member in listed}
    try:
        names = verify_note(note, keys)
    except NoteError as error:
        if error.reason == "SIGNATURE_MISSING":
            return frozenset()
        raise CharterError(str(error), reason="CHARTER_SIGNATURE_INVALID") from error
    return frozenset(item.member for item in listed if charter.key_name(item.member) in names)


def _check_history(charter: Charter, previous: Charter) -> None:
    if charter.federation != previous.federation:
        refuse("the charter is of another federation", "CHARTER_FEDERATION_MISMATCH")
    if charter.version != previous.version + 1:
        refuse(
            f"version {charter.version} does not follow version {previous.version}",
            "CHARTER_VERSION_SKIPPED",
        )
    if charter.previous != previous.digest():
        refuse("the charter follows another previous version", "CHARTER_PREVIOUS_MISMATCH")
    if charter.created_time < previous.created_time:
        refuse("the charter is older than the version before it", "CHARTER_TIME_REVERSED")


def _check_kept(charter: Charter, previous: Charter) -> None:
    for old in previous.members:
        new = charter.find(old.member)
        if new is None:
            refuse(
                f"{old.member} is no longer listed",
                "CHARTER_MEMBER_REMOVED",
                "revoke a member that leaves; its log stays part of the federation's memory",
            )
        if old.revoked_time is not None and new != old:
            refuse(f"{old.member} is revoked and was changed", "CHARTER_REVOCATION_UNDONE")


def _check_keys(charter: Charter, previous: Charter, signed: frozenset[MemberId]) -> None:
    for old in previous.members:
        if _keys(charter.member(old.member)) != _keys(old) and old.member not in signed:
            refuse(
                f"the keys of {old.member} changed without its signature under the old key",
                "CHARTER_KEY_CHANGED",
            )


def _keys(member: Member) -> tuple[bytes, bytes, bytes]:
    return member.signing_key, member.sealing_key, member.authority


def _has_new_key(member: Member, previous: Charter) -> bool:
    """Say whether an existing member has another signing key, which then has to sign too."""
    old = previous.find(member.member)
    changed = old is not None and old.signing_key != member.signing_key
    return changed and member.revoked_time is None


def _require_signed(names: Iterable[MemberId], signed: frozenset[MemberId]) -> None:
    missing = sorted(set(names) - signed)
    if missing:
        refuse(
            f"not signed by {', '.join(missing)}",
            "CHARTER_SIGNATURE_MISSING",
            "tocsin charter sign, at each of them",
        )


def _require_agreement(charter: Charter, signed: frozenset[MemberId]) -> None:
    """Require a coordinator, if there is one, and a majority of the voting members."""
    voters = {member.member for member in charter.members if member.is_voting}
    coordinators = {name for name in voters if Role.COORDINATOR in charter.member(name).roles}
    if coordinators and not coordinators & signed:
        refuse("not signed by a coordinator", "CHARTER_COORDINATOR_MISSING")
    votes = len(voters & signed)
    if 2 * votes <= len(voters):
        refuse(f"signed by {votes} of {len(voters)} voting members", "CHARTER_MAJORITY_MISSING")
