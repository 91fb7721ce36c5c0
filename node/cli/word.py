"""Read the words of the vocabulary as people write them: any case, hyphens, with did-you-mean."""

from __future__ import annotations

import difflib
import re
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Generic, TypeVar

import click

from federation.vocabulary import FraudType, Purpose
from node.errors import PolicyError, RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

_Enum = TypeVar("_Enum", bound=IntEnum)
_FRAUD_CODE = re.compile(r"ft[_ ]?([0-9]{1,2})")
_CHECK_PURPOSES = (Purpose.CHECK, Purpose.WATCH, Purpose.VERIFICATION)


def read_word(enum: type[_Enum], text: str, what: str) -> _Enum:
    """Return the value that ``text`` names.

    Args:
        enum: The vocabulary.
        text: A name, in any case, with hyphens or blanks for underscores.
        what: What it is called in the message.

    Raises:
        RequestError: ``<WHAT>_MISSING`` or ``<WHAT>_UNKNOWN``. The message never repeats the
            text, which in a file with shifted columns may be anything.
    """
    reason = what.upper().replace(" ", "_")
    word = re.sub(r"[\s-]+", "_", text.strip().lower())
    if not word:
        raise RequestError(f"the {what} is missing", reason=f"{reason}_MISSING")
    names = word_names(enum)
    if word in names:
        return names[word]
    if enum is FraudType and (found := _FRAUD_CODE.fullmatch(word)):
        return _fraud_code(enum, int(found[1]), what, reason)
    near = difflib.get_close_matches(word, names, n=1)
    suggestion = f"did you mean {near[0]}?" if near else f"one of {', '.join(names)}"
    raise RequestError(f"unknown {what}: {suggestion}", reason=f"{reason}_UNKNOWN")


def _fraud_code(enum: type[_Enum], number: int, what: str, reason: str) -> _Enum:
    try:
        return enum(number)
    except ValueError as error:
        message = f"unknown {what}: FT01 to FT12 and FT99"
        raise RequestError(message, reason=f"{reason}_UNKNOWN") from error


def word_names(enum: type[_Enum]) -> Mapping[str, _Enum]:
    """Return the lower-case names that a person may write."""
    return {item.name.lower(): item for item in enum if item.name != "UNSPECIFIED"}


def read_time(text: str, what: str) -> int:
    """Read an ISO 8601 date or time as seconds since 1970; without a zone it is UTC.

    Raises:
        RequestError: ``<WHAT>_INVALID``.
    """
    try:
        found = datetime.fromisoformat(text.strip())
        aware = found if found.tzinfo else found.replace(tzinfo=UTC)
        seconds = int(aware.timestamp())
    except (ValueError, OverflowError) as error:
        raise _bad_time(what) from error
    if seconds <= 0:
        raise _bad_time(what)
    return seconds


def _bad_time(what: str) -> RequestError:
    reason = f"{what.upper().replace(' ', '_')}_INVALID"
    return RequestError(f"{what} is not a time such as 2026-11-23T04:00:00Z", reason=reason)


def read_purpose(text: str) -> Purpose:
    """Read why values are checked.

    Raises:
        PolicyError: PURPOSE_NOT_ALLOWED; it is missing, unknown or not one for a check.
    """
    found = word_names(Purpose).get(text.strip().lower())
    if found not in _CHECK_PURPOSES:
        raise PolicyError(
            "values may be checked for the purposes check, watch and verification alone",
            reason="PURPOSE_NOT_ALLOWED",
            hint="leave --purpose out to check before a transaction, a call or a delivery",
        )
    return found


class Word(click.ParamType[_Enum], Generic[_Enum]):
    """An option whose value is a word of one vocabulary."""

    def __init__(self, enum: type[_Enum], what: str) -> None:
        self.name = what
        self._enum = enum
        self._what = what

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> _Enum:
        """Read the word; a wrong one is wrong use of the command."""
        if isinstance(value, self._enum):
            return value
        try:
            return read_word(self._enum, str(value), self._what)
        except RequestError as error:
            self.fail(str(error), param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Show the name of the vocabulary where few words do not fit."""
        names = list(word_names(self._enum))
        return f"[{'|'.join(names)}]" if len(names) <= _SHOWN_WORDS else "NAME"


class Moment(click.ParamType[int]):
    """An option whose value is a time."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read the time; a wrong one is wrong use of the command."""
        if isinstance(value, int):
            return value
        try:
            return read_time(str(value), "the time")
        except RequestError as error:
            self.fail(str(error), param, ctx)


_SHOWN_WORDS = 6  # words: more make an option's line in the help unreadable
