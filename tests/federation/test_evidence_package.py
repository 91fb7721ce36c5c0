"""A package opens with the receiver's key for this clue alone, and holds what was announced."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.evidence_package import (
    MAX_FILE_BYTES,
    EvidenceFile,
    PackageError,
    make_package,
    open_package,
    package_context,
    seal_package,
)
from federation.names import FederationName, MemberId
from keys.sealing import SealingKey, seal_to_member
from tests.federation.said import opaque

FEDERATION = FederationName("test")
FINDER, POLICE, OTHER = (MemberId(name) for name in ("carrier-b", "police", "bank-a"))
KEY, OTHER_KEY = SealingKey.generate(), SealingKey.generate()
CONTEXT = package_context(FEDERATION, FINDER, POLICE, opaque("clue"))
FILES = (EvidenceFile("calls.csv", b"hour,calls\n22,600\n"), EvidenceFile("截图.png", b"\x89PNG"))
PACKAGE = make_package({"clue": "9f2c", "objects": []}, FILES)
SEALED = seal_package(PACKAGE, KEY.public, CONTEXT)


def refused(call):
    with pytest.raises(PackageError) as caught:
        call()
    return caught.value.reason


def test_the_receiver_reads_what_was_packed():
    assert open_package(SEALED, KEY, CONTEXT, PACKAGE.digest) == PACKAGE
    assert [one["name"] for one in json.loads(PACKAGE.manifest)["files"]] == [
        one.name for one in FILES
    ]


def test_nobody_else_opens_it():
    assert refused(lambda: open_package(SEALED, OTHER_KEY, CONTEXT, PACKAGE.digest)) == (
        "PACKAGE_CLOSED"
    )


@pytest.mark.parametrize(
    "context",
    [
        package_context(FEDERATION, OTHER, POLICE, opaque("clue")),
        package_context(FEDERATION, FINDER, OTHER, opaque("clue")),
        package_context(FEDERATION, FINDER, POLICE, opaque("another clue")),
        package_context(FederationName("other"), FINDER, POLICE, opaque("clue")),
    ],
)
def test_it_does_not_open_for_another_clue_or_member(context):
    assert refused(lambda: open_package(SEALED, KEY, context, PACKAGE.digest)) == "PACKAGE_CLOSED"


def test_another_manifest_than_the_one_announced_is_refused():
    assert refused(lambda: open_package(SEALED, KEY, CONTEXT, opaque("other", 32))) == (
        "PACKAGE_INVALID"
    )


def test_a_file_that_differs_from_the_manifest_is_refused():
    plain = {"manifest": PACKAGE.manifest, "files": {"calls.csv": "AAAA", "截图.png": "iVBORw=="}}
    sealed = seal_to_member(KEY.public, json.dumps(plain).encode(), CONTEXT)

    assert refused(lambda: open_package(sealed, KEY, CONTEXT, PACKAGE.digest)) == "PACKAGE_INVALID"


@settings(max_examples=50)
@given(st.binary(max_size=60) | st.sampled_from([b"[]", b"{}", b'{"manifest":1,"files":{"a":1}}']))
def test_whatever_is_sealed_it_is_a_package_or_refused(plain):
    sealed = seal_to_member(KEY.public, plain, CONTEXT)

    assert refused(lambda: open_package(sealed, KEY, CONTEXT, PACKAGE.digest)) == "PACKAGE_INVALID"


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a\\b", "x" * 101, "a\nb", "c:d"])
def test_a_name_that_leaves_the_folder_is_refused(name):
    assert refused(lambda: make_package({}, [EvidenceFile(name, b"")])) == "FILE_NAME_INVALID"


def test_a_package_has_bounds():
    large = EvidenceFile("large", bytes(MAX_FILE_BYTES + 1))
    most = make_package({}, [EvidenceFile("most", bytes(MAX_FILE_BYTES))])

    assert refused(lambda: make_package({}, [large])) == "PACKAGE_TOO_LARGE"
    assert len(seal_package(most, KEY.public, CONTEXT)) <= 393_216
    assert refused(
        lambda: seal_package(make_package({"r": "x" * 90_000}, most.files), KEY.public, CONTEXT)
    ) == ("PACKAGE_TOO_LARGE")
