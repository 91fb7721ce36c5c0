"""Measure the group operations of holder and client against one scalar multiplication (V)."""

import asyncio
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from keys.blinding import blind_batch, finish_batch, finish_strict, strict_challenge
from keys.ceremony import combine_commitments, combine_shares, deal_new
from keys.derivation import token_input
from keys.evaluation import CheckMode, evaluate_batch
from keys.group import ELEMENT_BYTES, multiply
from keys.scalar import encode_scalar, random_scalars
from keys.secret import Secret
from keys.threshold import PublicKey
from node.workers import Workers
from tests.bench import token_doors
from tests.bench.clock import ROUNDS, cpu_of, medians
from tests.bench.result import Result

ITEMS: Final = 512
"""Inputs of a batch: a second or less for all rounds of one mode."""

PARTS: Final = 32
"""Batches that worker processes share: seconds of work, so that two can be told from one."""

HOLDERS: Final = (1, 2, 3)
SUBSET: Final = (1, 3)
MICRO: Final = 1e6
TARGETS: Final = {"holder": 1.05, "client sum": 3.4, "client strict": 5.5, "client rfc": 8.0}


def measure() -> Iterator[Result]:
    """Yield holder and client costs of an item, 2 of 3 holders."""
    public, shares = _key()
    inputs = [token_input("night", 1, b"+86139%08d" % number) for number in range(ITEMS)]
    taken = medians(lambda: _round(inputs, public, shares))
    unit, base = "us CPU/item", taken["V"]
    yield Result("tokens: one scalar multiplication (V)", base, unit)
    for name, target in TARGETS.items():
        yield Result(f"tokens: {name}", taken[name], unit, target, base)
    yield from token_doors.measure(public, shares, base)
    one, two = asyncio.run(_rates(inputs, shares[SUBSET[0]]))
    yield Result("tokens: two workers", two, "items/s wall", 1.7, one, at_least=True)


def _key() -> tuple[PublicKey, dict[int, Secret]]:
    context = b"bench"
    dealt = [deal_new(dealer, 2, HOLDERS, context) for dealer in HOLDERS]
    public = combine_commitments([deal for deal, _ in dealt], None)
    shares = {i: combine_shares([parts[i] for _, parts in dealt]) for i in HOLDERS}
    return public, shares


def _round(inputs: list[bytes], public: PublicKey, shares: dict[int, Secret]) -> dict[str, float]:
    sum_client, holder, blinded = _checked(inputs, public, shares, CheckMode.SUM)
    strict_client = _strict(inputs, public, shares)
    seconds = {
        "V": _multiplications(blinded),
        "holder": holder,
        "client sum": sum_client,
        "client strict": strict_client,
        "client rfc": _checked(inputs, public, shares, CheckMode.RFC)[0],
    }
    return {name: MICRO * value / len(inputs) for name, value in seconds.items()}


def _multiplications(elements: bytes) -> float:
    """Multiply each element by a scalar of its own, one call of the library each."""
    points = [elements[i : i + ELEMENT_BYTES] for i in range(0, len(elements), ELEMENT_BYTES)]
    scalars = [encode_scalar(number) for number in random_scalars(len(points))]
    return cpu_of(lambda: list(map(multiply, scalars, points)))[0]


def _checked(
    inputs: list[bytes], public: PublicKey, shares: dict[int, Secret], mode: CheckMode
) -> tuple[float, float, bytes]:
    """Return the seconds of client and holder, and what was blinded; SUM and RFC."""
    first, batch = cpu_of(lambda: blind_batch(inputs, mode))
    answers = {
        i: cpu_of(
            lambda i=i: evaluate_batch(shares[i], i, SUBSET, batch.blinded, batch.check_point, mode)
        )
        for i in SUBSET
    }
    partials = {i: partial for i, (_, partial) in answers.items()}
    last, _ = cpu_of(lambda: finish_batch(batch, public, SUBSET, partials))
    return first + last, answers[SUBSET[0]][0], batch.blinded


def _strict(inputs: list[bytes], public: PublicKey, shares: dict[int, Secret]) -> float:
    mode = CheckMode.STRICT
    first, batch = cpu_of(lambda: blind_batch(inputs, mode))

    def ask(blinded: bytes, point: bytes) -> dict[int, object]:
        return {i: evaluate_batch(shares[i], i, SUBSET, blinded, point, mode) for i in SUBSET}

    partials = ask(batch.blinded, b"")
    second, challenge = cpu_of(lambda: strict_challenge(batch, public, SUBSET, partials))
    answers = ask(b"", challenge.check_point)
    last, _ = cpu_of(lambda: finish_strict(batch, public, SUBSET, challenge, answers))
    return first + second + last


async def _rates(inputs: Sequence[bytes], share: Secret) -> tuple[float, float]:
    """Return the items a second that one and two worker processes evaluate."""
    batch = blind_batch(inputs, CheckMode.SUM)
    pools = {name: Workers(count) for name, count in (("one", 1), ("two", 2))}
    for pool in pools.values():
        await pool.warm_up()

    async def seconds(pool: Workers) -> float:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        await asyncio.gather(
            *(
                pool.run(
                    evaluate_batch, share, 1, (1, 3), batch.blinded, batch.check_point, batch.mode
                )
                for _ in range(PARTS)
            )
        )
        return loop.time() - begin

    rounds = [{name: await seconds(pool) for name, pool in pools.items()} for _ in range(ROUNDS)]
    for pool in pools.values():
        await asyncio.to_thread(pool.close)
    items = PARTS * len(inputs)
    one, two = (items / median(one[name] for one in rounds) for name in ("one", "two"))
    return one, two
