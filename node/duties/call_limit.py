"""Bound how often one member asks about the calls behind one number, and keep no trace of that.

Whoever may ask again and again follows somebody's calls all day long. So a member may ask about a
number a few times an hour, whether it is an own customer's or not: a refusal says nothing either.
The counters are durable and charged before any work. They are kept under digests with a key that
is forgotten with them when the hour is over, so that they tell nobody later who was asked about.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Final

from federation.names import MemberId
from federation.packing import pack
from keys.secret import Secret
from node.errors import PolicyError
from node.store.private import PrivateStore

QUESTIONS_AN_HOUR: Final = 12
"""Questions of one member about one number: a payment is put off and asked about again."""
HOUR_SECONDS: Final = 3_600

_KEY_BYTES: Final = 32
_HOUR_BYTES: Final = 8
_SETTING: Final = "call_questions.key"
_COUNTERS: Final = "call-questions/"
_LABEL: Final = b"tocsin/call-question/1"


class CallLimit:
    """The questions about calls that each member may still ask in this hour."""

    def __init__(self, private: PrivateStore, clock: Callable[[], int]) -> None:
        self._private = private
        self._clock = clock

    async def charge(self, caller: MemberId, token: bytes) -> None:
        """Count one question.

        Raises:
            PolicyError: ASKED_TOO_OFTEN; nothing was counted.
        """
        if not await asyncio.to_thread(self._count, caller, token):
            raise PolicyError(
                f"this number was asked about {QUESTIONS_AN_HOUR} times in this hour",
                reason="ASKED_TOO_OFTEN",
                hint="ask again in the next hour; an answer holds for a minute",
            )

    def _count(self, caller: MemberId, token: bytes) -> bool:
        key = self._key(self._clock() // HOUR_SECONDS)
        packed = pack(_LABEL, caller.encode(), token)
        name = hmac.new(key.reveal(), packed, hashlib.sha256).hexdigest()
        return self._private.charge(_COUNTERS + name, 1, QUESTIONS_AN_HOUR).granted

    def _key(self, hour: int) -> Secret:
        """Return the hour's key; with a new hour the old key and its counters are forgotten."""
        new = hour.to_bytes(_HOUR_BYTES) + secrets.token_bytes(_KEY_BYTES)
        found = self._private.change(_SETTING, lambda known: _newer(known, new), counters=_COUNTERS)
        return Secret(found[_HOUR_BYTES:])


def _newer(known: bytes | None, new: bytes) -> bytes:
    """Return the key that holds: a clock that is set back opens no hour anew."""
    return known if known and known[:_HOUR_BYTES] >= new[:_HOUR_BYTES] else new
