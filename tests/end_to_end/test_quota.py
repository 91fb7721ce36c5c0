"""A partner that walks through a range of numbers is stopped, and everyone learns of it."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.members import (
    Federation,
    error_lines,
    eventually,
    running_federation,
    write_lines,
)

HOLDERS = ("carrier-a", "bank-x", "net-p")
MEMBERS = (*HOLDERS, "carrier-b", "partner-k", "partner-m")
ROWS = 10_000

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with running_federation(tmp_path_factory.mktemp("quota") / "f", MEMBERS) as found:
        yield found


def test_a_partner_that_walks_a_range_is_stopped_named_and_alone(
    federation: Federation, tmp_path: Path
) -> None:
    numbers = [f"+861370{number:07}" for number in range(ROWS)]
    federation.nominate("carrier-b", "phone", numbers[5])
    eventually(lambda: federation.band("partner-m", "phone", numbers[5]) != "NONE")
    file = write_lines(tmp_path / "range.txt", numbers)
    walk = federation.run("partner-k", "check", "--file", str(file), "--kind", "phone", "--json")
    quota = 6_000

    assert walk.code == 1
    assert error_lines(walk)[0].endswith("[QUOTA_EXCEEDED]")
    assert 0 < len(walk.rows) <= quota
    assert [row["value"] for row in walk.rows] == numbers[: len(walk.rows)]
    assert [row["line"] for row in walk.rows if row["band"] != "NONE"] == [6]

    rest = write_lines(tmp_path / "rest.txt", numbers[len(walk.rows) :])
    again = federation.run("partner-k", "check", "--file", str(rest), "--kind", "phone", "--json")

    assert again.code == 1
    assert error_lines(again)[0].endswith("[QUOTA_EXCEEDED]")
    assert len(walk.rows) + len(again.rows) <= quota

    digest = _leaf_digest(federation, "partner-k")
    for member in HOLDERS:
        eventually(lambda member=member: _alarms(federation, member))
        for alarm in _alarms(federation, member):
            assert alarm["raised_by"] in HOLDERS
            assert alarm["alarm"]["member"] == "partner-k"
            assert alarm["alarm"]["kind_class"] == "PHONE"
            assert alarm["alarm"]["certificate_digest"] == digest

    assert _alarms(federation, "carrier-b")

    holder = _alarms(federation, "carrier-b")[0]["raised_by"]
    said = [row["statement"] for row in federation.do(holder, "log", "show", "--json").rows]

    assert any(one.get("alarm", {}).get("member") == "partner-k" for one in said)
    assert federation.band("partner-m", "phone", "+8613990000000") == "NONE"
    assert federation.band("partner-k", "domain", "another-class.example") == "NONE"


def _alarms(federation: Federation, member: str) -> list[dict[str, dict[str, str]]]:
    alarms = federation.status(member)["alarms"]
    return [one for one in alarms if one["alarm"]["alarm_kind"] == "QUOTA_EXCEEDED"]


def _leaf_digest(federation: Federation, member: str) -> str:
    """Return the digest of the certificate that a node shows to whoever connects."""
    host, _, port = federation.status(member)["address"].rpartition(":")
    pem = ssl.get_server_certificate((host, int(port)))
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
