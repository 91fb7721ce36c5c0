"""Sandboxes before they run: roles from names, key holders, homes and a charter that holds."""

import stat

import pytest

from federation.charter import verify_charter
from federation.roles import Role
from keys.keystore import Cost
from node.config import load_config
from node.member import MemberKeys
from node.passphrase import passphrase_from_file
from node.sandbox import DEFAULT_MEMBERS, Sandbox, SandboxError
from node.sandbox.build import UNFINISHED_NAME, build_sandbox, passphrase_file
from node.sandbox.layout import encode_layout, parse_layout, plan_layout, split_members
from node.sandbox.process import end_process, running_process

CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)


def plan(*names):
    return plan_layout(names, [f"127.0.0.1:{20_100 + place}" for place in range(len(names))])


def refusal(call, *arguments):
    with pytest.raises(SandboxError) as caught:
        call(*arguments)
    return caught.value.reason


def test_the_default_federation_has_one_key_holder_of_each_industry():
    layout = plan(*DEFAULT_MEMBERS)

    assert layout.holders == ("carrier-a", "bank-x", "net-p")
    assert layout.threshold == 2
    assert layout.place("partner-k").role is Role.PARTNER
    assert "partner-k" not in layout.speaking


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("carrier-a", Role.CARRIER),
        ("bank", Role.BANK),
        ("net-9", Role.INTERNET),
        ("coord", Role.COORDINATOR),
        ("regulator-n", Role.REGULATOR),
        ("police-cli", Role.POLICE),
        ("partner-k", Role.PARTNER),
        ("auditor-z", Role.AUDITOR),
    ],
)
def test_the_first_word_of_a_name_tells_the_role(name, role):
    layout = plan("bank-first", name)

    assert layout.place(name).role is role


def test_others_hold_the_keys_where_the_preferred_are_missing():
    assert plan("coord", "net-z", "carrier-b", "bank-x", "net-y").holders == (
        "bank-x",
        "net-z",
        "carrier-b",
    )
    assert plan("partner-k", "bank-y", "coord").holders == ("bank-y", "coord")


def test_a_single_member_holds_its_key_alone():
    layout = plan("bank-x")

    assert (layout.holders, layout.threshold) == (("bank-x",), 1)


@pytest.mark.parametrize("names", [(), ("partner-k",), ("bank-x", "bank-x"), ("auditor",)])
def test_members_that_cannot_be_a_federation_are_refused(names):
    assert refusal(plan, *names) == "SANDBOX_MEMBERS_INVALID"


@pytest.mark.parametrize("name", ["shop-a", "Bank-x", "bank_x", "bank-", "-", "bankx"])
def test_a_name_without_a_role_is_refused(name):
    assert refusal(plan, "bank-x", name) == "SANDBOX_NAME_INVALID"


def test_a_list_of_members_may_have_spaces_and_empty_places():
    assert split_members(" bank-x, net-p ,,") == ("bank-x", "net-p")


def test_a_layout_survives_its_file():
    layout = plan(*DEFAULT_MEMBERS)

    assert parse_layout(encode_layout(layout)) == layout


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"\xff", b'{"federation": "x", "members": {"shop": "y"}}']
)
def test_a_file_that_is_no_layout_is_one_error(data):
    assert refusal(parse_layout, data) == "SANDBOX_INVALID"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    directory = tmp_path_factory.mktemp("s")
    names = ("carrier-a", "bank-x", "partner-k")
    sandbox = Sandbox(directory, names, capture=True, cost=CHEAP)
    sandbox.build()
    return sandbox


def test_every_home_opens_with_its_own_passphrase_file(built):
    passphrases = set()
    for member in built.members:
        path = passphrase_file(built.home(member))
        keys = MemberKeys.open(built.home(member), passphrase_from_file(path))
        passphrases.add(path.read_bytes())

        assert keys.card.member.member == member
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(passphrases) == 3


def test_all_homes_hold_one_charter_that_everyone_signed(built):
    notes = {built.home(member).charter.read_bytes() for member in built.members}
    charter = verify_charter(notes.pop(), None)

    assert not notes
    assert charter.holders == ("carrier-a", "bank-x")
    assert {item.member: item.address for item in charter.members} == {
        place.member: place.address for place in built.layout.places
    }


def test_addresses_are_on_loopback_and_differ(built):
    addresses = {place.address for place in built.layout.places}

    assert len(addresses) == 3
    assert all(address.startswith("127.0.0.1:2") for address in addresses)


def test_the_settings_are_valid_and_name_the_capture(built):
    config = load_config(built.home("bank-x").config)

    assert config.capture == str(built.capture("bank-x").resolve())
    assert config.workers == 1


def test_building_again_keeps_what_is_there(built):
    before = built.home("bank-x").keys.read_bytes()
    Sandbox(built.directory, None).build()

    assert built.home("bank-x").keys.read_bytes() == before


def test_other_members_in_the_same_directory_are_refused(built):
    other = Sandbox(built.directory, ["bank-x"])

    assert refusal(other.build) == "SANDBOX_MEMBERS_DIFFER"


def test_a_directory_with_something_else_is_never_used_nor_removed(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    sandbox = Sandbox(tmp_path, ["bank-x"], cost=CHEAP)

    assert refusal(sandbox.build) == "SANDBOX_DIRECTORY_TAKEN"
    assert refusal(sandbox.remove) == "SANDBOX_DIRECTORY_TAKEN"
    assert (tmp_path / "thesis.txt").exists()


def test_a_sandbox_left_half_made_can_be_made_again(tmp_path):
    class PowerCutError(Exception):
        pass

    def cut(_member: str) -> None:
        raise PowerCutError

    with pytest.raises(PowerCutError):
        build_sandbox(tmp_path / "s", ["carrier-a", "bank-x"], cost=CHEAP, done=cut)
    sandbox = Sandbox(tmp_path / "s", ["carrier-a", "bank-x"], cost=CHEAP)
    sandbox.build()

    assert sandbox.exists
    assert not (tmp_path / "s" / UNFINISHED_NAME).exists()
    assert sandbox.home("bank-x").charter.is_file()


def test_a_directory_that_cannot_be_made_is_refused(tmp_path_factory):
    short = tmp_path_factory.mktemp("d")
    (short / "file").touch()
    sandbox = Sandbox(short / "file" / "s", ["bank-x"], cost=CHEAP)

    assert refusal(sandbox.build) == "SANDBOX_DIRECTORY_UNUSABLE"


def test_a_path_too_long_for_sockets_is_refused_before_anything_is_made(tmp_path):
    directory = tmp_path / ("d" * 90)

    assert refusal(Sandbox(directory, ["bank-x"], cost=CHEAP).build) == "SANDBOX_DIRECTORY_TOO_LONG"
    assert not directory.exists()


def test_status_and_down_need_a_sandbox(tmp_path):
    assert refusal(Sandbox(tmp_path).status) == "SANDBOX_MISSING"
    assert refusal(Sandbox(tmp_path).down) == "SANDBOX_MISSING"


def test_a_foreign_process_is_never_taken_for_the_node(built, tmp_path):
    home = built.home("bank-x")
    (home.root / "sandbox.pid").write_text("1\n")

    assert running_process(home) is None
    assert not end_process(home)


def test_nodes_that_are_not_running_are_told_as_down(built):
    states = built.status()

    assert [state.member for state in states] == list(built.members)
    assert {state.reason for state in states} == {"DOWN"}
    assert not any(state.ready for state in states)


def test_a_sandbox_can_be_removed(tmp_path):
    sandbox = Sandbox(tmp_path / "s", ["bank-x"], cost=CHEAP)
    sandbox.build()
    sandbox.remove()

    assert not (tmp_path / "s").exists()


def test_a_member_may_have_a_role_beside_the_one_that_its_name_tells():
    names = ("coord", "bank-x", "net-p")
    addresses = [f"127.0.0.1:{20_100 + place}" for place in range(len(names))]
    layout = plan_layout(names, addresses, beside={"coord": [Role.REGULATOR]})

    assert layout.place("coord").roles == {Role.COORDINATOR, Role.REGULATOR}
    assert parse_layout(encode_layout(layout)) == layout
