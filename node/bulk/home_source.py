"""Gather from a member's home what processes need to make tokens as that member."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime

from federation.charter import Charter
from federation.key_set import KeySet
from federation.names import MemberId
from federation.vocabulary import Purpose
from keys.authority import LEAF_LIFETIME
from keys.evaluation import CheckMode
from node.bulk.doors import DoorHolders
from node.bulk.tokenising import TokenSource
from node.charter_book import CharterBook
from node.cli.outside import OutsideDoor
from node.config import load_config
from node.home import Home
from node.member import MemberKeys
from node.tokens.key_ring import KeyRing
from node.tokens.public_keys import PublicKeys
from tocsin.v1 import token_service_pb2 as wire


def source_of(home: Home, keys: MemberKeys, purpose: Purpose) -> TokenSource:
    """Return a source of tokens for a job; asks the holders for their public keys.

    Raises:
        ConfigError: The home lacks a charter or has settings that are wrong.
        UnavailableError: KEYS_MISSING, no holder shows valid keys.
    """
    config, book = load_config(home.config), CharterBook(home.charter)
    me, charter = keys.card.member.member, book.charter
    leaf = keys.authority.issue_leaf(charter.federation, me, datetime.now(UTC), LEAF_LIFETIME)
    return TokenSource(
        identity=secrets.token_bytes(16),
        federation=charter.federation,
        key_set=_key_set(keys, book.versions),
        mode=CheckMode[config.evaluation_check.upper()],
        purpose=purpose,
        pad=charter.quota(me).pad,
        country=config.country,
        connect=DoorHolders.of(charter, me, leaf),
    )


def _key_set(keys: MemberKeys, charters: tuple[Charter, ...]) -> KeySet:
    ring = KeyRing()

    def ask_now(member: MemberId) -> wire.GetPublicKeysResponse:
        with OutsideDoor(keys, charters[0], member) as door:
            answer: wire.GetPublicKeysResponse = door.call(
                door.token.GetPublicKeys, wire.GetPublicKeysRequest()
            )
            return answer

    async def ask(member: MemberId) -> wire.GetPublicKeysResponse:
        return await asyncio.to_thread(ask_now, member)

    public = PublicKeys(lambda: charters, ring, lambda: charters[0].holders, ask)
    asyncio.run(public.refresh())
    return ring.require_current()
