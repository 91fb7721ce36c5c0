"""What of a secret answer leaves the member: its vector's length, and nothing else."""

from typing import Any

import pytest

numpy = pytest.importorskip("numpy")
pytest.importorskip("torch")
pytest.importorskip("flwr")

from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict  # noqa: E402

from federation.training.adapter import claim_process, encode_message, stamp  # noqa: E402
from federation.training.client_app import _Member  # noqa: E402
from federation.training.records import (  # noqa: E402
    ATTEMPT,
    CONFIG,
    ROUND,
    MessageError,
    write_arrays,
)
from federation.training.withholding import (  # noqa: E402
    label_asked_for,
    read_length,
    withhold,
)
from tests.training.small import small_plan  # noqa: E402


def question(kind: str = "train", **config: Any) -> Message:
    claim_process(1)
    message = Message(RecordDict({CONFIG: ConfigRecord(config)}), 7, kind)
    stamp(message)
    return message


def answered(request: Message, **arrays: Any) -> Message:
    records: Any = {"arrays": write_arrays(**arrays)}
    return Message(RecordDict(records), reply_to=request)


def test_only_the_length_of_a_vector_goes_out() -> None:
    request = question(**{ROUND: 1})
    vector = numpy.arange(1_000, 1_500, dtype=numpy.int64)
    told, kept = withhold(request, answered(request, summand=vector))

    assert (kept == vector).all()
    assert [*told.content] == ["metrics"]
    assert read_length(told) == 500
    assert vector[:4].tobytes() not in encode_message(told)


@pytest.mark.parametrize(
    "arrays",
    [
        {"model": numpy.zeros(3, numpy.float32)},
        {"summand": numpy.zeros(3, numpy.float32)},
        {"summand": numpy.zeros((3, 3), numpy.int64)},
    ],
)
def test_an_answer_without_whole_numbers_never_goes_out(arrays: dict[str, Any]) -> None:
    request = question(**{ROUND: 1})

    with pytest.raises(MessageError):
        withhold(request, answered(request, **arrays))


@pytest.mark.parametrize("length", [0, -1, 2.5])
def test_a_length_that_is_none_is_refused(length: float) -> None:
    request = question(**{ROUND: 1})
    records: Any = {"metrics": MetricRecord({"length": length})}

    with pytest.raises(MessageError):
        read_length(Message(RecordDict(records), reply_to=request))


def test_a_sum_is_named_by_the_round_and_attempt_that_the_message_trains_for() -> None:
    assert label_asked_for(question(**{ROUND: 3})) == "round-3-0"
    assert label_asked_for(question(**{ROUND: 3, ATTEMPT: 101})) == "round-3-101"
    assert label_asked_for(question("query.fine")) == "query.fine"


@pytest.mark.parametrize("attempt", [-1, True, 1.5, "1"])
def test_an_attempt_that_is_no_count_is_refused(attempt: Any) -> None:
    with pytest.raises(MessageError):
        label_asked_for(question(**{ROUND: 3, ATTEMPT: attempt}))


def test_another_attempt_of_a_round_trains_another_update() -> None:
    plan, schema = small_plan()
    member = _Member(plan, schema, "carrier-a", "memory:x", "", 100)
    seeds = {member.seed(number, attempt) for number in (1, 2) for attempt in (0, 1, 100)}

    assert len(seeds) == 6
