"""Keep at hand how members' nominations ended in rounds, until a log grows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from federation.findings import Finding
from federation.roles import Role
from federation.track_record import count_outcomes, teaches
from node.matters.findings import Findings
from node.store.catalogue import MAX_TOKENS, Catalogue

Row = tuple[Any, ...]


class TrackRecords:
    """How nominations ended. Blocking; may be used from several threads."""

    def __init__(self, findings: Findings, catalogue: Catalogue, clock: Callable[[], int]) -> None:
        self._findings = findings
        self._catalogue = catalogue
        self._clock = clock
        self._lock = threading.Lock()
        self._grown = 0
        self._read_at: tuple[int, ...] = ()
        self._rounds: list[tuple[Finding, Sequence[Row]]] = []

    def note_growth(self, _origin: object, _size: int) -> None:
        """Take note that a log has grown; to be subscribed to the ledger."""
        self._grown += 1

    def outcomes(self, roles: Mapping[str, frozenset[Role]]) -> dict[str, tuple[int, int]]:
        """Return by member how many nominations were upheld, and how many overturned."""
        with self._lock:
            known = (self._grown, *self._findings.version())
            if known != self._read_at:
                self._rounds, self._read_at = self._read(), known
            rounds = self._rounds
        return count_outcomes(rounds, roles, self._clock())

    def _read(self) -> list[tuple[Finding, Sequence[Row]]]:
        decided = [one for one in self._findings.all() if teaches(one)]
        tokens = sorted({one.token for one in decided})
        evidence: dict[bytes, Sequence[Row]] = {}
        for start in range(0, len(tokens), MAX_TOKENS):
            found = self._catalogue.evidence(tokens[start : start + MAX_TOKENS])
            evidence |= {token: rows.evidence for token, rows in found.items()}
        return [(one, evidence.get(one.token, ())) for one in decided]
