"""The charter: the signed document that constitutes a federation.

``proto/README.md`` gives the format and the rules. What a node does with it::

    charter = verify_charter(first_note, None)
    charter = verify_charter(second_note, charter)   # and so on, one version after the other
    member = charter.member("bank-x")
"""

from federation.charter.amendment import (
    add_member,
    change_member,
    create_charter,
    revoke_member,
    set_quota,
    sign_charter,
    with_holders,
)
from federation.charter.charter import (
    MAX_MEMBERS,
    Charter,
    CharterNote,
    charter_digest,
    encode_charter,
    parse_charter,
    parse_text,
)
from federation.charter.error import CharterError
from federation.charter.member import Card, Member, encode_card, parse_card
from federation.charter.quota import DEFAULT_QUOTAS, NO_QUOTA, RoleQuota, uniform_quota
from federation.charter.verification import adopt_charter, verify_charter

__all__ = [
    "DEFAULT_QUOTAS",
    "MAX_MEMBERS",
    "NO_QUOTA",
    "Card",
    "Charter",
    "CharterError",
    "CharterNote",
    "Member",
    "RoleQuota",
    "add_member",
    "adopt_charter",
    "change_member",
    "charter_digest",
    "create_charter",
    "encode_card",
    "encode_charter",
    "parse_card",
    "parse_charter",
    "parse_text",
    "revoke_member",
    "set_quota",
    "sign_charter",
    "uniform_quota",
    "verify_charter",
    "with_holders",
]
