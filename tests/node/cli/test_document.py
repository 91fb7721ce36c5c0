"""Messages for programs: short names, hex and ISO times."""

from google.protobuf.timestamp_pb2 import Timestamp

from node.cli.document import describe
from tocsin.desk.v1 import desk_service_pb2, operation_service_pb2
from tocsin.v1 import vocabulary_pb2


def test_every_field_is_there_whether_set_or_not():
    found = describe(desk_service_pb2.CheckResult(band=vocabulary_pb2.BAND_VERY_HIGH))

    assert found == {
        "kind": "",
        "value": "",
        "band": "VERY_HIGH",
        "display_codes": [],
        "error": None,
        "expires_time": None,
        "sources": 0,
    }


def test_bytes_are_hex_times_are_iso_and_numbers_stay_numbers():
    log = operation_service_pb2.LogStatus(
        root=b"\x00\xff", size=2**60, checkpoint_time=Timestamp(seconds=1_795_406_400)
    )
    found = describe(operation_service_pb2.GetStatusResponse(logs=[log]))["logs"][0]

    assert found["root"] == "00ff"
    assert found["size"] == 2**60
    assert found["checkpoint_time"] == "2026-11-23T04:00:00Z"


def test_an_unspecified_value_is_none_and_an_unknown_one_its_number():
    unknown = desk_service_pb2.CheckResult()
    unknown.MergeFromString(b"\x18\x4d")  # field 3, band, is 77

    assert describe(desk_service_pb2.CheckResult())["band"] is None
    assert describe(unknown)["band"] == "77"
