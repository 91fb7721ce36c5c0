"""Name what an organisation is in a federation, and which roles vote, replicate and speak."""

import enum
from typing import Final


class Role(enum.StrEnum):
    """Say what a member is; the charter gives each member one or more. Source: DOMAIN §2."""

    CARRIER = "carrier"
    BANK = "bank"
    INTERNET = "internet"
    COORDINATOR = "coordinator"
    REGULATOR = "regulator"
    POLICE = "police"
    PARTNER = "partner"
    AUDITOR = "auditor"


INDUSTRY: Final = frozenset({Role.CARRIER, Role.BANK, Role.INTERNET})
"""Members with customers of their own: they nominate, watch and check in bulk."""

CASE_ROLES: Final = frozenset({Role.COORDINATOR, Role.REGULATOR, Role.POLICE})
"""Members that act case by case and hold no customers."""

OVERSEEING: Final = frozenset({Role.COORDINATOR, Role.REGULATOR})
"""Roles whose members decide where the others differ."""

VOTING: Final = INDUSTRY | {Role.COORDINATOR, Role.REGULATOR}
"""Roles whose members count for the majority that changes a charter."""

SPEAKING: Final = INDUSTRY | CASE_ROLES
"""Roles whose members have a log; a partner only asks and an auditor only reads."""

REPLICATING: Final = SPEAKING | {Role.AUDITOR}
"""Roles whose members may read the others' logs."""

SOLITARY: Final = frozenset({Role.PARTNER, Role.AUDITOR})
"""Roles that go with no other: their limits would mean nothing beside a wider one."""
