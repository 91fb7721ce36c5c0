"""Bound what one member says about one token: of each kind of statement its last words count.

Nothing else keeps a member from saying a million things about one token in a minute, and every
node would weigh them all at each look-up. One strongest term of a member counts anyway, and a later
word takes back an earlier one.
"""

import heapq
import itertools
from collections import defaultdict
from collections.abc import Iterable
from operator import itemgetter
from typing import Final

from federation.views import EVIDENCE, Row

MOST_WORDS: Final = 64
"""Statements of one kind: two months of daily sightings. A thousand such members are weighed in
seconds."""

_COLUMNS: Final = [name for name, _ in EVIDENCE.columns]
_KEY: Final = itemgetter(*map(_COLUMNS.index, EVIDENCE.key))
_SPEAKER: Final = itemgetter(_COLUMNS.index("member"), _COLUMNS.index("body"))
_POSITION: Final = itemgetter(_COLUMNS.index("position"))


def last_words(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Return what counts of the rows of evidence on one token; no others are kept meanwhile.

    Args:
        rows: In the order of their key, as they are returned.
    """
    given = iter(rows)
    first = tuple(itertools.islice(given, MOST_WORDS + 1))
    if len(first) <= MOST_WORDS:
        return first
    kept: defaultdict[Row, list[tuple[int, Row]]] = defaultdict(list)
    for row in itertools.chain(first, given):
        words = kept[_SPEAKER(row)]
        if len(words) < MOST_WORDS:
            heapq.heappush(words, (_POSITION(row), row))
        else:
            heapq.heappushpop(words, (_POSITION(row), row))
    return tuple(sorted((row for words in kept.values() for _, row in words), key=_KEY))
