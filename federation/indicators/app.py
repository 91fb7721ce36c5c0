"""Name an app by its package and the certificate that signs it, whatever the build.

    com.example.loan:<64 hex>        package and SHA-256 of the signing certificate (preferred)
    com.example.loan:sha1:<40 hex>   the same with SHA-1, since public lists have no more
    file:<64 hex>                    SHA-256 of one file, where package or signer are unknown

A SHA-1 form and a SHA-256 form of the same signer are different values: nobody can compute
one from the other. Source: DOMAIN §6.3, R21.
"""

import re

from federation.indicators.character import fold_width
from federation.indicators.error import IndicatorError
from federation.indicators.kind import Kind

# Android and iOS identifiers; Android also refuses hyphens, iOS underscores.
_PACKAGE = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_][A-Za-z0-9_-]*)+")
# The longest name that fits one directory entry, where both systems install an app.
MAXIMUM_PACKAGE_CHARACTERS = 255
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA1 = re.compile(r"[0-9a-f]{40}")


def canonical_app(text: str) -> str:
    """Return one of the three forms; package names keep their case, fingerprints are lower.

    Fingerprints may be grouped by colons, as keytool prints them.

    Raises:
        IndicatorError: With an ``APP_`` rule.
    """
    package, colon, rest = fold_width(text).partition(":")
    if not colon:
        raise _refusal("APP_SIGNER_MISSING", "must be package:fingerprint or file:sha256")
    algorithm, fingerprint = _fingerprint(rest)
    if package.lower() == "file":
        if algorithm != "sha256":
            raise _refusal("APP_FINGERPRINT", "a file is named by its SHA-256")
        return f"file:{fingerprint}"
    if len(package) > MAXIMUM_PACKAGE_CHARACTERS or not _PACKAGE.fullmatch(package):
        raise _refusal("APP_PACKAGE", "no package name")
    return f"{package}:{'sha1:' if algorithm == 'sha1' else ''}{fingerprint}"


def _refusal(rule: str, message: str) -> IndicatorError:
    return IndicatorError(Kind.APP, rule, message)


def _fingerprint(text: str) -> tuple[str, str]:
    text = text.strip().lower()
    named = "sha1" if text.startswith("sha1:") else "sha256" if text.startswith("sha256:") else ""
    digits = text.removeprefix(f"{named}:").replace(":", "").strip()
    if _SHA256.fullmatch(digits) and named != "sha1":
        return "sha256", digits
    if _SHA1.fullmatch(digits) and named != "sha256":
        return "sha1", digits
    raise _refusal("APP_FINGERPRINT", "must be 64 (SHA-256) or 40 (SHA-1) hexadecimal digits")
