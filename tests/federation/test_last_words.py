"""However much a member says about a token, its last words count, and all of the others'."""

from hypothesis import given
from hypothesis import strategies as st

from federation.last_words import MOST_WORDS, last_words
from federation.views import Row
from federation.weighing import NOMINATION, SIGHTING

TOKEN = bytes(16)


def row(member: str, body: int, position: int) -> Row:
    statement = (position * 2_654_435_761 % 2**32).to_bytes(16)  # ids come in no order
    about = (TOKEN, member, statement, 1, body, 60, 0, 1, 0, 0, 1)
    return (*about, 5, 5, 0, 1, position)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["bank-x", "carrier-a"]),
            st.sampled_from([NOMINATION, SIGHTING]),
            st.integers(0, 10**6),
        ),
        max_size=4 * MOST_WORDS,
        unique_by=lambda said: (said[0], said[2]),
    )
)
def test_the_last_words_of_each_member_and_kind_are_left_in_their_order(said) -> None:
    rows = sorted(row(*one) for one in said)
    wanted = {
        one
        for member in ("bank-x", "carrier-a")
        for body in (NOMINATION, SIGHTING)
        for one in sorted(
            (each for each in rows if (each[1], each[4]) == (member, body)), key=lambda x: x[15]
        )[-MOST_WORDS:]
    }

    found = last_words(rows)

    assert list(found) == sorted(found)
    assert set(found) == wanted or (set(found) == set(rows) and len(rows) <= MOST_WORDS)


def test_a_flood_drowns_neither_others_nor_what_else_the_member_says() -> None:
    flood = [row("bank-x", SIGHTING, position) for position in range(1, 5_000)]
    quiet = [row("bank-x", NOMINATION, 0), row("carrier-a", NOMINATION, 0)]

    found = last_words(sorted([*flood, *quiet]))

    assert set(found) == {*quiet, *flood[-MOST_WORDS:]}
