"""The enumerations of floor 2 are those of the contract."""

import pytest

from federation import vocabulary
from federation.indicators.kind import Kind, KindClass
from tocsin.v1 import statement_pb2

PACKAGE = statement_pb2.DESCRIPTOR.package
IMPORTED = [file for file in statement_pb2.DESCRIPTOR.dependencies if file.package == PACKAGE]
FILES = [statement_pb2.DESCRIPTOR, *IMPORTED]
WIRE = {name: enum for file in FILES for name, enum in file.enum_types_by_name.items()}
MIRRORS = {
    "IndicatorKind": Kind,
    "KindClass": KindClass,
    **{name: getattr(vocabulary, name) for name in WIRE if hasattr(vocabulary, name)},
}
# Here a zero is an answer, "not known"; everywhere else it is a field left out.
ZERO_IS_AN_ANSWER = {
    "FraudStage",
    "SubjectRole",
    "Origin",
    "TrainingReason",
    "ReportReason",
    "ClueReturn",
    "OneIdReason",
}


def test_every_enumeration_of_the_contract_has_a_mirror():
    assert sorted(MIRRORS) == sorted(WIRE)


@pytest.mark.parametrize("name", sorted(WIRE))
def test_a_mirror_has_the_names_and_numbers_of_the_contract(name):
    values = WIRE[name].values
    prefix = values[0].name.removesuffix("UNSPECIFIED")
    expected = {value.name.removeprefix(prefix): value.number for value in values}
    if name not in ZERO_IS_AN_ANSWER:
        del expected["UNSPECIFIED"]

    assert {item.name: item.value for item in MIRRORS[name]} == expected
