"""Check the shapes of fields, so that a raw identifier fits into none of them.

Every function returns nothing and raises ``StatementError`` naming the field, never its value.
The bounds are chosen below the eleven digits of a telephone number, and opaque bytes that read
as text are refused: a token is the output of a hash, and reads as text with a chance below 10**-8.

Source: DESIGN §2.1; DOMAIN R61.
"""

import re
from typing import Final, NoReturn

from federation.names import MemberId, NameFormatError
from federation.prime_field import ELEMENT_BYTES, PRIME
from federation.statements.error import StatementError

# Bytes of tokens, statement ids, ceremony ids and grant ids.
IDENTIFIER_BYTES: Final = 16
# Bytes of SHA-256 digests, group elements and public keys.
DIGEST_BYTES: Final = 32
# Bytes of Ed25519 signatures and of proofs of possession.
SIGNATURE_BYTES: Final = 64
# Seconds since 1970: 2020-01-01, before any federation.
MIN_TIME: Final = 1_577_836_800
# Seconds since 1970: 2100-01-01, and ten digits, so no telephone number with its country code.
MAX_TIME: Final = 4_102_444_800
# Seconds that a clock may be ahead of the one that stamped the statement.
MAX_SKEW_SECONDS: Final = 300
# Sightings in one statement: more says nothing more, and seven digits hold no telephone number.
MAX_COUNT: Final = 1_000_000
# Evaluations in one grant or alarm: a class's whole year, and ten digits at most.
MAX_AMOUNT: Final = 9_999_999_999
# Key epochs: one a day for more than a century.
MAX_EPOCH: Final = 65_535
# Members in a key ceremony: a deal of all classes then has 600,000 bytes and fits into an entry.
MAX_HOLDERS: Final = 100
# Digits in a member's name: enough for "bank-2026", too few for a number or a card.
MAX_MEMBER_DIGITS: Final = 6
# Bits that count of a number with more than ten digits: exact to 1 in 30,000, and one telephone
# number in 100,000 is one of these.
COARSE_BITS: Final = 16
# Stands for a region's GB/T 2260 code where something is about no one region.
WHOLE_COUNTRY: Final = "000000"
# Characters of a reason code.
MAX_REASON_CHARACTERS: Final = 40

# What numbers, accounts, domains, addresses, links and their padding are written in, and Chinese
# text in UTF-8. Possessive, so that a long run costs no memory.
_READABLE: Final = re.compile(
    rb"(?:[A-Za-z0-9+._@:/?=&%# \0-]++|[\xe3-\xe9\xef][\x80-\xbf][\x80-\xbf])*+"
)
_REASON: Final = re.compile(r"[A-Z]+(_[A-Z]+)*")
# Words of a code that would say that something rests on a report of suspicious transactions, which
# the law keeps secret. Source: DOMAIN R67.
_SECRET_WORDS: Final = frozenset({"STR", "STRS", "SAR", "SARS", "AML", "SUSPICIOUS"})
_SIX_DIGITS: Final = re.compile(r"[0-9]{6}")
# First two digits of GB/T 2260: the provinces and their equals.
_PROVINCES: Final = frozenset(
    str(code)
    for first, last in (
        (11, 15),
        (21, 23),
        (31, 37),
        (41, 46),
        (50, 54),
        (61, 65),
        (71, 71),
        (81, 82),
    )
    for code in range(first, last + 1)
)
# The largest last byte of a field element, which is written little-endian; text has larger ones.
_ELEMENT_LAST_BYTE: Final = PRIME >> 8 * (ELEMENT_BYTES - 1)


def refuse(reason: str, field: str, rule: str) -> NoReturn:
    """Raise the error that says which field breaks which rule."""
    raise StatementError(reason, f"{field} {rule}")


def check_opaque(field: str, value: bytes, length: int) -> None:
    """Accept exactly ``length`` bytes that do not read as text."""
    if len(value) != length:
        refuse("LENGTH_INVALID", field, f"does not have {length} bytes")
    if _READABLE.fullmatch(value):
        refuse("BYTES_READABLE", field, "reads as text")


def check_packed(field: str, value: bytes, length: int, least: int, most: int) -> None:
    """Accept ``least`` to ``most`` opaque items of ``length`` bytes each, packed."""
    count, rest = divmod(len(value), length)
    if rest or not least <= count <= most:
        refuse("LENGTH_INVALID", field, f"does not hold {least} to {most} items of {length} bytes")
    if value and _READABLE.fullmatch(value):
        refuse("BYTES_READABLE", field, "reads as text")
    for start in range(0, len(value), length):
        check_opaque(field, value[start : start + length], length)


def check_sealed(field: str, value: bytes, least: int, most: int) -> None:
    """Accept sealed bytes within bounds; what they hold cannot be seen."""
    if not least <= len(value) <= most:
        refuse("LENGTH_INVALID", field, f"does not have {least} to {most} bytes")


def check_time(field: str, value: int) -> None:
    """Accept a second between 2020 and 2100."""
    if not MIN_TIME <= value <= MAX_TIME:
        refuse("TIME_INVALID", field, "is not between 2020 and 2100")


def check_count(field: str, value: int, least: int, most: int) -> None:
    """Accept a whole number within bounds."""
    if not least <= value <= most:
        refuse("COUNT_INVALID", field, f"is not between {least} and {most}")


def check_coarse(field: str, value: int, least: int, most: int) -> None:
    """Accept a whole number within bounds; beyond ten digits none that could be an identifier.

    Larger ones have at most ``COARSE_BITS`` bits that count, as powers of two do.
    """
    check_count(field, value, least, most)
    if value > MAX_AMOUNT and (value & -value).bit_length() <= value.bit_length() - COARSE_BITS:
        refuse("COUNT_INVALID", field, f"is large and has more than {COARSE_BITS} bits that count")


def round_coarse(value: int) -> int:
    """Return the smallest number from ``value`` on that ``check_coarse`` accepts."""
    if value <= MAX_AMOUNT:
        return value
    unit = 1 << (value.bit_length() - COARSE_BITS)
    return -(-value // unit) * unit


def check_elements(field: str, value: bytes, least: int, most: int) -> None:
    """Accept ``least`` to ``most`` packed field elements: in eight bytes of text none fits."""
    count, rest = divmod(len(value), ELEMENT_BYTES)
    if rest or not least <= count <= most:
        refuse("LENGTH_INVALID", field, f"does not hold {least} to {most} field elements")
    if max(value[ELEMENT_BYTES - 1 :: ELEMENT_BYTES], default=0) > _ELEMENT_LAST_BYTE:
        refuse("COUNT_INVALID", field, "holds a number that is no field element")


def check_confidence(value: int) -> None:
    """Accept 1 to 100. Source: STIX 2.1 ``confidence``, without its zero."""
    if not 1 <= value <= 100:
        refuse("CONFIDENCE_INVALID", "confidence", "is not between 1 and 100")


def check_region(value: str) -> None:
    """Accept a GB/T 2260 code, six digits with a province's first two, or 000000."""
    if value == WHOLE_COUNTRY:
        return
    if not _SIX_DIGITS.fullmatch(value) or value[:2] not in _PROVINCES:
        refuse("REGION_INVALID", "region", "is no GB/T 2260 code")


def check_member(field: str, value: str) -> None:
    """Accept a member id with a letter and few digits, as no telephone or card number has."""
    try:
        MemberId(value)
    except NameFormatError as error:
        raise StatementError("MEMBER_INVALID", f"{field} is no member id") from error
    digits = sum(character.isdigit() for character in value)
    if digits > MAX_MEMBER_DIGITS or not any(character.isalpha() for character in value):
        refuse("MEMBER_INVALID", field, f"has no letter or more than {MAX_MEMBER_DIGITS} digits")


def check_matter(matter_id: bytes, opener: str) -> None:
    """Accept the id of a statement that opened a matter, and the member id of who said it."""
    check_opaque("matter_id", matter_id, IDENTIFIER_BYTES)
    check_member("opener", opener)


def check_members(field: str, values: tuple[str, ...], least: int) -> None:
    """Accept ``least`` to 100 distinct member ids."""
    if not least <= len(values) <= MAX_HOLDERS or len(set(values)) != len(values):
        refuse("LIST_INVALID", field, f"does not name {least} to {MAX_HOLDERS} distinct members")
    for value in values:
        check_member(field, value)


def check_reason(value: str, field: str = "reason") -> None:
    """Accept a reason code: capitals and single underscores, so neither number nor domain."""
    if len(value) > MAX_REASON_CHARACTERS or not _REASON.fullmatch(value):
        refuse("REASON_INVALID", field, "is no reason code")
    if _SECRET_WORDS & set(value.split("_")):
        refuse("STR_SECRET", field, "names a report that the law keeps secret")
