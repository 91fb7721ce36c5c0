"""``tocsin init`` and ``config show``: a home made once, and its settings."""

import json
import os
import stat

import pytest

from keys.secret import Secret
from node.home import Home
from node.member import MemberKeys

INIT = ("init", "--federation", "night", "--member", "bank-x", "--role", "bank")


def init(tocsin, root, passphrase_file, *more, address="bank-x.example:7443"):
    given = ("--address", address, "--passphrase-file", passphrase_file)
    return tocsin("--home", root, *INIT, *given, *more)


def test_a_member_is_made_and_told_what_comes_next(tocsin, tmp_path, passphrase_file):
    home = Home(tmp_path / "bank-x")
    made = init(tocsin, home.root, passphrase_file, "--role", "police", "--region", "330100")
    keys = MemberKeys.open(home, Secret(b"correct horse"))

    assert made.code == 0
    assert {str(home.card), str(home.config), str(home.keys)} <= set(made.out.split())
    assert "Not stored: the passphrase" in made.err
    assert made.err.splitlines()[-1].startswith(f"Next: tocsin --home {home.root} charter create")
    assert sorted(keys.card.member.roles) == ["bank", "police"]
    assert keys.card.member.region == "330100"
    assert stat.S_IMODE(home.keys.stat().st_mode) == 0o600


def test_a_second_time_changes_nothing_and_asks_nothing(tocsin, home, tmp_path):
    before = home.keys.read_bytes()
    again = init(tocsin, home.root, tmp_path / "absent")

    assert again.code == 2
    assert "[HOME_EXISTS]" in again.err
    assert home.keys.read_bytes() == before


@pytest.mark.parametrize(
    ("replaced", "with_what", "reason"),
    [
        ("night", "Night", "[NAME_INVALID]"),
        ("bank-x", "../x", "[NAME_INVALID]"),
        ("bank", "pirate", "is not one of"),
    ],
)
def test_words_that_cannot_stand_in_a_charter_make_no_home(
    tocsin, tmp_path, passphrase_file, replaced, with_what, reason
):
    words = [with_what if word == replaced else word for word in INIT]
    given = ("--address", "x.example:1", "--passphrase-file", passphrase_file)
    ended = tocsin("--home", tmp_path / "home", *words, *given)

    assert ended.code != 0
    assert reason in ended.err
    assert not (tmp_path / "home").exists()


def test_a_wrong_address_makes_no_home(tocsin, tmp_path, passphrase_file):
    ended = init(tocsin, tmp_path / "home", passphrase_file, address="no-port")

    assert ended.code == 1
    assert "[CHARTER_INVALID]" in ended.err
    assert not (tmp_path / "home").exists()


def test_a_passphrase_comes_by_file_or_descriptor_and_never_where_others_read(
    tocsin, tmp_path, passphrase_file
):
    passphrase_file.chmod(0o644)
    readable = init(tocsin, tmp_path / "a", passphrase_file)
    both = init(tocsin, tmp_path / "a", passphrase_file, "--passphrase-descriptor", "0")
    reading, writing = os.pipe()
    os.write(writing, b"correct horse\n")
    os.close(writing)
    by_descriptor = tocsin(
        *("--home", tmp_path / "b", *INIT, "--address", "x.example:1"),
        *("--passphrase-descriptor", reading),
    )

    assert "[KEYFILE_MODE]" in readable.err
    assert f"chmod 600 {passphrase_file}" in readable.err
    assert both.code == 2
    assert by_descriptor.code == 0
    assert MemberKeys.open(Home(tmp_path / "b"), Secret(b"correct horse"))


def test_settings_are_shown_with_their_origin(tocsin, home):
    with home.config.open("a") as file:
        file.write("workers = 3\n")
    shown = tocsin("--home", home.root, "config", "show", "--json")
    rows = {row["name"]: row for row in json.loads(shown.out)["settings"]}
    table = tocsin("--home", home.root, "config", "show")

    assert (rows["workers"]["value"], rows["workers"]["origin"]) == (3, "node.toml")
    assert rows["poll_seconds"]["origin"] == "default"
    assert "leaf_hours" in table.out


def test_a_setting_that_does_not_exist_is_named_with_the_nearest(tocsin, home):
    home.config.write_text("worker = 3\n")
    ended = tocsin("--home", home.root, "config", "show")

    assert ended.code == 2
    assert "[CONFIG_INVALID]" in ended.err
    assert "did you mean 'workers'?" in ended.err
