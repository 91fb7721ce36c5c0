"""Name every kind of indicator: its number on the wire, its name at the desk, its key class."""

import enum
from types import MappingProxyType


class KindClass(enum.IntEnum):
    """The classes that have a token key each, so that quotas hold per class.

    Source: DESIGN §5.
    """

    PHONE = 1
    ACCOUNT = 2
    DEVICE = 3
    IDENTITY = 4
    NETWORK = 5


class Kind(enum.IntEnum):
    """What an indicator identifies. A number is hashed into tokens: never change or reuse one.

    Source: DOMAIN §6.3.
    """

    PHONE = 1
    IMSI = 2
    IMEI = 3
    ICCID = 4
    SITE = 5
    IP = 6
    DOMAIN = 7
    URL = 8
    APP = 9
    BANK_ACCOUNT = 10
    IBAN = 11
    PAN = 12
    PAYMENT_ACCOUNT = 13
    IM_ACCOUNT = 14
    EMAIL = 15
    DEVICE = 16
    CRYPTO_ADDRESS = 17
    SMS_PORT = 18
    SMS_SIGNATURE = 19
    CALL_FORWARD = 20
    LEASED_LINE = 21
    CLOUD_TENANT = 22
    ADVERTISEMENT = 23
    SEARCH_KEYWORD = 24
    IOT_SIM = 25
    ORGANISATION = 26
    RESIDENT_ID = 27


_MEMBERS_OF_CLASS: dict[KindClass, tuple[Kind, ...]] = {
    KindClass.PHONE: (
        Kind.PHONE,
        Kind.SMS_PORT,
        Kind.SMS_SIGNATURE,
        Kind.CALL_FORWARD,
        Kind.IOT_SIM,
    ),
    KindClass.ACCOUNT: (
        Kind.BANK_ACCOUNT,
        Kind.IBAN,
        Kind.PAN,
        Kind.PAYMENT_ACCOUNT,
        Kind.IM_ACCOUNT,
        Kind.EMAIL,
        Kind.CRYPTO_ADDRESS,
    ),
    KindClass.DEVICE: (Kind.IMEI, Kind.SITE, Kind.DEVICE),
    KindClass.IDENTITY: (Kind.IMSI, Kind.ICCID, Kind.ORGANISATION, Kind.RESIDENT_ID),
    KindClass.NETWORK: (
        Kind.IP,
        Kind.DOMAIN,
        Kind.URL,
        Kind.APP,
        Kind.LEASED_LINE,
        Kind.CLOUD_TENANT,
        Kind.ADVERTISEMENT,
        Kind.SEARCH_KEYWORD,
    ),
}

_CLASS_OF_KIND = MappingProxyType(
    {kind: group for group, kinds in _MEMBERS_OF_CLASS.items() for kind in kinds}
)


def kind_class(kind: Kind) -> KindClass:
    """Return the class whose key makes tokens of ``kind``."""
    return _CLASS_OF_KIND[kind]


# Names that the field's other lists use for the same kinds (DOMAIN §6.3).
KIND_ALIASES: MappingProxyType[str, Kind] = MappingProxyType(
    {
        "phone_e164": Kind.PHONE,
        "msisdn": Kind.PHONE,
        "site_bucket": Kind.SITE,
        "ipv4": Kind.IP,
        "ipv6": Kind.IP,
        "apk": Kind.APP,
        "bank_acct_cn": Kind.BANK_ACCOUNT,
        "pay_acct": Kind.PAYMENT_ACCOUNT,
        "device_fp": Kind.DEVICE,
        "crypto_addr": Kind.CRYPTO_ADDRESS,
        "ad_creative": Kind.ADVERTISEMENT,
        "org_uscc": Kind.ORGANISATION,
        "id_card": Kind.RESIDENT_ID,
    }
)

PERSONS: frozenset[Kind] = frozenset({Kind.RESIDENT_ID})
"""Kinds that name a person. They are no indicators: only the person asks about one (R57)."""


def kind_name(kind: Kind) -> str:
    """Return the name of ``kind`` at the command line and in files, such as ``bank_account``."""
    return kind.name.lower()
