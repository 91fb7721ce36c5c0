"""Hold who this node is and whom it knows: the leaf in use and the charter in force.

Both change while the node runs and nothing restarts: every new TLS handshake takes the leaf and
the roots of that moment. The roots of revoked members stay among those that the handshake
accepts, so that a revoked member hears MEMBER_REVOKED instead of a closed connection.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import grpc

from federation.charter import Charter, Member
from federation.names import FederationName, MemberId
from keys.authority import CLOCK_SKEW, LEAF_LIFETIME, Authority, Leaf
from keys.identity import parse_authority
from node.clock import Clock
from node.errors import ConfigError
from node.telemetry import describe_error, get_log

RENEWAL_SHARE: Final = 2 / 3
"""Share of a leaf's life after which the next is issued: a third is left to notice a failure."""

RENEWAL_CHECK: Final = timedelta(seconds=60)
"""Seconds between looks at the clock at most: a machine that slept notices soon."""

Listener = Callable[[], None]


class IdentityError(ConfigError):
    """This node's own identity does not fit its charter.

    Reasons: IDENTITY_UNUSABLE, AUTHORITY_EXPIRED.
    """

    reason = "IDENTITY_UNUSABLE"
    public = "The node's own identity does not fit the charter."


class Identity:
    """This member's leaf, root and charter; used from the event loop alone."""

    def __init__(
        self,
        authority: Authority,
        charter: Charter,
        member: MemberId,
        clock: Clock,
        lifetime: timedelta = LEAF_LIFETIME,
    ) -> None:
        self._authority = authority
        self._charter = charter
        self._member = member
        self._clock = clock
        self._lifetime = lifetime
        self._listeners: list[Listener] = []
        self._fresh_configuration: grpc.ServerCertificateConfiguration | None = None
        _check_own_root(charter, member, authority)
        self._issue()

    @property
    def member(self) -> MemberId:
        """Return who this node is."""
        return self._member

    @property
    def federation(self) -> FederationName:
        """Return the federation it belongs to."""
        return self._charter.federation

    @property
    def charter(self) -> Charter:
        """Return the charter in force."""
        return self._charter

    @property
    def leaf(self) -> Leaf:
        """Return the leaf in use."""
        return self._leaf

    @property
    def authority_pem(self) -> bytes:
        """Return the certificate of this member's root."""
        return self._authority.certificate_pem

    def now(self) -> int:
        """Return seconds since 1970 by the node's clock."""
        return self._clock()

    def server_name(self, member: str) -> str:
        """Return the DNS name in a member's leaf."""
        return f"{member}.{self.federation}"

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` after every new leaf and every new charter."""
        self._listeners.append(listener)

    def adopt(self, charter: Charter) -> None:
        """Follow another version of the charter, which the caller has verified.

        Raises:
            IdentityError: It belongs to another federation, or does not list this member with
                this root. The charter before stays in force.
        """
        if charter.federation != self.federation:
            raise IdentityError("the charter is of another federation")
        _check_own_root(charter, self._member, self._authority)
        self._charter = charter
        self._configure()
        get_log().info("charter.adopted", charter_version=charter.version)
        self._notify()

    def renew(self) -> None:
        """Issue a new leaf now.

        Raises:
            IdentityError: AUTHORITY_EXPIRED; the root itself has ended.
        """
        self._issue()
        get_log().info("leaf.renewed", expires_time=self._leaf.not_after.isoformat())
        self._notify()

    def renewal_time(self) -> float:
        """Return when the next leaf is due, seconds since 1970."""
        life = self._leaf.not_after.timestamp() - self._issued
        return self._issued + life * RENEWAL_SHARE

    async def keep_fresh(self) -> None:
        """Renew the leaf whenever it is due, until cancelled."""
        while True:
            wait = min(self.renewal_time() - self._clock(), RENEWAL_CHECK.total_seconds())
            if wait > 0:
                await asyncio.sleep(wait)
                continue
            try:
                self.renew()
            except IdentityError as error:
                get_log().error("leaf.not_renewed", reason=error.reason, **describe_error(error))
                await asyncio.sleep(RENEWAL_CHECK.total_seconds())

    def server_credentials(self) -> grpc.ServerCredentials:
        """Return credentials of which every handshake asks for the leaf and roots of now."""
        initial, self._fresh_configuration = self._server_configuration(), None
        return grpc.dynamic_ssl_server_credentials(
            initial,
            self._take_configuration,  # type: ignore[arg-type]  # None is documented
            require_client_authentication=True,
        )

    def channel_credentials(self, peer: Member) -> grpc.ChannelCredentials:
        """Return credentials for calls to a peer: its own root alone, and the leaf of now."""
        return grpc.ssl_channel_credentials(
            peer.authority, self._leaf.key_pem.reveal(), self._leaf.certificate_pem
        )

    def lasting_leaf(self) -> Leaf:
        """Issue a leaf as long-lived as the root, to find out why a peer refuses the usual one.

        Keep it in memory and drop it at once.
        """
        root = parse_authority(self.authority_pem)
        start, end = root.not_valid_before_utc, root.not_valid_after_utc
        return self._authority.issue_leaf(
            self.federation, self._member, start + CLOCK_SKEW, end - start
        )

    def _issue(self) -> None:
        self._issued = self._clock()
        now = datetime.fromtimestamp(self._issued, UTC)
        try:
            leaf = self._authority.issue_leaf(self.federation, self._member, now, self._lifetime)
        except ValueError as error:
            raise IdentityError(
                "this member's root certificate has ended",
                reason="AUTHORITY_EXPIRED",
                hint="make a new root and have it taken up in the next charter",
            ) from error
        self._leaf = leaf
        self._configure()

    def _take_configuration(self) -> grpc.ServerCertificateConfiguration | None:
        """Hand a new configuration over once; None keeps the one before.

        gRPC takes the content of the object away. Given the same object again, it answers each
        handshake with an empty configuration, and ends the process when handshakes break off.
        """
        fresh, self._fresh_configuration = self._fresh_configuration, None
        return fresh

    def _configure(self) -> None:
        self._fresh_configuration = self._server_configuration()

    def _server_configuration(self) -> grpc.ServerCertificateConfiguration:
        roots = b"\n".join(member.authority for member in self._charter.members)
        return grpc.ssl_server_certificate_configuration(
            [(self._leaf.key_pem.reveal(), self._leaf.certificate_pem)], root_certificates=roots
        )

    def _notify(self) -> None:
        for listener in self._listeners:
            listener()


def _check_own_root(charter: Charter, member: MemberId, authority: Authority) -> None:
    listed = charter.find(member)
    if listed is None:
        raise IdentityError("the charter does not list this member")
    if parse_authority(listed.authority) != parse_authority(authority.certificate_pem):
        raise IdentityError("the charter gives another root certificate for this member")
