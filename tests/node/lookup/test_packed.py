"""Packed entries against a plain dictionary, with tokens that share their first 64 bits."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from node.lookup.packed import ASK, DETAIL, FIRST_SAID, MISSING, TWINS, Entries, Packed, Tokens

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

    for token, found in zip(asked, packed.find(asked).tolist(), strict=True):
        said = plain.get(token, MISSING)
        is_twin = sum(other[:8] == token[:8] for other in ever) > 1
        assert found == (said, 0, said, 0) or (is_twin and found[0] == TWINS)


@given(st.dictionaries(TOKEN, st.integers(1, 3), min_size=1))
def test_a_token_of_several_rows_is_asked_for(counts) -> None:
    packed = Packed()
    rows = [entries({token: FIRST_SAID}) for token in sorted(counts) for _ in range(counts[token])]
    packed.replace(Entries.joined(rows))
    found = dict(zip(sorted(counts), packed.find(sorted(counts)).tolist(), strict=True))

    for token, count in counts.items():
        is_alone = sum(other[:8] == token[:8] for other in counts) == 1
        assert found[token][0] == ((FIRST_SAID if count == 1 else ASK) if is_alone else TWINS)
    assert len(packed) == len({token[:8] for token in counts})
