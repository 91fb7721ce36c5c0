"""Read the real lists: complaints about numbers, scam domains, reported addresses, bad apps.

Each member gets a part that is its own. Nothing of it is ever printed or copied; the rows are as
the lists have them, malformed ones included.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from federation.indicators import Kind
from federation.vocabulary import FraudType
from node.demo.error import DemoError
from node.demo.lists import (
    Entry,
    Material,
    MemberList,
    as_entry,
    canonical_form,
    chooser,
    parse_all,
)

# Rows: together about 107,000, which two cores tokenise, share and check in a minute.
PHONES_EACH = 23_000
SCAM_DOMAINS_EACH = {"bank-x": 12_000, "net-q": 4_000}
PHISHING_DOMAINS = 20_000
ADDRESSES = 12_000
# Values that nobody lists, of each kind, from which the partner's misses are chosen.
ABSENT_EACH = 1_200

# Confidence of a number with one complaint, and of an address on one list; both unverified.
_PHONE_BASE, _PHONE_STEP = 35, 5
_ADDRESS_BASE, _ADDRESS_STEP = 30, 7
_MAX_CONFIDENCE = 95
_DOMAIN_CONFIDENCE = 80
_APP_CONFIDENCE = 90

_Row = dict[str, str]
_T = TypeVar("_T")


def load_real(directory: Path) -> Material:
    """Read the lists below a directory and part them among the members.

    Raises:
        DemoError: DEMO_DATA_MISSING or DEMO_DATA_INVALID.
    """
    phones = _shuffled("phones", list(_table(directory, "phones_reported.csv.gz")))
    addresses = _shuffled("addresses", list(_table(directory, "ips_reported.csv.gz")))
    scam = _shuffled("scam", list(_lines(directory, "domains_scam.txt.gz")))
    investment = list(_lines(directory, "domains_investment_scam.txt.gz"))
    popular = list(_lines(directory, "domains_popular.txt.gz"))
    phishing = _known_first(
        _shuffled("phishing", list(_lines(directory, "domains_phishing.txt.gz"))), set(popular)
    )
    apps = list(_table(directory, "apps_stalkerware.csv.gz"))
    middle = len(phones) // 2
    bank = SCAM_DOMAINS_EACH["bank-x"]
    net = bank + SCAM_DOMAINS_EACH["net-q"]
    lists = (
        _member("carrier-a", "numbers in complaints, first half", _phones(phones[:middle])),
        _member("carrier-b", "numbers in complaints, second half", _phones(phones[middle:])),
        _member(
            "bank-x",
            "investment-scam and crypto-scam domains",
            [*_domains(investment, FraudType.INVESTMENT), *_domains(scam[:bank])],
        ),
        _member(
            "net-p",
            "phishing domains and stalkerware apps",
            [*_domains(phishing[:PHISHING_DOMAINS]), *_apps(apps)],
        ),
        _member(
            "net-q",
            "reported addresses and crypto-scam domains",
            [*_addresses(addresses[:ADDRESSES]), *_domains(scam[bank:net])],
        ),
    )
    guard = parse_all(Kind.DOMAIN, popular)
    named = {one.member: one for one in lists}
    taken = frozenset().union(*(one.indicators for one in lists), guard)
    spare = (
        (Kind.PHONE, [row["number"] for row in phones[PHONES_EACH : PHONES_EACH + ABSENT_EACH]]),
        (Kind.IP, [row["ip"] for row in addresses[ADDRESSES : ADDRESSES + ABSENT_EACH]]),
        (Kind.DOMAIN, scam[net : net + ABSENT_EACH]),
        (Kind.DOMAIN, phishing[PHISHING_DOMAINS : PHISHING_DOMAINS + ABSENT_EACH]),
    )
    absent = [one for kind, texts in spare for one in parse_all(kind, texts) if one not in taken]
    return Material(
        is_real=True,
        source=f"real public lists in {directory}; no value of them is printed",
        lists=named,
        guard=guard,
        absent=tuple(dict.fromkeys(absent)),
        directory=directory,
    )


def _member(member: str, source: str, entries: list[Entry]) -> MemberList:
    return MemberList(member, source, tuple(entries))


def _phones(rows: list[_Row]) -> list[Entry]:
    return [
        as_entry(
            Kind.PHONE,
            row["number"],
            FraudType.OTHER,
            min(_MAX_CONFIDENCE, _PHONE_BASE + _PHONE_STEP * int(row["reports"])),
        )
        for row in rows[:PHONES_EACH]
    ]


def _addresses(rows: list[_Row]) -> list[Entry]:
    return [
        as_entry(
            Kind.IP,
            row["ip"],
            FraudType.BLACK_INDUSTRY,
            min(_MAX_CONFIDENCE, _ADDRESS_BASE + _ADDRESS_STEP * int(row["lists"])),
        )
        for row in rows
    ]


def _domains(texts: list[str], fraud_type: FraudType = FraudType.OTHER) -> list[Entry]:
    """Take a list of sites; a few are known by their address alone."""
    return [as_entry(_site_kind(text), text, fraud_type, _DOMAIN_CONFIDENCE) for text in texts]


def _site_kind(text: str) -> Kind:
    return Kind.DOMAIN if canonical_form(Kind.IP, text) is None else Kind.IP


def _apps(rows: list[_Row]) -> list[Entry]:
    """Name an app by package and signer where both are known, else by its file's digest."""
    return [
        as_entry(Kind.APP, text, FraudType.BLACK_INDUSTRY, _APP_CONFIDENCE)
        for text in dict.fromkeys(_app_name(row) for row in rows)
    ]


def _app_name(row: _Row) -> str:
    if row["package"] and row["certificate_sha1"]:
        return f"{row['package']}:sha1:{row['certificate_sha1']}"
    return f"file:{row['sha256']}"


def _known_first(texts: list[str], popular: set[str]) -> list[str]:
    """Put the domains that also stand among the most visited first, so that the guard is tried."""
    return sorted(texts, key=lambda text: text not in popular)


def _shuffled(name: str, rows: list[_T]) -> list[_T]:
    chooser(name).shuffle(rows)
    return rows


def _lines(directory: Path, name: str) -> Iterator[str]:
    for line in _text(directory, name).splitlines():
        if line.strip():
            yield line.strip()


def _table(directory: Path, name: str) -> Iterator[_Row]:
    try:
        yield from csv.DictReader(_text(directory, name).splitlines(), strict=True)
    except csv.Error as error:
        raise _invalid(name) from error


def _text(directory: Path, name: str) -> str:
    try:
        with gzip.open(directory / name, "rt", encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError as error:
        raise DemoError(
            f"{name} is not in {directory}",
            reason="DEMO_DATA_MISSING",
            hint="leave --data out to use generated lists",
        ) from error
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise _invalid(name) from error


def _invalid(name: str) -> DemoError:
    return DemoError(
        f"{name} is not what its name says",
        reason="DEMO_DATA_INVALID",
        hint="leave --data out to use generated lists",
    )
