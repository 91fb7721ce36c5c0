"""Raw values, references and details stay with the member whose they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.sandbox.process import running_process
from tests.end_to_end.members import Federation, eventually, process_files, running_federation

MEMBERS = ("carrier-a", "bank-x", "net-p", "partner-k")
NOMINATOR, WATCHER, PARTNER = "bank-x", "net-p", "partner-k"

# What a person types, and below it every form in which it could be written down.
PHONE, DOMAIN, ASKED = "+8613912345678", "quiet-harbour-shop.example", "+8613812340987"
REFERENCE, DETAILS = "customer-4711-Wang", "called twice and asked for the passcode"
FORMS = {
    PHONE: (b"13912345678", b"139 1234 5678"),
    DOMAIN: (b"quiet-harbour-shop",),
    ASKED: (b"13812340987",),
    REFERENCE: (REFERENCE.encode(),),
    DETAILS: (DETAILS.encode(),),
}
# The one place of each: the private store of the member that has it anyway.
PRIVATE_STORE = "private.db"
MAY_STAND = {
    (NOMINATOR, PHONE),
    (NOMINATOR, DOMAIN),
    (WATCHER, REFERENCE),
}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    directory = tmp_path_factory.mktemp("privacy") / "f"
    with running_federation(directory, MEMBERS, capture=True) as found:
        yield found


def test_nothing_raw_is_on_disk_on_the_wire_or_in_a_process_anywhere_else(
    federation: Federation,
) -> None:
    _live_a_day(federation)
    for member in MEMBERS:
        for process_id in _processes(federation, member):
            _assert_clean(process_files(process_id), f"process of {member}")
    federation.sandbox.down()
    found = set()
    for member in MEMBERS:
        for path in _files(federation, member):
            content = path.read_bytes()
            if path.name.startswith(PRIVATE_STORE):
                found |= {(member, text) for text in _standing(content)}
            else:
                _assert_clean(content, f"{path.name} of {member}")

    assert found == MAY_STAND
    for member in MEMBERS:
        assert federation.sandbox.capture(member).stat().st_size > 0


def _live_a_day(federation: Federation) -> None:
    facts = ("--fraud-type", "government", "--details", DETAILS)
    for kind, value in (("phone", PHONE), ("domain", DOMAIN)):
        federation.do(NOMINATOR, "nominate", kind, value, *facts)
        eventually(lambda kind=kind, value=value: federation.band(WATCHER, kind, value) != "NONE")
        federation.do(WATCHER, "watch", "add", kind, value, "--reference", REFERENCE)
    for member in MEMBERS:
        for value in (PHONE, "139 1234 5678", ASKED):
            federation.do(member, "check", "phone", value, "--region", "CN")
    refused = federation.run("carrier-a", "check", "phone", f"{ASKED}x")

    assert refused.code == 1
    assert ASKED not in refused.err
    assert DETAILS in federation.do(WATCHER, "explain", "phone", PHONE).out
    assert REFERENCE in federation.do(WATCHER, "hits").out


def _processes(federation: Federation, member: str) -> list[int]:
    """Return the ids of a node's process and of its workers."""
    main = running_process(federation.home(member))

    assert main is not None

    tasks = Path("/proc", str(main), "task").iterdir()
    children = [child for task in tasks for child in (task / "children").read_text().split()]
    return [main, *map(int, children)]


def _files(federation: Federation, member: str) -> list[Path]:
    root = federation.home(member).root
    found = [path for path in root.rglob("*") if path.is_file()]

    assert {"public.db", "node.out", "capture.bin"} - {path.name for path in found} <= (
        {"public.db"} if member == PARTNER else set()
    )

    return found


def _standing(content: bytes) -> list[str]:
    return [text for text, forms in FORMS.items() if any(form in content for form in forms)]


def _assert_clean(content: bytes, place: str) -> None:
    assert not _standing(content), place
