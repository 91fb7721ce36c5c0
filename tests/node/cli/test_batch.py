"""Batches: some at a time, answers in the order of the rows, nothing lost when one fails."""

import types

import pytest

from node.cli.batch import BATCH_BYTES, BATCH_ROWS, CALLS_IN_FLIGHT, answer_in_order, prepare
from node.cli.table_file import BadRow, Row
from node.errors import NodeError, PolicyError, RequestError
from tocsin.desk.v1 import desk_service_pb2 as wire


class Calls:
    """Answers each batch with the values it got, and counts what is under way."""

    def __init__(self, fail_at=None, short_by=0):
        self.sizes = []
        self.open = self.most_open = self.cancelled = 0
        self._fail_at = fail_at
        self._short_by = short_by

    def send(self, items):
        self.sizes.append(len(items))
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        return Call(self, len(self.sizes), list(items))

    def answer(self, number, items):
        self.open -= 1
        if number == self._fail_at:
            raise PolicyError("no more", reason="QUOTA_EXCEEDED")
        kept = items[: len(items) - self._short_by]
        return types.SimpleNamespace(results=[item.value for item in kept])


class Call:
    def __init__(self, calls, number, items):
        self._calls, self._number, self._items = calls, number, items

    def wait(self):
        return self._calls.answer(self._number, self._items)

    def cancel(self):
        self._calls.cancelled += 1


def make(row):
    if row.cells["value"] == "wrong":
        raise RequestError("a cell is wrong", reason="CELL_WRONG")
    return wire.RawIndicator(value=row.cells["value"])


def rows(values):
    for line, value in enumerate(values, start=2):
        yield BadRow(line, "ROW_WIDTH", "bad") if value is None else Row(line, {"value": value})


def answers(values, calls):
    return list(answer_in_order(prepare(rows(values), make), calls.send))


def test_answers_come_in_the_order_of_the_rows_with_the_bad_ones_in_place():
    values = ["a", None, "b", "wrong", "c"]
    found = answers(values, Calls())

    assert [answer.result for answer in found] == ["a", None, "b", None, "c"]
    assert [answer.row.line for answer in found] == [2, 3, 4, 5, 6]
    assert [a.row.reason for a in found if isinstance(a.row, BadRow)] == ["ROW_WIDTH", "CELL_WRONG"]


def test_batches_are_full_and_never_more_than_three_are_under_way():
    calls = Calls()
    found = answers([str(number) for number in range(5 * BATCH_ROWS + 1)], calls)

    assert calls.sizes == [BATCH_ROWS] * 5 + [1]
    assert calls.most_open == CALLS_IN_FLIGHT
    assert [int(answer.result) for answer in found] == list(range(5 * BATCH_ROWS + 1))


def test_long_rows_make_small_batches():
    calls = Calls()
    answers(["x" * 16_384] * 300, calls)

    assert sum(calls.sizes) == 300
    assert max(calls.sizes) * 16_384 <= BATCH_BYTES


def test_what_was_answered_before_a_failure_is_not_lost():
    calls = Calls(fail_at=3)
    stream = answer_in_order(prepare(rows(["v"] * BATCH_ROWS * 6), make), calls.send)
    found = []

    with pytest.raises(PolicyError) as caught:
        found.extend(stream)

    assert caught.value.reason == "QUOTA_EXCEEDED"
    assert len(found) == 2 * BATCH_ROWS
    assert calls.cancelled == CALLS_IN_FLIGHT - 1


def test_rows_that_end_with_an_error_are_answered_first():
    def cut_short():
        yield from rows(["a", "b"])
        raise RequestError("the file is damaged", reason="FILE_UNREADABLE")

    found = []
    with pytest.raises(RequestError) as caught:
        found.extend(answer_in_order(prepare(cut_short(), make), Calls().send))

    assert caught.value.reason == "FILE_UNREADABLE"
    assert [answer.result for answer in found] == ["a", "b"]


def test_an_answer_with_too_few_results_is_not_matched_to_rows():
    with pytest.raises(NodeError) as caught:
        answers(["a", "b"], Calls(short_by=1))

    assert caught.value.reason == "ANSWER_INVALID"


def test_rows_that_are_all_bad_make_no_call():
    calls = Calls()
    found = answers([None, "wrong"], calls)

    assert len(found) == 2
    assert calls.sizes == []
