"""A member moves its tables to PostgreSQL, and goes on as before."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.end_to_end.members import Federation, eventually, running_federation
from tests.postgresql import running_server

pytest.importorskip("psycopg", reason="the extra 'postgresql' is not installed")

MEMBERS = ("carrier-a", "bank-x", "net-p")

pytestmark = pytest.mark.timeout(600)


def knows(federation: Federation, member: str, domain: str) -> bool:
    return federation.band(member, "domain", domain) != "NONE"


def is_hit(federation: Federation, reference: str) -> bool:
    return reference in federation.read("bank-x", "hits").out


def test_a_node_moves_to_postgresql_and_says_and_hears_as_before(tmp_path: Path) -> None:
    with running_server() as server, running_federation(tmp_path / "f", MEMBERS) as federation:
        federation.nominate("carrier-a", "domain", "first.example")
        eventually(partial(knows, federation, "bank-x", "first.example"))
        customers = tmp_path / "customers.csv"
        customers.write_text("kind,value,reference\ndomain,third.example,shop-3\n")
        federation.do("bank-x", "watch", "add", "--file", str(customers))
        address = server.address(passfile=str(server.passfile(tmp_path / "passfile")))
        federation.sandbox.stop("bank-x")
        moved = federation.do("bank-x", "node", "move-store", address, "--json").document
        federation.sandbox.start("bank-x")
        (federation.home("bank-x").data / "public.db").rename(tmp_path / "moved.db")

        federation.nominate("bank-x", "domain", "second.example")
        federation.nominate("net-p", "domain", "third.example")
        for domain in ("first.example", "second.example", "third.example"):
            for member in MEMBERS:
                eventually(partial(knows, federation, member, domain))
        rebuilt = federation.do("bank-x", "log", "rebuild", "--json").document

        assert moved["entries"] > 0
        assert moved["private_rows"] > 0
        assert not list(federation.home("bank-x").data.glob("private.db"))
        eventually(partial(is_hit, federation, "shop-3"))
        assert rebuilt["agree"]
        assert server.ask("SELECT count(*) FROM tocsin_public.log") == [(3,)]
