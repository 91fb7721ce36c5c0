"""Write a frozen dataclass as the one JSON text it has, and read it back.

Keys are sorted, there is no space, text is ASCII, bytes are hexadecimal, times are UTC seconds.
A reader writes again what it read and compares, so unknown fields, duplicate keys and other
spellings of the same number are all refused by one rule.
"""

import json
import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

Value = TypeVar("Value")


class CanonicalError(ValueError):
    """The bytes are not the canonical text of the type that was asked for."""


def encode(value: Any) -> bytes:
    """Give the only bytes that stand for this value.

    Raises:
        ValueError: A number is not finite.
    """
    plain = _plain(value)
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def parse(kind: type[Value], data: bytes) -> Value:
    """Read what ``encode`` wrote of a value of this dataclass.

    Raises:
        CanonicalError: The bytes are anything else.
    """
    try:
        plain = json.loads(data.decode("ascii"), parse_constant=_refuse_constant)
        value: Value = _build(kind, plain)
        again = encode(value)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise CanonicalError("not the canonical text") from error
    if again != data:
        raise CanonicalError("not the canonical text")
    return value


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return int(value.timestamp())
    return value


def _build(kind: Any, plain: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        inner = next(option for option in get_args(kind) if option is not type(None))
        return None if plain is None else _build(inner, plain)
    if get_origin(kind) is tuple:
        return tuple(_build(get_args(kind)[0], item) for item in _expect(list, plain))
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        given = _expect(dict, plain)
        return kind(**{name: _build(hints[name], item) for name, item in given.items()})  # type: ignore[operator]  # a class
    return _SCALARS[kind](plain)


def _refuse_constant(name: str) -> NoReturn:
    raise CanonicalError(f"{name} is no number of JSON")


def _expect(kind: type[Value], plain: Any) -> Value:
    if type(plain) is not kind:
        raise CanonicalError(f"not a {kind.__name__}")
    return plain


_SCALARS: dict[Any, Callable[[Any], Any]] = {
    str: lambda plain: _expect(str, plain),
    int: lambda plain: _expect(int, plain),
    bool: lambda plain: _expect(bool, plain),
    float: lambda plain: _expect(float, plain),
    bytes: lambda plain: bytes.fromhex(_expect(str, plain)),
    datetime: lambda plain: datetime.fromtimestamp(_expect(int, plain), UTC),
}
