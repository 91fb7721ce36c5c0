"""Map each kind to the function that brings its texts to canonical form.

    indicator = parse_indicator("domain", "ＥＸＡＭＰＬＥ．com.")
    indicator.value     # "example.com": what is blinded and tokenised

Invariants:

- Parsing is total: an Indicator or an IndicatorError, whatever the text.
- Parsing is idempotent: a canonical value is its own canonical value.
- Neither an error nor a repr holds the text.

Source: DESIGN §4.
"""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from federation.indicators import account, app, device, namespaced, network, person, telephone, url
from federation.indicators.cryptocurrency import canonical_crypto_address
from federation.indicators.email_address import canonical_email
from federation.indicators.error import IndicatorError
from federation.indicators.kind import KIND_ALIASES, Kind, kind_name

# Longer than any identifier and than the addresses browsers accept in practice (2,048), and
# short enough that the slowest parser stays below a few milliseconds.
MAXIMUM_TEXT_CHARACTERS = 4096

_KIND_OF_NAME = MappingProxyType({kind_name(kind): kind for kind in Kind})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Indicator:
    """A kind and a canonical value of it; the repr hides the value."""

    kind: Kind
    value: str = field(repr=False)


def _opaque(kind: Kind) -> Callable[[str], str]:
    return functools.partial(namespaced.canonical_opaque, kind)


def _readable(kind: Kind) -> Callable[[str], str]:
    return functools.partial(namespaced.canonical_readable, kind)


_CANONICAL: Mapping[Kind, Callable[[str], str]] = MappingProxyType(
    {
        Kind.PHONE: telephone.canonical_phone,
        Kind.IMSI: device.canonical_imsi,
        Kind.IMEI: device.canonical_imei,
        Kind.ICCID: device.canonical_iccid,
        Kind.SITE: device.canonical_site,
        Kind.IP: network.canonical_ip,
        Kind.DOMAIN: network.canonical_domain,
        Kind.URL: url.canonical_url,
        Kind.APP: app.canonical_app,
        Kind.BANK_ACCOUNT: account.canonical_bank_account,
        Kind.IBAN: account.canonical_iban,
        Kind.PAN: account.canonical_pan,
        Kind.PAYMENT_ACCOUNT: _opaque(Kind.PAYMENT_ACCOUNT),
        Kind.IM_ACCOUNT: namespaced.canonical_im_account,
        Kind.EMAIL: canonical_email,
        Kind.DEVICE: _opaque(Kind.DEVICE),
        Kind.CRYPTO_ADDRESS: canonical_crypto_address,
        Kind.SMS_PORT: namespaced.canonical_sms_port,
        Kind.SMS_SIGNATURE: _readable(Kind.SMS_SIGNATURE),
        Kind.CALL_FORWARD: _opaque(Kind.CALL_FORWARD),
        Kind.LEASED_LINE: _opaque(Kind.LEASED_LINE),
        Kind.CLOUD_TENANT: _opaque(Kind.CLOUD_TENANT),
        Kind.ADVERTISEMENT: _opaque(Kind.ADVERTISEMENT),
        Kind.SEARCH_KEYWORD: _readable(Kind.SEARCH_KEYWORD),
        Kind.IOT_SIM: _opaque(Kind.IOT_SIM),
        Kind.ORGANISATION: account.canonical_organisation,
        Kind.RESIDENT_ID: person.canonical_resident_id,
    }
)


def kind_by_name(text: str) -> Kind:
    """Return the kind of a command-line name such as ``bank_account``; hyphens are fine too.

    Raises:
        IndicatorError: Rule ``KIND_UNKNOWN``, with the names in the hint.
    """
    name = text.strip().lower().replace("-", "_")
    kind = _KIND_OF_NAME.get(name) or KIND_ALIASES.get(name)
    if kind is None:
        error = IndicatorError(None, "KIND_UNKNOWN", "no such kind of indicator")
        error.hint = f"The kinds are {', '.join(_KIND_OF_NAME)}."
        raise error
    return kind


def parse_indicator(kind: str | Kind, text: str, *, region: str | None = None) -> Indicator:
    """Bring ``text`` to the one form that every member tokenises.

    Args:
        kind: A kind or its command-line name.
        text: As people and files write it; white space around it is dropped.
        region: ISO 3166 code for telephone numbers in national form; other kinds ignore it.

    Raises:
        IndicatorError: The text is no indicator of the kind; never holds the text.
    """
    kind = kind_by_name(kind) if isinstance(kind, str) else kind
    text = _admitted(kind, text)
    if kind is Kind.PHONE:
        value = telephone.canonical_phone(text, region)
    else:
        value = _CANONICAL[kind](text)
    if len(value) > MAXIMUM_TEXT_CHARACTERS:
        raise IndicatorError(kind, "VALUE_TOO_LONG", "the canonical form is too long")
    return Indicator(kind, value)


def _admitted(kind: Kind, text: str) -> str:
    """Refuse what no parser should see, and drop the white space around the rest."""
    if len(text) > MAXIMUM_TEXT_CHARACTERS:
        message = f"longer than {MAXIMUM_TEXT_CHARACTERS} characters"
        raise IndicatorError(kind, "TEXT_TOO_LONG", message)
    text = text.strip()
    if not text:
        raise IndicatorError(kind, "TEXT_EMPTY", "nothing but white space")
    if _CONTROL.search(text):
        raise IndicatorError(kind, "TEXT_CONTROL", "control characters are not allowed")
    if not text.isascii() and _SURROGATE.search(text):
        raise IndicatorError(kind, "TEXT_NOT_UNICODE", "half a surrogate pair is no character")
    return text
