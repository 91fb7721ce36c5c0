"""Keep a node off the tables of another member: raw values, quotas and watchlist are one's own.

Schemas of a database are named alike at every member, so two nodes with one address would share
them without noticing.
"""

from __future__ import annotations

from typing import Final

from federation.names import FederationName, MemberId
from node.store.error import StoreError
from node.store.private import PrivateStore

_KEY: Final = "owner"


def require_owner(private: PrivateStore, federation: FederationName, member: MemberId) -> None:
    """Note whose the private tables are when they are first used, and refuse those of others.

    Raises:
        StoreError: STORE_FOREIGN, or any of its reasons.
    """
    mine = f"{federation}/{member}".encode()
    if private.get_or_put(_KEY, mine) != mine:
        raise StoreError(
            "the private tables are another member's",
            reason="STORE_FOREIGN",
            hint="give each member a database of its own: look at the setting database",
        )
