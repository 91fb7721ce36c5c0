"""The log writes what is listed, and nothing else whoever asks."""

# ruff: noqa: TRY301 - an error needs a place to be described

import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from node import telemetry
from node.telemetry import describe_error, get_log, log_incident, start_telemetry, stop_telemetry

RAW = "13800138000"


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    handlers, level = logging.root.handlers[:], logging.root.level
    path = tmp_path / "node.log"
    start_telemetry(path)
    yield path
    stop_telemetry()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_listed_field_is_written_and_another_never(log_file: Path) -> None:
    before = telemetry.dropped["value"]
    get_log().info("desk.checked", count=3, value=RAW, reason="DONE")
    (line,) = lines(log_file)

    assert (line["event"], line["count"], line["reason"]) == ("desk.checked", 3, "DONE")
    assert line["level"] == "info"
    assert RAW not in log_file.read_text()
    assert telemetry.dropped["value"] == before + 1


@pytest.mark.parametrize(
    "event", [RAW, f"checked {RAW}", "desk.checked %s", "", "Desk.Checked", "desk.check-1"]
)
def test_an_event_that_is_no_name_is_not_written(log_file: Path, event: str) -> None:
    get_log().warning(event, *([RAW] if "%s" in event else []))

    assert [line["event"] for line in lines(log_file)] == ["event.unnamed"]
    assert RAW not in log_file.read_text()


@pytest.mark.parametrize("value", [{"value": RAW}, [RAW], RAW.encode(), RuntimeError(RAW)])
def test_a_listed_field_holds_plain_values_alone(log_file: Path, value: object) -> None:
    get_log().info("desk.checked", reason=value)

    assert RAW not in log_file.read_text()


def test_bound_and_contextual_fields_pass_the_same_list(log_file: Path) -> None:
    get_log().bind(value=RAW, member="bank-x").info("desk.checked", exc_info=RuntimeError(RAW))
    (line,) = lines(log_file)

    assert line["member"] == "bank-x"
    assert RAW not in log_file.read_text()


def test_an_error_is_told_by_class_and_place(log_file: Path) -> None:
    try:
        raise RuntimeError(RAW)
    except RuntimeError as error:
        log_incident("cafe", "/tocsin.v1.LogService/Read", error)
        described = describe_error(error)
    (line,) = lines(log_file)

    assert line["incident"] == "cafe"
    assert described["error_class"] == "RuntimeError"
    assert described["error_place"].startswith("test_telemetry.py:")
    assert RAW not in log_file.read_text()


def test_a_librarys_line_is_told_without_its_text(log_file: Path) -> None:
    try:
        raise ValueError(RAW)
    except ValueError:
        logging.getLogger("grpc._cython").exception("got %s", RAW)
    (line,) = lines(log_file)

    assert (line["event"], line["logger"]) == ("library.logged", "grpc._cython")
    assert line["error_class"] == "ValueError"
    assert RAW not in log_file.read_text()


def test_a_long_text_is_cut(log_file: Path) -> None:
    get_log().info("desk.checked", reason="x" * 10_000)

    assert log_file.stat().st_size < 1_000


def test_the_file_is_for_the_nodes_user_alone_and_is_appended_to(log_file: Path) -> None:
    get_log().info("desk.checked")
    stop_telemetry()
    start_telemetry(log_file)
    get_log().info("desk.checked")

    assert len(lines(log_file)) == 2
    assert stat.S_IMODE(log_file.stat().st_mode) == 0o600


def test_without_a_file_the_log_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    stop_telemetry()
    get_log().info("desk.checked", count=1)

    assert json.loads(capsys.readouterr().err)["count"] == 1
