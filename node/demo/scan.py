"""Search files for raw identifiers, whatever format they are in.

Every stretch of characters that identifiers are made of is looked at from every offset, so that
bytes beside a value cannot hide it: database pages, write-ahead logs, packed messages, captures
and logs are all the same to the search. Case does not matter. A finding says where and of what
kind, never what.

- A value that a node may have, because its own list or guard holds it, is no finding there.
- Neither is one that lies inside such a longer value (``foo.example`` in ``myfoo.example``); how
  many there are is counted.
- Compressed or encrypted copies cannot be seen.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from federation.indicators import Indicator, Kind

MIN_FORM_BYTES = 6
"""Bytes: in a gigabyte of random ones a shorter value appears by chance."""
MAX_FORM_BYTES = 256
"""Bytes of a form: longer ones are searched by their beginning."""

_CHUNK_BYTES = 4 * 1024 * 1024
_RUN = re.compile(rb"[0-9a-z.:_+\-/@=() ]{%d,}" % MIN_FORM_BYTES)


@dataclass(frozen=True, slots=True)
class Place:
    """A file and whose it is; ``may_hold`` is a member, or None where nothing raw may be."""

    path: Path
    name: str
    may_hold: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """A raw identifier where none may be; it says neither the value nor its length."""

    name: str
    offset: int
    kind: str


@dataclass(slots=True)
class Tally:
    """What a search came to.

    Attributes:
        files: How many were read.
        bytes_read: Their size.
        expected: Occurrences of values where they may be: proof that the search sees them.
        findings: Occurrences where they may not be.
    """

    files: int = 0
    bytes_read: int = 0
    expected: int = 0
    findings: list[Finding] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add what another search came to."""
        self.files += other.files
        self.bytes_read += other.bytes_read
        self.expected += other.expected
        self.findings.extend(other.findings)


class Needles:
    """The values to search for, and who may have each."""

    def __init__(self) -> None:
        self._owners: dict[bytes, frozenset[str]] = {}
        self._kinds: dict[bytes, str] = {}
        # First bytes of a form to the lengths of all forms that begin so.
        self._lengths: dict[bytes, tuple[int, ...]] = {}
        # Form to members of whom a longer value holds it inside.
        self._inside: dict[bytes, frozenset[str]] = {}
        self.too_short = 0

    def __len__(self) -> int:
        return len(self._owners)

    @property
    def indistinct(self) -> int:
        """Return how many forms lie inside a longer one that another member may have."""
        return len(self._inside)

    def add(self, indicator: Indicator, typed: Iterable[str], owners: Iterable[str]) -> None:
        """Search for an indicator in its canonical form and as typed; owners may have it."""
        searched = False
        for form in forms_of(indicator, typed):
            if len(form) >= MIN_FORM_BYTES:
                self._add_form(form[:MAX_FORM_BYTES], indicator.kind, frozenset(owners))
                searched = True
        self.too_short += not searched

    def settle(self, texts: Iterable[str] = (), owners: Iterable[str] = ()) -> None:
        """Find the forms that lie inside longer ones of others; to be called after the last add.

        A database leaves torn pieces of a member's own values behind, and a piece may be a whole
        shorter value of somebody else: there the two cannot be told apart.

        Args:
            texts: What is not searched for, but may be with ``owners``.
            owners: Members.
        """
        for longer, members in self._owners.items():
            self._note_inside(longer, members)
        everybody = frozenset(owners)
        for text in texts:
            self._note_inside(text.lower().encode(), everybody)

    def search(self, place: Place) -> Tally:
        """Read a file to its end and search it."""
        tally = Tally(files=1)
        for base, data, first, last in _chunks(place.path):
            tally.bytes_read += last - first
            for run in _RUN.finditer(data.lower()):
                if run.end() > first and run.start() < last:
                    self._search_run(place, base, run, (first, last), tally)
        return tally

    def _add_form(self, form: bytes, kind: Kind, owners: frozenset[str]) -> None:
        start = form[:MIN_FORM_BYTES]
        known = self._lengths.get(start, ())
        if len(form) not in known:
            self._lengths[start] = (*known, len(form))
        self._owners[form] = self._owners.get(form, frozenset()) | owners
        self._kinds[form] = kind.name.lower()

    def _note_inside(self, longer: bytes, owners: frozenset[str]) -> None:
        for _, form in self._found_in(longer):
            if form != longer and not owners <= self._owners[form]:
                self._inside[form] = self._inside.get(form, frozenset()) | owners

    def _found_in(self, text: bytes) -> list[tuple[int, bytes]]:
        """Return every form in a text, with its place."""
        lengths, owners, width = self._lengths, self._owners, MIN_FORM_BYTES
        starts = [at for at in range(len(text) - width + 1) if text[at : at + width] in lengths]
        pieces = [
            (at, text[at : at + length])
            for at in starts
            for length in lengths[text[at : at + width]]
        ]
        return [(at, piece) for at, piece in pieces if piece in owners]

    def _search_run(
        self, place: Place, base: int, run: re.Match[bytes], core: tuple[int, int], tally: Tally
    ) -> None:
        first, last = core[0] - run.start(), core[1] - run.start()
        found = [(at, form) for at, form in self._found_in(run[0]) if first <= at < last]
        foreign = []
        for at, form in found:
            if place.may_hold in self._owners[form]:
                tally.expected += 1
            elif place.may_hold not in self._inside.get(form, ()):
                foreign.append((at, form))
        # A number without its plus lies inside the same number with it: one finding, not two.
        ends = {(at + len(form)) for at, form in foreign if form.startswith(b"+")}
        for at, form in foreign:
            if form.startswith(b"+") or at + len(form) not in ends:
                offset = base + run.start() + at
                tally.findings.append(Finding(place.name, offset, self._kinds[form]))


def forms_of(indicator: Indicator, typed: Iterable[str] = ()) -> set[bytes]:
    """Return the texts that would give the indicator away, in lower case."""
    forms = {indicator.value, *(text.strip() for text in typed)}
    if indicator.kind is Kind.PHONE:
        forms.add(indicator.value.removeprefix("+"))
    return {form.lower().encode() for form in forms if form}


def places_below(
    directory: Path, name: str, may_hold: str | None, silent: Collection[str] = ()
) -> Iterator[Place]:
    """Yield every file below a directory; in those named ``silent`` nobody's value may be."""
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not path.is_symlink():
            shown = f"{name}/{path.relative_to(directory)}"
            yield Place(path, shown, None if path.name in silent else may_hold)


def _chunks(path: Path) -> Iterator[tuple[int, bytes, int, int]]:
    """Yield offset of the data, data, and the core inside it; cores meet without a gap.

    Around each core lie enough bytes that no form, and nothing that a form is inside of, is cut.
    """
    margin = 2 * MAX_FORM_BYTES
    with path.open("rb") as file:
        start, before = 0, b""
        data = file.read(_CHUNK_BYTES)
        while data:
            after = file.read(_CHUNK_BYTES)
            whole = before + data + after[:margin]
            yield start - len(before), whole, len(before), len(before) + len(data)
            start += len(data)
            before, data = data[-margin:], after
