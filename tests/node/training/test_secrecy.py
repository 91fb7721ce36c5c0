"""What a coordinator and one of three holders together try against a member's update, in vain.

Everything that both receive is theirs; the coordinator also sends what it likes, to whom it likes.
Each attack is shown to work where the one defence against it is taken away, so that it can fail.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest

from federation.prime_field import PRIME
from federation.statements import SumClose, SumOpen, SumPartial, SumShares
from federation.sums import Sum, open_sum, to_floats
from federation.sums.field import decode_elements
from federation.sums.holder import PARTIAL_CONTEXT
from federation.sums.randomness import Keystream, uniform
from federation.sums.sealing import SHARES_CONTEXT, open_share
from federation.sums.sharing import interpolate
from federation.training.sum_labels import labels_digest, round_label
from federation.vocabulary import Purpose
from keys.secret import Secret
from node.training import sum_duties
from node.training.sum_speech import (
    CHECK,
    CLOSE,
    ECHO,
    PARTIAL,
    SHARES,
    Speech,
    speak,
    to_pieces,
)
from tests.node.training.sum_world import (
    BANK,
    CARRIER,
    CHARTER,
    COORD,
    FEDERATION,
    HOLDER,
    OTHERS,
    World,
)

VICTIM = OTHERS[0].name
TRAITOR = BANK
"""A holder that gives the coordinator all it has; it does not say anything to anybody else."""
HONEST = (CARRIER, HOLDER)
TRAITOR_INDEX = 2
WAIT_SECONDS = 1.0
SMALL_SEEDS = 1 << 16
"""Tried for each generator; a single hit would stand out, as it fits eight entries at once."""

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def world(tmp_path):
    made = World(tmp_path)
    await made.attach()
    yield made
    made.close()


class Villain:
    """A coordinator that keeps to nothing, with the traitor's keys."""

    def __init__(self, world):
        self.world, self.heard, self.refused = world, [], {}
        self.opened = None

    def hear(self, member, speech):
        self.heard.append(speech)

    def miss(self, member, reason):
        self.refused[member] = reason

    async def open(self, contributors, deadline=100, **changes):
        scale = self.world.scale()
        draft = SumOpen(
            sum_id=bytes(range(200, 216)),
            labels_digest=labels_digest(self.world.plan.digest(), round_label(1, 0)),
            label_count=scale.length,
            contributors=tuple(sorted(contributors)),
            least_contributors=3,
            threshold=CHARTER.threshold,
            holders=CHARTER.holders,
            purpose=Purpose.TRAINING,
            deadline_time=self.world.time + deadline,
            scale=1,
            largest=scale.largest,
        )
        self.opened = open_sum(FEDERATION, COORD.name, replace(draft, **changes))
        self.world.hub.listen(self.opened.opening.sum_id, self)
        everybody = {*contributors, *CHARTER.holders}
        rows = scale.rows if self.opened.opening.norm_blocks else 0
        await self.say(everybody, self.signed(self.opened.opening, rows))
        await self.settle()

    def signed(self, body, rows=0):
        return speak(self.world.plan.digest(), COORD.name, body, COORD.signing_key, rows)

    async def say(self, members, *speeches):
        pieces = [piece for one in speeches for piece in to_pieces(one, COORD.name)]
        for member in members:
            await self.world.hub.say(member, pieces)

    async def ask(self, members, part):
        digest, sum_id = self.world.plan.digest(), self.opened.opening.sum_id
        await self.say(members, Speech(digest, sum_id, part, COORD.name))

    async def settle(self):
        """Give everybody time to say what they will say."""
        await asyncio.sleep(WAIT_SECONDS)

    def said(self, part):
        return [one for one in self.heard if one.part == part]

    def shares(self):
        return {one.speaker: one.read() for one in self.said(SHARES)}

    async def check(self, holders=CHARTER.holders):
        await self.say(holders, *self.said(SHARES))
        await self.ask(holders, CHECK)
        await self.settle()
        for holder in holders:
            others = [one for one in self.said(CHECK) if one.speaker != holder]
            await self.say([holder], *others)

    def closing(self, names):
        shares = self.shares()
        digests = [self.opened.shares_digest(name, shares[name].sealed_shares) for name in names]
        sum_id = self.opened.opening.sum_id
        return SumClose(sum_id, tuple(sorted(names)), b"".join(self.sorted_by(names, digests)))

    @staticmethod
    def sorted_by(names, digests):
        return [digest for _name, digest in sorted(zip(names, digests, strict=True))]

    async def close(self, names, holders=CHARTER.holders, to=None):
        close = self.closing(list(names))
        await self.say({*(names if to is None else to), *holders}, self.signed(close))
        await self.settle()
        return close

    async def answer(self, holders):
        await self.say(holders, *self.said(ECHO))
        await self.ask(holders, PARTIAL)
        await self.settle()

    def partial_of(self, close):
        """Add up the traitor's shares of a close, whatever the rules."""
        total = np.zeros(self.opened.opening.label_count, np.uint64)
        for name in close.contributors:
            total = (total + self.traitor_row(self.opened, name)) % np.uint64(PRIME)
        return total

    def traitor_row(self, opened, name):
        shares = self.shares()[name]
        row = open_share(opened, name, shares, TRAITOR.name, TRAITOR.sealing_key)
        return row[: opened.opening.label_count]

    def total(self, close):
        """Interpolate a close's total from honest partials and the traitor's; None: too few."""
        digest = self.opened.close_digest(close)
        points = {TRAITOR_INDEX: self.partial_of(close)}
        for speech in self.said(PARTIAL):
            partial = speech.read()
            if partial.close_digest == digest and speech.speaker != TRAITOR.name:
                index = CHARTER.holders.index(speech.speaker) + 1
                points[index] = decode_elements(partial.vector, self.opened.opening.label_count)
        return None if len(points) < CHARTER.threshold else signed(interpolate(points, 1))


def signed(values):
    numbers = values.astype(np.int64)
    return np.where(numbers > PRIME // 2, numbers - PRIME, numbers)


def found(candidates, vector):
    """Say whether one of the vectors an attack came up with is the victim's."""
    return any(one is not None and np.array_equal(one, vector) for one in candidates)


def difference(whole, rest):
    return None if whole is None or rest is None else whole - rest


def names_but(world, *left_out):
    return [name for name in world.contributors if name not in left_out]


async def led(world, villain):
    """Lead a whole sum as the coordinator should, and return its close."""
    await villain.open(world.contributors)
    await villain.check()
    close = await villain.close(world.contributors)
    await villain.answer(CHARTER.holders)
    return close


async def test_two_holders_together_have_every_update_so_the_attacks_can_succeed(world):
    given, villain = world.give_updates(), Villain(world)
    await led(world, villain)
    shares = villain.shares()[VICTIM]
    rows = {
        index: open_share(villain.opened, VICTIM, shares, who.name, who.sealing_key)
        for index, who in ((TRAITOR_INDEX, TRAITOR), (3, HOLDER))
    }
    length = villain.opened.opening.label_count

    assert found([signed(interpolate(rows, 1)[:length])], given[VICTIM])


async def test_coordinator_and_one_holder_have_the_total_and_points_that_fit_any_update(world):
    given, villain = world.give_updates(), Villain(world)
    close = await led(world, villain)
    row = villain.traitor_row(villain.opened, VICTIM)
    total = villain.total(close)
    rest = sum(vector for name, vector in given.items() if name != VICTIM)

    assert (total == rest + given[VICTIM]).all()
    assert not found([signed(row), total], given[VICTIM])
    # Every other update fits as well: there is a line through it and the traitor's point.
    inverse = pow(TRAITOR_INDEX, -1, PRIME)
    for guess in (given[VICTIM], given[VICTIM] + 1, np.zeros_like(given[VICTIM])):
        constant = np.where(guess < 0, guess + PRIME, guess).astype(np.uint64)
        pairs = list(zip(constant.tolist(), row.tolist(), strict=True))
        slopes = [(point - value) * inverse % PRIME for value, point in pairs]
        through = [
            (value + TRAITOR_INDEX * slope) % PRIME
            for (value, _), slope in zip(pairs, slopes, strict=True)
        ]

        assert through == row.tolist()


async def test_what_the_coordinator_passes_on_shows_no_number_of_an_update(world):
    given, villain = world.give_updates(), Villain(world)
    await led(world, villain)
    seen = b"".join(one.body for one in villain.heard)
    seen += b"".join(piece.body for piece in world.members[TRAITOR.name].received)
    plain = np.where(given[VICTIM] < 0, given[VICTIM] + PRIME, given[VICTIM]).astype("<u8")

    for vector in (given[VICTIM].astype("<i8"), plain, to_floats(given[VICTIM], 1)):
        for entry in vector[np.abs(given[VICTIM]) > 1_000]:
            assert entry.tobytes() not in seen


async def close_twice(world, villain):
    """Close over everybody and, once that is answered, over everybody but the victim."""
    first = await led(world, villain)
    second = await villain.close(names_but(world, VICTIM))
    await villain.answer(CHARTER.holders)
    return [difference(villain.total(first), villain.total(second))]


async def close_apart(world, villain):
    """Show one honest holder and the victim one close, and the other holder another."""
    first, second = HONEST
    await villain.open(world.contributors)
    await villain.check()
    whole = await villain.close(world.contributors, [first.name])
    await villain.answer([first.name])
    rest = await villain.close(names_but(world, VICTIM), [second.name])
    await villain.answer([second.name])
    return [difference(villain.total(whole), villain.total(rest))]


async def open_again(world, villain):
    """Open the round once more without the victim, and subtract."""
    first = await led(world, villain)
    whole = villain.total(first)
    again = Villain(world)
    await again.open(names_but(world, VICTIM), deadline=101)
    if len(again.shares()) < 3:
        return [whole]
    await again.check()
    second = await again.close(names_but(world, VICTIM))
    await again.answer(CHARTER.holders)
    return [whole, difference(whole, again.total(second))]


@pytest.mark.parametrize("attack", [close_twice, close_apart, open_again])
async def test_no_two_totals_differ_by_one_member(world, attack):
    given, villain = world.give_updates(), Villain(world)

    assert not found(await attack(world, villain), given[VICTIM])


@pytest.mark.parametrize("attack", [close_twice, close_apart, open_again])
async def test_without_memory_and_echoes_the_same_attacks_succeed(world, attack, monkeypatch):
    def forget(*_arguments, **_how):
        return None

    monkeypatch.setattr(sum_duties.SumMemory, "bind", forget)
    monkeypatch.setattr(sum_duties.SumMemory, "note_contribution", forget)
    monkeypatch.setattr(sum_duties.SumMemory, "bound", forget)
    monkeypatch.setattr(sum_duties.SumMemory, "past", lambda *_: [])
    monkeypatch.setattr(sum_duties, "fold_sum", latest_close_alone(sum_duties.fold_sum))
    monkeypatch.setattr(sum_duties._Held, "echoes", property(AnyEcho, forget), raising=False)
    monkeypatch.setattr(sum_duties, "OrderedDict", KeptForEver)
    for member in world.members.values():
        member.detach()
        member.attach()
    given, villain = world.give_updates(), Villain(world)

    assert found(await attack(world, villain), given[VICTIM])


def latest_close_alone(fold):
    """Make a holder that answers whatever close it saw last."""

    def folded(federation, sum_id, said, keys):
        closes = [one for one in said if isinstance(one.body, SumClose)]
        rest = [one for one in said if not isinstance(one.body, SumClose)]
        return fold(federation, sum_id, rest + closes[-1:], keys)

    return folded


class KeptForEver(OrderedDict):
    """Sums that are not forgotten when they are answered."""

    def __delitem__(self, _key):
        return None


class AnyEcho(dict):
    """Echoes of everybody for every close."""

    def __init__(self, held):
        closes = [one.body for one in held.said if isinstance(one.body, SumClose)]
        self._digest = held.sum.close_digest(closes[-1]) if closes else b""

    def get(self, _name, _default=None):
        return self._digest

    def setdefault(self, _name, _value):
        return self._digest


@pytest.mark.parametrize(
    "changes",
    [
        {"holders": (COORD.name, TRAITOR.name, HOLDER.name)},
        {"holders": (TRAITOR.name, COORD.name)},
        {"holders": tuple(reversed(CHARTER.holders))},
        {"threshold": 3},
    ],
)
async def test_shares_are_sealed_to_no_other_holders_than_the_charter_s(world, changes):
    world.give_updates()
    villain = Villain(world)
    await villain.open(world.contributors, **changes)

    assert not villain.shares()
    assert villain.refused[VICTIM] == "SUM_REFUSED"


async def test_shares_are_sealed_to_the_keys_in_the_charter_and_no_message_names_others(world):
    world.give_updates()
    villain = Villain(world)
    await villain.open(world.contributors)
    shares = villain.shares()[VICTIM]
    for place, who in enumerate((CARRIER, BANK, HOLDER)):
        assert who.name == CHARTER.holders[place]
        assert open_share(villain.opened, VICTIM, shares, who.name, who.sealing_key).size


@pytest.mark.parametrize(
    "changes",
    [
        {"contributors": tuple(sorted((VICTIM, OTHERS[2].name, OTHERS[3].name)))},
        {"purpose": Purpose.CHECK},
        {"deadline_time": 1_999_999_999},
    ],
)
async def test_no_sum_is_contributed_to_that_the_plan_does_not_allow(world, changes):
    world.give_updates()
    villain = Villain(world)
    contributors = changes.pop("contributors", world.contributors)
    await villain.open(contributors, **changes)

    assert not villain.shares()


async def test_the_norm_of_a_few_entries_is_never_opened(world):
    world.give_updates()
    scale = world.scale()
    for blocks in ((1, 1), (1,) * 5, (scale.length - 3, 1)):
        villain = Villain(world)
        bounds = (1 << 40,) * len(blocks)
        await villain.open(world.contributors, norm_blocks=blocks, norm_bounds=bounds)

        assert not villain.shares()
        assert set(villain.refused) >= {VICTIM, HOLDER.name}


def search_seeds(row, largest):
    """Try small seeds of the sharing's generator and of usual ones; return vectors that fit."""
    hits = []
    for seed in range(SMALL_SEEDS):
        for first in (stretch(seed, "big"), stretch(seed, "little")):
            fits = candidate(row, first, largest)
            if fits is not None:
                hits.append(fits)
        if seed < SMALL_SEEDS >> 4:
            twister = np.random.RandomState(seed)  # what the old masks came from
            first = twister.randint(0, PRIME, 10, dtype=np.int64).astype(np.uint64)
            fits = candidate(row, first, largest)
            if fits is not None:
                hits.append(fits)
    return hits


def stretch(seed, order):
    return uniform(Keystream(Secret(seed.to_bytes(32, order))), 10)


def candidate(row, drawn, largest):
    """Return eight entries if they are as small as entries are; two masks were drawn before."""
    entries = [
        (int(point) - TRAITOR_INDEX * int(slope)) % PRIME
        for point, slope in zip(row[:8], drawn[2:], strict=True)
    ]
    centred = np.array([one - PRIME if one > PRIME // 2 else one for one in entries])
    return centred if np.abs(centred).max() <= largest else None


async def test_the_polynomials_come_from_no_seed_that_can_be_tried(world):
    given, villain = world.give_updates(), Villain(world)
    await villain.open(world.contributors)
    row = villain.traitor_row(villain.opened, VICTIM)
    hits = await asyncio.to_thread(search_seeds, row, world.scale().largest)

    assert not found(hits, given[VICTIM][:8])


async def test_a_small_seed_would_be_found(world, monkeypatch):
    monkeypatch.setattr(
        "federation.sums.randomness.secrets.token_bytes",
        lambda count: (SMALL_SEEDS - 7).to_bytes(count, "big"),
    )
    given, villain = world.give_updates(), Villain(world)
    await villain.open(world.contributors)
    row = villain.traitor_row(villain.opened, VICTIM)
    hits = await asyncio.to_thread(search_seeds, row, world.scale().largest)

    assert found(hits, given[VICTIM][:8])


async def test_shares_replayed_in_another_sum_open_nowhere(world):
    given, villain = world.give_updates(), Villain(world)
    await led(world, villain)
    old = villain.shares()[VICTIM]
    accomplice = OTHERS[1]
    again = Villain(world)
    world.give_updates(attempt=1)
    label = labels_digest(world.plan.digest(), round_label(1, 1))
    await again.open(world.contributors, deadline=102, labels_digest=label)
    await world.hub.say(HOLDER.name, to_pieces(villain.said(SHARES)[0], COORD.name))
    # The victim's old shares under the accomplice's name, in the new sum: twice the same vector
    # in two totals would show it.
    sum_id = again.opened.opening.sum_id
    digest = again.opened.shares_digest(accomplice.name, old.sealed_shares)
    signature = accomplice.signing_key.sign(SHARES_CONTEXT, digest)
    forged = SumShares(sum_id, old.sealed_shares, signature)
    plan = world.plan.digest()
    again.heard = [one for one in again.heard if one.speaker != accomplice.name]
    again.heard.append(speak(plan, accomplice.name, forged, accomplice.signing_key))
    await again.check()

    for speech in again.said(CHECK):
        assert accomplice.name in speech.read().refused

    close = await again.close(names_but(world))
    await again.answer(CHARTER.holders)

    assert close.contributors == tuple(sorted(world.contributors))
    assert not again.said(PARTIAL)
    assert given[VICTIM].any()


async def test_an_answer_of_another_sum_is_no_answer(world):
    world.give_updates()
    villain = Villain(world)
    close = await led(world, villain)
    partial = villain.said(PARTIAL)[0].read()

    assert isinstance(partial, SumPartial)
    other = Sum(FEDERATION, COORD.name, replace(villain.opened.opening, least_contributors=4))
    holder = villain.said(PARTIAL)[0].speaker
    mine = villain.opened.partial_message(holder, partial.close_digest, partial.vector)
    theirs = other.partial_message(holder, partial.close_digest, partial.vector)

    assert mine != theirs
    assert close.contributors == tuple(sorted(world.contributors))
    assert PARTIAL_CONTEXT.startswith("sum-partial")


async def test_what_is_said_to_holders_is_signed_by_who_said_it(world):
    world.give_updates()
    villain = Villain(world)
    await villain.open(world.contributors)
    await villain.check()
    close = await villain.close(world.contributors, to=())
    forged = [
        replace(villain.signed(close), part=ECHO, speaker=name, body=secrets.token_bytes(48))
        for name in world.contributors
    ]
    await villain.say([HOLDER.name], *forged)
    await villain.answer([HOLDER.name])

    assert HOLDER.name not in {one.speaker for one in villain.said(PARTIAL)}
    assert CLOSE in {piece.part for piece in world.members[HOLDER.name].received}
