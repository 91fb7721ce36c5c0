"""Hold the public keys that come out of a key ceremony, with every holder's signature.

Members with logs see the ceremony itself; a partner has only these bytes and the charter. All
holders sign, not just the threshold: one honest holder is then enough to keep a false key out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from federation.charter import Charter
from federation.errors import PeerError
from federation.indicators.kind import KindClass
from federation.names import MemberId, NameFormatError
from federation.packing import pack, pack_number
from keys.errors import KeysError, SignatureError
from keys.group import ELEMENT_BYTES
from keys.signing import verify_signature
from keys.threshold import MAXIMUM_HOLDERS, PublicKey
from tocsin.v1 import vocabulary_pb2
from tocsin.v1.token_service_pb2 import ClassPublicKey, PublicKeySet

SIGNATURE_CONTEXT: Final = "public-keys"
# Epochs: as in statements, one a day for more than a century.
MAX_EPOCH: Final = 65_535
_LABEL: Final = b"tocsin/public-keys/1"


class KeySetError(PeerError):
    """Public keys are malformed, or not those that the charter's holders signed.

    Reasons: KEY_SET_INVALID, KEY_SET_HOLDERS_UNKNOWN, KEY_SET_SIGNATURE_INVALID.
    """

    reason = "KEY_SET_INVALID"
    public = "Public keys of the federation are not acceptable."


@dataclass(frozen=True, slots=True)
class KeySet:
    """The public keys of one share epoch.

    Attributes:
        epoch: Of the key, from 1: another epoch gives other tokens.
        share_epoch: Of the shares, from 1: shares of different ones do not go together.
        threshold: Holders that evaluate together.
        holders: A holder's index is its place, from 1.
        keys: One for every kind class.

    Raises:
        KeySetError: KEY_SET_INVALID.
    """

    epoch: int
    share_epoch: int
    threshold: int
    holders: tuple[MemberId, ...]
    keys: Mapping[KindClass, PublicKey] = field(hash=False)

    def __post_init__(self) -> None:
        if not (1 <= self.epoch <= MAX_EPOCH and 1 <= self.share_epoch <= MAX_EPOCH):
            raise KeySetError("an epoch is out of bounds")
        if not 1 <= self.threshold <= len(self.holders) <= MAXIMUM_HOLDERS:
            raise KeySetError("the threshold is from 1 to the number of holders")
        if len(set(self.holders)) != len(self.holders):
            raise KeySetError("a holder is named twice")
        if set(self.keys) != set(KindClass):
            raise KeySetError("there is one key for every kind class")
        if any(key.threshold != self.threshold for key in self.keys.values()):
            raise KeySetError("a key has another threshold than the set")

    def index(self, holder: str) -> int | None:
        """Return a holder's index, from 1, or None where it holds no share."""
        return self.holders.index(MemberId(holder)) + 1 if holder in self.holders else None


@dataclass(frozen=True, slots=True)
class SignedKeySet:
    """A key set with one signature for each holder, in their order; verified by nobody yet."""

    key_set: KeySet
    signatures: tuple[bytes, ...]


def public_key_set_bytes(
    federation: str,
    epoch: int,
    share_epoch: int,
    threshold: int,
    holders: Sequence[str],
    keys: Mapping[KindClass, PublicKey],
) -> bytes:
    """Write what every holder signs, under the context ``public-keys``."""
    numbers = [pack_number(number) for number in (epoch, share_epoch, threshold)]
    names = pack(*(holder.encode() for holder in holders))
    commitments = pack(*(b"".join(keys[name].commitments) for name in KindClass))
    return pack(_LABEL, federation.encode(), *numbers, names, commitments)


def key_set_bytes(federation: str, key_set: KeySet) -> bytes:
    """Write what every holder of this set signs."""
    return public_key_set_bytes(
        federation,
        key_set.epoch,
        key_set.share_epoch,
        key_set.threshold,
        key_set.holders,
        key_set.keys,
    )


def verify_public_key_set(
    charter: Charter, signed: SignedKeySet, earlier: Iterable[Charter] = ()
) -> KeySet:
    """Accept a key set that all the holders whom a charter names have signed.

    Args:
        charter: The version in force.
        signed: What ``parse_key_set`` read.
        earlier: Earlier verified versions, whose holders and signing keys still count: a
            charter changes before its new holders have a key.

    Raises:
        KeySetError: KEY_SET_HOLDERS_UNKNOWN, no version names these holders with this threshold;
            KEY_SET_SIGNATURE_INVALID, a holder did not sign these keys.
    """
    key_set, charters = signed.key_set, (charter, *earlier)
    named = {(version.holders, version.threshold) for version in charters}
    if (key_set.holders, key_set.threshold) not in named:
        raise KeySetError(
            "the charter names other key holders or another threshold",
            reason="KEY_SET_HOLDERS_UNKNOWN",
        )
    message = key_set_bytes(charter.federation, key_set)
    for holder, signature in zip(key_set.holders, signed.signatures, strict=True):
        _verify_holder(charters, holder, message, signature)
    return key_set


def encode_key_set(signed: SignedKeySet) -> PublicKeySet:
    """Write the message of the contract."""
    key_set = signed.key_set
    return PublicKeySet(
        epoch=key_set.epoch,
        share_epoch=key_set.share_epoch,
        threshold=key_set.threshold,
        holders=key_set.holders,
        keys=[
            ClassPublicKey(
                kind_class=cast("vocabulary_pb2.KindClass.ValueType", name.value),
                commitments=b"".join(key_set.keys[name].commitments),
            )
            for name in KindClass
        ],
        signatures=signed.signatures,
    )


def parse_key_set(message: PublicKeySet) -> SignedKeySet:
    """Read the message of the contract, whatever is in it; verifies no signature.

    Raises:
        KeySetError: KEY_SET_INVALID.
    """
    if [key.kind_class for key in message.keys] != [name.value for name in KindClass]:
        raise KeySetError("there is one key for every kind class, in their order")
    if len(message.signatures) != len(message.holders):
        raise KeySetError("there is one signature for each holder")
    try:
        holders = tuple(MemberId(holder) for holder in message.holders)
        keys = {KindClass(key.kind_class): _parse_key(key.commitments) for key in message.keys}
    except (KeysError, NameFormatError) as error:
        raise KeySetError(str(error)) from error
    key_set = KeySet(message.epoch, message.share_epoch, message.threshold, holders, keys)
    return SignedKeySet(key_set, tuple(message.signatures))


def split_elements(packed: bytes) -> tuple[bytes, ...]:
    """Cut packed elements apart; a rest that is no whole element stands last."""
    starts = range(0, len(packed), ELEMENT_BYTES)
    return tuple(packed[start : start + ELEMENT_BYTES] for start in starts)


def _parse_key(commitments: bytes) -> PublicKey:
    elements = split_elements(commitments)
    return PublicKey(len(elements), elements)


def _verify_holder(
    charters: Sequence[Charter], holder: MemberId, message: bytes, signature: bytes
) -> None:
    listed = (charter.find(holder) for charter in charters)
    for public in {member.signing_key for member in listed if member is not None}:
        try:
            return verify_signature(public, SIGNATURE_CONTEXT, message, signature)
        except SignatureError:
            continue
    raise KeySetError(f"{holder} did not sign these keys", reason="KEY_SET_SIGNATURE_INVALID")
