"""Write and read what passes between a citizen and a member unread by anybody else.

The citizen has one seed; two keys come out of it, one to be written to and one to sign with. What
is sealed is JSON padded with spaces to one size. The same code runs at the citizen's and in nodes:

    keys = CitizenKeys(Secret(seed))
    signature = keys.sign_consent(form)                      # the citizen
    sealed = seal(keys.receiving_key, answer, answer_context(...))   # a member
    answer = open_answer(keys.receiving, sealed, answer_context(...))  # the citizen

Source: DOMAIN R57, R58; DESIGN §5 (sealing).
"""

import enum
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from federation.errors import PeerError, PolicyError
from federation.names import MemberId, NameFormatError
from federation.packing import pack
from federation.statements import OneIdRequest
from federation.statements.one_id import PLAIN_BYTES
from federation.statements.shape import IDENTIFIER_BYTES
from federation.vocabulary import AccountKind, OneIdMove, OneIdReason
from keys.errors import SealError, SignatureError
from keys.sealing import SealingKey, seal_to_member
from keys.secret import Secret
from keys.signing import SigningKey, verify_signature

CONSENT_CONTEXT: Final = "one-id-consent/v1"
DISPUTE_CONTEXT: Final = "one-id-dispute/v1"
SEED_BYTES: Final = 32
MAX_REFERENCES: Final = 64
"""Accounts of one citizen at one member that can be disputed one by one; counts go further."""
MAX_DISPUTED: Final = 32
"""Accounts in one dispute; more is another dispute."""
MAX_TEXT_CHARACTERS: Final = 600
"""Characters that a citizen or a holder writes: with 32 references it fits in Chinese, too."""
MAX_COUNT: Final = 9_999
"""Accounts of one kind that a member can answer with."""

_KNOWLEDGE: Final = b"tocsin/one-id-knowledge/v1\0"
_ANSWER: Final = b"tocsin/one-id-answer/v1\0"
_DISPUTE: Final = b"tocsin/one-id-dispute/v1\0"
_FEEDBACK: Final = b"tocsin/one-id-feedback/v1\0"


class UnreadableError(PeerError):
    """Sealed bytes of a one-ID query do not open, or are none that a node or citizen writes."""

    reason = "ONE_ID_UNREADABLE"
    public = "This cannot be read with this key."


class TooLongError(PolicyError):
    """A text or a list is longer than what can be sealed."""

    reason = "TEXT_TOO_LONG"
    public = f"At most {MAX_TEXT_CHARACTERS} characters and {MAX_DISPUTED} accounts."


class Wish(enum.StrEnum):
    """Say what a citizen wants of a holder."""

    EXPLAIN = "explain"
    CLOSE = "close"


class CitizenKeys:
    """A citizen's two keys, made of one seed that stays with the citizen."""

    def __init__(self, seed: Secret) -> None:
        self.receiving = SealingKey.from_secret(_derive(seed, b"tocsin/citizen/receiving"))
        self._signing = SigningKey.from_seed(_derive(seed, b"tocsin/citizen/consent"))

    @property
    def receiving_key(self) -> bytes:
        """Return the public key that answers are sealed to, 1,216 bytes."""
        return self.receiving.public

    @property
    def consent_key(self) -> bytes:
        """Return the public key that signatures are checked with, 32 bytes."""
        return self._signing.public

    def sign_consent(self, form: "ConsentForm") -> bytes:
        """Sign a form."""
        return self._signing.sign(CONSENT_CONTEXT, form.message())

    def sign_dispute(self, federation: str, holder: str, wanted: "Disputed") -> bytes:
        """Sign what is wanted of a holder."""
        return self._signing.sign(DISPUTE_CONTEXT, wanted.message(federation, holder))


def _derive(seed: Secret, label: bytes) -> Secret:
    return Secret(HKDF(hashes.SHA256(), SEED_BYTES, None, label).derive(seed.reveal()))


@dataclass(frozen=True, slots=True)
class ConsentForm:
    """What a citizen signs: who asks whom for what, under which token, and with which keys.

    Attributes: as those of ``OneIdRequest``; the opener is the desk that the citizen came to, and
    its proof that it knows the identity is about the form and no part of it.
    """

    opener: MemberId
    token: bytes
    epoch: int
    wanted: tuple[AccountKind, ...]
    members: tuple[MemberId, ...]
    receiving_key: bytes
    consent_key: bytes
    proof_digest: bytes
    consent_time: int
    knowledge_proof: bytes = b""

    def prove(self, content_key: bytes) -> bytes:
        """Return the proof, 32 bytes, of whoever has the content key of the identity."""
        return hmac.digest(content_key, _KNOWLEDGE + self.message(), "sha256")

    def message(self) -> bytes:
        """Return the bytes that are signed."""
        return pack(
            self.opener.encode(),
            self.token,
            self.epoch.to_bytes(4),
            bytes(self.wanted),
            ",".join(self.members).encode(),
            self.receiving_key,
            self.consent_key,
            self.proof_digest,
            self.consent_time.to_bytes(8),
        )

    def signed(self, signature: bytes) -> OneIdRequest:
        """Return the request that it makes with the citizen's signature.

        Raises:
            StatementError: A field breaks its shape.
        """
        return OneIdRequest(
            self.token,
            self.epoch,
            self.wanted,
            self.members,
            self.receiving_key,
            self.consent_key,
            self.proof_digest,
            self.consent_time,
            signature,
            self.knowledge_proof,
        )


def form_of(request: OneIdRequest, opener: MemberId) -> ConsentForm:
    """Return the form that a request was made of."""
    return ConsentForm(
        opener,
        request.token,
        request.epoch,
        request.wanted,
        request.members,
        request.receiving_key,
        request.consent_key,
        request.proof_digest,
        request.consent_time,
        request.knowledge_proof,
    )


def is_consented(request: OneIdRequest, opener: MemberId) -> bool:
    """Say whether the citizen whose key a request names signed it for its opener."""
    message = form_of(request, opener).message()
    try:
        verify_signature(request.consent_key, CONSENT_CONTEXT, message, request.signature)
    except SignatureError:
        return False
    return True


def is_known_to(opener: MemberId, request: OneIdRequest, content_key: bytes) -> bool:
    """Say whether who opened a request knows the identity, and did not copy its token.

    Args:
        opener: Who opened it.
        request: What it said.
        content_key: Of the identity, as whoever knows it has it.
    """
    expected = form_of(request, opener).prove(content_key)
    return hmac.compare_digest(expected, request.knowledge_proof)


@dataclass(frozen=True, slots=True)
class Account:
    """One account as its citizen may name it: the reference says nothing to anybody else."""

    kind: AccountKind
    reference: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one member has under an identity.

    Attributes:
        counts: For every kind that was asked for, also where it is 0.
        accounts: The first ``MAX_REFERENCES`` of them.
    """

    counts: Mapping[AccountKind, int]
    accounts: tuple[Account, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what is sealed."""
        return {
            "counts": {one.name: count for one, count in self.counts.items()},
            "accounts": [[one.kind.name, one.reference.hex()] for one in self.accounts],
        }


@dataclass(frozen=True, slots=True)
class Disputed:
    """What a citizen wants of a holder, bound to the request whose answer named the accounts.

    Attributes:
        request_id: 16 bytes.
        opener: Who opened that request.
    """

    request_id: bytes
    opener: MemberId
    wish: Wish
    references: tuple[bytes, ...]
    text: str = field(repr=False)

    def message(self, federation: str, holder: str) -> bytes:
        """Return the bytes that the citizen signs."""
        return pack(
            federation.encode(),
            holder.encode(),
            self.request_id,
            self.opener.encode(),
            self.wish.encode(),
            b"".join(self.references),
            self.text.encode(),
        )


@dataclass(frozen=True, slots=True)
class SignedDispute:
    """A dispute as its holder reads it."""

    wanted: Disputed
    signature: bytes

    def to_json(self) -> dict[str, Any]:
        """Return what is sealed."""
        wanted = self.wanted
        return {
            "request": wanted.request_id.hex(),
            "opener": wanted.opener,
            "wish": wanted.wish.value,
            "references": [one.hex() for one in wanted.references],
            "text": wanted.text,
            "signature": self.signature.hex(),
        }

    def is_by_citizen_of(self, request: OneIdRequest, federation: str, holder: str) -> bool:
        """Say whether the citizen of a request signed it."""
        message = self.wanted.message(federation, holder)
        try:
            verify_signature(request.consent_key, DISPUTE_CONTEXT, message, self.signature)
        except SignatureError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a holder tells the citizen in the end."""

    step: OneIdMove
    reason: OneIdReason
    text: str = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return what is sealed."""
        return {"step": self.step.name, "reason": self.reason.name, "text": self.text}


def answer_context(federation: str, member: str, opener: str, request_id: bytes) -> bytes:
    """Return what an answer is bound to."""
    return _ANSWER + pack(federation.encode(), member.encode(), opener.encode(), request_id)


def dispute_context(federation: str, holder: str) -> bytes:
    """Return what a dispute is bound to; what it is about is inside."""
    return _DISPUTE + pack(federation.encode(), holder.encode())


def feedback_context(federation: str, holder: str, opener: str, dispute_id: bytes) -> bytes:
    """Return what the feedback about a dispute is bound to."""
    return _FEEDBACK + pack(federation.encode(), holder.encode(), opener.encode(), dispute_id)


def seal(public: bytes, content: Answer | SignedDispute | Feedback, context: bytes) -> bytes:
    """Seal to the holder of a key, ``SEALED_BYTES`` long whatever is in it.

    Raises:
        TooLongError: A text or a list is too long.
        SealError: The key is not valid.
    """
    _check_lengths(content)
    plain = json.dumps(content.to_json(), ensure_ascii=False, separators=(",", ":")).encode()
    if len(plain) > PLAIN_BYTES:
        raise TooLongError
    return seal_to_member(public, plain.ljust(PLAIN_BYTES), context)


def _check_lengths(content: Answer | SignedDispute | Feedback) -> None:
    if isinstance(content, Answer):
        if len(content.accounts) > MAX_REFERENCES:
            raise ValueError("an answer names at most 64 accounts")
        return
    if isinstance(content, SignedDispute) and len(content.wanted.references) > MAX_DISPUTED:
        raise TooLongError
    text = content.wanted.text if isinstance(content, SignedDispute) else content.text
    if len(text) > MAX_TEXT_CHARACTERS or not text.isprintable():
        raise TooLongError("the text is too long, or not one line of printable text")


def open_answer(key: SealingKey, sealed: bytes, context: bytes) -> Answer:
    """Open what a member answered.

    Raises:
        UnreadableError: It does not open, or is no answer.
    """
    found = _open(key, sealed, context)
    try:
        counts = {AccountKind[name]: _count(count) for name, count in found["counts"].items()}
        accounts = [Account(AccountKind[kind], _id(text)) for kind, text in found["accounts"]]
    except _MALFORMED as error:
        raise UnreadableError from error
    return Answer(counts, tuple(accounts[:MAX_REFERENCES]))


def open_dispute(key: SealingKey, sealed: bytes, context: bytes) -> SignedDispute:
    """Open what a citizen wants.

    Raises:
        UnreadableError: It does not open, or is no dispute.
    """
    found = _open(key, sealed, context)
    try:
        wanted = Disputed(
            _id(found["request"]),
            MemberId(found["opener"]),
            Wish(found["wish"]),
            tuple(_id(one) for one in found["references"])[:MAX_DISPUTED],
            _text(found["text"]),
        )
        return SignedDispute(wanted, bytes.fromhex(found["signature"]))
    except (*_MALFORMED, NameFormatError) as error:
        raise UnreadableError from error


def open_feedback(key: SealingKey, sealed: bytes, context: bytes) -> Feedback:
    """Open what a holder tells the citizen.

    Raises:
        UnreadableError: It does not open, or is no feedback.
    """
    found = _open(key, sealed, context)
    try:
        return Feedback(
            OneIdMove[found["step"]], OneIdReason[found["reason"]], _text(found["text"])
        )
    except _MALFORMED as error:
        raise UnreadableError from error


_MALFORMED: Final = (ValueError, KeyError, TypeError, AttributeError)


def _open(key: SealingKey, sealed: bytes, context: bytes) -> dict[str, Any]:
    try:
        found = json.loads(key.open(sealed, context))
    except (SealError, ValueError, RecursionError) as error:
        raise UnreadableError from error
    if not isinstance(found, dict):
        raise UnreadableError
    return found


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_COUNT:
        raise ValueError("no count")
    return value


def _id(value: Any) -> bytes:
    found = bytes.fromhex(value)
    if len(found) != IDENTIFIER_BYTES:
        raise ValueError("no reference")
    return found


def _text(value: Any) -> str:
    """Read what another wrote to be read by people: one line that cannot steer a terminal."""
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARACTERS or not value.isprintable():
        raise ValueError("no text")
    return value
