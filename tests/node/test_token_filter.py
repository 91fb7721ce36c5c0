"""The filter of watched tokens: never a wrong "no", seldom a wrong "perhaps"."""

import random

from hypothesis import given
from hypothesis import strategies as st

from node.store.token_filter import TokenFilter

TOKENS = st.lists(st.binary(min_size=16, max_size=16), max_size=60)


@given(TOKENS, TOKENS, st.integers(0, 40))
def test_no_token_that_was_added_is_denied(added, others, capacity) -> None:
    one = TokenFilter(capacity)
    one.add(added)
    possible = one.possible(added + others)

    assert possible[: len(added)] == added
    assert one.is_full == (len(added) > capacity)


def test_one_in_a_hundred_is_looked_up_in_vain_at_full_capacity() -> None:
    source = random.Random(1)
    one = TokenFilter(100_000)
    one.add([source.randbytes(16) for _ in range(100_000)])
    asked = [source.randbytes(16) for _ in range(100_000)]

    assert len(one.possible(asked)) < 2_000


def test_an_empty_filter_denies_all() -> None:
    assert TokenFilter(10).possible([bytes(16), b"x" * 16]) == []
    assert TokenFilter(10).possible([]) == []
