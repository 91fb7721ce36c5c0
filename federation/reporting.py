"""Weigh citizens' reports at the member that took them in, so that no crowd makes an offender.

Whatever is reported at one member is one origin: it comes to at most one nomination, and a weak
one. The rules, all of them local and none of them about who a reporter is:

1. A reporter's *reliability* is the mean of a Beta distribution over how the earlier reports ended,
   with a prior that trusts a new one little.
2. Reports of one token add up as 1 - Π(1 - reliability · SHARE), and stop at MOST_CONFIDENCE.
3. A *burst* is many reports of one token in an hour of which most are of reporters that nobody
   knows, or say the same. What is in a burst counts for reporters with a record alone, and then
   stops at BURST_CONFIDENCE.

MOST_CONFIDENCE of a member of ordinary reliability is LOW; confirming takes verification by others.

Source: DOMAIN R51 [P].
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from federation.indicators.kind import Kind, KindClass, kind_class
from federation.roles import INDUSTRY, Role
from federation.vocabulary import CountBand

# A new reporter is believed like one of whose four reports one was right.
PRIOR_UPHELD: Final = 1.0
PRIOR_UNFOUNDED: Final = 3.0
# What one report of an infallible reporter would add: hearsay, however reliable.
SHARE: Final = 0.4
# Percent: times the prior of a member (0.8) it is LOW, and MEDIUM takes reports at three members.
MOST_CONFIDENCE: Final = 15
# Percent: what a burst leaves; times the prior of a member it is NONE.
BURST_CONFIDENCE: Final = 5
# Percent: a nomination has at least 1.
LEAST_CONFIDENCE: Final = 1

# Seconds in which reports make a burst: a script is done within the hour.
BURST_SECONDS: Final = 3_600
# Reports in that time: a real scam call round brings some to one member, not this many an hour.
BURST_REPORTS: Final = 20
# Percent of them by reporters without a record, or with one text, that make it a burst.
BURST_PERCENT: Final = 60
# Ended reports from which a reporter has a record.
RECORD_REPORTS: Final = 2

# Seconds in which reports of one token join one matter: beyond a month it is another story.
JOIN_SECONDS: Final = 30 * 86_400

_LOWER_BOUNDS: Final = {
    CountBand.MASS: 200,
    CountBand.MANY: 50,
    CountBand.SOME: 10,
    CountBand.FEW: 2,
    CountBand.ONE: 1,
}

_CARRIER: Final = frozenset({Role.CARRIER})
_BANK: Final = frozenset({Role.BANK})
_INTERNET: Final = frozenset({Role.INTERNET})
_ABLE: Final = {
    **dict.fromkeys((Kind.IM_ACCOUNT, Kind.EMAIL), _INTERNET),
    **dict.fromkeys((Kind.IP, Kind.LEASED_LINE), _CARRIER | _INTERNET),
    **dict.fromkeys((Kind.ORGANISATION, Kind.RESIDENT_ID), INDUSTRY),
}
_ABLE_OF_CLASS: Final = {
    KindClass.PHONE: _CARRIER,
    KindClass.ACCOUNT: _BANK,
    KindClass.DEVICE: _CARRIER,
    KindClass.IDENTITY: _CARRIER,
    KindClass.NETWORK: _INTERNET,
}


def roles_able(kind: Kind) -> frozenset[Role]:
    """Return the roles whose members can act on a kind of indicator: it is with them."""
    return _ABLE.get(kind) or _ABLE_OF_CLASS[kind_class(kind)]


@dataclass(frozen=True, slots=True)
class ReporterRecord:
    """How a reporter's earlier reports ended."""

    upheld: int = 0
    unfounded: int = 0

    @property
    def reliability(self) -> float:
        """How often the reporter is right, as far as can be told."""
        right = PRIOR_UPHELD + self.upheld
        return right / (right + PRIOR_UNFOUNDED + self.unfounded)

    @property
    def is_known(self) -> bool:
        """Whether enough reports ended to speak of a record."""
        return self.upheld + self.unfounded >= RECORD_REPORTS

    def ended(self, *, upheld: bool) -> "ReporterRecord":
        """Return the record after one more report has ended."""
        return ReporterRecord(self.upheld + upheld, self.unfounded + (not upheld))


NEW_REPORTER: Final = ReporterRecord()


@dataclass(frozen=True, slots=True)
class Filing:
    """One reporter's report of one token.

    Attributes:
        reporter: Pseudonym under the member's own key.
        time: When, seconds since 1970.
        text_digest: Of what was told, so that equal texts can be seen; empty for none.
        record: Of the reporter.
    """

    reporter: bytes
    time: int
    text_digest: bytes
    record: ReporterRecord = NEW_REPORTER


@dataclass(frozen=True, slots=True)
class ReportWeight:
    """What the reports of one token at one member come to.

    Attributes:
        reporters: Distinct ones.
        confidence: Of the one nomination, percent.
        burst: Reports that came in a burst.
    """

    reporters: int
    confidence: int
    burst: int

    @property
    def band(self) -> CountBand:
        """How many reporters, as others are told."""
        return count_band(self.reporters)


def count_band(count: int) -> CountBand:
    """Return the band of a count.

    Raises:
        ValueError: The count is not positive.
    """
    for band, least in _LOWER_BOUNDS.items():
        if count >= least:
            return band
    raise ValueError("nobody is no band")


def least_of(band: CountBand) -> int:
    """Return the smallest count of a band."""
    return _LOWER_BOUNDS[band]


def weigh_reports(filings: Iterable[Filing]) -> ReportWeight:
    """Weigh all reports of one token; of a reporter's several the first counts.

    Raises:
        ValueError: There are none.
    """
    first: dict[bytes, Filing] = {}
    for filing in sorted(filings, key=lambda one: (one.time, one.reporter)):
        first.setdefault(filing.reporter, filing)
    distinct = list(first.values())
    burst = find_burst(distinct)
    doubted = {distinct[place].reporter for place in burst}
    weighty = [one for one in distinct if one.reporter not in doubted or one.record.is_known]
    most = BURST_CONFIDENCE if burst else MOST_CONFIDENCE
    score = 1 - math.prod(1 - one.record.reliability * SHARE for one in weighty)
    confidence = max(LEAST_CONFIDENCE, min(most, round(100 * score)))
    if not distinct:
        raise ValueError("without reports there is nothing to weigh")
    return ReportWeight(len(distinct), confidence, len(burst))


def find_burst(filings: Sequence[Filing]) -> frozenset[int]:
    """Return the places of the reports, given in the order of time, that came in a burst."""
    found: set[int] = set()
    start = 0
    for end, filing in enumerate(filings):
        while filing.time - filings[start].time > BURST_SECONDS:
            start += 1
        if end + 1 - start >= BURST_REPORTS and _is_concerted(filings[start : end + 1]):
            found.update(range(start, end + 1))
    return frozenset(found)


def _is_concerted(filings: Sequence[Filing]) -> bool:
    unknown = sum(not one.record.is_known for one in filings)
    texts = Counter(one.text_digest for one in filings if one.text_digest)
    alike = max(texts.values(), default=0)
    return 100 * max(unknown, alike) >= BURST_PERCENT * len(filings)
