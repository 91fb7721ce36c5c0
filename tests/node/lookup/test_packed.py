"""Packed entries against a plain dictionary, with tokens that share their first 64 bits."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from node.lookup import packed as packed_module
from node.lookup.packed import (
    ASK,
    DETAIL,
    FIRST_OTHER,
    FIRST_SAID,
    MISSING,
    MOST_OF_ONE,
    SEVERAL,
    TWINS,
    Entries,
    Packed,
    Tokens,
)

# Few first halves, at both ends of every part, so that tokens meet.
HIGH = st.sampled_from([0, 1, 2**60 - 1, 2**60, 2**63, 2**64 - 2, 2**64 - 1])
TOKEN = st.builds(
    lambda high, low: (high << 64 | low).to_bytes(16), HIGH, st.sampled_from([0, 1, 2**64 - 1])
)
CHANGES = st.dictionaries(TOKEN, st.sampled_from([MISSING, ASK, FIRST_SAID, FIRST_SAID + 7]))


def entries(changes: dict[bytes, int]) -> Entries:
    details = np.zeros(len(changes), DETAIL)
    details["said"] = list(changes.values())
    details["seen"] = list(changes.values())
    return Entries(Tokens.of(list(changes)), details)


@given(st.lists(CHANGES.filter(len), max_size=6), st.lists(TOKEN, min_size=1))
def test_packed_entries_say_what_a_dictionary_says_or_to_ask(rounds, asked) -> None:
    packed, plain = Packed(), {}
    ever = set()
    for changes in rounds:
        packed.replace(entries(changes))
        plain.update(changes)
        ever |= changes.keys()

    for token, found in zip(asked, packed.find(asked).details.tolist(), strict=True):
        said = plain.get(token, MISSING)
        is_twin = sum(other[:8] == token[:8] for other in ever) > 1
        assert found == (said, 0, said, 0) or (is_twin and found[0] == TWINS)


# Rows of each token: none, one that is a nomination or not, several, one that does not fit, and
# more than are kept of one token.
ROWS = st.lists(st.sampled_from([FIRST_SAID, FIRST_SAID + 7, FIRST_OTHER]), max_size=3)
MANY = st.just([FIRST_SAID] * (MOST_OF_ONE + 1))
STORED = st.dictionaries(TOKEN, ROWS | st.just([ASK, FIRST_SAID]) | MANY, min_size=1)


@settings(deadline=None)
@given(st.lists(STORED, min_size=1, max_size=5), st.lists(TOKEN, min_size=1))
def test_rows_of_a_token_are_kept_beside_its_entry(rounds, asked) -> None:
    packed, plain, ever = Packed(), {}, set()
    for stored in rounds:
        packed.replace(Entries.joined([rows_of(token, said) for token, said in stored.items()]))
        plain.update(stored)
        ever |= stored.keys()
    found = packed.find(asked)
    ends = np.cumsum(found.several.counts)
    rows = np.split(found.several.rows["said"], ends[:-1]) if len(ends) else []
    kept = dict(zip(found.places.tolist(), (part.tolist() for part in rows), strict=True))

    for place, token in enumerate(asked):
        kind, said = int(found.details["said"][place]), plain.get(token, [])
        is_twin = sum(other[:8] == token[:8] for other in ever) > 1
        assert kind == kind_of(said) or (is_twin and kind == TWINS)
        assert (kind == SEVERAL) == (place in kept)
        assert kept.get(place, said) == said


def rows_of(token: bytes, said: list[int]) -> Entries:
    details = np.zeros(max(len(said), 1), DETAIL)
    details["said"] = said or [MISSING]
    return Entries(Tokens.of([token] * len(details)), details)


def kind_of(said: list[int]) -> int:
    if len(said) > MOST_OF_ONE or ASK in said:
        return ASK
    if len(said) > 1 or (said and said[0] >= FIRST_OTHER):
        return SEVERAL
    return said[0] if said else MISSING


def test_without_room_for_rows_the_database_is_asked(monkeypatch) -> None:
    monkeypatch.setattr(packed_module, "MOST_ROWS", 16 * 4)  # four a part
    tokens = [bytes([0, number]) * 8 for number in range(4)]
    packed = Packed()
    for token in tokens:
        packed.replace(rows_of(token, [FIRST_SAID, FIRST_SAID + 1]))
    before = packed.find(tokens).details["said"].tolist()
    packed.replace(rows_of(tokens[0], []))
    packed.replace(rows_of(tokens[3], [FIRST_SAID, FIRST_SAID + 1]))
    after = packed.find(tokens).details["said"].tolist()

    assert before == [SEVERAL, SEVERAL, ASK, ASK]
    assert after == [MISSING, SEVERAL, ASK, SEVERAL]
