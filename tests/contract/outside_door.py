"""Hold every field of the outside door to its shape, so that no raw identifier can travel.

``violations`` reads descriptors alone: a field passes if the allow-list names it, its type is one
that its shape allows, and neither its name nor its type hints at a raw value.

Source: DESIGN §2.1; DOMAIN R61.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor

PACKAGE: Final = "tocsin.v1"
ALLOW_LIST: Final = Path(__file__).with_name("outside_fields.txt")
TIMESTAMP: Final = "google.protobuf.Timestamp"

_BYTES: Final = frozenset({FieldDescriptor.TYPE_BYTES})
_STRING: Final = frozenset({FieldDescriptor.TYPE_STRING})
_NUMBER: Final = frozenset({FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_UINT64})
_MESSAGE: Final = frozenset({FieldDescriptor.TYPE_MESSAGE})

SHAPES: Final[Mapping[str, frozenset[int]]] = {
    "token": _BYTES,  # output of the token function, 16 bytes
    "digest": _BYTES,  # SHA-256, 32 bytes, or several
    "identifier16": _BYTES,  # random or hashed, 16 bytes
    "public_key": _BYTES,
    "point_batch": _BYTES,  # group elements, packed
    "point_digests": _BYTES,  # first bytes of hashes of group elements, packed
    "signature": _BYTES,
    "sealed": _BYTES,  # ciphertext; the name begins with "sealed_"
    "proof": _BYTES,
    "entry_bytes": _BYTES,  # serialised statements and bodies, held to this list themselves
    "note": _BYTES,  # signed notes: checkpoints and charters
    "evidence": _BYTES,  # signed notes and answers that accuse a member
    "records": _BYTES,  # packed verdicts of tokens
    "indexes": _BYTES,  # places of holders
    "field_shares": _BYTES,  # shares of numbers, elements of a prime field, packed
    # Model parameters, written by the code whose digest the member approved. The shape cannot show
    # what is in them: the plan's protection, its bounds and the checks on updates do.
    "parameters": _BYTES,
    # Bytes between the training framework's own ends, as opaque as parameters and held by the same.
    "tunnelled": _BYTES,
    "model_file": _BYTES,  # a file whose digest stands in the log: model, card, assessment
    "member_id": _STRING,
    "origin": _STRING,
    "code": _STRING,  # from a closed list, upper-case snake
    "region": _STRING,  # six digits
    "version": _STRING | _NUMBER,
    "count": _NUMBER,
    "enum": frozenset({FieldDescriptor.TYPE_ENUM}),
    "ratio": frozenset({FieldDescriptor.TYPE_DOUBLE}),
    "time": _MESSAGE,
    "message": _MESSAGE,
}
"""The closed vocabulary of shapes, with the protobuf types that each may have."""

RAW_WORDS: Final = frozenset(
    """
    account address alias app bank caller callee card comment contact customer description
    detail device domain email fingerprint host iban iccid identity imei imsi ip keyword
    latitude link location longitude mail message mobile msisdn name note number owner pan
    passport password path_name person phone raw remark sim subscriber telephone text title
    uri url user username value victim wallet
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
"""Words that name a raw identifier or free text (P2): refused wherever one could be carried."""

P1_WORDS: Final = frozenset(
    """
    audio biometric biometry content conversation diagnosis disease dna face facial gait gene
    genome health illness image iris medical medication photo picture recording speech video
    voice voiceprint
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
"""Words that name what is never shared (P1): biometrics, health, content of communications."""

# These carry no value of the sender's choice: an enumeration's number, another message's fields.
_CLOSED_SHAPES: Final = frozenset({"enum", "message", "time"})
_SEALED_PREFIX: Final = "sealed_"


def read_allow_list(text: str) -> dict[str, str]:
    """Read lines of ``Message.field shape``; raise ``ValueError`` for any other line."""
    allowed: dict[str, str] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        field, shape = line.split(" ")
        if shape not in SHAPES or field in allowed:
            raise ValueError(f"a line of the allow-list is wrong: {line}")
        allowed[field] = shape
    return allowed


def violations(files: Iterable[FileDescriptor], allowed: Mapping[str, str]) -> list[str]:
    """Return one sentence for each way in which the outside door is open; none if it is shut."""
    files = list(files)
    fields = [field for file in files for field in _fields(file)]
    found = [sentence for field in fields for sentence in _judge(field, allowed)]
    found += [sentence for file in files for sentence in _foreign_types(file)]
    stale = set(allowed) - {_label(field) for field in fields}
    return sorted(found + [f"{label}: is listed and does not exist" for label in stale])


def _fields(file: FileDescriptor) -> Iterator[FieldDescriptor]:
    for message in file.message_types_by_name.values():
        yield from _fields_of(message)
    yield from file.extensions_by_name.values()


def _fields_of(message: Descriptor) -> Iterator[FieldDescriptor]:
    yield from message.fields
    yield from message.extensions
    for nested in message.nested_types:
        yield from _fields_of(nested)


def _label(field: FieldDescriptor) -> str:
    return field.full_name.removeprefix(f"{PACKAGE}.")


def _judge(field: FieldDescriptor, allowed: Mapping[str, str]) -> Iterator[str]:
    label = _label(field)
    shape = allowed.get(label)
    if shape is None:
        yield f"{label}: is not in the allow-list"
    elif field.type not in SHAPES[shape]:
        yield f"{label}: its type is none of shape {shape}"
    elif shape in ("time", "message") and not _is_own(field, shape):
        yield f"{label}: holds a message that shape {shape} does not allow"
    words = _words(field.name)
    if words & P1_WORDS:
        yield f"{label}: its name says what is never shared"
    if shape == "sealed":
        if not field.name.startswith(_SEALED_PREFIX):
            yield f"{label}: is sealed and its name does not say so"
    elif shape not in _CLOSED_SHAPES and words & RAW_WORDS:
        yield f"{label}: its name hints at a raw identifier or free text"


def _words(name: str) -> frozenset[str]:
    """Return the words of a field's name, also in the singular."""
    words = name.lower().split("_")
    return frozenset((*words, *(word.removesuffix("s") for word in words), name.lower()))


def _is_own(field: FieldDescriptor, shape: str) -> bool:
    kind = field.message_type
    if kind is None:
        return False
    if shape == "time":
        return kind.full_name == TIMESTAMP and field.name.endswith("_time")
    return kind.file.package == PACKAGE and not kind.GetOptions().map_entry


def _foreign_types(file: FileDescriptor) -> Iterator[str]:
    """Refuse methods that carry anything but messages of the contract."""
    for service in file.services_by_name.values():
        for method in service.methods:
            for kind in (method.input_type, method.output_type):
                if kind.file.package != PACKAGE:
                    yield f"{service.name}.{method.name}: carries {kind.full_name}"
