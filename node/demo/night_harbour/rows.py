"""Give every member of industry the rows that it trains on, in its own home and nowhere else.

Rows of the cast are among them: couriers whom their carriers take for a farm's SIMs, wrongly, and
label so; the dispatcher N2 and the doctor D1 among these; and the mule whom three sectors know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from federation.training.schema import FeatureSchema
from node.demo.night_harbour.cast import CARRIERS, COORDINATOR, INDUSTRY, Truth
from node.demo.night_harbour.features import NUMBER, core_schema, sector_of, sector_schema
from node.demo.night_harbour.populations import ROWS, Face, Population, Subject, training_rows
from node.demo.night_harbour.scene import Scene

COURIERS: Final = {"carrier-a": 8, "carrier-b": 6, "carrier-c": 2}
"""Honest subscribers of each carrier with a pattern of calls like a farm's."""
SECTOR_ROWS: Final = "sector"
CORE_ROWS: Final = "core"
TABLE_NAME: Final = "rows.csv"
STAND_IN: Final = "bank-x"
"""Leads the carriers' training where the coordinator is down: it has no rows of that kind."""

_POLICY: Final = """\
[approval]
automatic = true
coordinators = ["{coordinator}", "{stand_in}"]
tasks = ["carrier_subscribers", "bank_customers", "internet_pages", "table"]
uses = ["score_own_subjects"]
legal_bases = ["atnfl_32"]
protections = ["secret", "robust"]
codes = ["installed"]
without_privacy = true
"""
_SOURCE: Final = """\
[[data]]
name = "{name}"
schema = "{name}.schema"
row_cap = {rows}
table = "{table}"
subject = "{subject}"
subject_kind = "phone"
"""


def member_rows(truth: Truth) -> dict[str, Population]:
    """Make the rows of all members; the same in every run."""
    return {
        member: training_rows(member, _numbers(truth, member), tuple(_cast(truth, member)))
        for member in INDUSTRY
    }


def couriers(truth: Truth, member: str) -> tuple[str, ...]:
    """Return the numbers of a carrier's couriers."""
    return tuple(islice(_free_numbers(truth, member), COURIERS[member]))


def give_rows(scene: Scene, member: str, rows: Population) -> None:
    """Write a member's rows, what they fit, and what it consents to by itself, into its home."""
    home = scene.sandbox.home(member)
    sector = sector_schema(sector_of(member))
    schemas = {SECTOR_ROWS: sector, CORE_ROWS: core_schema()}
    for name, schema in schemas.items():
        (home.root / f"{name}.schema").write_bytes(schema.encode())
    rows.write(home.root / TABLE_NAME)
    scene.own(member, "phone", *rows.numbers)
    home.training.write_text(_policy(schemas, len(rows)), encoding="utf-8")


def _policy(schemas: dict[str, FeatureSchema], rows: int) -> str:
    sources = (
        _SOURCE.format(name=name, rows=rows, table=TABLE_NAME, subject=NUMBER) for name in schemas
    )
    head = _POLICY.format(coordinator=COORDINATOR, stand_in=STAND_IN)
    return "".join((head, *sources))


def _numbers(truth: Truth, member: str) -> Sequence[str]:
    """Return as many numbers as a member has rows; a carrier's are those of its subscribers."""
    if member not in CARRIERS:
        first = 700_000_000 + 1_000_000 * INDUSTRY.index(member)
        return [f"+999{first + row}" for row in range(ROWS[member])]
    free = islice(_free_numbers(truth, member), COURIERS[member], COURIERS[member] + ROWS[member])
    return tuple(free)


def _free_numbers(truth: Truth, carrier: str) -> Iterator[str]:
    """Yield the subscribers of a carrier about whom the other acts tell nothing."""
    told = {
        *(one for sims in truth.farm_sims.values() for one in sims),
        *(one for sims in truth.decoy_sims.values() for one in sims),
        *(person.number for person in truth.named.values()),
        *truth.high_risk,
        *truth.registered,
        *truth.contacts,
    }
    return (number for number in truth.subscribers[carrier] if number not in told)


def _cast(truth: Truth, member: str) -> Iterator[Subject]:
    mule = truth.mule_phone.number
    if member in CARRIERS:
        for number in couriers(truth, member):
            yield Subject(number, Face.COURIER, label=True)
    if member == "carrier-b":
        yield Subject(truth.n2, Face.COURIER, label=True)
        yield Subject(truth.n3, Face.COURIER, label=True)
        yield Subject(mule, Face.BULK, label=False)
    if member == "bank-y":
        yield Subject(mule, Face.MULE, label=False)
    if member == "net-p":
        yield Subject(mule, Face.BULK, label=False)
