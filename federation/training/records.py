"""Name the records of the app's messages, and read them without trusting who wrote them."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from federation.errors import PeerError

Numbers = npt.NDArray[Any]

ARRAYS: Final = "arrays"
CONFIG: Final = "config"
METRICS: Final = "metrics"

MODEL: Final = "model"
SUMMAND: Final = "summand"
EDGES: Final = "edges"
WEIGHT: Final = "num-examples"  # flwr's own name for it
LOSS: Final = "loss"
PLAN: Final = "plan"
SCALING: Final = "scaling"
COMPARE: Final = "compare"  # whether members train models of their own beside the run's
ROUND: Final = "server-round"  # flwr's own name for it
ATTEMPT: Final = "attempt"  # how often the round was begun before
SUMMED: Final = "summed"  # members that are asked, so at most so many in the round's sum
ROWS: Final = "rows"  # the heaviest weight of a member
LENGTH: Final = "length"  # of a summand that travels another way


class MessageError(PeerError):
    """Bytes or records are not what the app exchanges."""

    reason = "TRAINING_MESSAGE_MALFORMED"
    public = "A training message could not be read."


def read_array(content: RecordDict, name: str) -> Numbers:
    """Give the one array of this name.

    Raises:
        MessageError: It is not there, or cannot be read.
    """
    record = content.get(ARRAYS)
    if not isinstance(record, ArrayRecord) or name not in record:
        raise MessageError(f"no array '{name}'")
    try:
        return np.asarray(record[name].numpy())
    except (ValueError, TypeError, EOFError, OSError) as error:
        raise MessageError(f"the array '{name}' cannot be read") from error


def read_number(content: RecordDict, name: str) -> float:
    """Give a metric.

    Raises:
        MessageError: It is not there, or is a list.
    """
    record = content.get(METRICS)
    value = record.get(name) if isinstance(record, MetricRecord) else None
    if not isinstance(value, int | float):
        raise MessageError(f"no number '{name}'")
    return float(value)


def read_bytes(message: Message, name: str) -> bytes:
    """Give a setting that is bytes.

    Raises:
        MessageError: It is not there, or something else.
    """
    value = _setting(message, name)
    if not isinstance(value, bytes):
        raise MessageError(f"no bytes '{name}'")
    return value


def read_flag(message: Message, name: str) -> bool:
    """Give a setting that is yes or no; no where it is not there.

    Raises:
        MessageError: It is something else.
    """
    value = _setting(message, name)
    if value is not None and not isinstance(value, bool):
        raise MessageError(f"no flag '{name}'")
    return bool(value)


def read_round(message: Message) -> int:
    """Give the number of the round.

    Raises:
        MessageError: It is not there, or not positive.
    """
    value = _setting(message, ROUND)
    if not isinstance(value, int) or value < 1:
        raise MessageError("no round number")
    return value


def read_count(message: Message, name: str, least: int) -> int:
    """Give a setting that is a whole number; the least where it is not there.

    Raises:
        MessageError: It is something else, or less.
    """
    value = _setting(message, name)
    if value is None:
        return least
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise MessageError(f"no count '{name}'")
    return value


def write_arrays(**arrays: Numbers) -> ArrayRecord:
    """Make a record of arrays."""
    return ArrayRecord({name: Array(array) for name, array in arrays.items()})


def _setting(message: Message, name: str) -> object:
    record = message.content.get(CONFIG)
    return record.get(name) if isinstance(record, ConfigRecord) else None
