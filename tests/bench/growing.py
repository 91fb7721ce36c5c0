"""Do each kind of work at one size, and say what it cost; ``growth`` gives each a process."""

import importlib.util
import resource
import time
from dataclasses import dataclass
from typing import Any, Final

from node.status import resident_bytes
from tests.bench.clock import cpu_of

BATCH: Final = 2_048
"""Tokens of one call, as the command line asks for them."""

ASKED: Final = 1_000
"""Values that are looked for among those offered."""

ROWS: Final = 2_000
"""Of each member that trains."""

ROUNDS: Final = 4
KIBIBYTE: Final = 1024
LEAST_GROWN: Final = 1024 * KIBIBYTE
"""Bytes: below a mebibyte, memory is that of the allocator and not of the work."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a piece of work cost.

    Attributes:
        seconds: Of CPU.
        resident: Bytes by which the memory of its process grew at most.
        sent: Bytes between the parties; 0 where there are none.
        lookup_seconds: Of CPU for 4,096 look-ups; 0 where there are none.
    """

    seconds: float
    resident: float
    sent: float = 0.0
    lookup_seconds: float = 0.0


class Grown:
    """By how much memory has grown since this was made, a mebibyte at least."""

    def __init__(self) -> None:
        self._before = resident_bytes()

    def most(self) -> float:
        """Return it for the largest that this process ever was."""
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIBIBYTE
        return max(LEAST_GROWN, most - self._before)


def cost_of_tokens(count: int) -> Cost:
    """Make so many tokens with two of three holders, in batches; CPU of all parties."""
    from keys.blinding import blind_batch, finish_batch
    from keys.derivation import token_input
    from keys.evaluation import CheckMode, evaluate_batch
    from tests.bench.tokens import SUBSET, _key

    public, shares = _key()
    grown, begin, sent = Grown(), time.process_time(), 0
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        inputs = [token_input("night", 1, b"+86139%08d" % number) for number in numbers]
        batch = blind_batch(inputs, CheckMode.SUM)
        partials = {
            i: evaluate_batch(shares[i], i, SUBSET, batch.blinded, batch.check_point, CheckMode.SUM)
            for i in SUBSET
        }
        finish_batch(batch, public, SUBSET, partials)
        sent += len(SUBSET) * len(batch.blinded)
        sent += sum(len(one.elements) for one in partials.values())
    return Cost(time.process_time() - begin, grown.most(), sent)


def cost_of_replication(count: int) -> Cost:
    """Take over a log of so many statements through the doors."""
    from tests.bench.replication import take_over

    taken = take_over(count)
    return Cost(taken.cpu, taken.resident, taken.wire)


def cost_of_matching(count: int) -> Cost:
    """Look for a thousand values among so many offered ones, through the parts of a node."""
    from tests.bench.psi import by_a_node, our_bytes, values

    taken = by_a_node(values(0, count), values(count - 10, ASKED))
    grown = max(LEAST_GROWN, taken.mebibytes * KIBIBYTE * KIBIBYTE)
    return Cost(taken.cpu, grown, our_bytes(count, ASKED))


def cost_of_index(count: int) -> Cost:
    """Read the index of so many tokens out of a node's store."""
    from tests.bench.lookup import held

    found = held(count)
    return Cost(found.build, max(LEAST_GROWN, found.resident), lookup_seconds=found.cpu)


def has_training() -> bool:
    """Say whether what training needs is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("flwr", "torch"))


def cost_of_training(members: int) -> Cost:
    """Train a few rounds over so many members in one process."""
    import torch

    from federation.training.adapter import encode_message
    from federation.training.local_engine import run_locally
    from tests.bench.training import plan_for, tables_of

    names = [f"member-{place}" for place in range(members)]
    tables, schema = tables_of(names, ROWS)
    sent = 0

    def count(request: Any, reply: Any) -> Any:
        nonlocal sent
        sent += len(encode_message(request)) + len(encode_message(reply))
        return reply

    grown, plan = Grown(), plan_for(schema, ROUNDS, "robust")
    torch.set_num_threads(1)  # else threads that wait for one another are counted as work
    seconds, _ = cpu_of(
        lambda: run_locally(plan, schema, tables, tamper=dict.fromkeys(names, count))
    )
    return Cost(seconds, grown.most(), sent)
