"""Read what the federation knows: the view tables, by token, by prefix, as a whole."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, Final, NamedTuple, get_args

from federation.catalogue_root import catalogue_root
from federation.last_words import last_words
from federation.statements import BODY_NUMBERS, Designation, Nomination, SumBody
from federation.views import (
    ALARM,
    BRIEF,
    CEREMONY,
    CORRECTION,
    CUTOFF,
    EVIDENCE,
    GRANT,
    LIFT,
    MARK,
    MATTER,
    PROTECTION,
    RETRACTION,
    SUM,
    Drop,
    Put,
    Table,
)
from node.store.outcome_counts import Counts, OutcomeCounts
from node.store.protocol import PublicReader, PublicStore, Row

TOKEN_BYTES: Final = 16

# Tokens of one look-up: a second or so of one reader, and a few megabytes of rows.
MAX_TOKENS: Final = 4_096


MAX_PREFIX_BITS: Final = TOKEN_BYTES * 8

_NOMINATION: Final = BODY_NUMBERS[Nomination]
_DESIGNATION: Final = BODY_NUMBERS[Designation]
_SUM_BODIES: Final = {BODY_NUMBERS[kind]: kind for kind in get_args(SumBody)}


def _place(table: Table, name: str) -> int:
    return [column for column, _ in table.columns].index(name)


_MEMBER: Final = _place(EVIDENCE, "member")
_STATEMENT: Final = _place(EVIDENCE, "statement")
_BODY: Final = _place(EVIDENCE, "body")
_CONFIDENCE: Final = _place(EVIDENCE, "confidence")
_DETAIL: Final = _place(EVIDENCE, "detail")
_EXPIRES: Final = _place(EVIDENCE, "expires")
_POSITION: Final = _place(EVIDENCE, "position")


class TokenRows(NamedTuple):
    """All that stands in the views about one token, each table sorted by its key."""

    evidence: tuple[Row, ...]
    cutoffs: tuple[Row, ...]
    protections: tuple[Row, ...]


class MarkRows(NamedTuple):
    """How one number is marked, each table sorted by its key."""

    marks: tuple[Row, ...]
    corrections: tuple[Row, ...]
    cutoffs: tuple[Row, ...]


class AlarmRow(NamedTuple):
    """One alarm: who raised it, when, and the statement's bytes."""

    member: str
    issued: int
    body: bytes


class MatterName(NamedTuple):
    """One matter: its kind, and its id in its opener's name."""

    kind: str
    id: bytes
    opener: str


class MatterRow(NamedTuple):
    """One statement about a matter: who said it, and its bytes."""

    member: str
    body: bytes


class SumRow(NamedTuple):
    """One statement about a private sum: who said it, of what kind, when, where it stands."""

    member: str
    body: type[SumBody]
    issued: int
    position: int


class Catalogue:
    """The views of one store. Every method is one consistent look."""

    def __init__(self, store: PublicStore) -> None:
        self._store = store
        self._outcome_counts = OutcomeCounts(store)

    def evidence(self, tokens: Sequence[bytes]) -> dict[bytes, TokenRows]:
        """Return the rows of at most 4,096 tokens that count; a token without any is left out.

        Raises:
            ValueError: There are more tokens.
            StoreError: The store cannot be used.
        """
        if len(tokens) > MAX_TOKENS:
            raise ValueError(f"at most {MAX_TOKENS} tokens at a time")
        with self._store.read() as reader:
            evidence = _by_token(reader, EVIDENCE, tokens, last_words)
            cutoffs, protections = (
                _by_token(reader, table, tokens) for table in (CUTOFF, PROTECTION)
            )
        return {
            token: TokenRows(
                evidence.get(token, ()), cutoffs.get(token, ()), protections.get(token, ())
            )
            for token in sorted(evidence.keys() | cutoffs.keys() | protections.keys())
        }

    def lifts(self, tokens: Sequence[bytes]) -> dict[bytes, tuple[Row, ...]]:
        """Return who took back what about these tokens, other than for erasure."""
        with self._store.read() as reader:
            return _by_token(reader, LIFT, tokens)

    def cutoffs(self, tokens: Sequence[bytes]) -> list[Row]:
        """Return who says that these numbers have new owners, and since when."""
        rows: list[Row] = []
        with self._store.read() as reader:
            for start in range(0, len(tokens), MAX_TOKENS):
                found = _by_token(reader, CUTOFF, tokens[start : start + MAX_TOKENS])
                rows.extend(row for several in found.values() for row in several)
        return rows

    def protections(self, tokens: Sequence[bytes]) -> dict[bytes, tuple[Row, ...]]:
        """Return what protects these tokens; one that nobody protects is left out."""
        with self._store.read() as reader:
            return _by_token(reader, PROTECTION, tokens)

    def marks(self, tokens: Sequence[bytes]) -> dict[bytes, MarkRows]:
        """Return how these numbers are marked, and what ends it; one without either is left out."""
        with self._store.read() as reader:
            tables = [_by_token(reader, table, tokens) for table in (MARK, CORRECTION, CUTOFF)]
        marks, corrections, cutoffs = tables
        return {
            token: MarkRows(
                marks.get(token, ()), corrections.get(token, ()), cutoffs.get(token, ())
            )
            for token in sorted(marks.keys() | corrections.keys() | cutoffs.keys())
        }

    def bucket(self, prefix: int, bits: int, most: int | None = None) -> list[bytes]:
        """Return the tokens with evidence whose first ``bits`` bits are ``prefix``, sorted.

        Args:
            prefix: The bits as a number.
            bits: How many there are.
            most: Of how many tokens the first are read; None for all.

        Raises:
            ValueError: The prefix does not fit the bits, or these the token.
            StoreError: The store cannot be used.
        """
        if not 0 <= bits <= MAX_PREFIX_BITS or not 0 <= prefix < 1 << bits:
            raise ValueError("the prefix is not one of that many bits")
        free = TOKEN_BYTES * 8 - bits
        low = (prefix << free).to_bytes(TOKEN_BYTES)
        high = ((prefix + 1 << free) - 1).to_bytes(TOKEN_BYTES)
        with self._store.read() as reader:
            return list(islice(reader.tokens(EVIDENCE, low, high), most))

    def root(self, as_of: int) -> bytes:
        """Return the catalogue root: the same on every node that holds the same logs."""
        with self._store.read() as reader:
            evidence, cutoffs = reader.rows(EVIDENCE), reader.rows(CUTOFF)
            protections, said = reader.rows(PROTECTION), reader.rows(MATTER)
            return catalogue_root(evidence, cutoffs, protections, as_of, said)

    def token_count(self) -> int:
        """Return how many tokens there is evidence about."""
        with self._store.read() as reader:
            return reader.token_count(EVIDENCE)

    def positions(self, token: bytes) -> list[tuple[str, int]]:
        """Return member and position in its log of each piece of evidence about a token."""
        with self._store.read() as reader:
            return [(row[_MEMBER], row[_POSITION]) for row in reader.rows_of(EVIDENCE, [token])]

    def nominations(
        self, member: str, tokens: Sequence[bytes]
    ) -> dict[bytes, tuple[int, int, int]]:
        """Return a member's nominations of these tokens by id.

        Returns:
            Confidence, expiry (0: none) and origin of each.
        """
        return {
            row[_STATEMENT]: (row[_CONFIDENCE], row[_EXPIRES], row[_DETAIL])
            for row in self._nominations(member, tokens)
        }

    def nominations_by_token(
        self, member: str, tokens: Sequence[bytes]
    ) -> dict[bytes, tuple[bytes, ...]]:
        """Return the ids of a member's nominations of these tokens, by token."""
        grouped = groupby(self._nominations(member, tokens), itemgetter(0))
        return {token: tuple(row[_STATEMENT] for row in rows) for token, rows in grouped}

    def designations_by_token(
        self, member: str, tokens: Sequence[bytes]
    ) -> dict[bytes, tuple[bytes, ...]]:
        """Return the ids of a member's designations of these tokens, by token."""
        own = self._said(member, tokens, _DESIGNATION)
        return {
            token: tuple(row[_STATEMENT] for row in rows)
            for token, rows in groupby(own, itemgetter(0))
        }

    def designations(self) -> list[tuple[str, int]]:
        """Return member and position in its log of every designation."""
        with self._store.read() as reader:
            rows = reader.find(EVIDENCE, {"body": _DESIGNATION})
            return [(row[_MEMBER], row[_POSITION]) for row in rows]

    def briefs(self, limit: int) -> list[MatterRow]:
        """Return speaker and bytes of case briefs, the newest first."""
        with self._store.read() as reader:
            found = reader.find(BRIEF, {}, newest="issued", limit=limit)
        return [MatterRow(member, body) for member, _, _, body in found]

    def retracted(self, member: str, statements: Iterable[bytes]) -> set[bytes]:
        """Return those of the statements that a member took back."""
        with self._store.read() as reader:
            return {
                statement
                for statement in set(statements)
                if reader.find(RETRACTION, {"member": member, "statement": statement}, limit=1)
            }

    def outcomes(self) -> Counts:
        """Return, by member, how many of its statements were upheld and how many overturned."""
        return self._outcome_counts.get()

    def alarms(self, limit: int) -> list[AlarmRow]:
        """Return alarms, the newest first."""
        with self._store.read() as reader:
            found = reader.find(ALARM, {}, newest="issued", limit=limit)
        return [AlarmRow(member, issued, body) for member, _, issued, body in found]

    def ceremony_statements(self, ceremony: bytes | None = None) -> list[tuple[str, bytes]]:
        """Return speaker and bytes of ceremony statements, by ceremony, member and position."""
        equal = {} if ceremony is None else {"ceremony": ceremony}
        member, body = _place(CEREMONY, "member"), _place(CEREMONY, "bytes")
        with self._store.read() as reader:
            return [(row[member], row[body]) for row in reader.find(CEREMONY, equal)]

    def ceremony_count(self) -> int:
        """Return how many ceremony statements there are, without reading them."""
        with self._store.read() as reader:
            return sum(count for _, count in reader.count(CEREMONY, ("ceremony",)))

    def matter_counts(self) -> dict[MatterName, int]:
        """Return every matter with the number of statements about it."""
        with self._store.read() as reader:
            counted = reader.count(MATTER, ("kind", "matter", "opener"))
            return {MatterName(*name): count for *name, count in counted}

    def matter_rows(self, name: MatterName) -> list[MatterRow]:
        """Return what was said about one matter, by member and position."""
        places = [_place(MATTER, column) for column in ("member", "bytes")]
        equal = {"kind": name.kind, "matter": name.id, "opener": name.opener}
        with self._store.read() as reader:
            return [MatterRow(*itemgetter(*places)(row)) for row in reader.find(MATTER, equal)]

    def matter_position(self, name: MatterName, member: str, statement: bytes) -> int:
        """Return where a member's statement about a matter stands in its log.

        Raises:
            LookupError: There is no such statement.
        """
        place = _place(MATTER, "position")
        equal = {"kind": name.kind, "matter": name.id, "opener": name.opener}
        with self._store.read() as reader:
            rows = reader.find(MATTER, {**equal, "member": member, "statement": statement}, limit=1)
        if not rows:
            raise LookupError("no such statement")
        position: int = rows[0][place]
        return position

    def follow_matters(self, follower: Callable[[set[MatterName] | None], None]) -> None:
        """Tell a follower which matters change from now on; None: any may have.

        It is called on the writer's thread and must only take note.
        """

        def tell(changes: Sequence[Put | Drop] | None) -> None:
            # Item 1 is a Put's row and a Drop's key; both begin with the matter's name.
            follower(None if changes is None else {MatterName(*one[1][:3]) for one in changes})

        self._store.follow(MATTER, tell)

    def sum_counts(self) -> dict[bytes, int]:
        """Return every private sum with the number of statements about it."""
        with self._store.read() as reader:
            return dict(reader.count(SUM, ("sum_id",)))

    def sum_rows(self, sum_id: bytes) -> list[SumRow]:
        """Return the statements about one sum, by member and position."""
        places = [_place(SUM, name) for name in ("member", "body", "issued", "position")]
        with self._store.read() as reader:
            found = [itemgetter(*places)(row) for row in reader.find(SUM, {"sum_id": sum_id})]
        return [SumRow(member, _SUM_BODIES[body], at, place) for member, body, at, place in found]

    def nominated_kinds(self, member: str, since: int) -> dict[int, int]:
        """Return how many nominations of a member, said since a second, stand, by kind number."""
        kind, issued = _place(EVIDENCE, "kind"), _place(EVIDENCE, "issued")
        with self._store.read() as reader:
            rows = reader.find(EVIDENCE, {"member": member, "body": _NOMINATION})
        return Counter(row[kind] for row in rows if row[issued] >= since)

    def grants(self, member: str, kind_class: int) -> list[tuple[bytes, str, int]]:
        """Return the grants to a member for a kind class: grant id, holder, amount."""
        equal = {"member": member, "kind_class": int(kind_class)}
        places = [_place(GRANT, name) for name in ("grant_id", "holder", "amount")]
        with self._store.read() as reader:
            return [itemgetter(*places)(row) for row in reader.find(GRANT, equal)]

    def dump(self) -> Iterator[tuple[str, Row]]:
        """Yield table name and row of every view, to compare stores byte by byte."""
        with self._store.read() as reader:
            for table in self._store.tables:
                for row in reader.rows(table):
                    yield table.name, row

    def _nominations(self, member: str, tokens: Sequence[bytes]) -> list[Row]:
        return self._said(member, tokens, _NOMINATION)

    def _said(self, member: str, tokens: Sequence[bytes], body: int) -> list[Row]:
        with self._store.read() as reader:
            rows: Iterable[Any] = reader.rows_of(EVIDENCE, tokens)
            return [row for row in rows if row[_MEMBER] == member and row[_BODY] == body]


def _by_token(
    reader: PublicReader,
    table: Table,
    tokens: Sequence[bytes],
    kept: Callable[[Iterable[Row]], tuple[Row, ...]] = tuple,
) -> dict[bytes, tuple[Row, ...]]:
    grouped = groupby(reader.rows_of(table, tokens), itemgetter(0))
    return {token: kept(rows) for token, rows in grouped}
