"""Charters by hand: three members make one, change it, and refuse what is not in order."""

import json

import pytest

from federation.roles import Role

MEMBERS = {"carrier-a": Role.CARRIER, "bank-x": Role.BANK, "coordinator-h": Role.COORDINATOR}


@pytest.fixture
def homes(make_home):
    return {member: make_home(member, role) for member, role in MEMBERS.items()}


@pytest.fixture
def charter(tocsin, homes, passphrase_file, tmp_path):
    """The commands, with the homes' own passphrase."""

    class Charter:
        first = tmp_path / "first.note"

        def run(self, *words, home="carrier-a"):
            return tocsin("--home", homes[home].root, "charter", *words)

        def create(self, *more):
            cards = [home.card for home in homes.values()]
            return self.run("create", self.first, *cards, *more)

        def sign(self, path, *members):
            for member in members:
                done = self.run("sign", path, "--passphrase-file", passphrase_file, home=member)
                assert done.code == 0, done.err

        def constitute(self):
            """Make a first version that everyone follows."""
            assert self.create().code == 0
            self.sign(self.first, *homes)
            for member in homes:
                adopted = self.run("adopt", self.first, home=member)
                assert adopted.code == 0, adopted.err

    return Charter()


def test_a_charter_is_made_signed_by_all_and_adopted(charter, homes):
    charter.constitute()
    shown = json.loads(charter.run("show", "--json").out)
    verified = charter.run("verify", charter.first)

    assert verified.code == 0
    assert shown["signed"] == sorted(MEMBERS)
    assert shown["threshold"] == 2
    assert sorted(shown["holders"]) == sorted(MEMBERS)
    assert f"digest {shown['digest']}" in verified.out
    assert homes["bank-x"].charter.read_bytes() == charter.first.read_bytes()


def test_what_is_missing_is_said_at_each_step(charter):
    created = charter.create()
    unsigned = charter.run("verify", charter.first)
    charter.sign(charter.first, "carrier-a", "bank-x")
    early = charter.run("adopt", charter.first)

    assert "Not in force" in created.err
    assert f"charter sign {charter.first}" in created.err
    assert unsigned.code == 1
    assert "nobody has signed this charter yet [CHARTER_SIGNATURE_MISSING]" in unsigned.err
    assert "charter sign FILE" in unsigned.err
    assert "[CHARTER_SIGNATURE_MISSING]" in early.err
    assert "coordinator-h" in early.err


def test_signing_twice_changes_nothing_and_strangers_cannot(
    charter, tocsin, make_home, passphrase_file
):
    charter.create()
    charter.sign(charter.first, "bank-x")
    once = charter.first.read_bytes()
    charter.sign(charter.first, "bank-x")
    stranger = make_home("bank-z")
    refused = tocsin(
        *("--home", stranger.root, "charter", "sign", charter.first),
        *("--passphrase-file", passphrase_file),
    )

    assert charter.first.read_bytes() == once
    assert refused.code == 1
    assert "[CHARTER_KEY_CHANGED]" in refused.err


def test_a_changed_word_makes_the_signatures_worthless(charter):
    charter.create()
    charter.sign(charter.first, *MEMBERS)
    charter.first.write_bytes(
        charter.first.read_bytes().replace(b"bank-x.example", b"evil-x.example")
    )
    verified = charter.run("verify", charter.first)
    shown = json.loads(charter.run("show", charter.first, "--json").out)

    assert verified.code == 1
    assert "[CHARTER_SIGNATURE_INVALID]" in verified.err
    assert shown["signed"] == []


def test_a_member_is_added_by_the_majority_and_itself(
    charter, make_home, tmp_path, tocsin, passphrase_file
):
    charter.constitute()
    newcomer = make_home("internet-i", Role.INTERNET)
    second = tmp_path / "second.note"
    charter.run("add", second, newcomer.card)
    charter.sign(second, "carrier-a", "coordinator-h")
    early = charter.run("verify", second)
    signed = tocsin(
        *("--home", newcomer.root, "charter", "sign", second, "--passphrase-file", passphrase_file)
    )
    adopted = charter.run("adopt", second)
    digest = json.loads(charter.run("show", "--json").out)["digest"]
    joined = tocsin("--home", newcomer.root, "charter", "adopt", second, "--digest", digest)
    whole = tocsin("--home", newcomer.root, "charter", "verify", second)

    assert "[CHARTER_SIGNATURE_MISSING]" in early.err
    assert signed.code == adopted.code == joined.code == whole.code == 0
    assert newcomer.charter.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("words", "check"),
    [
        (("revoke", "OUT", "bank-x"), lambda new: new["members"][0]["revoked_time"] is not None),
        (("holders", "OUT", "carrier-a"), lambda new: new["holders"] == ["carrier-a"]),
        (
            ("quota", "OUT", "partner", "--evaluate", "7", "--lookup", "8", "--pad", "9"),
            lambda new: new["quotas"]["partner"]["evaluate"]["phone"] == 7,
        ),
    ],
)
def test_the_next_version_changes_one_thing(charter, tmp_path, words, check):
    charter.constitute()
    second = tmp_path / "second.note"
    written = charter.run(*(second if word == "OUT" else word for word in words))
    charter.sign(second, "carrier-a", "coordinator-h")
    adopted = charter.run("adopt", second)
    now = json.loads(charter.run("show", "--json").out)

    assert written.code == adopted.code == 0
    assert now["version"] == 2
    assert check(now)


def test_versions_are_followed_in_order_and_not_backwards(charter, tmp_path):
    charter.constitute()
    second, third = tmp_path / "second.note", tmp_path / "third.note"
    charter.run("holders", second, "carrier-a", "bank-x")
    charter.run("holders", third, "carrier-a", "--from", second)
    charter.sign(second, "carrier-a", "coordinator-h")
    charter.sign(third, "carrier-a", "coordinator-h")
    skipped = charter.run("adopt", third)
    both = charter.run("adopt", second, third)
    again = charter.run("adopt", third)
    back = charter.run("adopt", second)

    assert "[CHARTER_VERSION_SKIPPED]" in skipped.err
    assert both.code == 0
    assert again.code == 0
    assert "in force already" in again.out
    assert "[CHARTER_BEHIND]" in back.err


def test_a_home_follows_no_charter_that_does_not_list_it(charter, make_home, tocsin):
    charter.constitute()
    stranger = make_home("bank-z")
    refused = tocsin("--home", stranger.root, "charter", "adopt", charter.first)

    assert refused.code == 2
    assert "[CHARTER_NOT_OURS]" in refused.err
    assert not stranger.charter.exists()


def test_files_are_never_overwritten_and_what_is_no_charter_is_said(charter, homes, tmp_path):
    charter.create()
    again = charter.create()
    wrong = tmp_path / "wrong.note"
    wrong.write_bytes(b"\xff\x00 not a charter")
    shown = charter.run("show", wrong)
    as_card = charter.run("create", tmp_path / "new.note", wrong)
    absent = charter.run("verify", tmp_path / "absent.note")
    short = charter.run("verify", charter.first, "--digest", "12")

    assert "[FILE_EXISTS]" in again.err
    assert "[CHARTER_MALFORMED]" in shown.err
    assert "[CHARTER_MALFORMED]" in as_card.err
    assert "[FILE_UNREADABLE]" in absent.err
    assert "[DIGEST_INVALID]" in short.err


def test_cards_of_two_federations_make_no_charter(charter, make_home, tmp_path, homes):
    other = make_home("bank-o", federation="day")
    refused = charter.run("create", tmp_path / "x.note", homes["bank-x"].card, other.card)

    assert "[CARDS_DIFFER]" in refused.err
