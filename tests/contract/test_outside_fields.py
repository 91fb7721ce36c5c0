"""No message of the outside door has a field in which a raw identifier could travel."""

import importlib
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, timestamp_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

import tocsin.v1
from tests.contract.outside_door import (
    ALLOW_LIST,
    PACKAGE,
    SHAPES,
    read_allow_list,
    violations,
)

FOLDER = Path(tocsin.v1.__path__[0])
PROTOS = sorted(FOLDER.glob("*.proto"))
FILES = [importlib.import_module(f"{PACKAGE}.{path.stem}_pb2").DESCRIPTOR for path in PROTOS]
ALLOWED = read_allow_list(ALLOW_LIST.read_text(encoding="utf-8"))


def changed(change, file_name="tocsin/v1/statement.proto"):
    """Return the contract's descriptors with one file changed, in a pool of their own."""
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    waiting = {}
    for file in FILES:
        waiting[file.name] = descriptor_pb2.FileDescriptorProto.FromString(file.serialized_pb)
    change(waiting[file_name])
    while waiting:
        ready = [name for name, file in waiting.items() if not waiting.keys() & {*file.dependency}]
        for name in ready:
            pool.AddSerializedFile(waiting.pop(name).SerializeToString())
    return [pool.FindFileByName(file.name) for file in FILES]


def message(file, name):
    (found,) = (each for each in file.message_type if each.name == name)
    return found


def with_field(name, kind, **more):
    def change(file):
        message(file, "Nomination").field.add(
            name=name, number=900, type=kind, label=Field.LABEL_OPTIONAL, **more
        )

    return changed(change)


def test_the_contract_is_read_whole():
    assert len(FILES) >= 6
    assert {file.package for file in FILES} == {PACKAGE}
    assert len(ALLOWED) > 100


def test_every_field_of_the_outside_door_has_its_shape():
    assert violations(FILES, ALLOWED) == []


def test_an_unchanged_copy_of_the_contract_passes_too():
    assert violations(changed(lambda _file: None), ALLOWED) == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("phone", Field.TYPE_STRING),
        ("note", Field.TYPE_STRING),
        ("subscriber", Field.TYPE_INT64),
        ("value", Field.TYPE_BYTES),
        ("harmless", Field.TYPE_STRING),
        ("confidence_two", Field.TYPE_UINT32),
    ],
)
def test_a_field_that_nobody_listed_is_refused(name, kind):
    found = violations(with_field(name, kind), ALLOWED)

    assert f"Nomination.{name}: is not in the allow-list" in found


@pytest.mark.parametrize(
    ("name", "kind", "shape"),
    [
        ("phone", Field.TYPE_STRING, "code"),
        ("phones", Field.TYPE_STRING, "code"),
        ("caller_number", Field.TYPE_UINT64, "count"),
        ("note", Field.TYPE_STRING, "code"),
        ("subscriber", Field.TYPE_UINT64, "count"),
        ("value", Field.TYPE_BYTES, "digest"),
        ("value", Field.TYPE_BYTES, "sealed"),
        ("display_name", Field.TYPE_STRING, "member_id"),
        ("email_address", Field.TYPE_STRING, "origin"),
        ("landing_url", Field.TYPE_STRING, "version"),
        ("domain", Field.TYPE_BYTES, "token"),
        ("iban", Field.TYPE_BYTES, "identifier16"),
        ("Msisdn", Field.TYPE_BYTES, "token"),
    ],
)
def test_a_name_that_hints_at_a_raw_identifier_is_refused_even_if_listed(name, kind, shape):
    found = violations(with_field(name, kind), ALLOWED | {f"Nomination.{name}": shape})

    assert [sentence.partition(":")[0] for sentence in found] == [f"Nomination.{name}"]


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (Field.TYPE_INT64, "count"),
        (Field.TYPE_STRING, "count"),
        (Field.TYPE_STRING, "token"),
        (Field.TYPE_STRING, "enum"),
        (Field.TYPE_BYTES, "code"),
        (Field.TYPE_UINT64, "ratio"),
        (Field.TYPE_FIXED64, "count"),
        (Field.TYPE_FLOAT, "ratio"),
    ],
)
def test_a_type_that_the_shape_does_not_allow_is_refused(kind, shape):
    found = violations(with_field("extra", kind), ALLOWED | {"Nomination.extra": shape})

    assert found == [f"Nomination.extra: its type is none of shape {shape}"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "name", ["face", "voice_prints", "health_state", "call_content", "sealed_biometric", "images"]
)
def test_what_is_never_shared_is_refused_in_every_shape(name, shape):
    (kind, *_) = sorted(SHAPES[shape])
    more = {"type_name": ".tocsin.v1.Sighting"} if kind == Field.TYPE_MESSAGE else {}
    if kind == Field.TYPE_ENUM:
        more = {"type_name": ".tocsin.v1.Purpose"}
    found = violations(with_field(name, kind, **more), ALLOWED | {f"Nomination.{name}": shape})

    assert f"Nomination.{name}: its name says what is never shared" in found


def test_a_message_from_elsewhere_is_refused():
    more = {"type_name": ".google.protobuf.Timestamp"}
    files = with_field("anything", Field.TYPE_MESSAGE, **more)
    found = violations(files, ALLOWED | {"Nomination.anything": "message"})

    assert found == ["Nomination.anything: holds a message that shape message does not allow"]


def test_a_nested_message_and_a_map_are_seen():
    def change(file):
        nomination = message(file, "Nomination")
        nested = nomination.nested_type.add(name="LabelsEntry")
        nested.options.map_entry = True
        for number, name in ((1, "key"), (2, "value")):
            nested.field.add(
                name=name, number=number, type=Field.TYPE_STRING, label=Field.LABEL_OPTIONAL
            )
        nomination.field.add(
            name="labels",
            number=900,
            type=Field.TYPE_MESSAGE,
            label=Field.LABEL_REPEATED,
            type_name=".tocsin.v1.Nomination.LabelsEntry",
        )

    listed = {
        "Nomination.labels": "message",
        "Nomination.LabelsEntry.key": "code",
        "Nomination.LabelsEntry.value": "code",
    }

    assert violations(changed(change), ALLOWED | listed) == [
        "Nomination.LabelsEntry.value: its name hints at a raw identifier or free text",
        "Nomination.labels: holds a message that shape message does not allow",
    ]
    assert len(violations(changed(change), ALLOWED)) == 4


def test_a_field_in_a_new_message_is_refused():
    def change(file):
        file.message_type.add(name="Person").field.add(
            name="label", number=1, type=Field.TYPE_STRING, label=Field.LABEL_OPTIONAL
        )

    assert violations(changed(change), ALLOWED) == ["Person.label: is not in the allow-list"]


def test_a_method_that_carries_a_foreign_message_is_refused():
    def change(file):
        (service,) = file.service
        service.method.add(
            name="Leak",
            input_type=".google.protobuf.Timestamp",
            output_type=".tocsin.v1.LookupResponse",
        )
        file.dependency.append("google/protobuf/timestamp.proto")
        unique = sorted(set(file.dependency))
        del file.dependency[:]
        file.dependency.extend(unique)

    found = violations(changed(change, "tocsin/v1/lookup_service.proto"), ALLOWED)

    assert found == ["LookupService.Leak: carries google.protobuf.Timestamp"]


def test_a_line_for_a_field_that_is_gone_is_refused():
    found = violations(FILES, ALLOWED | {"Nomination.gone": "count"})

    assert found == ["Nomination.gone: is listed and does not exist"]


@pytest.mark.parametrize("line", ["Nomination.token", "Nomination.token blob", "a token\na token"])
def test_the_allow_list_has_no_other_lines(line):
    with pytest.raises(ValueError, match=r"allow-list|unpack"):
        read_allow_list(line)
