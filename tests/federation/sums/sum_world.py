"""A federation of members with keys, and a sum that runs through all its steps."""

from dataclasses import replace
from functools import cache

import numpy as np

from federation import sums
from federation.names import FederationName, MemberId
from federation.sums import Said, SumOpen
from federation.vocabulary import Purpose
from keys.sealing import SealingKey
from keys.secret import Secret
from keys.signing import SigningKey

FEDERATION = FederationName("shanghai")
OPENER = MemberId("opener")
NOW = 1_800_000_000
MEMBERS = tuple(MemberId(f"member-{place}") for place in "abcdefghijklmnopqrst")
HOLDERS = tuple(MemberId(f"holder-{place}") for place in "abcdefg")
NO_ID = b"\xff" * 16


@cache
def sealing_key(member):
    return SealingKey.from_secret(Secret(member.encode().ljust(32, b".")))


@cache
def signing_key(member):
    return SigningKey.from_seed(Secret(member.encode().ljust(32, b"!")))


SIGNING = {name: signing_key(name).public for name in (*MEMBERS, *HOLDERS, OPENER)}
SEALING = {name: sealing_key(name).public for name in HOLDERS}


def draft(labels=4, contributors=4, holders=3, threshold=2, **changes):
    names = tuple(f"label {place}".encode() for place in range(labels))
    opening = SumOpen(
        sum_id=NO_ID,
        labels_digest=sums.digest_labels(names),
        label_count=labels,
        contributors=MEMBERS[:contributors],
        least_contributors=3,
        threshold=threshold,
        holders=HOLDERS[:holders],
        purpose=Purpose.VERIFICATION,
        deadline_time=NOW + 3600,
        scale=1,
        largest=1000,
    )
    return replace(opening, **changes)


class World:
    """One sum: what was said so far, and everybody's next step."""

    def __init__(self, **changes):
        self.sum = sums.open_sum(FEDERATION, OPENER, draft(**changes))
        self.said = [Said(OPENER, NOW, self.sum.opening)]

    @property
    def opening(self):
        return self.sum.opening

    @property
    def state(self):
        return sums.fold_sum(FEDERATION, self.opening.sum_id, self.said, SIGNING)

    def say(self, member, body, time=NOW + 1):
        self.said.append(Said(member, time, body))
        return body

    def shares(self, member, values, past=()):
        numbers = np.asarray(values)
        key = signing_key(member)
        return sums.contribute(self.sum, member, numbers, SEALING, key, now=NOW, past=past)

    def contribute(self, vectors):
        for member, values in vectors.items():
            self.say(member, self.shares(member, values))

    def check(self, *holders):
        for holder in holders or self.opening.holders:
            self.say(holder, sums.check(self.state, holder, sealing_key(holder)))

    def close(self):
        return self.say(OPENER, sums.close(self.state))

    def echo(self, *holders):
        for holder in holders:
            self.say(holder, sums.echo(self.state, holder, None, (), NOW))

    def partial(self, holder, bound=None, past=()):
        keys = sealing_key(holder), signing_key(holder)
        return sums.answer(self.state, holder, keys, bound=bound, past=past, now=NOW)

    def answer(self, *holders):
        for holder in holders or self.opening.holders:
            self.say(holder, self.partial(holder))

    def total(self):
        return sums.read_total(self.state, SIGNING)

    def run_to_close(self, vectors):
        self.contribute(vectors)
        self.check()
        self.close()


def vectors(contributors=4, labels=4, largest=1000, seed=1):
    drawn = np.random.default_rng(seed).integers(-largest, largest + 1, (contributors, labels))
    return dict(zip(MEMBERS, drawn, strict=False))
