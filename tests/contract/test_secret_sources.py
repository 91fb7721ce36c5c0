"""No message and no code list can say that something rests on a report of suspicious transactions.

Source: DOMAIN R67; check 23.
"""

import enum
import importlib
import inspect
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor

import tocsin.desk.v1
import tocsin.v1
from federation import vocabulary
from federation.names import MemberId
from federation.statements import Alarm, StatementError, SumLabels
from federation.vocabulary import AlarmKind, ClueSource
from node.duties.clues import read_source
from node.errors import PolicyError, RequestError
from tests.federation.said import SUM, opaque

SECRET = {"str", "strs", "sar", "sars", "aml", "suspicious"}
FILES = [
    importlib.import_module(f"{package.__name__}.{path.stem}_pb2").DESCRIPTOR
    for package in (tocsin.v1, tocsin.desk.v1)
    for path in sorted(Path(package.__path__[0]).glob("*.proto"))
]


def names_of(message: Descriptor):
    yield from (field.name for field in message.fields)
    for nested in message.nested_types:
        yield from names_of(nested)


def every_name():
    for file in FILES:
        for message in file.message_types_by_name.values():
            yield message.name
            yield from names_of(message)
        for one in file.enum_types_by_name.values():
            yield from (value.name for value in one.values)
    for _name, kind in inspect.getmembers(vocabulary, inspect.isclass):
        if issubclass(kind, enum.IntEnum):
            yield from (item.name for item in kind)


def test_no_field_and_no_code_says_it():
    names = set(every_name())

    assert len(names) > 500
    assert [name for name in names if SECRET & set(name.lower().split("_"))] == []


@pytest.mark.parametrize("code", ["STR", "STR_FILED", "FROM_STR", "SUSPICIOUS_TRANSACTION", "SAR"])
def test_no_free_code_says_it(code):
    for make in (
        lambda: Alarm(AlarmKind.QUOTA_EXCEEDED, MemberId("bank-a"), reason=code),
        lambda: SumLabels(SUM, code, opaque("labels")),
    ):
        with pytest.raises(StatementError) as caught:
            make()

        assert caught.value.reason == "STR_SECRET"


@pytest.mark.parametrize(
    "word",
    [
        "STR",
        " str ",
        "strs",
        "SAR",
        "aml",
        "suspicious transaction",
        "suspicious_activity",
        "Suspicious-Transaction-Report",
        "可疑交易报告",
        "反洗钱",
    ],
)
def test_the_desk_refuses_every_way_to_write_it(word):
    with pytest.raises(PolicyError) as caught:
        read_source(word)

    assert caught.value.reason == "STR_SECRET"


@pytest.mark.parametrize("source", ClueSource)
def test_the_desk_reads_every_source_there_is(source):
    assert read_source(source.name.lower()) is source


def test_another_word_is_no_source():
    with pytest.raises(RequestError) as caught:
        read_source("strange")

    assert caught.value.reason == "SOURCE_UNKNOWN"
