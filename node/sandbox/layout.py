"""Plan a federation from the names of its members: roles, key holders, places on this machine.

layout = plan_layout(["carrier-a", "bank-x", "net-p"], first_port=20_100)
layout.place("bank-x").role         # Role.BANK
layout.threshold, layout.holders    # 2, ("carrier-a", "bank-x", "net-p")
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from federation.names import FederationName, MemberId, NameFormatError
from federation.roles import INDUSTRY, SPEAKING, VOTING, Role
from node.sandbox.error import SandboxError

DEFAULT_FEDERATION = FederationName("sandbox")
DEFAULT_MEMBERS = ("carrier-a", "carrier-b", "bank-x", "net-p", "net-q", "partner-k")
"""Five members with customers of their own, and a partner that only asks."""

PREFERRED_HOLDERS = ("carrier-a", "bank-x", "net-p")
"""One of each industry, so that no industry can make tokens by itself."""

MAX_HOLDERS = 3
"""Members with a share of the token keys: enough to lose one and go on."""
THRESHOLD = 2
"""Key holders that make a token together; 1 only where there is a single holder."""
MAX_MEMBERS = 64
"""Members: each is two or three processes, and one machine runs them all: 150 MB each, and 400 MB
more while it trains."""

_ROLES = {
    "carrier": Role.CARRIER,
    "bank": Role.BANK,
    "net": Role.INTERNET,
    "coord": Role.COORDINATOR,
    "regulator": Role.REGULATOR,
    "police": Role.POLICE,
    "partner": Role.PARTNER,
    "auditor": Role.AUDITOR,
}


@dataclass(frozen=True, slots=True)
class Place:
    """One member of the sandbox: its role and those beside it, and where its outside door is."""

    member: MemberId
    role: Role
    address: str
    beside: frozenset[Role] = frozenset()

    @property
    def roles(self) -> frozenset[Role]:
        """Return what it is in the charter."""
        return self.beside | {self.role}

    @property
    def is_speaking(self) -> bool:
        """Say whether it has a log and a replica of the others'."""
        return self.role in SPEAKING


@dataclass(frozen=True, slots=True)
class Layout:
    """A planned federation; ``holders`` are in the order of their indexes."""

    federation: FederationName
    places: tuple[Place, ...]
    holders: tuple[MemberId, ...]
    threshold: int

    @property
    def members(self) -> tuple[MemberId, ...]:
        """Return the names in the order in which they were given."""
        return tuple(place.member for place in self.places)

    @property
    def speaking(self) -> tuple[MemberId, ...]:
        """Return the members that have a log."""
        return tuple(place.member for place in self.places if place.is_speaking)

    def place(self, member: str) -> Place:
        """Return the place of a member.

        Raises:
            SandboxError: SANDBOX_NAME_INVALID, there is none of this name.
        """
        for place in self.places:
            if place.member == member:
                return place
        raise SandboxError(
            "the sandbox has no member of this name",
            reason="SANDBOX_NAME_INVALID",
            hint=f"its members are {', '.join(self.members)}",
        )


def split_members(text: str) -> tuple[str, ...]:
    """Return the names of a comma-separated list."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def plan_layout(
    names: Sequence[str],
    addresses: Sequence[str],
    federation: FederationName = DEFAULT_FEDERATION,
    beside: Mapping[str, Collection[Role]] = MappingProxyType({}),
) -> Layout:
    """Plan a federation of the members named, each at the address in the same place.

    Args:
        names: Of the members; the first word of each tells its role.
        addresses: Of their outside doors.
        federation: Its name.
        beside: Further roles, by member.

    Raises:
        SandboxError: SANDBOX_NAME_INVALID or SANDBOX_MEMBERS_INVALID.
    """
    places = tuple(
        Place(_member_id(name), role_of(name), address, frozenset(beside.get(name, ())))
        for name, address in zip(names, addresses, strict=True)
    )
    _check(places)
    holders = choose_holders(places)
    return Layout(federation, places, holders, min(THRESHOLD, len(holders)))


def role_of(name: str) -> Role:
    """Return the role that a name tells by its first word.

    Raises:
        SandboxError: SANDBOX_NAME_INVALID.
    """
    role = _ROLES.get(name.partition("-")[0])
    if role is None:
        raise SandboxError(
            "a member's name does not begin with its role",
            reason="SANDBOX_NAME_INVALID",
            hint=f"begin each name with one of {', '.join(_ROLES)}, for example bank-x",
        )
    return role


def choose_holders(places: Iterable[Place]) -> tuple[MemberId, ...]:
    """Choose up to three key holders: those preferred, then other industry, then other voters."""
    voting = [place for place in places if place.role in VOTING]

    def rank(place: Place) -> tuple[bool, bool]:
        return place.member not in PREFERRED_HOLDERS, place.role not in INDUSTRY

    return tuple(place.member for place in sorted(voting, key=rank)[:MAX_HOLDERS])


def encode_layout(layout: Layout) -> bytes:
    """Write the layout as the sandbox's own file."""
    members = {place.member: place.address for place in layout.places}
    beside = {place.member: sorted(place.beside) for place in layout.places if place.beside}
    document = {"federation": layout.federation, "members": members, "beside": beside}
    return (json.dumps(document, indent=2) + "\n").encode()


def parse_layout(data: bytes) -> Layout:
    """Read what ``encode_layout`` wrote.

    Raises:
        SandboxError: SANDBOX_INVALID.
    """
    try:
        document = json.loads(data)
        members = {str(name): str(address) for name, address in document["members"].items()}
        federation = FederationName(document["federation"])
        beside = {
            str(name): [Role(role) for role in roles]
            for name, roles in document.get("beside", {}).items()
        }
        return plan_layout(tuple(members), tuple(members.values()), federation, beside)
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        NameFormatError,
        SandboxError,
    ) as error:
        raise SandboxError(
            "the file sandbox.json is not what this program writes",
            hint="remove the directory and make the sandbox again",
        ) from error


def _member_id(name: str) -> MemberId:
    try:
        return MemberId(name)
    except NameFormatError as error:
        raise SandboxError(str(error), reason="SANDBOX_NAME_INVALID", hint=error.hint) from error


def _check(places: Sequence[Place]) -> None:
    names = [place.member for place in places]
    if len(set(names)) != len(names):
        raise _invalid("a member is named twice")
    if not 1 <= len(places) <= MAX_MEMBERS:
        raise _invalid(f"a sandbox has 1 to {MAX_MEMBERS} members")
    if not any(place.role in VOTING for place in places):
        raise _invalid("nobody could hold the token keys")


def _invalid(message: str) -> SandboxError:
    return SandboxError(
        message,
        reason="SANDBOX_MEMBERS_INVALID",
        hint=f"--members {','.join(DEFAULT_MEMBERS)}",
    )
