"""Tables of one member are nobody else's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from federation.names import FederationName, MemberId
from node.assembly import build_core
from node.config import load_config
from node.member import MemberKeys
from node.passphrase import passphrase_from_file
from node.sandbox.build import build_sandbox, member_home, passphrase_file
from node.store.error import StoreError
from node.store.owner import require_owner
from node.store.private import PrivateStore
from tests.node.federation_world import CHEAP

HARBOUR, BANK = FederationName("harbour"), MemberId("bank-x")


@pytest.mark.parametrize(
    ("federation", "member"),
    [(HARBOUR, MemberId("carrier-a")), (FederationName("inland"), BANK)],
)
def test_tables_of_another_member_or_federation_are_refused(
    private: PrivateStore, federation: FederationName, member: MemberId
) -> None:
    require_owner(private, HARBOUR, BANK)
    require_owner(private, HARBOUR, BANK)

    with pytest.raises(StoreError) as caught:
        require_owner(private, federation, member)
    assert caught.value.reason == "STORE_FOREIGN"
    require_owner(private, HARBOUR, BANK)


def test_a_node_does_not_begin_over_the_tables_of_another(tmp_path: Path) -> None:
    build_sandbox(tmp_path, ("carrier-a", "bank-x", "net-p"), cost=CHEAP)
    carrier, bank = (member_home(tmp_path, name) for name in ("carrier-a", "bank-x"))
    core = build_core(carrier, load_config(carrier.config), keys_of(carrier))
    core.private.close()
    core.workers.close()
    bank.data.mkdir(exist_ok=True)
    shutil.copy(carrier.data / "private.db", bank.data / "private.db")

    with pytest.raises(StoreError) as caught:
        build_core(bank, load_config(bank.config), keys_of(bank))
    assert caught.value.reason == "STORE_FOREIGN"


def keys_of(home) -> MemberKeys:
    return MemberKeys.open(home, passphrase_from_file(passphrase_file(home)))
