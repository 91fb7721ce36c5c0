"""Counters and the capture file."""

from pathlib import Path

import pytest

from node.traffic import Capture, CaptureError, Direction, MethodTraffic, Traffic, read_capture

READ = "/tocsin.v1.LogService/Read"


def fill(path: Path) -> Traffic:
    with Capture(path) as capture:
        traffic = Traffic(capture)
        traffic.record(Direction.SENT, "bank-x", READ, b"abc")
        traffic.record(Direction.SENT, "bank-x", READ, b"")
        traffic.record(Direction.RECEIVED, "", READ, b"de")
    return traffic


def test_counters_hold_messages_and_bytes_of_each_direction(tmp_path: Path) -> None:
    assert fill(tmp_path / "capture").snapshot() == (MethodTraffic(READ, 2, 3, 1, 2),)


def test_a_capture_comes_back_as_it_was_written_and_goes_on_after_a_restart(
    tmp_path: Path,
) -> None:
    path = tmp_path / "capture"
    fill(path)
    fill(path)
    records = list(read_capture(path))

    assert [(one.direction, one.peer, one.payload) for one in records[:3]] == [
        (Direction.SENT, "bank-x", b"abc"),
        (Direction.SENT, "bank-x", b""),
        (Direction.RECEIVED, "", b"de"),
    ]
    assert {one.method for one in records} == {READ}
    assert records[:3] == records[3:]


def test_a_capture_cut_off_anywhere_is_one_documented_error(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    fill(path)
    whole = path.read_bytes()
    results = []
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            results.append(len(list(read_capture(path))))
        except CaptureError as error:
            results.append(error.reason)

    assert set(results) == {"CAPTURE_INVALID", 0, 1, 2}


def test_a_file_that_is_no_capture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(b"\x00" * 100)

    with pytest.raises(CaptureError):
        list(read_capture(path))


def test_any_other_byte_in_a_record_never_crashes_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    fill(path)
    whole = path.read_bytes()
    survived = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
        try:
            survived += len(list(read_capture(path)))
        except CaptureError:
            continue

    assert survived > 0
