"""Bring web addresses to one form: same page, same value, whoever copied it.

    "HTTPS://Example.com:443/a/./b/%7euser?utm_source=x&id=1#top" → https://example.com/a/b/~user?id=1

The order of the remaining query parameters and the case of path and query are kept, since
servers may tell them apart. Empty query parameters go, and so does a query left empty.

Source: RFC 3986 §6.2.2 and §6.2.3, DOMAIN §6.3.
"""

import re
from urllib.parse import unquote

from federation.indicators.error import IndicatorError
from federation.indicators.kind import Kind
from federation.indicators.network import canonical_domain, canonical_ip

# Parameters that say how a visitor came, not what is shown. Compared without case.
TRACKING_PREFIXES = ("utm_",)
TRACKING_PARAMETERS = frozenset(
    (
        *("gclid", "gclsrc", "dclid", "gbraid", "wbraid", "_ga", "_gl", "srsltid"),
        *("fbclid", "igshid", "igsh", "msclkid", "twclid", "ttclid", "li_fat_id", "yclid"),
        *("mc_cid", "mc_eid", "_hsenc", "_hsmi", "__hssc", "__hstc", "hsctatracking", "mkt_tok"),
        *("oly_anon_id", "oly_enc_id", "vero_id", "wickedid", "rb_clickid", "s_kwcid", "ef_id"),
        *("spm", "scm", "bd_vid", "gdt_vid", "qz_gdt"),
    )
)

_DEFAULT_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.DOTALL)
_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]*))?")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Everything that is not unreserved, sub-delims, ":", "@", "/" or "?" (RFC 3986 appendix A).
_TO_NORMALISE = re.compile(r"%([0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~!$&'()*+,;=:@/?]")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]")
_IPV4_SHAPE = re.compile(r"[0-9.]+")


def canonical_url(text: str) -> str:
    """Return scheme, host, path and query in normal form, without tracking and fragment.

    Raises:
        IndicatorError: With a ``URL_`` rule, or a ``DOMAIN_`` or ``IP_`` rule for the host.
    """
    if "\\" in text or any(char.isspace() for char in text):
        raise _refusal("URL_CHARACTER", "white space and backslashes are read in different ways")
    match = _URL.fullmatch(text)
    if match is None:
        raise _refusal("URL_SYNTAX", "must have the form scheme://host/path")
    scheme, authority, path, query = match.groups(default="")
    scheme = scheme.lower()
    if scheme not in _DEFAULT_PORTS:
        raise _refusal("URL_SCHEME", "the scheme must be http or https")
    if _BAD_PERCENT.search(path + "?" + query):
        raise _refusal("URL_PERCENT", "a percent sign must start a two-digit code")
    site = _host_and_port(authority, _DEFAULT_PORTS[scheme])
    query = _without_tracking(_normal_percent(query))
    return f"{scheme}://{site}{_without_dots(_normal_percent(path))}{'?' if query else ''}{query}"


def _refusal(rule: str, message: str) -> IndicatorError:
    return IndicatorError(Kind.URL, rule, message)


def _host_and_port(authority: str, default_port: int) -> str:
    if "@" in authority:
        raise _refusal("URL_USERINFO", "a user before the host hides the real host")
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise _refusal("URL_AUTHORITY", "must be a host and perhaps a port number")
    host, port = _host(match[1]), match[2]
    # Longer than any port even with zeros in front: int() refuses very long texts.
    number = int(port) if port and len(port) <= 10 else 0
    if port and not 1 <= number <= 65535:
        raise _refusal("URL_PORT", "the port must be from 1 to 65535")
    return host if number in (0, default_port) else f"{host}:{number}"


def _host(text: str) -> str:
    if text.startswith("["):
        address = canonical_ip(text[1:-1], Kind.URL)
        if "/" in address:
            raise _refusal("URL_AUTHORITY", "a network is no host")
        return f"[{address}]" if ":" in address else address
    if _IPV4_SHAPE.fullmatch(text):
        return canonical_ip(text, Kind.URL)
    if _BAD_PERCENT.search(text):
        raise _refusal("URL_PERCENT", "a percent sign must start a two-digit code")
    return canonical_domain(unquote(text, errors="replace"), Kind.URL)


def _normal_percent(text: str) -> str:
    return _TO_NORMALISE.sub(_normal_character, text)


def _normal_character(match: re.Match[str]) -> str:
    if match[1] is None:
        return "".join(f"%{byte:02X}" for byte in match[0].encode())
    char = chr(int(match[1], 16))
    return char if _UNRESERVED.fullmatch(char) else match[0].upper()


def _without_dots(path: str) -> str:
    """Resolve ``.`` and ``..``. Source: RFC 3986 §5.2.4."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments and segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _without_tracking(query: str) -> str:
    return "&".join(part for part in query.split("&") if part and not _is_tracking(part))


def _is_tracking(parameter: str) -> bool:
    name = parameter.partition("=")[0].lower()
    return name in TRACKING_PARAMETERS or name.startswith(TRACKING_PREFIXES)
