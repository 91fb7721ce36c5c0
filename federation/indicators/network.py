"""Bring domains and addresses to the one form in which all members write them.

    "ＥＸＡＭＰＬＥ．com."     → example.com
    "bücher.example"         → xn--bcher-kva.example
    "::ffff:192.0.2.1"       → 192.0.2.1

Source: UTS #46 (non-transitional), RFC 5890 to 5893, RFC 1123 §2.1, RFC 5952, DOMAIN §6.3.
"""

import functools
import ipaddress
import re

import idna
from publicsuffixlist import PublicSuffixList

from federation.indicators.character import fold_width
from federation.indicators.error import IndicatorError
from federation.indicators.kind import Kind

# RFC 1035 §2.3.4, without the root's length byte and its dot.
MAXIMUM_DOMAIN_CHARACTERS = 253
MAXIMUM_LABEL_CHARACTERS = 63

# A lower-case host name without A-labels: the slow path returns it as it is (a test compares).
_CLEAN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
_ASCII_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")
# RFC 3696 §2: a top-level domain is alphabetic, or an A-label.
_TOP_LEVEL = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]{2,59}")
_ACE = "xn--"


def canonical_domain(text: str, kind: Kind = Kind.DOMAIN) -> str:
    """Return the lower-case A-label form of a host name below a public suffix, without end dot.

    Only the suffixes of registries count as bare: a hoster's suffix such as ``pages.dev`` is a
    domain that somebody registered. The bundled list decides only what is refused, never what
    a value looks like, so members with lists of different age make equal tokens.

    Args:
        text: Unicode or ASCII spelling.
        kind: Named in the error, for kinds that have a domain inside.

    Raises:
        IndicatorError: With a ``DOMAIN_`` rule.
    """
    value = text if _is_clean(text) else _domain_from_any(text, kind)
    if _registry_suffixes().is_public(value):
        raise IndicatorError(kind, "DOMAIN_SUFFIX", "a bare public suffix belongs to everybody")
    return value


def registrable_domain(value: str) -> str:
    """Return the part of a domain that one owner registered, hosting suffixes included.

    ``shop.example.co.uk`` gives ``example.co.uk``; ``a.b.pages.dev`` gives ``b.pages.dev``.

    Raises:
        IndicatorError: ``value`` is no domain.
    """
    domain = canonical_domain(value)
    owned = _all_suffixes().privatesuffix(domain) or _registry_suffixes().privatesuffix(domain)
    return owned or domain


@functools.cache
def _registry_suffixes() -> PublicSuffixList:
    return PublicSuffixList(only_icann=True)


@functools.cache
def _all_suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def _is_clean(text: str) -> bool:
    return (
        len(text) <= MAXIMUM_DOMAIN_CHARACTERS
        and _ACE not in text
        and _CLEAN.fullmatch(text) is not None
    )


def _domain_from_any(text: str, kind: Kind) -> str:
    mapped = _mapped(text)
    if mapped is None:
        raise IndicatorError(kind, "DOMAIN_CHARACTER", "a character cannot stand in a domain")
    labels = mapped.removesuffix(".").split(".")
    if labels[-1].isdecimal() or ":" in mapped:
        raise IndicatorError(kind, "DOMAIN_IS_ADDRESS", "an address or port is no domain")
    value = ".".join(_ascii_label(label, kind) for label in labels)
    if len(value) > MAXIMUM_DOMAIN_CHARACTERS:
        message = f"longer than {MAXIMUM_DOMAIN_CHARACTERS} characters"
        raise IndicatorError(kind, "DOMAIN_LENGTH", message)
    if len(labels) < 2:
        raise IndicatorError(kind, "DOMAIN_SINGLE_LABEL", "one label alone is no domain")
    if not _TOP_LEVEL.fullmatch(value.rpartition(".")[2]):
        raise IndicatorError(kind, "DOMAIN_TOP_LEVEL", "no such form of top-level domain")
    if "_" in value:
        _require_hosted_underscore(value, kind)
    return value


def _mapped(text: str) -> str | None:
    try:
        return idna.uts46_remap(text, std3_rules=False)
    except UnicodeError:
        return None


def _ascii_label(label: str, kind: Kind) -> str:
    if label.startswith(_ACE) or not label.isascii():
        encoded = _a_label(label)
        if encoded is None:
            raise IndicatorError(kind, "DOMAIN_IDNA", "a label is not valid under IDNA 2008")
        return encoded
    if not _ASCII_LABEL.fullmatch(label):
        message = "a label is empty, too long, or has a character that host names lack"
        raise IndicatorError(kind, "DOMAIN_LABEL", message)
    return label


def _a_label(label: str) -> str | None:
    if len(label) > MAXIMUM_LABEL_CHARACTERS:
        return None
    try:
        return idna.alabel(label).decode("ascii")
    except UnicodeError:
        return None


def _require_hosted_underscore(value: str, kind: Kind) -> None:
    """Allow underscores inside the names that hosters give out, as lists of real sites have them.

    No registry gives them out, and in front they mark service records, not hosts.
    """
    owned = _registry_suffixes().privatesuffix(value) or value
    if "_" in owned:
        raise IndicatorError(kind, "DOMAIN_UNDERSCORE", "no registry gives out an underscore")


def canonical_ip(text: str, kind: Kind = Kind.IP) -> str:
    """Return an address in the form of RFC 5952, or an IPv6 ``/64`` where written with one.

    An IPv4-mapped address is the IPv4 address. Host bits of a ``/64`` are cleared.

    Raises:
        IndicatorError: With an ``IP_`` rule.
    """
    address_text, slash, prefix = fold_width(text).partition("/")
    if "%" in address_text:
        raise IndicatorError(kind, "IP_ZONE", "a zone has a meaning on one host only")
    address = _address(address_text)
    if address is None:
        raise IndicatorError(kind, "IP_SYNTAX", "neither dotted IPv4 nor IPv6")
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if not slash:
        return str(address)
    if prefix != "64" or isinstance(address, ipaddress.IPv4Address):
        raise IndicatorError(kind, "IP_PREFIX", "the only prefix allowed is an IPv6 /64")
    return str(ipaddress.IPv6Network((int(address), 64), strict=False))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
