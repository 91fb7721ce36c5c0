"""Answer look-ups from memory, and stay right while the database changes.

The index is never more than a memory of the database: which tokens it knows nothing of, what lone
nominations say, and the rows of tokens that have several. Whatever it does not know for sure, it
tells its caller to ask there.

- A token that a transaction touched is asked there from the moment on at which that transaction is
  acknowledged, until the index has read the token again. What the transaction said about it is not
  looked at, so the order in which news arrive does not matter.
- Where any row may be another, or nothing has been read yet, everything is asked there.

    index = TokenIndex(store)     # follows the store from now on
    index.start()                 # reads it in a thread of its own
    known = index.look(tokens)    # None: ask the database about all of them
    ...
    index.close()                 # before the store is closed
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from federation.course import BANDS, STAGES, Said, Told, course
from federation.statements.shape import MAX_SKEW_SECONDS
from federation.verdict import Outline, Standing
from federation.views import CUTOFF, EVIDENCE, PROTECTION, Drop, Put
from federation.vocabulary import Band
from node.lookup.packed import ASK, FIRST_SAID, MISSING, SEVERAL, Details, Packed, Several
from node.lookup.reading import SaidNumbers, read_again, read_all
from node.lookup.several import outlines
from node.store.catalogue import MAX_TOKENS
from node.store.protocol import PublicStore
from node.telemetry import describe_error, get_log

# Touched tokens that are read again together: few enough that asking the database about them is
# cheap, and so many, or such a share of all, that copying the arrays is worth it.
TOUCHED_LEAST: Final = 20_000
TOUCHED_SHARE: Final = 32
# Touched tokens that are kept apart, 100 bytes each; with more of them the index begins anew.
TOUCHED_MOST: Final = 1_000_000

# Reading again takes at most one second of five, however fast the logs grow.
REST: Final = 4.0
# Seconds after which it is tried again when the database could not be read.
RETRY_SECONDS: Final = 5.0

# Tokens with several rows that are judged together; setting the columns up takes as long as asking
# the database about so many.
SEVERAL_LEAST: Final = 5

_FOLLOWED: Final = (EVIDENCE, CUTOFF, PROTECTION)
_NOTHING: Final = Told(Band.NONE, (), 0)

Whole = npt.NDArray[np.int64]


class _Now(NamedTuple):
    """What look-ups are answered from; replaced as a whole.

    Attributes:
        packed: None where nothing has been read.
        numbers: What its numbers stand for.
        touched: Tokens touched since the last reading began.
        reading: Tokens that are being read again.
    """

    packed: Packed | None
    numbers: SaidNumbers
    touched: set[bytes]
    reading: set[bytes]


def _empty() -> _Now:
    return _Now(None, SaidNumbers(), set(), set())


class Known(NamedTuple):
    """What the index knows of the tokens of one look-up.

    Attributes:
        lone: Tokens with a single nomination and nothing else.
        ask: Tokens that the database has to be asked about.
        details: Of each lone token.
        several: Tokens with other rows, which may be judged together.
        rows: Of each of those.
        said: What is said in them.
    """

    lone: list[bytes]
    ask: list[bytes]
    details: Details
    several: list[bytes]
    rows: Several
    said: Sequence[Said]

    def settle(self, standing: Standing, now: int) -> tuple[dict[bytes, Outline], list[bytes]]:
        """Return what may be told about tokens, and which to ask the database about."""
        answers = dict(self.outlines(standing, now))
        if len(self.several) < SEVERAL_LEAST:
            return answers, self.ask + self.several
        judged = outlines(self.rows, self.said, standing, now)
        answers.update(zip(self.several, judged.outlines, strict=True))
        unsettled = np.flatnonzero(~judged.settled).tolist()
        return answers, self.ask + [self.several[place] for place in unsettled]

    def tokens(self) -> list[bytes]:
        """Return those that there may be rows of."""
        return self.lone + self.several + self.ask

    def outlines(self, standing: Standing, now: int) -> Iterator[tuple[bytes, Outline]]:
        """Yield each lone token with what may be told about it, as ``verdict.outline`` would."""
        if not self.lone:
            return iter(())
        numbers, inverse = np.unique(self.details["said"], return_inverse=True)
        courses = [course(self.said[number - FIRST_SAID], standing) for number in numbers.tolist()]
        stages = _stages(self.details, np.array([one.ends for one in courses])[inverse], now)
        told = [each for one in courses for each in (*one.told, _NOTHING)]
        drops = np.array([(*one.drops, *_NO_DROP) for one in courses])[inverse, stages]
        expires = _expiry(self.details, drops, stages)
        which = (inverse * (STAGES + 1) + stages).tolist()
        made = [
            Outline(band, codes, end, sources)
            for (band, codes, sources), end in zip(
                [told[place] for place in which], expires.tolist(), strict=True
            )
        ]
        return zip(self.lone, made, strict=True)


_NO_DROP: Final = (0,) * (STAGES + 1 - len(BANDS))


class TokenIndex:
    """The index of one store. Look-ups come from any thread."""

    def __init__(self, store: PublicStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._now = _empty()
        self._is_reading_all = False
        self._anew = 0  # how often all was given up
        self._due = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        for table in _FOLLOWED:
            store.follow(table, self._note)

    @property
    def is_ready(self) -> bool:
        """Whether look-ups are answered from here."""
        return self._now.packed is not None

    def __len__(self) -> int:
        packed = self._now.packed
        return 0 if packed is None else len(packed)

    def start(self) -> None:
        """Read the store, and read again what changes, in the background until ``close``."""
        self._due.set()
        self._thread = threading.Thread(target=self._live, name="token-index", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; the store is not read any more."""
        self._closing.set()
        self._due.set()
        if self._thread is not None:
            self._thread.join()

    def look(self, tokens: Sequence[bytes]) -> Known | None:
        """Return what is known of tokens of 16 bytes each; None: ask the database about all."""
        packed, numbers, touched, reading = self._now  # at once: one belongs to the other
        if packed is None or not tokens:
            return None
        details, places, rows = packed.find(tokens)
        if touched or reading:
            for place, token in enumerate(tokens):
                if token in touched or token in reading:
                    details["said"][place] = ASK
        kinds = details["said"]
        lone = np.flatnonzero(kinds >= FIRST_SAID)
        ask = np.flatnonzero((kinds != MISSING) & (kinds < SEVERAL))
        kept = kinds[places] == SEVERAL
        return Known(
            [tokens[place] for place in lone.tolist()],
            [tokens[place] for place in ask.tolist()],
            details[lone],
            [tokens[place] for place in places[kept].tolist()],
            rows.kept(kept),
            numbers.known,
        )

    def refresh(self) -> None:
        """Read what is due: everything, or the tokens that were touched.

        Raises:
            StoreError: The store cannot be read; look-ups are right all the same.
        """
        if self._now.packed is None:
            self._read_all()
        elif self._now.touched or self._now.reading:
            self._read_touched()

    def _note(self, changes: Sequence[Put | Drop] | None) -> None:
        """Take note of what a transaction changed; on the thread that wrote it."""
        with self._lock:
            if changes is None:
                self._give_up()
            elif self._now.packed is not None or self._is_reading_all:
                # Item 1 is a Put's row and a Drop's key; both begin with the token.
                self._now.touched.update([one[1][0] for one in changes])
                if len(self._now.touched) > TOUCHED_MOST:
                    self._give_up()
            if self._is_due():
                self._due.set()

    def _give_up(self) -> None:
        self._now = _empty()
        self._anew += 1

    def _is_due(self) -> bool:
        packed, _, touched, _ = self._now
        if packed is None:
            return not self._is_reading_all
        return len(touched) >= max(TOUCHED_LEAST, len(packed) // TOUCHED_SHARE)

    def _read_all(self) -> None:
        with self._lock:
            self._is_reading_all, self._now, anew = True, _empty(), self._anew
        packed = None
        try:
            packed = self._read_packed(self._now.numbers, anew)
        finally:
            with self._lock:
                self._is_reading_all = False
                if packed is not None and anew == self._anew:
                    self._now = self._now._replace(packed=packed)

    def _read_packed(self, numbers: SaidNumbers, anew: int) -> Packed | None:
        """Return all entries; None where they were given up meanwhile."""
        packed = Packed()
        with self._store.read() as reader:
            for entries in read_all(reader, numbers):
                if self._closing.is_set() or anew != self._anew:
                    return None
                packed.replace(entries)
        return packed

    def _read_touched(self) -> None:
        with self._lock:
            packed, numbers, touched, reading = self._now
            if packed is None:
                return
            # With what a reading that failed has left over.
            self._now = _Now(packed, numbers, set(), touched | reading)
            tokens, anew = sorted(self._now.reading), self._anew
        for begin in range(0, len(tokens), MAX_TOKENS):
            if self._closing.is_set() or anew != self._anew:
                return
            with self._store.read() as reader:
                changes = read_again(reader, tokens[begin : begin + MAX_TOKENS], numbers)
            packed.replace(changes)
        with self._lock:
            if anew == self._anew:
                self._now = self._now._replace(reading=set())

    def _live(self) -> None:
        while True:
            self._due.wait()
            if self._closing.is_set():
                return
            self._due.clear()
            begin = time.monotonic()
            try:
                self.refresh()
            except Exception as error:
                get_log().error("index.not_read", **describe_error(error))
                self._due.set()
                self._closing.wait(RETRY_SECONDS)
            self._closing.wait(REST * (time.monotonic() - begin))
            if self._is_due():
                self._due.set()


def _stages(details: Details, ends: Whole, now: int) -> Whole:
    """Return in which stage of its course each nomination is; behind all where it is not valid."""
    age = np.maximum(now - details["seen"].astype(np.int64), 0)
    stages: Whole = (age[:, None] >= ends).sum(axis=1)
    expires = details["expires"]
    ahead = details["issued"] > now + MAX_SKEW_SECONDS
    stages[ahead | ((expires > 0) & (expires <= now))] = STAGES
    return stages


def _expiry(details: Details, drops: Whole, stages: Whole) -> Whole:
    """Return the second by which each band is weaker; 0 where there is none."""
    expires = details["expires"].astype(np.int64)
    ends = details["seen"].astype(np.int64) + drops
    ends = np.where(expires > 0, np.minimum(ends, expires), ends)
    return np.where(stages < len(BANDS), ends, 0)
