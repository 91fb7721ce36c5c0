"""What a large sum costs. Source: DESIGN §14."""

import time

import numpy as np

from tests.federation.sums.sum_world import HOLDERS, World, vectors

LABELS, CONTRIBUTORS = 100_000, 20
# Seconds of CPU, all parties together, on one core.
TARGET = 3.0


def test_a_sum_of_a_hundred_thousand_labels_and_twenty_members_costs_three_seconds():
    world = World(labels=LABELS, contributors=CONTRIBUTORS, holders=3, threshold=2)
    everybody = vectors(CONTRIBUTORS, LABELS)
    prices = {}
    for step, work in (
        ("contribute", lambda: world.contribute(everybody)),
        ("check", lambda: world.check(*HOLDERS[:3])),
        ("close", world.close),
        ("answer", lambda: world.answer(*HOLDERS[:3])),
    ):
        start = time.process_time()
        work()
        prices[step] = time.process_time() - start
    start = time.process_time()
    total = world.total()
    prices["total"] = time.process_time() - start
    print({step: round(price, 3) for step, price in prices.items()})

    assert np.array_equal(total.units, sum(everybody.values()))
    assert total.is_checked
    assert sum(prices.values()) < TARGET
