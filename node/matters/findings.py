"""Tell what the matters in the logs have found out about tokens, for verdicts and labels."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from federation.findings import FINDING_KINDS, Finding, find
from federation.matters import AnyMatter
from node.matters.book import MatterBook


class Findings:
    """The findings of one node, by token. Blocking; may be used from several threads."""

    def __init__(self, book: MatterBook, clock: Callable[[], int]) -> None:
        self._book = book
        self._clock = clock
        self._lock = threading.Lock()
        self._version: tuple[int, int] | None = None
        self._matters: Mapping[bytes, Sequence[AnyMatter]] = {}

    def of(self, tokens: Sequence[bytes]) -> dict[bytes, tuple[Finding, ...]]:
        """Return what was found out about these tokens by now; one without any is left out."""
        with self._lock:
            self._refresh()
            matters = self._matters
        if not matters:
            return {}
        now = self._clock()
        found = {
            token: tuple(one for matter in matters[token] if (one := find(matter, now)) is not None)
            for token in tokens
            if token in matters
        }
        return {token: findings for token, findings in found.items() if findings}

    def version(self) -> tuple[int, int]:
        """Return what changes when a matter may have changed."""
        return self._book.version()

    def all(self) -> list[Finding]:
        """Return everything that was found out by now."""
        with self._lock:
            self._refresh()
            matters = [one for found in self._matters.values() for one in found]
        now = self._clock()
        return [one for matter in matters if (one := find(matter, now)) is not None]

    def _refresh(self) -> None:
        version = self._book.version()
        if version == self._version:
            return
        matters: defaultdict[bytes, list[AnyMatter]] = defaultdict(list)
        for kind in FINDING_KINDS:
            for booked in self._book.all(kind):
                matters[booked.matter.subject].append(booked.matter)
        self._matters, self._version = dict(matters), version
