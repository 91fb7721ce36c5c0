"""Tell whether a nomination says anything that this member has not said already."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from federation.statements import Nomination, Statement
from federation.statements.codec import decode_statement
from node.store.catalogue import Catalogue

Held = dict[bytes, tuple[int, int, int]]
"""Own nominations by id: confidence, when they expire (0: never), and origin."""


class OwnClaims:
    """What this member has nominated; every method blocks on the database."""

    def __init__(
        self, member: str, catalogue: Catalogue, entry: Callable[[int], bytes | None]
    ) -> None:
        """Compare with one member's log.

        Args:
            member: Whose.
            catalogue: What stands of it.
            entry: Returns the bytes at a position of its log; None where they were removed.
        """
        self._member = member
        self._catalogue = catalogue
        self._entry = entry

    def held(self, tokens: Sequence[bytes]) -> Held:
        """Return the member's nominations of these tokens."""
        return self._catalogue.nominations(self._member, tokens)

    def withdrawn(self, statements: Sequence[bytes]) -> set[bytes]:
        """Return those of the member's statements that it took back."""
        return self._catalogue.retracted(self._member, statements)

    def is_new(self, statement: Statement, held: Held, now: int, *, term_given: bool) -> bool:
        """Say whether the statement changes what others know.

        The same claim with the same confidence does not, while it is in force; unless it brings
        another origin, other details, or a term that somebody asked for.
        """
        body = statement.body
        if not isinstance(body, Nomination) or statement.id not in held:
            return True
        confidence, expires, origin = held[statement.id]
        if (confidence, origin) != (body.confidence, body.origin) or 0 < expires <= now:
            return True
        if term_given and expires != (statement.expires_time or 0):
            return True
        return bool(body.sealed_details) and not self._has_details(statement.id, body)

    def _has_details(self, statement_id: bytes, body: Nomination) -> bool:
        for member, position in self._catalogue.positions(body.token):
            said = self._entry(position) if member == self._member else None
            statement = decode_statement(said) if said is not None else None
            if statement is not None and statement.id == statement_id:
                same = statement.body
                # Sealing the same text under the same key gives the same bytes.
                return isinstance(same, Nomination) and same.sealed_details == body.sealed_details
        return False
