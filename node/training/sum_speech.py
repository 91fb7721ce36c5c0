"""Put what the parties of a private sum say on the wire of a training stream, signed.

The coordinator passes on what members say to each other, so everything said carries the speaker's
signature: the coordinator can leave something out, but make up or change nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from federation.names import MemberId, NameFormatError
from federation.packing import pack
from federation.statements import (
    StatementError,
    SumBody,
    SumCheck,
    SumClose,
    SumEcho,
    SumOpen,
    SumPartial,
    SumShares,
    decode_body,
    encode_body,
)
from federation.statements.shape import DIGEST_BYTES, IDENTIFIER_BYTES
from keys.errors import SignatureError
from keys.signing import SigningKey, verify_signature
from node.errors import PeerError
from node.training.pieces import Assembly, split
from tocsin.v1 import training_service_pb2 as wire

SPEECH_CONTEXT: Final = "training-sum/v1"
_NUMBER_BYTES: Final = 8

OPEN: Final = wire.SUM_PART_OPEN
SHARES: Final = wire.SUM_PART_SHARES
CHECK: Final = wire.SUM_PART_CHECK
CLOSE: Final = wire.SUM_PART_CLOSE
ECHO: Final = wire.SUM_PART_ECHO
PARTIAL: Final = wire.SUM_PART_PARTIAL

_KINDS: Final[Mapping[int, type[SumBody]]] = MappingProxyType(
    {
        OPEN: SumOpen,
        SHARES: SumShares,
        CHECK: SumCheck,
        CLOSE: SumClose,
        ECHO: SumEcho,
        PARTIAL: SumPartial,
    }
)
_PARTS: Final = MappingProxyType({kind: part for part, kind in _KINDS.items()})


@dataclass(frozen=True, slots=True)
class Speech:
    """One thing that one party said; without a body it asks for the part that it names.

    Attributes:
        plan: Digest of the plan.
        sum_id: Which sum.
        part: Which message of the protocol.
        speaker: Who said it, and signed the body.
        body: The encoded message.
        signature: Ed25519, 64 bytes.
        rows: With the opening of a round's sum, else 0.
    """

    plan: bytes
    sum_id: bytes
    part: int
    speaker: MemberId
    body: bytes = b""
    signature: bytes = b""
    rows: int = 0

    def read(self) -> SumBody:
        """Return the message.

        Raises:
            PeerError: PEER_PROTOCOL; it is none, or one of another sum.
        """
        try:
            body = decode_body(_KINDS[self.part], self.body)
        except StatementError as error:
            raise PeerError("a part of a sum is malformed", member=self.speaker) from error
        if body.sum_id != self.sum_id:
            raise PeerError("a part of a sum is of another sum", member=self.speaker)
        return body

    def verify(self, public: bytes) -> None:
        """Check who said it.

        Raises:
            PeerError: PEER_PROTOCOL; it is not signed by this key.
        """
        try:
            verify_signature(public, SPEECH_CONTEXT, _message(self), self.signature)
        except SignatureError as error:
            raise PeerError("a part of a sum is not signed", member=self.speaker) from error


def speak(plan: bytes, me: MemberId, body: SumBody, key: SigningKey, rows: int = 0) -> Speech:
    """Say something, signed."""
    encoded, part = encode_body(body), _PARTS[type(body)]
    said = Speech(plan, body.sum_id, part, me, encoded, rows=rows)
    signature = key.sign(SPEECH_CONTEXT, _message(said))
    return Speech(plan, body.sum_id, part, me, encoded, signature, rows)


def to_pieces(speech: Speech, sender: MemberId) -> list[wire.SumPiece]:
    """Cut what was said for the wire."""
    bodies = split(speech.body)
    return [
        wire.SumPiece(
            plan_digest=speech.plan,
            sum_id=speech.sum_id,
            part=speech.part,  # type: ignore[arg-type]  # a number of the enumeration
            speaker="" if speech.speaker == sender else speech.speaker,
            piece=place,
            pieces=len(bodies),
            body=body,
            signature=speech.signature,
            rows=speech.rows,
        )
        for place, body in enumerate(bodies)
    ]


class SpeechAssembly:
    """Puts together what comes in pieces from one sender, one thing after another."""

    def __init__(self, sender: MemberId) -> None:
        self._sender = sender
        self._key: tuple[object, ...] = ()
        self._assembly = Assembly()

    def add(self, piece: wire.SumPiece) -> Speech | None:
        """Take the next piece, and return what was said if that was the last.

        Raises:
            PeerError: PEER_PROTOCOL; it is not the next piece, or names no part or speaker.
        """
        key = (piece.plan_digest, piece.sum_id, piece.part, piece.speaker, piece.signature)
        if key != self._key:
            # The rest of a thing given up on half way never comes.
            self._key, self._assembly = key, Assembly()
        body = self._assembly.add(piece.piece, piece.pieces, piece.body)
        if body is None:
            return None
        self._key, self._assembly = (), Assembly()
        lengths = (len(piece.plan_digest), len(piece.sum_id))
        if lengths != (DIGEST_BYTES, IDENTIFIER_BYTES) or piece.part not in _KINDS:
            raise PeerError("a piece of a sum names no part of one", member=self._sender)
        return Speech(
            plan=piece.plan_digest,
            sum_id=piece.sum_id,
            part=piece.part,
            speaker=_speaker(piece.speaker, self._sender),
            body=body,
            signature=piece.signature,
            rows=piece.rows,
        )


def _speaker(text: str, sender: MemberId) -> MemberId:
    try:
        return MemberId(text) if text else sender
    except NameFormatError as error:
        raise PeerError("a piece of a sum names no speaker", member=sender) from error


def _message(speech: Speech) -> bytes:
    content = hashlib.sha256(speech.body).digest()
    numbers = [number.to_bytes(_NUMBER_BYTES) for number in (speech.part, speech.rows)]
    return pack(speech.plan, speech.sum_id, *numbers, content)
