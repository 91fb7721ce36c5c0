"""Take out of a secret answer what is to be shared, before the answer leaves the member."""

import numpy as np
from flwr.app import Message, MessageType, MetricRecord, RecordDict

from federation.training.fixed_point import Integers
from federation.training.records import (
    ATTEMPT,
    LENGTH,
    METRICS,
    SUMMAND,
    MessageError,
    read_array,
    read_count,
    read_number,
    read_round,
)
from federation.training.sum_labels import round_label


def label_asked_for(request: Message) -> str:
    """Name the sum that the answer to a message is for.

    Raises:
        MessageError: The message names no round.
    """
    if request.metadata.message_type == MessageType.TRAIN:
        return round_label(read_round(request), read_count(request, ATTEMPT, 0))
    return str(request.metadata.message_type)


def withhold(request: Message, reply: Message) -> tuple[Message, Integers]:
    """Return the answer with nothing but the vector's length, and the vector.

    Raises:
        MessageError: The answer holds no vector of whole numbers.
    """
    vector = read_array(reply.content, SUMMAND)
    if vector.dtype != np.int64 or vector.ndim != 1:
        raise MessageError("the answer is no row of whole numbers")
    told = RecordDict({METRICS: MetricRecord({LENGTH: len(vector)})})
    return Message(told, reply_to=request), vector


def read_length(reply: Message) -> int:
    """Read how long the vector is that a member withheld.

    Raises:
        MessageError: It does not say.
    """
    length = read_number(reply.content, LENGTH)
    if not length.is_integer() or length < 1:
        raise MessageError("the answer tells no length")
    return int(length)
