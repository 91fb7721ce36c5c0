"""Say things: wrap bodies into statements and append them to the member's own log."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence

from federation.statements import Body, Statement
from federation.statements.codec import encode_statement
from federation.vocabulary import LegalBasis, PermissibleAction, Purpose, TrafficLight
from node.log.ledger import Appended, Ledger

STATEMENT_ID_BYTES = 16


class Speaker:
    """The one way in which a node adds to its own log.

    Its lock orders "look whether it was said" and "say it": hold ``lock`` around both.
    """

    def __init__(self, ledger: Ledger, clock: Callable[[], int]) -> None:
        self._ledger = ledger
        self._clock = clock
        self.lock = asyncio.Lock()

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
        """Append statements as one signed, durable batch; nothing for none."""
        if not statements:
            return None
        return await asyncio.to_thread(self._append, statements)

    def _append(self, statements: Sequence[Statement]) -> Appended:
        return self._ledger.append([encode_statement(statement) for statement in statements])


def _random_id() -> bytes:
    return secrets.token_bytes(STATEMENT_ID_BYTES)
