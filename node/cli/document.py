"""Write messages for programs: protobuf's names in snake_case, bytes as hex, times as ISO 8601."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

_TIMESTAMP = "google.protobuf.Timestamp"


def describe(message: Message) -> dict[str, Any]:
    """Return every field of a message by name.

    An enumeration's value loses the prefix that its type repeats (``BAND_HIGH`` is ``HIGH``);
    what was not set, unspecified values among it, is None.
    """
    fields: Sequence[FieldDescriptor] = message.DESCRIPTOR.fields  # type: ignore[assignment]  # upb's own class of the same shape
    return {
        field.name: _field(message, field)
        for field in fields
        if field.containing_oneof is None or message.HasField(field.name)
    }


def time_text(seconds: int) -> str:
    """Write a time, seconds since 1970, as ``2026-11-23T04:00:00Z``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def optional_time(value: Timestamp) -> str | None:
    """Write a time, or None for one that was not set."""
    return time_text(value.seconds) if value.seconds else None


def enum_name(enum: EnumDescriptor, number: int) -> str | None:
    """Return a value's name without its type's prefix; None for unspecified."""
    value = enum.values_by_number.get(number)
    if value is None:
        return str(number)
    first = enum.values_by_number[0].name
    prefix = first.removesuffix("UNSPECIFIED")
    return None if value.name == first else value.name.removeprefix(prefix)


def _field(message: Message, field: FieldDescriptor) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated:
        return [_value(field, item) for item in value]
    if field.message_type is not None and not message.HasField(field.name):
        return None
    return _value(field, value)


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        if field.message_type.full_name == _TIMESTAMP:
            return time_text(value.seconds)
        return describe(value)
    if field.enum_type is not None:
        return enum_name(field.enum_type, value)
    return value.hex() if isinstance(value, bytes) else value
