"""What stands in for a desk's statements is byte for byte what a desk would say."""

import itertools

from federation.statements.codec import encode_statement
from tests.bench.statements import BATCH, batches, nominations

NOW = 1_800_000_000


def test_batches_are_the_nominations_encoded_one_by_one():
    count = BATCH + 3

    found = list(batches("bank-x", count, NOW, seed=7))

    assert [len(batch) for batch in found] == [BATCH, 3]
    assert list(itertools.chain(*found)) == [
        encode_statement(one) for one in nominations("bank-x", count, NOW, seed=7)
    ]
