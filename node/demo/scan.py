"""Search files for raw identifiers, whatever format they are in.

Every stretch of characters that identifiers are made of is looked at from every offset, so that
bytes beside a value cannot hide it: database pages, write-ahead logs, packed messages, captures
and logs are all the same to the search. Case does not matter. A finding says where and of what
kind, never what.

- A value that a node may have, because its own list, watchlist or guard holds it, is no finding
  there; neither is a value inside such a longer one (``foo.example`` in ``myfoo.example``).
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
    """The values to search for, by their first bytes, and who may have each."""

    def __init__(self) -> None:
        self._owners: dict[bytes, frozenset[str]] = {}
        self._kinds: dict[bytes, str] = {}
        self._by_start: dict[bytes, tuple[bytes, ...]] = {}
        self.too_short = 0

    def __len__(self) -> int:
        return len(self._owners)

    def add(self, indicator: Indicator, typed: Iterable[str], owners: Iterable[str]) -> None:
        """Search for an indicator in its canonical form and as typed; owners may have it."""
        searched = False
        for form in forms_of(indicator, typed):
            if len(form) >= MIN_FORM_BYTES:
                self._add_form(form[:MAX_FORM_BYTES], indicator.kind, frozenset(owners))
                searched = True
        self.too_short += not searched

    def _add_form(self, form: bytes, kind: Kind, owners: frozenset[str]) -> None:
        if form not in self._owners:
            start = form[:MIN_FORM_BYTES]
            self._by_start[start] = (*self._by_start.get(start, ()), form)
        self._owners[form] = self._owners.get(form, frozenset()) | owners
        self._kinds[form] = kind.name.lower()

    def search(self, place: Place) -> Tally:
        """Read a file to its end and search it."""
        tally = Tally(files=1)
        for base, data, first, last in _chunks(place.path):
            tally.bytes_read += last - first
            for run in _RUN.finditer(data.lower()):
                if run.end() > first and run.start() < last:
                    self._search_run(place, base, run, (first, last), tally)
        return tally

    def _search_run(
        self, place: Place, base: int, run: re.Match[bytes], core: tuple[int, int], tally: Tally
    ) -> None:
        text = run[0]
        starts = self._by_start
        width = MIN_FORM_BYTES
        hits = [at for at in range(len(text) - width + 1) if text[at : at + width] in starts]
        if not hits:
            return
        allowed: list[tuple[int, int]] = []
        foreign: list[tuple[int, int, bytes]] = []
        for at in hits:
            for form in starts[text[at : at + width]]:
                if text.startswith(form, at):
                    if place.may_hold in self._owners[form]:
                        allowed.append((at, at + len(form)))
                    else:
                        foreign.append((at, at + len(form), form))
        first, last = core[0] - run.start(), core[1] - run.start()
        tally.expected += sum(first <= start < last for start, _ in allowed)
        # A number without its plus lies inside the same number with it: one finding, not two.
        around = {*allowed, *((start, end) for start, end, _ in foreign)}
        for start, end, form in foreign:
            inside = any(
                left <= start and end <= right and (left, right) != (start, end)
                for left, right in around
            )
            if first <= start < last and not inside:
                offset = base + run.start() + start
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
