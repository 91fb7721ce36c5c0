"""Say what can go wrong on floor 1: one tree, each leaf with a stable reason.

KeysError
├── LibraryError          no usable libsodium: this node's operator acts
├── GroupError            bytes that are no group element or scalar
├── RequestError          an evaluation that must not be sent or answered
├── ProofError            a proof of equal logarithms does not hold
├── CheckError            the holders' answers do not fit together
├── CeremonyError         a deal or a share of a key ceremony is wrong
├── MatchError            a message of a match is not what its step takes
├── SealError             sealed bytes do not open
├── SignatureError        a signature does not hold
├── KeyStoreError         the key store cannot be opened or written
├── CertificateError      a member's certificate is not acceptable
└── NoteError             a signed note is malformed, unsigned or wrongly signed
"""

from collections.abc import Sequence


class KeysError(Exception):
    """Base of every error of this floor.

    Attributes:
        reason: Stable UPPER_SNAKE name, for programs.
        public: One sentence that may be shown to anybody.
        hint: What the operator can do next, where there is something.
    """

    reason: str = "KEYS_ERROR"
    public: str = "A cryptographic operation failed."
    hint: str | None = None

    def __init__(
        self, message: str | None = None, *, reason: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message or self.public)
        if reason is not None:
            self.reason = reason
        if hint is not None:
            self.hint = hint


class LibraryError(KeysError):
    """No libsodium with ristretto255 passes its vectors."""

    reason = "LIBSODIUM_MISSING"
    public = "No usable libsodium was found."
    hint = (
        "Install libsodium 1.0.18 or newer (Debian: apt install libsodium23), reinstall the "
        "pyzmq wheel, or name the library's path in the node's configuration."
    )


class GroupError(KeysError):
    """Bytes that are not a canonical scalar or a group element other than the identity.

    Attributes:
        indexes: Positions in the batch of the elements at fault, the first few.
    """

    reason = "INVALID_ELEMENT"
    public = "A group element or scalar is not valid."

    def __init__(self, message: str | None = None, *, indexes: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.indexes = tuple(indexes)


class RequestError(KeysError):
    """An evaluation that the rules forbid: size, duplicates, holder set, mode."""

    reason = "EVALUATION_REQUEST_INVALID"
    public = "The evaluation request is not valid."


class ProofError(KeysError):
    """A proof of equal discrete logarithms does not hold."""

    reason = "PROOF_INVALID"
    public = "A proof does not hold."


class CheckError(KeysError):
    """The holders' answers fail the check; no token left the batch.

    Attributes:
        suspects: Holders whose own answer is provably wrong. Empty when only the combination
            is: then each holder has to prove its answer (``verify_batch_proof``).
    """

    reason = "EVALUATION_CHECK_FAILED"
    public = "The key holders' answers failed the check."

    def __init__(self, message: str | None = None, *, suspects: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.suspects = tuple(suspects)


class CeremonyError(KeysError):
    """A deal, share or combination of a key ceremony is wrong.

    Attributes:
        dealer: Index of the dealer at fault, or None where it is nobody's deal alone.
    """

    reason = "DEAL_INVALID"
    public = "A contribution to the key ceremony is not valid."

    def __init__(self, message: str | None = None, *, dealer: int | None = None) -> None:
        super().__init__(message)
        self.dealer = dealer


class MatchError(KeysError):
    """A message of a private match is not what its step takes.

    Reasons: MATCH_SIZE_INVALID, MATCH_ELEMENT_TWICE.
    """

    reason = "MATCH_INVALID"
    public = "A message of a match is not valid."


class SealError(KeysError):
    """Sealed bytes do not open with this key and context."""

    reason = "SEAL_INVALID"
    public = "Sealed content could not be opened."


class SignatureError(KeysError):
    """A signature does not hold under this key and context."""

    reason = "SIGNATURE_INVALID"
    public = "A signature does not hold."


class KeyStoreError(KeysError):
    """The key store cannot be opened or written.

    Reasons: KEYSTORE_INVALID, KEYSTORE_PASSPHRASE, KEYSTORE_ENTRY_MISSING.
    """

    reason = "KEYSTORE_INVALID"
    public = "The key store could not be used."


class CertificateError(KeysError):
    """A member's certificate is not acceptable.

    Reasons: CERTIFICATE_INVALID, CERTIFICATE_EXPIRED, CERTIFICATE_NOT_YET_VALID,
    AUTHORITY_MISMATCH, IDENTITY_MISMATCH.
    """

    reason = "CERTIFICATE_INVALID"
    public = "A certificate is not acceptable."


class NoteError(KeysError):
    """A signed note is malformed, unsigned or wrongly signed.

    Reasons: NOTE_MALFORMED, SIGNATURE_INVALID, SIGNATURE_MISSING.
    """

    reason = "NOTE_MALFORMED"
    public = "A signed note is not acceptable."
