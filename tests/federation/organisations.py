"""Organisations for tests: members with all their keys, made once for each name."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from federation.charter import Charter, Member, create_charter, encode_charter, sign_charter
from federation.names import FederationName, MemberId
from federation.roles import Role
from keys.authority import Authority
from keys.sealing import SealingKey
from keys.signing import SigningKey

FEDERATION = FederationName("night-harbour")
START = 1_790_000_000
"""Seconds since 1970: when the first charter of the tests is written."""


@dataclass(frozen=True)
class Organisation:
    """A member and its secret keys."""

    member: Member
    signing_key: SigningKey
    sealing_key: SealingKey

    @property
    def name(self) -> MemberId:
        return self.member.member


@cache
def organisation(name: str, *roles: Role) -> Organisation:
    """Make a member with fresh keys; the same arguments give the same one."""
    signing_key, sealing_key = SigningKey.generate(), SealingKey.generate()
    now = datetime.fromtimestamp(START, UTC)
    member = Member(
        member=MemberId(name),
        roles=frozenset(roles or {Role.CARRIER}),
        address=f"{name}.example:7443",
        authority=Authority.create(FEDERATION, name, now).certificate_pem,
        signing_key=signing_key.public,
        sealing_key=sealing_key.public,
    )
    return Organisation(member, signing_key, sealing_key)


CARRIER = organisation("carrier-a", Role.CARRIER)
BANK = organisation("bank-x", Role.BANK)
INTERNET = organisation("net-p", Role.INTERNET)
COORDINATOR = organisation("coord", Role.COORDINATOR, Role.REGULATOR)
PARTNER = organisation("partner-k", Role.PARTNER)
FOUNDERS = (CARRIER, BANK, INTERNET, COORDINATOR, PARTNER)


def found(*organisations: Organisation, holders: int = 3, threshold: int = 2) -> Charter:
    """Write a first charter, whose first organisations hold the key."""
    members = organisations or FOUNDERS
    return create_charter(
        FEDERATION,
        [each.member for each in members],
        [each.name for each in members[:holders]],
        threshold,
        time=START,
    )


def sign_by(charter: Charter, *signers: Organisation) -> bytes:
    """Write the charter with the signatures of these organisations."""
    data = encode_charter(charter).encode()
    for signer in signers:
        data = sign_charter(data, signer.name, signer.signing_key)
    return data
