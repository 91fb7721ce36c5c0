"""Say things: wrap bodies into statements and append them to the member's own log."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence

from federation.authorisation import STATEMENTS, Reason, may_say
from federation.roles import Role
from federation.statements import BODY_NAMES, Body, Statement
from federation.statements.codec import encode_statement
from federation.views import Table
from federation.vocabulary import LegalBasis, PermissibleAction, Purpose, TrafficLight
from node.errors import PolicyError
from node.log.ledger import Ledger
from node.log.own_log import Appended
from node.telemetry import describe_error, get_log

STATEMENT_ID_BYTES = 16

TokensListener = Callable[[frozenset[bytes]], Awaitable[None]]


class Speaker:
    """The one way in which a node adds to its own log.

    Its lock orders "look whether it was said" and "say it": hold ``lock`` around both.
    """

    def __init__(
        self, ledger: Ledger, roles: Callable[[], frozenset[Role]], clock: Callable[[], int]
    ) -> None:
        """Speak for the member whose log is the ledger's own, in the roles it has now."""
        self._ledger = ledger
        self._roles = roles
        self._clock = clock
        self._listeners: list[TokensListener] = []
        self.lock = asyncio.Lock()

    def subscribe(self, listener: TokensListener) -> None:
        """Call ``listener`` with the tokens that own evidence speaks about, once it is durable."""
        self._listeners.append(listener)

    def require_may_say(self, *bodies: type) -> None:
        """Refuse what the charter does not let this member say; others would not count it.

        Raises:
            PolicyError: ROLE_NOT_ALLOWED; the hint names the roles that may.
        """
        for name in name_bodies(bodies):
            if not may_say(self._roles(), name):
                able = ", ".join(sorted(STATEMENTS[name]))
                raise PolicyError(
                    f"this member's roles may not say a {name.replace('_', ' ')}",
                    reason=Reason.ROLE_NOT_ALLOWED,
                    hint=f"roles that may: {able}",
                )

    def statement(
        self,
        body: Body,
        purpose: Purpose = Purpose.OPERATION,
        *,
        statement_id: bytes | None = None,
        legal_basis: LegalBasis = LegalBasis.CHARTER,
        tlp: TrafficLight = TrafficLight.AMBER_STRICT,
        expires_time: int | None = None,
    ) -> Statement:
        """Wrap a body: issued now, with a random id unless the body's facts make one."""
        return Statement(
            id=statement_id or _random_id(),
            issued_time=self._clock(),
            purpose=purpose,
            legal_basis=legal_basis,
            tlp=tlp,
            pap=PermissibleAction.GREEN,
            body=body,
            expires_time=expires_time,
        )

    async def say(self, statements: Sequence[Statement]) -> Appended | None:
        """Append statements in one durable step; nothing for none.

        Raises:
            PolicyError: ROLE_NOT_ALLOWED; nothing was said.
        """
        if not statements:
            return None
        self.require_may_say(*{type(statement.body) for statement in statements})
        appended = await asyncio.to_thread(self._append, statements)
        if appended.tokens:
            await self._tell(appended.tokens)
        return appended

    async def say_once(self, statement: Statement, table: Table) -> bool:
        """Say a statement that no other process of this member may say again.

        Args:
            statement: Its id comes from what makes it say so.
            table: The view in which it stands once it was said.

        Returns:
            Whether it was said now.

        Raises:
            PolicyError: ROLE_NOT_ALLOWED; nothing was said.
        """
        self.require_may_say(type(statement.body))
        key = {"member": self._ledger.own.member, "statement": statement.id}
        appended = await asyncio.to_thread(
            self._ledger.append_unless,
            lambda reader: bool(reader.find(table, key, limit=1)),
            [encode_statement(statement)],
        )
        if appended is not None and appended.tokens:
            await self._tell(appended.tokens)
        return appended is not None

    async def _tell(self, tokens: frozenset[bytes]) -> None:
        """Tell the listeners; what was said is on disk, so a failure there changes no answer."""
        for listener in self._listeners:
            try:
                await listener(tokens)
            except Exception as error:
                get_log().error("speaker.listener_failed", **describe_error(error))

    def _append(self, statements: Sequence[Statement]) -> Appended:
        return self._ledger.append([encode_statement(statement) for statement in statements])


def name_bodies(bodies: Iterable[type]) -> list[str]:
    """Return what authorisation calls these types of bodies; one of a newer node has no name."""
    return sorted(BODY_NAMES[body] for body in bodies if body in BODY_NAMES)


def _random_id() -> bytes:
    return secrets.token_bytes(STATEMENT_ID_BYTES)
