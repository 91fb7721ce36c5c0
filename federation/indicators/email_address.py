"""Bring mail addresses to one form per mailbox, as the large providers deliver them.

The local part is lower-cased: RFC 5321 would allow a server to tell case apart, no provider of
weight does, and a fraudster must not escape by a capital. Sub-addresses (``+tag``) and dots go
only where the provider is known to ignore them; elsewhere they may name another person.

Source: RFC 5321 §4.5.3.1, RFC 5322 §3.2.3, DOMAIN §6.3.
"""

import re

from federation.indicators.character import fold_width
from federation.indicators.error import IndicatorError
from federation.indicators.kind import Kind
from federation.indicators.network import canonical_domain

# RFC 5321 §4.5.3.1.1.
MAXIMUM_LOCAL_CHARACTERS = 64

# Dots in the local part reach the same mailbox.
DOT_BLIND_DOMAINS = frozenset(("gmail.com",))
# What follows a plus sign reaches the same mailbox.
PLUS_TAG_DOMAINS = frozenset(
    (
        *("gmail.com", "outlook.com", "hotmail.com", "live.com", "msn.com"),
        *("icloud.com", "me.com", "mac.com", "fastmail.com"),
        *("proton.me", "protonmail.com", "pm.me"),
    )
)
# Two names of one provider for the same mailbox.
DOMAIN_ALIASES = {"googlemail.com": "gmail.com"}

_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


def canonical_email(text: str) -> str:
    """Return the mailbox in lower case at its canonical domain. A ``mailto:`` in front goes.

    Raises:
        IndicatorError: With an ``EMAIL_`` rule, or a ``DOMAIN_`` rule for the domain.
    """
    address = text[7:] if text[:7].lower() == "mailto:" else text
    local, at_sign, domain = fold_width(address).rpartition("@")
    if not at_sign:
        raise IndicatorError(Kind.EMAIL, "EMAIL_SYNTAX", "must be local@domain")
    domain = canonical_domain(domain, Kind.EMAIL)
    domain = DOMAIN_ALIASES.get(domain, domain)
    local = _mailbox(local.lower(), domain)
    if len(local) > MAXIMUM_LOCAL_CHARACTERS or not _LOCAL.fullmatch(local):
        message = "the local part must be a dot-separated ASCII name of at most 64 characters"
        raise IndicatorError(Kind.EMAIL, "EMAIL_LOCAL", message)
    return f"{local}@{domain}"


def _mailbox(local: str, domain: str) -> str:
    if domain in PLUS_TAG_DOMAINS:
        local = local.partition("+")[0]
    if domain in DOT_BLIND_DOMAINS:
        local = local.replace(".", "")
    return local
