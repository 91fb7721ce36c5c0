"""Make plausible lists where there are no real ones: the same in every run, of nobody in the world.

Numbers are under +999, which no country has; domains under .example and addresses under
2001:db8::, which are reserved for documentation (RFC 2606, RFC 3849).
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable

from federation.indicators import Indicator, Kind
from federation.vocabulary import FraudType
from node.demo.lists import Entry, Material, MemberList, as_entry, chooser, parse_all

# Rows of each member: enough for many batches, little enough for a run of half a minute.
ROWS_EACH = 2_000
# Domains that stand on the list of most visited ones and, by mistake, on a member's own.
GUARDED_BY_MISTAKE = 7
GUARD_DOMAINS = 300
# Values that two members both know.
SHARED_VALUES = 60
# Values of each kind that nobody lists.
ABSENT_EACH = 700

_BAIT = (
    *("refund", "parcel", "invest", "loan", "wallet", "tax", "bonus", "support", "verify"),
    *("account", "login", "crypto", "profit", "customs", "prize", "credit", "secure", "fund"),
)
_BRAND = ("swift", "golden", "north", "lotus", "river", "prime", "union", "silver", "delta")
_SHOP = ("news", "weather", "maps", "music", "school", "clinic", "library", "garden", "bakery")
_MALFORMED = ("not a number", "+999 12", "two words.example", "-x-.example", "", "…")

_Maker = Callable[[random.Random], str]


def generate_material() -> Material:
    """Make lists for every member, a guard and values that nobody lists."""
    chance = chooser("generator")
    guard = [f"{word}{number}.example" for number in range(100) for word in _SHOP][:GUARD_DOMAINS]
    both = _distinct(_domain, chance, SHARED_VALUES)
    lists = {
        "carrier-a": _phones("carrier-a", chance),
        "carrier-b": _phones("carrier-b", chance),
        "bank-x": [
            *_entries(Kind.DOMAIN, both, FraudType.INVESTMENT, chance),
            *_made(Kind.DOMAIN, _domain, FraudType.INVESTMENT, chance, 1_340),
            *_made(Kind.PAYMENT_ACCOUNT, _account, FraudType.LOAN, chance, 600),
        ],
        "net-p": [
            *_entries(Kind.DOMAIN, guard[:GUARDED_BY_MISTAKE], FraudType.SHOPPING, chance),
            *_entries(Kind.DOMAIN, both, FraudType.CUSTOMER_SERVICE, chance),
            *_made(Kind.DOMAIN, _domain, FraudType.CUSTOMER_SERVICE, chance, 1_633),
            *_made(Kind.APP, _app, FraudType.LOAN, chance, 300),
        ],
        "net-q": [
            *_made(Kind.IP, _address, FraudType.BLACK_INDUSTRY, chance, 1_000),
            *_made(Kind.DOMAIN, _domain, FraudType.SHOPPING, chance, 1_000),
        ],
    }
    sources = {
        "carrier-a": "numbers its subscribers reported",
        "carrier-b": "numbers its subscribers reported",
        "bank-x": "investment-scam domains and mule accounts",
        "net-p": "phishing domains and fake-loan apps",
        "net-q": "addresses of dial farms and fake shops",
    }
    named = {name: MemberList(name, sources[name], tuple(rows)) for name, rows in lists.items()}
    guarded = parse_all(Kind.DOMAIN, guard)
    taken = frozenset().union(*(one.indicators for one in named.values()), guarded)
    return Material(
        is_real=False,
        source=f"generated lists (seeded): +999 numbers and .example domains, {ROWS_EACH} a member",
        lists=named,
        guard=guarded,
        absent=_absent(chance, taken),
    )


def _absent(chance: random.Random, taken: frozenset[Indicator]) -> tuple[Indicator, ...]:
    makers = ((Kind.PHONE, _phone), (Kind.DOMAIN, _domain), (Kind.IP, _address))
    made = [
        one
        for kind, maker in makers
        for one in parse_all(kind, _distinct(maker, chance, ABSENT_EACH))
    ]
    return tuple(one for one in made if one not in taken)


def _phones(member: str, chance: random.Random) -> list[Entry]:
    del member
    numbers = _distinct(_phone, chance, ROWS_EACH - len(_MALFORMED))
    typed = [_as_people_write(number, chance) for number in numbers]
    return _entries(Kind.PHONE, [*typed, *_MALFORMED], FraudType.CUSTOMER_SERVICE, chance)


def _made(
    kind: Kind, maker: _Maker, fraud_type: FraudType, chance: random.Random, count: int
) -> list[Entry]:
    return _entries(kind, _distinct(maker, chance, count), fraud_type, chance)


def _entries(
    kind: Kind, texts: list[str], fraud_type: FraudType, chance: random.Random
) -> list[Entry]:
    return [as_entry(kind, text, fraud_type, chance.randrange(40, 96)) for text in texts]


def _distinct(maker: _Maker, chance: random.Random, count: int) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < count:
        found[maker(chance)] = None
    return list(found)


def _phone(chance: random.Random) -> str:
    return f"+999{chance.randrange(10**8, 10**9)}"


def _as_people_write(number: str, chance: random.Random) -> str:
    spellings = (
        number,
        f"{number[:4]} {number[4:7]} {number[7:]}",
        f"tel:{number[:4]}-{number[4:7]}-{number[7:]}",
        f"00{number[1:]}",
    )
    return chance.choice(spellings)


def _domain(chance: random.Random) -> str:
    words = f"{chance.choice(_BRAND)}-{chance.choice(_BAIT)}"
    return f"{words}-{chance.randrange(10**5):05d}.example"


def _address(chance: random.Random) -> str:
    return str(ipaddress.IPv6Address((0x20010DB8 << 96) + chance.getrandbits(64)))


def _account(chance: random.Random) -> str:
    return f"wallet-{chance.choice(_BRAND)}:{chance.randrange(10**14, 10**15)}"


def _app(chance: random.Random) -> str:
    package = f"example.{chance.choice(_BRAND)}.{chance.choice(_BAIT)}{chance.randrange(1_000)}"
    return f"{package}:{chance.getrandbits(256):064x}"
