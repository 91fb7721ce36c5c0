"""Scored rows are written in order, in bands, and a file appears only whole."""

from __future__ import annotations

import io
import json
from array import array
from pathlib import Path

import pytest

from node.cli.train.score_output import HEADER, ScoreWriter, Tally, opened_output
from node.errors import RequestError
from tocsin.desk.v1 import desk_service_pb2
from tocsin.desk.v1 import train_service_pb2 as wire

MODEL = wire.ScoredWith(model_digest=b"\xab" * 32, threshold=0.5, action_threshold=0.9)


def response() -> wire.ScoreResponse:
    reasons = [
        wire.ScoreReason(column="calls", side="HIGH", weight=1.25),
        wire.ScoreReason(column="plan", side="VALUE", weight=0.5),
    ]
    return wire.ScoreResponse(
        scores=array("f", [0.1, 0.625, 0.9375]).tobytes(),
        alarms=[wire.ScoreAlarm(row=1, reasons=reasons), wire.ScoreAlarm(row=2)],
    )


def written(*, as_json: bool, model: wire.ScoredWith = MODEL) -> tuple[list[str], Tally]:
    file, tally = io.StringIO(), Tally()
    writer = ScoreWriter(file, tally, as_json=as_json)
    writer.begin(model)
    writer.write(["a", "b", "c"], 1, response())
    return file.getvalue().splitlines(), tally


def test_a_row_has_its_score_band_reasons_and_model() -> None:
    lines, tally = written(as_json=False)

    assert lines[0] == ",".join(HEADER)
    assert lines[1:] == [
        f"a,0.100000,NONE,,{'ab' * 32}",
        f"b,0.625000,VERIFY,calls HIGH; plan VALUE,{'ab' * 32}",
        f"c,0.937500,STRONG,,{'ab' * 32}",
    ]
    assert (tally.rows, tally.alarms, tally.threshold) == (3, 2, 0.5)


def test_an_object_has_the_weights_too() -> None:
    lines, _ = written(as_json=True)

    assert json.loads(lines[1])["reasons"] == [
        {"column": "calls", "side": "HIGH", "weight": 1.25},
        {"column": "plan", "side": "VALUE", "weight": 0.5},
    ]


def test_nothing_is_strong_where_no_such_score_was_measured() -> None:
    model = wire.ScoredWith(threshold=0.5, action_threshold=1.0)
    lines, _ = written(as_json=False, model=model)

    assert all("STRONG" not in line for line in lines)


def test_nominations_are_counted_and_a_refused_one_named_by_its_row(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer, tally = response(), Tally()
    refused = desk_service_pb2.RowError(reason="PROTECTED_OBJECT", message="it is protected")
    answer.alarms[0].nomination.outcome = desk_service_pb2.ROW_OUTCOME_REFUSED
    answer.alarms[0].nomination.error.CopyFrom(refused)
    answer.alarms[1].nomination.outcome = desk_service_pb2.ROW_OUTCOME_ADDED
    ScoreWriter(io.StringIO(), tally, as_json=True).write(["+1", "+2", "+3"], 101, answer)

    assert (tally.added, tally.unchanged, tally.refused) == (1, 0, 1)
    assert capsys.readouterr().err == "row 102: PROTECTED_OBJECT it is protected\n"


def _write_half(path: Path) -> None:
    with opened_output(path) as file:
        file.write("after, by ha")
        raise ValueError("half written")


def test_a_file_that_was_there_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("before")
    with pytest.raises(ValueError, match="half"):
        _write_half(path)

    assert path.read_text() == "before"

    with opened_output(path) as file:
        file.write("after")

    assert path.read_text() == "after"
    assert path.stat().st_mode & 0o077 == 0
    assert [one.name for one in tmp_path.iterdir()] == ["scores.csv"]

    with pytest.raises(RequestError) as caught:
        _write_half(tmp_path / "none" / "x.csv")

    assert caught.value.reason == "FILE_UNWRITABLE"
