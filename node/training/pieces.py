"""Cut a long message into pieces for the wire, and put them together again within a bound."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from node.errors import PeerError

PIECE_BYTES: Final = 1024 * 1024
"""Bytes: what the contract allows; far below the doors' limit of one message."""
MAX_PIECES: Final = 64
"""Pieces of one message: a model of 16 million parameters, sixteen times the largest vector."""


def split(payload: bytes) -> list[bytes]:
    """Return the pieces, at least one.

    Raises:
        PeerError: PEER_PROTOCOL; the message is longer than any may be.
    """
    pieces = [payload[at : at + PIECE_BYTES] for at in range(0, len(payload), PIECE_BYTES)]
    if len(pieces) > MAX_PIECES:
        raise PeerError("a training message is longer than any may be")
    return pieces or [b""]


@dataclass(slots=True)
class Assembly:
    """What has come of one message; pieces come in their order, once each."""

    pieces: int = 0
    parts: list[bytes] = field(default_factory=list)

    def add(self, piece: int, pieces: int, data: bytes) -> bytes | None:
        """Take the next piece, and return the message if that was the last.

        Raises:
            PeerError: PEER_PROTOCOL; it is not the next piece of this message.
        """
        if not self.parts:
            self.pieces = pieces
        if (
            not 1 <= pieces <= MAX_PIECES
            or (piece, pieces) != (len(self.parts), self.pieces)
            or len(data) > PIECE_BYTES
        ):
            raise PeerError("a piece of a training message is out of its order or bounds")
        self.parts.append(data)
        return b"".join(self.parts) if len(self.parts) == pieces else None
