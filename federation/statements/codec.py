"""Write and read the bytes of statements: one codec for all bodies, by field name.

For each dataclass the fields are compiled once into closures that move them to and from the
message of the same name; a field that the two do not share fails at import. The bytes are the
leaf of a log: they are written once, and nobody writes them again from what was read.

A field left out on the wire takes the default of the dataclass, or is refused where that has none.

Source: DESIGN §7.
"""

import dataclasses
import enum
import types
import typing
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.unknown_fields import UnknownFieldSet

from federation.names import MemberId, NameFormatError
from federation.statements.error import StatementError
from federation.statements.statement import Body, Statement, UnknownBody
from tocsin.v1 import statement_pb2

# Bytes: with its framing a statement still fits into one run of entries, which is 1 MiB.
MAX_STATEMENT_BYTES: Final = 1_000_000

# Bodies start here in ``Statement``; lower numbers are its own fields.
_FIRST_BODY_FIELD: Final = 16
_LENGTH_DELIMITED: Final = 2

_Read = Callable[[Any, Any], Any]  # message, raw field -> value of the dataclass
_Write = Callable[[Any, Any], None]  # message, value of the dataclass
_AnyBody = typing.TypeVar("_AnyBody")
_Filled = typing.TypeVar("_Filled", bound=Message)
_Decoder = Callable[[Any], Any]  # message -> dataclass
_Encoder = Callable[[Any, Any], None]  # message to fill, dataclass


def encode_statement(statement: Statement) -> bytes:
    """Write the bytes that become the leaf of the log.

    Raises:
        StatementError: The body is unknown here, or the bytes are too many for an entry.
    """
    body = statement.body
    if isinstance(body, UnknownBody):
        raise StatementError("UNKNOWN_BODY", "a body from a newer node cannot be written again")
    message = statement_pb2.Statement()
    _ENCODE_HEAD(message, statement)
    name, encode = _ENCODE_BODY[type(body)]
    encode(getattr(message, name), body)
    encoded = message.SerializeToString(deterministic=True)
    _check_size(encoded)
    return encoded


def decode_statement(encoded: bytes) -> Statement:
    """Read a statement; its body may be an ``UnknownBody``.

    Raises:
        StatementError: Whatever else the bytes are.
    """
    _check_size(encoded)
    try:
        message = statement_pb2.Statement.FromString(encoded)
    except DecodeError as error:
        raise StatementError("STATEMENT_MALFORMED", "the bytes are no statement") from error
    name = message.WhichOneof("body")
    body = _DECODE_BODY[name](getattr(message, name)) if name else _unknown_body(message)
    values: list[Any] = _DECODE_HEAD(message)
    values.insert(_BODY_PLACE, body)
    return Statement(*values)


def read_body(kind: type[_AnyBody], message: Message) -> _AnyBody:
    """Read one body from its own message, outside a statement.

    Raises:
        StatementError: It is not well formed.
    """
    body: _AnyBody = _DECODE_BODY[BODY_NAMES[kind]](message)
    return body


def fill_message(message: _Filled, body: Body) -> _Filled:
    """Write one body into an empty message of its own, and return that."""
    _name, encode = _ENCODE_BODY[type(body)]
    encode(message, body)
    return message


def encode_body(body: Body) -> bytes:
    """Write one body alone, of any length: what travels without a statement around it."""
    name, encode = _ENCODE_BODY[type(body)]
    message = _empty_message(name)
    encode(message, body)
    return message.SerializeToString(deterministic=True)


def decode_body(kind: type[_AnyBody], encoded: bytes) -> _AnyBody:
    """Read one body written by ``encode_body``; how long it may be is the caller's to check.

    Raises:
        StatementError: Whatever else the bytes are.
    """
    message = _empty_message(BODY_NAMES[kind])
    try:
        message.MergeFromString(encoded)
    except DecodeError as error:
        raise StatementError("STATEMENT_MALFORMED", "the bytes are no body") from error
    return read_body(kind, message)


def _empty_message(name: str) -> Message:
    empty: Message = getattr(statement_pb2.Statement(), name)
    return empty


def _check_size(encoded: bytes) -> None:
    if len(encoded) > MAX_STATEMENT_BYTES:
        raise StatementError(
            "STATEMENT_TOO_LARGE", f"a statement has at most {MAX_STATEMENT_BYTES} bytes"
        )


def _unknown_body(message: Message) -> UnknownBody:
    unknown: Any = UnknownFieldSet(message)
    for field in unknown:
        if field.field_number >= _FIRST_BODY_FIELD and field.wire_type == _LENGTH_DELIMITED:
            return UnknownBody(field.field_number)
    raise StatementError("BODY_MISSING", "a statement says nothing")


def _compile_decoder(names: list[str], reads: list[tuple[int, _Read]]) -> _Decoder:
    """Return a closure from a message to the list of the dataclass's values."""
    get = attrgetter(*names)

    def decode(message: Any) -> list[Any]:
        values = list(get(message))
        for place, read in reads:
            values[place] = read(message, values[place])
        return values

    return decode


def _compile_encoder(names: list[str], writes: list[_Write]) -> _Encoder:
    """Return a closure that fills a message from a dataclass."""
    get = attrgetter(*names)

    def encode(message: Any, value: Any) -> None:
        for write, item in zip(writes, get(value), strict=True):
            write(message, item)

    return encode


def _compile(kind: type[Any], leave_out: str = "") -> tuple[_Decoder, _Encoder]:
    """Compile all fields of one dataclass, in order."""
    hints = typing.get_type_hints(kind)
    fields = [field for field in dataclasses.fields(kind) if field.name != leave_out]
    reads = [(place, _reader(field, hints[field.name])) for place, field in enumerate(fields)]
    names = [field.name for field in fields]
    moved = [(place, read) for place, read in reads if read is not None]
    writes = [_writer(name, hints[name]) for name in names]
    return _compile_decoder(names, moved), _compile_encoder(names, writes)


def _compile_body(kind: type[Any]) -> tuple[_Decoder, _Encoder]:
    decode_values, encode = _compile(kind)

    def decode(message: Any) -> Any:
        return kind(*decode_values(message))

    return decode, encode


def _reader(field: dataclasses.Field[Any], hint: Any) -> _Read | None:
    """Choose how a field is read; None where the message's own value serves."""
    name = field.name
    base, optional = _split_optional(hint)
    if name.endswith("_time"):
        return _time_reader(name, optional=optional)
    if typing.get_origin(base) is tuple:
        return _tuple_reader(name, typing.get_args(base)[0])
    if isinstance(base, enum.EnumMeta):
        return _enum_reader(name, base, optional=optional)
    if base is MemberId:
        return lambda _message, text: _parse_member(name, text)
    if base is str and field.default not in ("", dataclasses.MISSING):
        default = field.default
        return lambda _message, text: text or default
    return None


def _writer(name: str, hint: Any) -> _Write:
    base, _optional = _split_optional(hint)
    if name.endswith("_time"):
        return _time_writer(name)
    if typing.get_origin(base) is tuple:
        return _tuple_writer(name, typing.get_args(base)[0])

    def write(message: Any, value: Any) -> None:
        if value is not None:
            setattr(message, name, value)

    return write


def _split_optional(hint: Any) -> tuple[Any, bool]:
    if isinstance(hint, types.UnionType) and type(None) in hint.__args__:
        (base,) = (part for part in hint.__args__ if part is not type(None))
        return base, True
    return hint, False


def _time_reader(name: str, *, optional: bool) -> _Read:
    def read(message: Any, timestamp: Timestamp) -> int | None:
        seconds = timestamp.seconds
        if timestamp.nanos:
            raise StatementError("TIME_INVALID", f"{name} is not in whole seconds")
        if not seconds and not message.HasField(name):
            if optional:
                return None
            raise StatementError("FIELD_MISSING", f"{name} is missing")
        return seconds

    return read


def _time_writer(name: str) -> _Write:
    get = attrgetter(name)

    def write(message: Any, seconds: int | None) -> None:
        if seconds is not None:
            get(message).seconds = seconds

    return write


def _enum_reader(name: str, kind: enum.EnumMeta, *, optional: bool) -> _Read:
    members: dict[int, Any] = {item.value: item for item in kind}  # type: ignore[var-annotated] # an EnumMeta iterates over its members
    if optional:
        members[0] = None

    def read(_message: Any, number: int) -> Any:
        try:
            return members[number]
        except KeyError:
            reason = "ENUM_UNKNOWN" if number else "FIELD_MISSING"
            raise StatementError(reason, f"{name} is unknown or missing") from None  # says all

    return read


def _tuple_reader(name: str, item: Any) -> _Read:
    if item is MemberId:
        return lambda _message, texts: tuple(_parse_member(name, text) for text in texts)
    if isinstance(item, enum.EnumMeta):
        read = _enum_reader(name, item, optional=False)
        return lambda message, numbers: tuple(read(message, one) for one in numbers)
    if dataclasses.is_dataclass(item):
        kind: type[Any] = item  # type: ignore[assignment]  # an annotation names the class
        decode, _encode = _compile_body(kind)
        return lambda _message, items: tuple(decode(each) for each in items)
    return lambda _message, items: tuple(items)


def _tuple_writer(name: str, item: type[Any]) -> _Write:
    get = attrgetter(name)
    if not dataclasses.is_dataclass(item):
        return lambda message, values: get(message).extend(values)
    _decode, encode = _compile_body(item)

    def write(message: Any, values: tuple[Any, ...]) -> None:
        for value in values:
            encode(get(message).add(), value)

    return write


def _parse_member(field: str, text: str) -> MemberId:
    try:
        return MemberId(text)
    except NameFormatError as error:
        raise StatementError("MEMBER_INVALID", f"{field} is no member id") from error


def _snake(name: str) -> str:
    """Return the field of ``Statement`` that holds a body, ``KeyOpen`` in ``key_open``."""
    return "".join("_" + c.lower() if c.isupper() else c for c in name).removeprefix("_")


_BODIES: Final = {
    kind: (_snake(kind.__name__), _compile_body(kind)) for kind in typing.get_args(Body)
}
_DECODE_BODY: Final = {name: pair[0] for name, pair in _BODIES.values()}
_ENCODE_BODY: Final = {kind: (name, pair[1]) for kind, (name, pair) in _BODIES.items()}
_DECODE_HEAD, _ENCODE_HEAD = _compile(Statement, leave_out="body")
_BODY_PLACE: Final = [field.name for field in dataclasses.fields(Statement)].index("body")

BODY_NAMES: Final = {kind: name for kind, (name, _pair) in _BODIES.items()}
"""Name of each body's field in ``Statement``: what authorisation calls it."""

BODY_NUMBERS: Final = {
    kind: statement_pb2.Statement.DESCRIPTOR.fields_by_name[name].number
    for kind, (name, _pair) in _BODIES.items()
}
"""Field number of each body in ``Statement``, from 16; views keep it instead of a name."""
