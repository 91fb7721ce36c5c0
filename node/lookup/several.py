"""Judge many tokens at once that several statements are about, from their rows in memory.

The rules are those of ``federation.verdict``, a column at a time: the members' words that take
back earlier ones, changes of hands and protections by groups of rows, then the score by token.
Nothing is remembered between calls, so nothing here can be out of date.

Each step is the one that ``judge`` takes, in the same order; only powers may differ in their last
place. A score that is so near a threshold that this could matter is left to the database, as are
what the police designate. So what is said here is what ``outline`` says, not nearly so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from federation.authorisation import PROTECTION_QUORUM
from federation.course import Said
from federation.statements.shape import MAX_SKEW_SECONDS
from federation.verdict import (
    BAND_SCORES,
    DISPLAY_CODES,
    DROP_RESOLUTION,
    SCORE_PLACES,
    Outline,
    Standing,
)
from federation.vocabulary import Band
from node.lookup.packed import Several
from node.lookup.weighed import (
    COUNTS,
    FROM_ABROAD,
    HAS_SAY,
    IS_CUTOFF,
    IS_DESIGNATION,
    IS_DISPUTE,
    IS_NOMINATION,
    IS_PROTECTION,
    OF_MULE,
    OF_POLICE,
    PROTECTS_ALONE,
    RENEWS,
    SUPPORTS,
    WITHDRAWS,
    records,
)

Whole = npt.NDArray[np.int64]
Real = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# Powers of different libraries differ by some 1e-16; scores and weights are at most 1.
_NEAR: Final = 1e-12
# The same for ages, which are up to 1e8 seconds.
_NEAR_SECONDS: Final = 1e-6

_BORNE: Final = ("member", "flags", "amplitude", "lifetime", "exponent")

_BANDS: Final = (Band.NONE, *reversed(BAND_SCORES))
_SCORES: Final = np.array([0.0, *sorted(BAND_SCORES.values())])
# A score reaches a band when it is rounded up to it.
_LEAST: Final = _SCORES - 0.5 * 10**-SCORE_PLACES
_CODE_BITS: Final = {code: 1 << place for place, code in enumerate(DISPLAY_CODES)}
_CODES: Final = [
    tuple(code for code in DISPLAY_CODES if bits & _CODE_BITS[code])
    for bits in range(1 << len(DISPLAY_CODES))
]


class Judged(NamedTuple):
    """What may be told of tokens, in their order.

    Attributes:
        settled: Which of them it is sure of; the database has to be asked about the others.
    """

    outlines: list[Outline]
    settled: Flags


def outlines(several: Several, said: Sequence[Said], standing: Standing, now: int) -> Judged:
    """Judge tokens without findings by their rows, as ``verdict.outline`` does."""
    count = len(several.counts)
    rows, is_designated = _Rows.of(several, said, standing).without_say(count)
    protected = _protected(rows, count, now)
    evidence, reassigned = rows.evidence(count, now)
    weighed = _weigh(evidence, reassigned, count, now)
    score, best, unsure = _score(weighed, count)
    bands = (score[:, None] >= _LEAST[1:]).sum(axis=1)
    unsure |= (np.abs(score[:, None] - _LEAST[1:]) < _NEAR).any(axis=1)
    expires, unsure_end = _expiry(weighed, bands, now)
    codes = _codes(weighed, best, count)
    sources = _counted(weighed.supports.token[best], count)
    bands[protected], expires[protected], sources[protected] = 0, 0, 0
    codes[protected] = _CODE_BITS["PROTECTED"]
    made = map(
        Outline,
        [_BANDS[band] for band in bands.tolist()],
        [_CODES[bits] for bits in codes.tolist()],
        expires.tolist(),
        sources.tolist(),
    )
    return Judged(list(made), protected | ~(unsure | unsure_end | is_designated))


class _Rows(NamedTuple):
    """Rows of tokens, a column each; ``token`` is the place of the token and never falls."""

    token: Whole
    member: Whole
    flags: Whole
    amplitude: Real
    lifetime: Whole
    exponent: Real
    issued: Whole
    seen: Whole
    expires: Whole

    @classmethod
    def of(cls, several: Several, said: Sequence[Said], standing: Standing) -> _Rows:
        found = records(several.rows["said"].astype(np.int64), said, standing)
        token = np.repeat(np.arange(len(several.counts)), several.counts)
        times = (several.rows[name].astype(np.int64) for name in ("issued", "seen", "expires"))
        return cls._make([token, *(found[name] for name in _BORNE), *times])

    def take(self, places: Flags | Whole) -> _Rows:
        return _Rows._make(column[places] for column in self)

    def have(self, flag: int) -> Flags:
        found: Flags = (self.flags & flag) != 0
        return found

    def groups(self) -> Whole:
        """Return the number of each row's token and member; rows of one stand together."""
        if not len(self.token):
            return self.token
        other = (self.token[1:] != self.token[:-1]) | (self.member[1:] != self.member[:-1])
        return np.concatenate(([0], np.cumsum(other)))

    def left(self, time: Whole | int) -> Real:
        """Return what is left of each: ``federation.decay``."""
        age = np.maximum(time - self.seen, 0)
        left: Real = 1.0 - (np.minimum(age, self.lifetime) / self.lifetime) ** self.exponent
        return np.where(age >= self.lifetime, 0.0, left)

    def are_over(self, time: Whole | int) -> Flags:
        return (self.expires > 0) & (self.expires <= time)

    def without_say(self, count: int) -> tuple[_Rows, Flags]:
        """Return those that have a say, and by token whether the police designate it."""
        rows = self.take(self.have(HAS_SAY)) if not self.have(HAS_SAY).all() else self
        return rows, _any(rows.token[rows.have(IS_DESIGNATION)], count)

    def evidence(self, count: int, now: int) -> tuple[_Rows, Whole]:
        """Return what is in the evidence by now, and by token when it last changed hands."""
        reassigned = np.zeros(count, np.int64)
        cuts = self.have(IS_CUTOFF)
        if cuts.any():
            valid = self.take(cuts & (self.seen <= now) & ~self.are_over(now))
            np.maximum.at(reassigned, valid.token, valid.seen)
        out = self.have(IS_CUTOFF | IS_PROTECTION | IS_DESIGNATION)
        out |= self.issued > now + MAX_SKEW_SECONDS
        return self.take(~out) if out.any() else self, reassigned


class _Weighed(NamedTuple):
    """What counts now.

    Attributes:
        supports: Rows that raise the score, ``seen`` renewed.
        disputes: Rows that lower it.
        codes: By token what is to be told whatever the score.
    """

    supports: _Rows
    disputes: _Rows
    codes: Whole
    left: Real
    undisputed: Real
    lasting: Real


def _protected(rows: _Rows, count: int, now: int) -> Flags:
    is_protection = rows.have(IS_PROTECTION)
    if not is_protection.any():
        return np.zeros(count, np.bool_)
    valid = rows.take(is_protection & ~rows.are_over(now))
    speakers = np.unique(np.stack((valid.token, valid.member)), axis=1)
    alone = _any(valid.token[valid.have(PROTECTS_ALONE)], count)
    found: Flags = alone | (_counted(speakers[0], count) >= PROTECTION_QUORUM)
    return found


def _weigh(rows: _Rows, reassigned: Whole, count: int, now: int) -> _Weighed:
    group, over = rows.groups(), rows.are_over(now)
    groups = int(group[-1]) + 1 if len(group) else 0
    counts, disputes = rows.have(COUNTS) & ~over, rows.have(IS_DISPUTE)
    is_cut = rows.seen < reassigned[rows.token]
    withdrawn = _latest(group, rows.issued, rows.have(WITHDRAWS), groups)
    supporting = counts & ~is_cut & rows.have(SUPPORTS)
    supported = _latest(group, rows.issued, supporting, groups) if disputes.any() else withdrawn
    sighted = _latest(group, rows.seen, supporting & rows.have(RENEWS), groups)
    seen = np.where(rows.have(IS_NOMINATION), np.maximum(rows.seen, sighted[group]), rows.seen)
    raising = counts & ~disputes & ~is_cut & (rows.issued > withdrawn[group])
    raising &= (now - seen < rows.lifetime) & (rows.amplitude > 0)
    lowering = counts & disputes & (rows.issued >= supported[group]) & (rows.amplitude < 0)
    supports = rows._replace(seen=seen).take(raising)
    disputing = rows.take(lowering)
    abroad = rows.have(FROM_ABROAD) & ~over & (now - rows.seen < rows.lifetime)
    codes = _any(rows.token[counts & ~disputes & is_cut], count) * _CODE_BITS["REASSIGNED"]
    codes += _any(disputing.token, count) * _CODE_BITS["DISPUTED"]
    codes += _any(rows.token[abroad], count) * _CODE_BITS["OVERSEAS"]
    lasting = disputing.take(disputing.expires == 0)
    return _Weighed(
        supports,
        disputing,
        codes,
        supports.left(now),
        _product(disputing, -disputing.amplitude, count),
        _product(lasting, -lasting.amplitude, count),
    )


def _score(weighed: _Weighed, count: int) -> tuple[Real, Whole, Flags]:
    """Return scores, which rows are their members' strongest, and where that is unsure."""
    supports = weighed.supports
    weights, group = supports.amplitude * weighed.left, supports.groups()
    unsure = np.zeros(count, np.bool_)
    best = np.arange(len(group))
    if len(group) and group[-1] + 1 < len(group):
        begins = _begins(group)
        strongest = np.maximum.reduceat(weights, begins)[group]
        best = np.flatnonzero(weights == strongest)
        best = best[_begins(group[best])]
        # Which of a member's terms is the strongest matters where only one speaks of a mule.
        other = supports.have(OF_MULE) != supports.have(OF_MULE)[best][group]
        same = (supports.amplitude == supports.amplitude[best][group]) & (
            weighed.left == weighed.left[best][group]
        )
        close = other & ~same & (weights >= strongest - _NEAR)
        unsure[supports.token[close]] = True
    unsupported = np.ones(count)
    np.multiply.at(unsupported, supports.token[best], 1 - weights[best])
    return (1 - unsupported) * weighed.undisputed, best, unsure


def _expiry(weighed: _Weighed, bands: Whole, now: int) -> tuple[Whole, Flags]:
    """Return by when each band is weaker, 0 for none, and where that is unsure."""
    expires, unsure = np.zeros(len(bands), np.int64), np.zeros(len(bands), np.bool_)
    rows = weighed.supports
    rows = rows.take(bands[rows.token] > 0)
    ends = rows.seen + rows.lifetime
    ends = np.where(rows.expires > 0, np.minimum(ends, rows.expires), ends)
    alone = _counted(rows.token, len(bands))[rows.token] == 1
    if alone.any():
        one, end = rows.take(alone), ends[alone]
        amplitude = one.amplitude * weighed.lasting[one.token]
        score = _SCORES[bands[one.token]] - 10**-SCORE_PLACES
        left = np.minimum(1.0, score / amplitude)
        is_even = one.exponent == 1.0  # then the power is exact, and may well be a whole second
        gone = 1.0 - left
        age = one.lifetime * np.where(is_even, gone, gone ** (1.0 / one.exponent))
        unsure[one.token] = ~is_even & (np.abs(age - np.rint(age)) < _NEAR_SECONDS)
        drop = np.minimum(one.lifetime, age.astype(np.int64) + 1)
        expires[one.token] = np.minimum(end, one.seen + drop)
    if not alone.all():
        _bisect(rows.take(~alone), ends[~alone], weighed.lasting, bands, now, expires, unsure)
    return expires, unsure


def _bisect(
    rows: _Rows, ends: Whole, lasting: Real, bands: Whole, now: int, expires: Whole, unsure: Flags
) -> None:
    """Find the drops of several terms, at the same middles as ``verdict`` does."""
    begins = _begins(rows.token)
    tokens = rows.token[begins]
    place = np.cumsum(np.isin(np.arange(len(rows.token)), begins)) - 1
    low, high = np.full(len(tokens), now), np.maximum.reduceat(ends, begins)
    least, undisputed = _LEAST[bands[tokens]], lasting[tokens]
    group = rows.groups()
    members = _begins(group)
    first = _begins(rows.token[members])
    while (wide := high - low > DROP_RESOLUTION).any():
        middle = (low + high) // 2
        time = middle[place]
        amounts = np.where(rows.are_over(time), 0.0, rows.amplitude * rows.left(time))
        if len(members) < len(group):
            amounts = np.maximum.reduceat(amounts, members)
        score = (1 - np.multiply.reduceat(1 - amounts, first)) * undisputed
        unsure[tokens] |= wide & (np.abs(score - least) < _NEAR)
        below = score < least
        high = np.where(wide & below, middle, high)
        low = np.where(wide & ~below, middle, low)
    expires[tokens] = high


def _codes(weighed: _Weighed, best: Whole, count: int) -> Whole:
    supports = weighed.supports.take(best)
    sources = _counted(supports.token, count)
    police = _any(supports.token[supports.have(OF_POLICE)], count)
    mules = _any(supports.token[supports.have(OF_MULE)], count)
    codes = weighed.codes + (sources > 0) * _CODE_BITS["REPORTED"]
    codes += (sources > 1) * _CODE_BITS["SEVERAL_MEMBERS"]
    codes += police * _CODE_BITS["POLICE"]
    codes += mules * _CODE_BITS["MULE"]
    return codes


def _product(rows: _Rows, amounts: Real, count: int) -> Real:
    """Return by token what the strongest of each member together leave."""
    product = np.ones(count)
    if len(amounts):
        begins = _begins(rows.groups())
        strongest = np.maximum.reduceat(amounts, begins)
        np.multiply.at(product, rows.token[begins], 1 - strongest)
    return product


def _latest(group: Whole, times: Whole, which: Flags, groups: int) -> Whole:
    latest = np.zeros(groups, np.int64)
    if which.any():
        np.maximum.at(latest, group[which], times[which])
    return latest


def _begins(numbers: Whole) -> Whole:
    """Return where each of several equal neighbours begins."""
    begins: Whole = np.flatnonzero(np.concatenate(([True], numbers[1:] != numbers[:-1])))
    return begins


def _any(tokens: Whole, count: int) -> Flags:
    found = np.zeros(count, np.bool_)
    found[tokens] = True
    return found


def _counted(tokens: Whole, count: int) -> Whole:
    return np.bincount(tokens, minlength=count)
