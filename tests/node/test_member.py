"""Homes of members: made once, complete or not at all, and opened by their own passphrase."""

import errno
import stat
from datetime import UTC, datetime

import pytest

import node.member
from federation.charter import CharterError, parse_card
from federation.names import FederationName, MemberId
from federation.roles import Role
from keys.keystore import Cost
from keys.secret import Secret
from node.config import load_config
from node.errors import ConfigError
from node.home import Home
from node.member import Applicant, MemberKeys, create_member, load_card

CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)
PASSPHRASE = Secret(b"correct horse")
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def applicant(member="bank-x", **changes):
    fields = {
        "federation": FederationName("night"),
        "member": MemberId(member),
        "roles": frozenset({Role.BANK}),
        "address": "bank-x.example:7443",
        "region": "330100",
        **changes,
    }
    return Applicant(**fields)


def create(home, **changes):
    return create_member(home, applicant(**changes), PASSPHRASE, NOW, CHEAP)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "bank-x")


def test_a_new_home_holds_keys_that_fit_its_card(home):
    member = create(home)
    keys = MemberKeys.open(home, PASSPHRASE)

    assert keys.card.member == member
    assert keys.signing.public == member.signing_key
    assert keys.sealing.public == member.sealing_key
    assert keys.authority.certificate_pem == member.authority
    assert parse_card(home.card.read_bytes()).federation == "night"


def test_no_secret_is_readable_by_others_and_none_stands_in_clear(home):
    create(home)
    keys = MemberKeys.open(home, PASSPHRASE)
    everything = b"".join(path.read_bytes() for path in home.root.iterdir())

    assert stat.S_IMODE(home.keys.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700
    assert keys.signing.seed().reveal() not in everything
    assert b"PRIVATE KEY" not in everything
    assert "SigningKey" not in repr(keys)


def test_the_settings_name_every_default_and_keep_what_was_given(home):
    create(home, settings={"listen": "127.0.0.1:0", "workers": 1})
    config = load_config(home.config)

    assert (config.listen, config.workers, config.poll_seconds) == ("127.0.0.1:0", 1, 20)
    assert "# poll_seconds = 20" in home.config.read_text()


def test_a_member_is_never_overwritten(home):
    create(home)
    before = home.keys.read_bytes()

    with pytest.raises(ConfigError) as caught:
        create(home)

    assert caught.value.reason == "HOME_EXISTS"
    assert home.keys.read_bytes() == before


def test_a_member_that_cannot_stand_in_a_charter_leaves_nothing(home):
    with pytest.raises(CharterError):
        create(home, address="nowhere")

    assert not home.root.exists()


def test_a_failure_midway_leaves_nothing(home, monkeypatch):
    def full_disk(*_):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(node.member, "encode_card", full_disk)
    with pytest.raises(OSError, match="no space"):
        create(home)

    assert list(home.root.iterdir()) == []


def test_a_wrong_passphrase_and_another_members_keys_are_told_apart(home, tmp_path):
    create(home)
    other = Home(tmp_path / "other")
    create(other, member="bank-y")

    with pytest.raises(ConfigError) as wrong:
        MemberKeys.open(home, Secret(b"wrong"))
    home.keys.write_bytes(other.keys.read_bytes())
    with pytest.raises(ConfigError) as swapped:
        MemberKeys.open(home, PASSPHRASE)

    assert wrong.value.reason == "KEYSTORE_PASSPHRASE"
    assert swapped.value.reason == "MEMBER_KEYS_MISMATCH"


def test_an_empty_home_and_a_damaged_card_have_their_own_reasons(home):
    with pytest.raises(ConfigError) as absent:
        load_card(home)
    create(home)
    home.card.write_bytes(home.card.read_bytes()[:-9])
    with pytest.raises(ConfigError) as damaged:
        load_card(home)

    assert absent.value.reason == "NOT_INITIALISED"
    assert damaged.value.reason == "CARD_INVALID"
