"""Let evidence fade: what was seen long ago says little about who uses the thing today.

The curve is the polynomial of MISP's decaying models, read in closed form at the time of asking::

    decay(age) = 1 - (age / lifetime) ** (1 / speed)    while age < lifetime, then 0

The lifetimes of telephone numbers (vishing model) and of domains and web addresses (phishing
model) are MISP's; the others are set by how fast offenders replace the thing, and say so.

Source: DOMAIN §6.4; Iklody et al., "Decaying Indicators of Compromise", 2018, section 4.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from federation.indicators.kind import Kind

_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Curve:
    """How evidence on one kind fades.

    Attributes:
        lifetime_seconds: Age at which nothing is left.
        speed: Above 1 most is lost early, at 1 the loss is even.
    """

    lifetime_seconds: int
    speed: float


# MISP's vishing and phishing models both have speed 2.3: half is gone after a fifth of the life.
_MISP_SPEED: Final = 2.3
# Things that are costly to replace lose evenly.
_EVEN_SPEED: Final = 1.0

_VISHING: Final = Curve(10 * _DAY, _MISP_SPEED)
_PHISHING: Final = Curve(3 * _DAY, _MISP_SPEED)
# A messaging account or an application survives some rounds of victims.
_MONTH: Final = Curve(30 * _DAY, _MISP_SPEED)
# Equipment is carried from line to line and has a price.
_EQUIPMENT: Final = Curve(60 * _DAY, _EVEN_SPEED)
# Mule accounts stay open until they are frozen, and opening one needs a person.
_ACCOUNT: Final = Curve(90 * _DAY, _EVEN_SPEED)
# Addresses on a chain and enterprises are never reassigned.
_LASTING: Final = Curve(365 * _DAY, _EVEN_SPEED)
# A site bucket names one hour at one place.
_SITE: Final = Curve(_DAY, _EVEN_SPEED)

CURVES: Final = MappingProxyType(
    {
        Kind.PHONE: _VISHING,
        Kind.SMS_PORT: _VISHING,
        Kind.SMS_SIGNATURE: _VISHING,
        Kind.CALL_FORWARD: _VISHING,
        Kind.EMAIL: _VISHING,
        Kind.DOMAIN: _PHISHING,
        Kind.URL: _PHISHING,
        Kind.IP: _PHISHING,
        Kind.ADVERTISEMENT: _PHISHING,
        Kind.SEARCH_KEYWORD: _PHISHING,
        Kind.APP: _MONTH,
        Kind.IM_ACCOUNT: _MONTH,
        Kind.DEVICE: _MONTH,
        Kind.CLOUD_TENANT: _MONTH,
        Kind.LEASED_LINE: _MONTH,
        Kind.IMSI: _EQUIPMENT,
        Kind.IMEI: _EQUIPMENT,
        Kind.ICCID: _EQUIPMENT,
        Kind.IOT_SIM: _EQUIPMENT,
        Kind.BANK_ACCOUNT: _ACCOUNT,
        Kind.IBAN: _ACCOUNT,
        Kind.PAN: _ACCOUNT,
        Kind.PAYMENT_ACCOUNT: _ACCOUNT,
        Kind.CRYPTO_ADDRESS: _LASTING,
        Kind.ORGANISATION: _LASTING,
        Kind.RESIDENT_ID: _LASTING,
        Kind.SITE: _SITE,
    }
)

# Lifetimes that a nomination stands by itself, see ``default_term_seconds``.
_DEFAULT_TERM_LIFETIMES: Final = 3

# By number, with the exponent worked out: verdicts read it for every row.
_BY_NUMBER: Final = {
    int(kind): (curve.lifetime_seconds, 1 / curve.speed) for kind, curve in CURVES.items()
}


def decay(kind: int, age_seconds: int) -> float:
    """Return what is left of evidence on ``kind`` (its number), from 1 down to 0.

    An age below zero (a clock ahead of ours) counts as zero.
    """
    if age_seconds <= 0:
        return 1.0
    lifetime, exponent = _BY_NUMBER[kind]
    if age_seconds >= lifetime:
        return 0.0
    return 1.0 - float((age_seconds / lifetime) ** exponent)


def default_term_seconds(kind: Kind) -> int:
    """Return how long a nomination stands if its member gives no term: three lifetimes.

    One lifetime after its last sighting it counts for nothing; three leave room for sightings
    that renew it, and then it leaves the catalogue by itself.
    """
    return _DEFAULT_TERM_LIFETIMES * CURVES[kind].lifetime_seconds


def lifetime_seconds(kind: int) -> int:
    """Return the age at which nothing is left of evidence on ``kind`` (its number)."""
    return _BY_NUMBER[kind][0]


def age_at(kind: int, left: float) -> int:
    """Return an age in seconds at which at most ``left`` (0 to 1) remains: decay turned around."""
    lifetime, exponent = _BY_NUMBER[kind]
    return min(lifetime, int(lifetime * (1.0 - left) ** (1.0 / exponent)) + 1)
