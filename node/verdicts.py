"""Say what the federation knows about tokens: the replica's rows, judged by the charter's roles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from federation.charter import Charter
from federation.findings import Finding
from federation.names import MemberId
from federation.roles import Role
from federation.verdict import (
    NOTHING_KNOWN,
    Outline,
    Standing,
    Verdict,
    is_protected,
    is_spoofed,
    judge,
    outline,
    reliability,
)
from node.lookup.token_index import TokenIndex
from node.store.catalogue import MAX_TOKENS, Catalogue, TokenRows

NOTHING = TokenRows((), (), ())

FindingsOf = Callable[[Sequence[bytes]], Mapping[bytes, Sequence[Finding]]]
"""Returns what matters found out about these tokens; one without any is left out."""


LearnedOf = Callable[[Mapping[str, frozenset[Role]]], Mapping[str, tuple[int, int]]]
"""Returns by member how many of its nominations rounds upheld and overturned, given the roles."""


def nothing_learned(_roles: Mapping[str, frozenset[Role]]) -> Mapping[str, tuple[int, int]]:
    """Learn nothing: for a store without matters."""
    return {}


def no_findings(_tokens: Sequence[bytes]) -> Mapping[bytes, Sequence[Finding]]:
    """Find nothing: for a store without matters."""
    return {}


class Verdicts:
    """Judges tokens from this node's own replicas; every method may block on a database."""

    def __init__(
        self,
        catalogue: Catalogue,
        charter: Callable[[], Charter],
        clock: Callable[[], int],
        findings: FindingsOf = no_findings,
        learned: LearnedOf = nothing_learned,
        index: TokenIndex | None = None,
    ) -> None:
        self._index = index
        self.findings = findings
        self._learned = learned
        self._catalogue = catalogue
        self._charter = charter
        self._clock = clock

    def judge(self, tokens: Sequence[bytes]) -> dict[bytes, Verdict]:
        """Return the verdict of each token, also of those nobody spoke about."""
        standing, now = self.standing(), self._clock()
        rows, findings = self._rows(tokens), self.findings(tokens)
        return {
            token: judge(*found, standing, now, findings.get(token, ()))
            for token in tokens
            for found in (rows.get(token, NOTHING),)
        }

    def outline(self, tokens: Sequence[bytes]) -> dict[bytes, Outline]:
        """Return what may be told about each token, as ``judge`` would say it, only faster."""
        known = self._index.look(tokens) if self._index is not None else None
        findings, answers = self.findings(tokens), dict.fromkeys(tokens, NOTHING_KNOWN)
        standing, now, ask = self.standing(), self._clock(), tokens
        if known is not None:
            told, ask = known.settle(standing, now)
            answers.update(told)
            ask = [*ask, *findings]
        rows = self._stored_rows(ask)
        for token in rows.keys() | findings.keys():
            found, about = rows.get(token, NOTHING), findings.get(token, ())
            answers[token] = outline(*found, standing, now, about)
        return answers

    def token_count(self) -> int | None:
        """Return how many tokens something is said about; None where counting takes long."""
        index = self._index
        return len(index) if index is not None and index.is_ready else None

    def protected(self, tokens: Sequence[bytes]) -> set[bytes]:
        """Return those of the tokens that the federation protects."""
        found = self._catalogue.protections(tokens)
        if not found:
            return set()
        standing, now = self.standing(), self._clock()
        return {token for token, rows in found.items() if is_protected(rows, standing, now)}

    def spoofed(self, tokens: Sequence[bytes]) -> set[bytes]:
        """Return those of the tokens that somebody shows falsely whom they do not belong to."""
        rows, standing, now = self._rows(tokens), self.standing(), self._clock()
        return {token for token, found in rows.items() if is_spoofed(found.evidence, standing, now)}

    def standing(self) -> Standing:
        """Return what counts about the members now: roles, revocations, reliability."""
        charter = self._charter()
        roles: dict[str, frozenset[Role]] = {one.member: one.roles for one in charter.members}
        outcomes, learned = self._catalogue.outcomes(), self._learned(roles)
        now = self._clock()
        return Standing(
            roles=roles,
            reliability={member: _reliability(member, outcomes, learned) for member in roles},
            revoked=frozenset(revoked_members(charter, now)),
        )

    def _rows(self, tokens: Sequence[bytes]) -> dict[bytes, TokenRows]:
        known = self._index.look(tokens) if self._index is not None else None
        return self._stored_rows(tokens if known is None else known.tokens())

    def _stored_rows(self, tokens: Sequence[bytes]) -> dict[bytes, TokenRows]:
        found: dict[bytes, TokenRows] = {}
        for start in range(0, len(tokens), MAX_TOKENS):
            found.update(self._catalogue.evidence(tokens[start : start + MAX_TOKENS]))
        return found


def _reliability(member: str, *counts: Mapping[str, tuple[int, int]]) -> float:
    """Estimate how often a member is right from all counts of upheld and overturned."""
    known = [found.get(member, (0, 0)) for found in counts]
    return reliability(sum(upheld for upheld, _ in known), sum(wrong for _, wrong in known))


def revoked_members(charter: Charter, now: int) -> Iterable[MemberId]:
    """Yield the members whose revocation is in force."""
    for one in charter.members:
        if one.revoked_time is not None and one.revoked_time <= now:
            yield one.member
