"""Tell a service who calls it."""

from contextvars import ContextVar
from dataclasses import dataclass

from federation.names import MemberId
from federation.roles import Role
from node.doors.errors import CallerError


@dataclass(frozen=True, slots=True)
class Caller:
    """A member, as its certificate and the charter show it.

    Attributes:
        member: Member id.
        roles: Roles under the charter in force when the call came.
        certificate_digest: SHA-256 of the leaf's DER bytes, hexadecimal.
    """

    member: MemberId
    roles: frozenset[Role]
    certificate_digest: str


caller: ContextVar[Caller] = ContextVar("caller")
"""Set for each call through the outside door before any service runs; never inside."""


def current_caller() -> Caller:
    """Return who makes the call that is being handled.

    Raises:
        CallerError: CERTIFICATE_MISSING; the call did not come through the outside door.
    """
    try:
        return caller.get()
    except LookupError as error:
        raise CallerError("no member is identified in this call") from error
