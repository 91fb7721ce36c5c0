"""The pieces of flwr that are not public do what the engines need of them."""

import pytest

numpy = pytest.importorskip("numpy")
pytest.importorskip("flwr")
pytest.importorskip("torch")

from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as some  # noqa: E402

from federation.training import adapter  # noqa: E402
from federation.training.records import (  # noqa: E402
    MessageError,
    read_array,
    read_bytes,
    read_number,
    read_round,
    write_arrays,
)


@pytest.fixture(autouse=True)
def _process() -> None:
    adapter.claim_process(7)


def _message() -> Message:
    content = RecordDict(
        {
            "arrays": write_arrays(model=numpy.arange(5, dtype=numpy.float32)),
            "config": ConfigRecord({"plan": b"digest", "server-round": 3}),
            "metrics": MetricRecord({"num-examples": 12, "losses": [1.0, 2.0]}),
        }
    )
    return Message(content, 42, "train")


def test_a_message_survives_its_bytes() -> None:
    message = _message()
    identifier = adapter.stamp(message)
    read = adapter.parse_message(adapter.encode_message(message))

    assert read.metadata.message_id == identifier
    assert read.metadata.run_id == 7
    assert read.metadata.src_node_id == adapter.COORDINATOR_NODE
    assert read.metadata.dst_node_id == 42
    assert read_array(read.content, "model").tolist() == [0, 1, 2, 3, 4]
    assert read_bytes(read, "plan") == b"digest"
    assert read_round(read) == 3
    assert read_number(read.content, "num-examples") == 12


def test_a_reply_names_its_request_and_its_sender() -> None:
    request = _message()
    identifier = adapter.stamp(request)
    reply = Message(RecordDict(), reply_to=adapter.parse_message(adapter.encode_message(request)))

    assert reply.metadata.reply_to_message_id == identifier
    assert reply.metadata.src_node_id == 42
    assert reply.metadata.dst_node_id == adapter.COORDINATOR_NODE


@pytest.mark.parametrize(
    ("code", "status"),
    [(adapter.LATE, "late"), (adapter.LOST, "lost"), (adapter.REFUSED, "refused"), (3, "failed")],
)
def test_a_failure_keeps_its_status_and_reason_through_bytes(code: int, status: str) -> None:
    reply = adapter.failed_reply(_message(), code, "no answer")
    read = adapter.parse_message(adapter.encode_message(reply))

    assert read.has_error()
    assert read.metadata.src_node_id == 42
    assert adapter.describe_failure(read) == (status, "no answer")


def test_missing_and_wrong_records_are_one_error() -> None:
    message = _message()
    tries = [
        lambda: read_array(message.content, "summand"),
        lambda: read_array(RecordDict(), "model"),
        lambda: read_number(message.content, "losses"),
        lambda: read_number(message.content, "loss"),
        lambda: read_bytes(message, "server-round"),
        lambda: read_round(Message(RecordDict(), 42, "train")),
    ]

    for attempt in tries:
        with pytest.raises(MessageError):
            attempt()


@given(some.binary(max_size=60), some.integers(0, 300), some.binary(min_size=1, max_size=4))
def test_bytes_are_a_message_or_the_one_error(data: bytes, place: int, patch: bytes) -> None:
    whole = adapter.encode_message(_message())
    for candidate in (data, whole[:place] + patch + whole[place + len(patch) :]):
        try:
            message = adapter.parse_message(candidate)
        except MessageError:
            continue

        assert isinstance(message, Message)
