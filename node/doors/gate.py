"""Decide who may come through each door.

Outside, a call passes only with a deadline, a certificate that the charter vouches for, and a
role that may call the method; the service decides about purpose and quota, because only the
message tells them. Inside, the directory's mode has decided already.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NoReturn

from federation.authorisation import Reason, Request, decide
from federation.charter import Charter
from keys.identity import peer_identity, verify_leaf
from node.doors.caller import Caller, caller
from node.doors.errors import AccessError, CallerError, CallError, StandbyError
from node.doors.interceptor import Context
from node.doors.live import LiveCalls
from node.doors.policy import LEADER_SERVICES, DoorPolicy
from node.identity import Identity

RECOGNITION_SECONDS: Final = 60
"""Seconds for which a certificate is not verified again; its end counts to the second."""

RECOGNITIONS: Final = 1_024
"""Certificates remembered: some leaves for each member of a large federation."""

_HEALTH: Final = "/grpc.health.v1.Health/"
_PACKAGE: Final = "/tocsin.v1."

# What only the message can settle, and the service therefore decides.
_LEFT_TO_SERVICE: Final = frozenset(
    {Reason.PURPOSE_MISSING, Reason.PURPOSE_NOT_ALLOWED, Reason.QUOTA_EXCEEDED}
)


@dataclass(frozen=True, slots=True)
class Recognition:
    """A verified caller, and until when (seconds since 1970) it need not be verified again."""

    caller: Caller
    charter: Charter
    valid_until: int


def recognise(charter: Charter, certificate: bytes, now: int) -> Recognition:
    """Find out who a certificate speaks for.

    Raises:
        CallerError: IDENTITY_MISMATCH, it is for another federation.
        CharterError: MEMBER_UNKNOWN.
        CertificateError: As ``verify_leaf``; AUTHORITY_MISMATCH where another member's root
            issued it.
        AccessError: MEMBER_REVOKED.
    """
    claim = peer_identity(certificate)
    if claim.federation != charter.federation:
        raise CallerError("the certificate is for another federation", reason="IDENTITY_MISMATCH")
    member = charter.member(claim.member)
    time = datetime.fromtimestamp(now, UTC)
    verify_leaf(certificate, member.authority, claim.federation, claim.member, time)
    if member.is_revoked(now):
        raise AccessError("the member was revoked", reason="MEMBER_REVOKED")
    found = Caller(member.member, member.roles, claim.fingerprint_sha256)
    return Recognition(
        found, charter, min(int(claim.not_after.timestamp()), now + RECOGNITION_SECONDS)
    )


class OutsideGate:
    """Let identified members in, each to the methods of its roles."""

    def __init__(
        self,
        identity: Identity,
        policy: DoorPolicy,
        live: LiveCalls,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._identity = identity
        self._policy = policy
        self._live = live
        self._leads = leads
        self._recognised: OrderedDict[bytes, Recognition] = OrderedDict()

    @contextmanager
    def enter(self, method: str, context: Context) -> Iterator[str]:
        """Check a call and hold it open for as long as the service works.

        Raises:
            CallError: DEADLINE_MISSING or DEADLINE_TOO_LONG.
            CallerError, CertificateError, CharterError, AccessError: As ``recognise``.
            AccessError: ROLE_NOT_ALLOWED; or MEMBER_REVOKED, also while the service works.
            BusyError: The member has too many calls open.
            StandbyError: Only the process that leads takes this call.
        """
        check_deadline(self._policy, method, context)
        found = self._recognise(_certificate(context))
        if not method.startswith(_HEALTH):
            authorise(self._identity.charter, found, method, self._identity.now())
        if method.startswith(LEADER_SERVICES) and not self._leads():
            raise StandbyError
        caller.set(found)
        with self._live.enter(found.member):
            yield found.member

    def _recognise(self, certificate: bytes) -> Caller:
        charter, now = self._identity.charter, self._identity.now()
        known = self._recognised.get(certificate)
        if known is None or known.charter is not charter or known.valid_until <= now:
            self._recognised.pop(certificate, None)
            known = self._recognised[certificate] = recognise(charter, certificate, now)
            if len(self._recognised) > RECOGNITIONS:
                self._recognised.popitem(last=False)
        return known.caller


class InsideGate:
    """Let everybody in who can open the socket."""

    def __init__(self, policy: DoorPolicy) -> None:
        self._policy = policy

    @contextmanager
    def enter(self, method: str, context: Context) -> Iterator[str]:
        """Check the deadline, where the policy wants one."""
        check_deadline(self._policy, method, context)
        yield ""


def check_deadline(policy: DoorPolicy, method: str, context: Context) -> None:
    """Refuse a call that may never end.

    Raises:
        CallError: DEADLINE_MISSING or DEADLINE_TOO_LONG.
    """
    if policy.longest_deadline is None or method in policy.unbounded_methods:
        return
    remaining: float | None = context.time_remaining()
    if remaining is None:
        raise CallError("the call has no deadline", reason="DEADLINE_MISSING")
    if remaining > policy.longest_deadline.total_seconds():
        raise CallError("the call's deadline is too far away", reason="DEADLINE_TOO_LONG")


def authorise(charter: Charter, found: Caller, method: str, now: int) -> None:
    """Refuse a method that the caller's roles may not call at all.

    Raises:
        AccessError: ROLE_NOT_ALLOWED, METHOD_UNKNOWN or MEMBER_REVOKED.
    """
    request = Request(found.member, method.removeprefix(_PACKAGE).replace("/", "."))
    reason = decide(charter, request, None, now).reason
    if reason is not Reason.ALLOWED and reason not in _LEFT_TO_SERVICE:
        _refuse(reason)


def _refuse(reason: Reason) -> NoReturn:
    raise AccessError(f"the charter's rules say {reason}", reason=str(reason))


def _certificate(context: Context) -> bytes:
    for certificate in context.auth_context().get("x509_pem_cert", ()):
        return certificate
    raise CallerError("the caller showed no certificate")
