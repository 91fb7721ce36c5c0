"""Say who takes part in Night Harbour, what each holds, and the truth that was planted.

truth = plant()                     # the same in every run
truth.farm_sims["carrier-b"]        # 11 numbers that nobody else knows of
truth.owners("phone", number)       # who may have it on disk

Sizes are a twentieth of those of the domain reference, so that the story takes minutes.
Source: DOMAIN §9.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final

from federation.roles import Role
from node.demo.lists import chooser

CARRIERS: Final = ("carrier-a", "carrier-b", "carrier-c")
BANKS: Final = ("bank-x", "bank-y")
FIRMS: Final = ("net-p", "net-q")
INDUSTRY: Final = (*CARRIERS, *BANKS, *FIRMS)
COORDINATOR: Final = "coord"
PARTNER: Final = "partner-k"
POLICE: Final = "police-cli"
"""The police key: a member of its own beside the nine."""
HOLDERS: Final = ("carrier-a", "bank-x", "net-p")
"""Two of them make a token together."""
LOGS: Final = (*INDUSTRY, COORDINATOR, POLICE)
"""The members that have a log, and with it a replica of the others'."""
NODES: Final = (*INDUSTRY, COORDINATOR, PARTNER, POLICE)
BESIDE: Final = MappingProxyType({COORDINATOR: (Role.REGULATOR,)})
"""The coordinator is the national regulator, too."""

SHARE: Final = 20
"""A member holds one of so many of the customers that the domain reference gives it."""
SUBSCRIBERS: Final = MappingProxyType(
    {"carrier-a": 40_000 // SHARE, "carrier-b": 30_000 // SHARE, "carrier-c": 20_000 // SHARE}
)
ACCOUNTS: Final = MappingProxyType(
    {
        "bank-x": 25_000 // SHARE,
        "bank-y": 15_000 // SHARE,
        "net-p": 50_000 // SHARE,
        "net-q": 30_000 // SHARE,
    }
)
CUSTOMERS: Final = MappingProxyType({**SUBSCRIBERS, **ACCOUNTS})
"""Customers of each member of industry."""

FARM_BUCKET: Final = "wv1hzz6"
DECOY_BUCKET: Final = "wtw3sjq"
"""Site buckets in open sea: the farm, and a hotel with many guests."""
FARM_COUNTS: Final = MappingProxyType({"carrier-a": 14, "carrier-b": 11, "carrier-c": 9})
DECOY_COUNTS: Final = MappingProxyType({"carrier-a": 8, "carrier-b": 7, "carrier-c": 4})
FARM_TOTAL: Final = sum(FARM_COUNTS.values())
DECOY_TOTAL: Final = sum(DECOY_COUNTS.values())
LOCAL_THRESHOLD: Final = 20
"""Suspect SIMs at one site from which a carrier would act alone."""

DOMAIN: Final = "tuikuan-kefu.example"
DOMAIN_TWIN: Final = "退款-客服.example"
"""The fake refund office, and its other spelling as people see it."""
APP_SIGNER: Final = "5e" * 32
"""SHA-256 of the certificate that signed both builds of the app; the indicator names it."""
APP: Final = f"example.refund.helper:{APP_SIGNER}"
APP_BUILDS: Final = ("b1" * 32, "b2" * 32)
"""SHA-256 of the files of both builds."""

EMERGENCY_NUMBER: Final = "96110"
"""The police hotline; protected, and nobody's to order anything against."""

HIGH_RISK: Final = 100
REGISTERED_HIGH_RISK: Final = 37
"""High-risk numbers of carrier-a, and how many of them have an account at net-p."""
CONTACTS: Final = 200
"""Numbers that the courier asks about a day."""
WALKED: Final = 2_000
"""Consecutive numbers that the thief of its certificate asks about."""
BLOCK: Final = 10_000
"""Numbers in one block, as a carrier is given them."""
BRIGADE: Final = 500
"""Scripted reports against one shop."""

MULES: Final = MappingProxyType({"bank-x": 3, "bank-y": 2})
IM_ACCOUNTS: Final = 6


@dataclass(frozen=True)
class Person:
    """Somebody in the story; people are ids.

    Attributes:
        id: As the story prints it.
        number: Under +999.
        carrier: Whose subscriber.
        account: At a bank or a firm, or empty.
    """

    id: str
    number: str
    carrier: str
    account: str = ""


@dataclass(frozen=True)
class Truth:
    """What was planted. Numbers are in canonical form.

    Attributes:
        subscribers: Numbers of each carrier's customers, those below among them.
        accounts: Of each bank (kind ``bank_account``) and firm (kind ``im_account``).
        farm_sims: Numbers at the farm, by carrier.
        decoy_sims: Numbers at the hotel, by carrier.
        im_accounts: Accounts at net-p with templates alike.
        mules: Accounts linked by money that goes as it comes, by bank.
        high_risk: Numbers that carrier-a holds to be risky.
        registered: Numbers with an account at net-p, and the account.
        named: Persons by id.
    """

    subscribers: Mapping[str, tuple[str, ...]]
    accounts: Mapping[str, tuple[str, ...]]
    farm_sims: Mapping[str, tuple[str, ...]]
    decoy_sims: Mapping[str, tuple[str, ...]]
    im_accounts: tuple[str, ...]
    mules: Mapping[str, tuple[str, ...]]
    high_risk: tuple[str, ...]
    registered: Mapping[str, str]
    named: Mapping[str, Person]

    @property
    def n1(self) -> str:
        """Return the farm SIM that a citizen reports at carrier-a."""
        return self.farm_sims["carrier-a"][0]

    @property
    def n2(self) -> str:
        """Return the courier dispatcher's number, at carrier-b: it only looks like a farm's."""
        return self.named["N2"].number

    @property
    def n3(self) -> str:
        """Return the recycled number of carrier-b; its new owner is D1, a doctor."""
        return self.named["N3"].number

    @property
    def v1(self) -> Person:
        """Return the victim of 72 years, of carrier-c and bank-x, who is saved."""
        return self.named["V1"]

    @property
    def v2(self) -> Person:
        """Return the victim of 34 years, of carrier-a and bank-y, who loses 9,800 CNY."""
        return self.named["V2"]

    @property
    def guardian(self) -> Person:
        """Return the guardian to whom V1 consented."""
        return self.named["G1"]

    @property
    def spouse(self) -> Person:
        """Return the spouse whose number D1 gives to be reached by."""
        return self.named["S1"]

    @property
    def mule_phone(self) -> Person:
        """Return the holder of the first mule account, at bank-y, with a number of carrier-b."""
        return self.named["M1"]

    @property
    def shop(self) -> Person:
        """Return the shop against which 500 scripts report."""
        return self.named["SHOP"]

    @property
    def quiet_sim(self) -> str:
        """Return one more SIM of the farm, at carrier-b: not seen there when V1 is called."""
        return self.named["Q1"].number

    def customers(self, member: str) -> tuple[str, ...]:
        """Return what a member of industry knows its customers by."""
        return self.subscribers.get(member) or self.accounts[member]

    def reference(self, member: str, value: str) -> str:
        """Return the member's own name for one of its customers."""
        return f"customer-{self.customers(member).index(value):05d}"

    @cached_property
    def contacts(self) -> tuple[str, ...]:
        """Return the courier's 200 numbers of the day; one of them is N1."""
        chosen = chooser("night-harbour/contacts").sample(
            [one for one in self.subscribers["carrier-c"] if one not in self._planted], CONTACTS - 1
        )
        return (*chosen, self.n1)

    @cached_property
    def walked(self) -> tuple[str, ...]:
        """Return the numbers that the stolen certificate asks about, one after the other."""
        return tuple(f"+9999{number:08d}" for number in range(WALKED))

    @cached_property
    def block(self) -> tuple[str, ...]:
        """Return carrier-a's first block, a tenth of its other customers in it."""
        return tuple(f"+9991{number:08d}" for number in range(BLOCK))

    @cached_property
    def _planted(self) -> frozenset[str]:
        groups = (*self.farm_sims.values(), *self.decoy_sims.values(), self.high_risk)
        people = (person.number for person in self.named.values())
        return frozenset(number for group in groups for number in group) | frozenset(people)

    def raw(self) -> Iterator[tuple[str, str, frozenset[str]]]:
        """Yield kind, value and the members that may have it, for every value of the story."""
        for member in INDUSTRY:
            for value in self.customers(member):
                yield customer_kind(member), value, frozenset({member})
        for number in self.block:
            yield "phone", number, frozenset({"carrier-a"})
        for number in self.registered:
            yield "phone", number, frozenset({"net-p"})
        for number in (*self.contacts, *self.walked):
            yield "phone", number, frozenset[str]()
        for kind, value in (("domain", DOMAIN), ("domain", DOMAIN_TWIN), ("app", APP)):
            yield kind, value, frozenset(NODES)  # anybody can see them


def customer_kind(member: str) -> str:
    """Return by what kind of value a member knows its customers."""
    if member in CARRIERS:
        return "phone"
    return "bank_account" if member in BANKS else "im_account"


def plant() -> Truth:
    """Make the customers and the planted truth; the same in every run."""
    subscribers = {member: _numbers(member) for member in CARRIERS}
    accounts = {member: _accounts(member) for member in (*BANKS, *FIRMS)}
    free = {member: iter(numbers) for member, numbers in subscribers.items()}
    farm = {member: _take(free[member], count) for member, count in FARM_COUNTS.items()}
    decoy = {member: _take(free[member], count) for member, count in DECOY_COUNTS.items()}
    high_risk = _take(free["carrier-a"], HIGH_RISK)
    named = {person.id: person for person in _people(free, accounts)}
    return Truth(
        subscribers=subscribers,
        accounts=accounts,
        farm_sims=farm,
        decoy_sims=decoy,
        im_accounts=accounts["net-p"][:IM_ACCOUNTS],
        mules={member: accounts[member][:count] for member, count in MULES.items()},
        high_risk=high_risk,
        registered=_registered(high_risk, free, accounts["net-p"]),
        named=named,
    )


def _people(
    free: Mapping[str, Iterator[str]], accounts: Mapping[str, tuple[str, ...]]
) -> Iterator[Person]:
    cast = (
        ("V1", "carrier-c", accounts["bank-x"][10]),
        ("V2", "carrier-a", accounts["bank-y"][10]),
        ("G1", "carrier-a", ""),
        ("N2", "carrier-b", ""),
        ("N3", "carrier-b", ""),
        ("S1", "carrier-a", ""),
        ("M1", "carrier-b", accounts["bank-y"][0]),
        ("Q1", "carrier-b", ""),
        ("SHOP", "carrier-b", ""),
    )
    for name, carrier, account in cast:
        yield Person(name, next(free[carrier]), carrier, account)


def _registered(
    high_risk: tuple[str, ...], free: Mapping[str, Iterator[str]], accounts: tuple[str, ...]
) -> dict[str, str]:
    """Give 37 of the risky numbers an account at net-p, and 300 other numbers, too."""
    risky = chooser("night-harbour/registered").sample(high_risk, REGISTERED_HIGH_RISK)
    others = [number for member in CARRIERS for number in _take(free[member], 100)]
    return dict(zip((*risky, *others), accounts[IM_ACCOUNTS:], strict=False))


def _numbers(member: str) -> tuple[str, ...]:
    """Return a carrier's numbers; its digit follows +999, the first lie in its first block."""
    digit, chance = CARRIERS.index(member) + 1, chooser(f"night-harbour/{member}")
    count = SUBSCRIBERS[member]
    first = [f"+999{digit}{number:08d}" for number in chance.sample(range(BLOCK), count // 10)]
    others = chance.sample(range(BLOCK, 10**8), count - len(first))
    numbers = [*(f"+999{digit}{number:08d}" for number in others), *first]
    return tuple(numbers)


def _accounts(member: str) -> tuple[str, ...]:
    chance = chooser(f"night-harbour/{member}")
    numbers = chance.sample(range(10**11, 10**12), ACCOUNTS[member])
    if member in BANKS:
        return tuple(f"00000000000{BANKS.index(member) + 1}:6299{number}" for number in numbers)
    return tuple(f"{member}:{number}" for number in numbers)


def _take(numbers: Iterator[str], count: int) -> tuple[str, ...]:
    return tuple(next(numbers) for _ in range(count))
