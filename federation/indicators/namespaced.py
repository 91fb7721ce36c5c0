"""Bring identifiers that only their owner can read to ``namespace:id``.

The namespace is the member, payment scheme or platform that gave the id out: two owners may
use the same id for different things. Ids keep their case, except texts that people read.

Source: DOMAIN §6.3, "owner namespace + id".
"""

import re
import unicodedata

from federation.indicators.character import fold_width
from federation.indicators.error import IndicatorError
from federation.indicators.kind import Kind

# A DNS label's length: member names and platform codes are far shorter.
MAXIMUM_NAMESPACE_CHARACTERS = 63
# Longest ids in use are hashes in hexadecimal (SHA-512: 128).
MAXIMUM_ID_CHARACTERS = 128

_NAMESPACE = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/+=-]*")
# A port is dialled like a number; CMPP and SMPP carry at most 21 digits.
_PORT = re.compile(r"[0-9]{3,21}")
# What a platform never changes about an account. Nicknames and @names move to other people.
_PLATFORM_IDS = {
    "qq": re.compile(r"[1-9][0-9]{4,11}"),
    "telegram": re.compile(r"[1-9][0-9]{4,15}"),
    "discord": re.compile(r"[1-9][0-9]{16,19}"),
    "whatsapp": re.compile(r"[1-9][0-9]{6,14}"),
    "facebook": re.compile(r"[1-9][0-9]{3,19}"),
    "x": re.compile(r"[1-9][0-9]{0,19}"),
}
_BRACKETS = (("【", "】"), ("[", "]"))
_WHITE_SPACE = re.compile(r"\s+")
# Letters, marks, numbers, punctuation, symbols and the space; no controls, no invisible
# formatting, no private or unassigned code points, by which equal-looking texts could differ.
_READABLE_CATEGORIES = frozenset("LMNPS")


def canonical_opaque(kind: Kind, text: str) -> str:
    """Return ``namespace:id`` with the namespace in lower case and the id as it is.

    Raises:
        IndicatorError: With a ``<KIND>_NAMESPACE`` or ``<KIND>_ID`` rule.
    """
    namespace, identifier = _split(kind, text)
    identifier = fold_width(identifier)
    if len(identifier) > MAXIMUM_ID_CHARACTERS or not _ID.fullmatch(identifier):
        message = f"the id must be up to {MAXIMUM_ID_CHARACTERS} ASCII letters, digits or ._:@/+=-"
        raise IndicatorError(kind, f"{kind.name}_ID", message)
    return f"{namespace}:{identifier}"


def canonical_im_account(text: str) -> str:
    """Return ``platform:uid``; for platforms known here the form of the uid is checked too.

    Raises:
        IndicatorError: With an ``IM_ACCOUNT_`` rule.
    """
    value = canonical_opaque(Kind.IM_ACCOUNT, text)
    platform, _, uid = value.partition(":")
    form = _PLATFORM_IDS.get(platform)
    if form is not None and not form.fullmatch(uid):
        message = "not the platform's permanent id (a nickname may move to another person)"
        raise IndicatorError(Kind.IM_ACCOUNT, "IM_ACCOUNT_UID", message)
    return value


def canonical_sms_port(text: str) -> str:
    """Return ``carrier:digits`` of a port that sends messages, such as a 106 number.

    Raises:
        IndicatorError: With an ``SMS_PORT_`` rule.
    """
    namespace, port = _split(Kind.SMS_PORT, text)
    port = fold_width(port).replace(" ", "").replace("-", "")
    if not _PORT.fullmatch(port):
        raise IndicatorError(Kind.SMS_PORT, "SMS_PORT_ID", "a port has 3 to 21 digits")
    return f"{namespace}:{port}"


def canonical_readable(kind: Kind, text: str) -> str:
    """Return ``namespace:text`` of a text for people: NFKC, no case, single spaces.

    A signature loses the brackets that messages show it in.

    Raises:
        IndicatorError: With a ``<KIND>_NAMESPACE`` or ``<KIND>_ID`` rule.
    """
    namespace, phrase = _split(kind, text)
    phrase = _folded(phrase)
    if kind is Kind.SMS_SIGNATURE:
        phrase = _without_brackets(phrase)
    if not 0 < len(phrase) <= MAXIMUM_ID_CHARACTERS or not _is_readable(phrase):
        message = f"must be 1 to {MAXIMUM_ID_CHARACTERS} visible characters"
        raise IndicatorError(kind, f"{kind.name}_ID", message)
    if _folded(phrase) != phrase:
        message = "the text has no stable form under Unicode normalisation"
        raise IndicatorError(kind, f"{kind.name}_ID", message)
    return f"{namespace}:{phrase}"


def _split(kind: Kind, text: str) -> tuple[str, str]:
    namespace, colon, identifier = text.replace("：", ":").partition(":")  # as Chinese keyboards
    namespace = fold_width(namespace).strip().lower()
    if (
        not colon
        or len(namespace) > MAXIMUM_NAMESPACE_CHARACTERS
        or not _NAMESPACE.fullmatch(namespace)
    ):
        message = "must start with its owner's name in a-z, 0-9, dot or hyphen, and a colon"
        raise IndicatorError(kind, f"{kind.name}_NAMESPACE", message)
    return namespace, identifier.strip()


def _folded(text: str) -> str:
    # Two rounds: folding case can undo normalisation and the other way round (Unicode D147).
    for _ in range(2):
        text = unicodedata.normalize("NFKC", text).casefold()
    return _WHITE_SPACE.sub(" ", unicodedata.normalize("NFKC", text)).strip()


def _without_brackets(text: str) -> str:
    for opening, closing in _BRACKETS:
        if text.startswith(opening) and text.endswith(closing):
            text = text[1:-1].strip()
    return "" if any(bracket in text for pair in _BRACKETS for bracket in pair) else text


def _is_readable(text: str) -> bool:
    return all(
        char == " " or unicodedata.category(char)[0] in _READABLE_CATEGORIES for char in text
    )
