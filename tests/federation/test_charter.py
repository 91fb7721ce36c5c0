"""Charters: their one text, their versions, and who has to sign what."""

import contextlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.charter import (
    DEFAULT_QUOTAS,
    NO_QUOTA,
    CharterError,
    add_member,
    adopt_charter,
    change_member,
    charter_digest,
    encode_card,
    encode_charter,
    parse_card,
    parse_charter,
    parse_text,
    revoke_member,
    set_quota,
    sign_charter,
    uniform_quota,
    verify_charter,
    with_holders,
)
from federation.charter.charter import CHARTER_HEADER, Charter
from federation.charter.quota import INDUSTRY_EVALUATIONS, INDUSTRY_PAD
from federation.indicators.kind import KindClass
from federation.names import FederationName, MemberId
from federation.roles import Role
from keys.note import add_signature
from keys.signing import SigningKey
from tests.federation.organisations import (
    BANK,
    CARRIER,
    COORDINATOR,
    FEDERATION,
    FOUNDERS,
    INTERNET,
    PARTNER,
    START,
    Organisation,
    found,
    organisation,
    sign_by,
)

LATER = START + 86_400
FIRST = found()
NEWCOMER = organisation("bank-y", Role.BANK)
AGREED = (COORDINATOR, CARRIER, BANK)
"""Enough for a second version: a coordinator and three of four voting members."""


def refused(note: bytes, previous: Charter | None = FIRST) -> str:
    with pytest.raises(CharterError) as caught:
        verify_charter(note, previous)
    return caught.value.reason


def test_a_first_charter_signed_by_everyone_is_accepted() -> None:
    note = sign_by(FIRST, *FOUNDERS)

    assert verify_charter(note, None) == FIRST
    assert parse_charter(note).note.encode().encode() == note
    assert charter_digest(note) == FIRST.digest()


@pytest.mark.parametrize("missing", FOUNDERS, ids=lambda each: each.name)
def test_a_first_charter_needs_the_signature_of_every_member(missing: Organisation) -> None:
    note = sign_by(FIRST, *(each for each in FOUNDERS if each is not missing))

    with pytest.raises(CharterError, match=missing.name) as caught:
        verify_charter(note, None)
    assert caught.value.reason == "CHARTER_SIGNATURE_MISSING"


def test_a_signature_by_another_key_under_a_members_name_does_not_count() -> None:
    note = sign_by(FIRST, *FOUNDERS[1:]).decode()
    forged = add_signature(note, FIRST.key_name(CARRIER.name), SigningKey.generate())

    assert refused(forged.encode(), None) == "CHARTER_SIGNATURE_MISSING"


def test_signing_with_a_key_that_is_not_the_members_is_refused() -> None:
    with pytest.raises(CharterError) as caught:
        sign_charter(encode_charter(FIRST).encode(), CARRIER.name, BANK.signing_key)

    assert caught.value.reason == "CHARTER_KEY_CHANGED"


def test_a_signature_line_of_a_member_that_does_not_verify_is_refused() -> None:
    note = sign_by(FIRST, *FOUNDERS)
    other = sign_by(replace(FIRST, created_time=LATER), CARRIER)
    line = next(each for each in note.splitlines() if b"/carrier-a " in each)
    false_line = next(each for each in other.splitlines() if b"/carrier-a " in each)

    assert refused(note.replace(line, false_line), None) == "CHARTER_SIGNATURE_INVALID"


def test_a_strangers_signature_is_ignored() -> None:
    note = add_signature(sign_by(FIRST, *FOUNDERS), "somewhere/else", SigningKey.generate())

    assert verify_charter(note.encode(), None) == FIRST


def test_signing_twice_changes_nothing() -> None:
    note = sign_by(FIRST, *FOUNDERS)

    again = sign_charter(note, PARTNER.name, PARTNER.signing_key)

    assert again == note


def test_a_later_version_alone_needs_its_digest() -> None:
    second = add_member(FIRST, NEWCOMER.member, time=LATER)
    note = sign_by(second, *AGREED, NEWCOMER)

    assert refused(note, None) == "CHARTER_VERSION_SKIPPED"
    assert adopt_charter(note, second.digest()) == second
    with pytest.raises(CharterError) as caught:
        adopt_charter(note, FIRST.digest())
    assert caught.value.reason == "CHARTER_PREVIOUS_MISMATCH"
    with pytest.raises(CharterError) as caught:
        adopt_charter(sign_by(second, NEWCOMER), second.digest())
    assert caught.value.reason == "CHARTER_COORDINATOR_MISSING"


def test_a_member_is_added_by_coordinator_majority_and_itself() -> None:
    second = add_member(FIRST, NEWCOMER.member, time=LATER)

    assert verify_charter(sign_by(second, *AGREED, NEWCOMER), FIRST) == second
    assert refused(sign_by(second, *AGREED)) == "CHARTER_SIGNATURE_MISSING"


def test_a_version_cannot_be_skipped_repeated_or_taken_back() -> None:
    second = set_quota(FIRST, Role.POLICE, NO_QUOTA, time=LATER)
    third = set_quota(second, Role.PARTNER, NO_QUOTA, time=LATER)

    assert refused(sign_by(third, *AGREED)) == "CHARTER_VERSION_SKIPPED"
    assert refused(sign_by(second, *AGREED), second) == "CHARTER_VERSION_SKIPPED"
    assert refused(sign_by(FIRST, *FOUNDERS), second) == "CHARTER_VERSION_SKIPPED"


def test_a_version_names_the_digest_of_the_one_before() -> None:
    other = replace(FIRST, created_time=START + 1)
    second = set_quota(other, Role.POLICE, NO_QUOTA, time=LATER)

    assert refused(sign_by(second, *AGREED)) == "CHARTER_PREVIOUS_MISMATCH"


def test_a_version_of_another_federation_is_refused() -> None:
    second = set_quota(FIRST, Role.POLICE, NO_QUOTA, time=LATER)
    elsewhere = replace(second, federation=FederationName("elsewhere"))

    assert refused(sign_by(elsewhere, *AGREED)) == "CHARTER_FEDERATION_MISMATCH"


def test_a_version_is_not_older_than_the_one_before() -> None:
    second = set_quota(FIRST, Role.POLICE, NO_QUOTA, time=LATER)
    older = replace(second, created_time=START - 1)

    assert refused(sign_by(older, *AGREED)) == "CHARTER_TIME_REVERSED"
    with pytest.raises(CharterError):
        set_quota(FIRST, Role.POLICE, NO_QUOTA, time=START - 1)


def test_a_next_version_needs_the_coordinator() -> None:
    second = set_quota(FIRST, Role.POLICE, NO_QUOTA, time=LATER)

    assert refused(sign_by(second, CARRIER, BANK, INTERNET)) == "CHARTER_COORDINATOR_MISSING"


def test_a_next_version_needs_more_than_half_of_the_voting_members() -> None:
    second = set_quota(FIRST, Role.POLICE, NO_QUOTA, time=LATER)

    assert refused(sign_by(second, COORDINATOR, CARRIER)) == "CHARTER_MAJORITY_MISSING"
    assert refused(sign_by(second, COORDINATOR, CARRIER, PARTNER)) == "CHARTER_MAJORITY_MISSING"
    assert verify_charter(sign_by(second, COORDINATOR, CARRIER, BANK), FIRST) == second


def test_a_federation_without_coordinator_goes_by_majority() -> None:
    first = found(CARRIER, BANK, INTERNET)
    second = with_holders(first, [BANK.name, CARRIER.name], 2, time=LATER)

    assert verify_charter(sign_by(second, CARRIER, BANK), first) == second
    assert refused(sign_by(second, CARRIER), first) == "CHARTER_MAJORITY_MISSING"


def test_a_newcomers_vote_does_not_count_for_its_own_version() -> None:
    second = add_member(FIRST, NEWCOMER.member, time=LATER)

    assert refused(sign_by(second, COORDINATOR, CARRIER, NEWCOMER)) == "CHARTER_MAJORITY_MISSING"


def test_a_revoked_member_is_out_from_its_second_on_and_stays_listed() -> None:
    second = revoke_member(FIRST, BANK.name, time=LATER)

    assert verify_charter(sign_by(second, COORDINATOR, CARRIER, INTERNET), FIRST) == second
    assert not second.member(BANK.name).is_revoked(LATER - 1)
    assert second.member(BANK.name).is_revoked(LATER)
    assert BANK.member not in second.active(LATER)
    assert second.holders == (CARRIER.name, INTERNET.name)


def test_a_revoked_member_neither_votes_nor_comes_back() -> None:
    second = revoke_member(FIRST, BANK.name, time=LATER)
    third = set_quota(second, Role.POLICE, NO_QUOTA, time=LATER)
    back = replace(third, members=FIRST.members)

    assert refused(sign_by(third, COORDINATOR, BANK), second) == "CHARTER_MAJORITY_MISSING"
    assert refused(sign_by(back, *FOUNDERS), second) == "CHARTER_REVOCATION_UNDONE"
    with pytest.raises(CharterError):
        revoke_member(second, BANK.name, time=LATER)


def test_revoking_a_key_holder_needs_enough_others_or_new_ones() -> None:
    pair = with_holders(FIRST, [CARRIER.name, BANK.name], 2, time=LATER)

    with pytest.raises(CharterError):
        revoke_member(pair, BANK.name, time=LATER)
    third = revoke_member(pair, BANK.name, time=LATER, holders=[CARRIER.name, INTERNET.name])
    assert third.holders == (CARRIER.name, INTERNET.name)


def test_nobody_is_taken_off_the_list() -> None:
    second = set_quota(FIRST, Role.POLICE, NO_QUOTA, time=LATER)
    members = tuple(each for each in second.members if each != PARTNER.member)

    without = replace(second, members=members)

    assert refused(sign_by(without, *FOUNDERS[:-1])) == "CHARTER_MEMBER_REMOVED"


def test_keys_change_only_with_the_old_signature_and_the_new_one() -> None:
    renewed = SigningKey.generate()
    second = change_member(FIRST, replace(CARRIER.member, signing_key=renewed.public), time=LATER)
    others = sign_by(second, COORDINATOR, BANK, INTERNET)
    with_old = sign_charter(others, CARRIER.name, CARRIER.signing_key, FIRST)
    with_new = sign_charter(others, CARRIER.name, renewed, FIRST)
    with_both = sign_charter(with_old, CARRIER.name, renewed, FIRST)

    assert refused(others) == "CHARTER_KEY_CHANGED"
    assert refused(with_new) == "CHARTER_KEY_CHANGED"
    assert refused(with_old) == "CHARTER_SIGNATURE_MISSING"
    assert verify_charter(with_both, FIRST) == second


@pytest.mark.parametrize("field", ["sealing_key", "authority"])
def test_other_keys_change_with_the_members_signature_alone(field: str) -> None:
    fresh = getattr(organisation("fresh-keys").member, field)
    second = change_member(FIRST, replace(CARRIER.member, **{field: fresh}), time=LATER)

    assert refused(sign_by(second, COORDINATOR, BANK, INTERNET)) == "CHARTER_KEY_CHANGED"
    assert verify_charter(sign_by(second, COORDINATOR, BANK, CARRIER), FIRST) == second


def test_an_address_changes_by_majority() -> None:
    second = change_member(FIRST, replace(CARRIER.member, address="10.0.0.7:7443"), time=LATER)

    assert verify_charter(sign_by(second, COORDINATOR, BANK, INTERNET), FIRST) == second


def test_a_changed_quota_travels_with_the_charter() -> None:
    quota = uniform_quota(12, lookup=34, pad=8)
    second = set_quota(FIRST, Role.PARTNER, quota, time=LATER)

    accepted = verify_charter(sign_by(second, *AGREED), FIRST)

    assert accepted.quota(PARTNER.name) == quota
    assert accepted.quota(CARRIER.name) == FIRST.quota(CARRIER.name)


def test_a_member_of_several_roles_has_the_larger_limits() -> None:
    both = organisation("both", Role.REGULATOR, Role.CARRIER)
    charter = found(CARRIER, BANK, both)

    quota = charter.quota("both")

    assert quota.evaluate[KindClass.PHONE] == INDUSTRY_EVALUATIONS
    assert quota.pad == INDUSTRY_PAD


def test_a_role_without_an_entry_may_ask_for_nothing() -> None:
    quotas = dict(DEFAULT_QUOTAS)
    del quotas[Role.PARTNER]

    assert replace(FIRST, quotas=quotas).quota(PARTNER.name) == NO_QUOTA


def test_an_unknown_member_is_named_by_a_reason() -> None:
    with pytest.raises(CharterError) as caught:
        FIRST.member("nobody")

    assert caught.value.reason == "MEMBER_UNKNOWN"
    assert FIRST.find("nobody") is None


@pytest.mark.parametrize(
    ("holders", "threshold"),
    [
        ([], 1),
        ([CARRIER.name, CARRIER.name], 2),
        ([CARRIER.name, BANK.name], 1),
        ([CARRIER.name, BANK.name], 3),
        ([CARRIER.name, PARTNER.name], 2),
        ([CARRIER.name, MemberId("nobody")], 2),
    ],
)
def test_key_holders_that_cannot_be_are_refused(holders: list[MemberId], threshold: int) -> None:
    with pytest.raises(CharterError) as caught:
        with_holders(FIRST, holders, threshold, time=LATER)

    assert caught.value.reason == "CHARTER_INVALID"


@pytest.mark.parametrize(
    "changes",
    [
        {"roles": frozenset()},
        {"roles": frozenset({Role.PARTNER, Role.BANK})},
        {"roles": frozenset({Role.AUDITOR, Role.REGULATOR})},
        {"address": "no-port"},
        {"address": "host:0"},
        {"address": "host:65536"},
        {"address": "two words:443"},
        {"authority": b"no certificate"},
        {"signing_key": bytes(32)},
        {"sealing_key": bytes(32)},
        {"region": "999999"},
        {"revoked_time": 1},
        {"member": MemberId("13800000000")},
    ],
)
def test_a_member_that_cannot_be_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(CharterError) as caught:
        replace(CARRIER.member, **changes)  # type: ignore[arg-type]  # wrong on purpose

    assert caught.value.reason == "CHARTER_INVALID"


@pytest.mark.parametrize("address", ["[2001:db8::7]:7443", "127.0.0.1:1", "a.b-c.example:65535"])
def test_addresses_of_every_form_are_accepted(address: str) -> None:
    assert replace(CARRIER.member, address=address).address == address


@pytest.mark.parametrize("field", ["signing_key", "authority"])
def test_two_members_do_not_share_a_key(field: str) -> None:
    twin = replace(NEWCOMER.member, **{field: getattr(CARRIER.member, field)})

    with pytest.raises(CharterError) as caught:
        add_member(FIRST, twin, time=LATER)
    assert caught.value.reason == "CHARTER_INVALID"


def test_a_newcomer_cannot_come_revoked() -> None:
    with pytest.raises(CharterError):
        add_member(FIRST, replace(NEWCOMER.member, revoked_time=LATER), time=LATER)


def test_a_card_comes_back_as_it_was_written() -> None:
    card = parse_card(encode_card(CARRIER.member, FEDERATION))

    assert card.member == CARRIER.member
    assert card.federation == FEDERATION


def test_a_card_written_another_way_is_refused() -> None:
    data = encode_card(CARRIER.member, FEDERATION)

    for other in (data + b"\n", data.replace(b"  ", b"   "), data[:-3], b"\xff", data * 99):
        with pytest.raises(CharterError) as caught:
            parse_card(other)
        assert caught.value.reason == "CHARTER_MALFORMED"


TEXT = encode_charter(FIRST)
DOCUMENT = json.loads(TEXT.partition("\n")[2])


def write(document: object) -> str:
    return f"{CHARTER_HEADER}\n{json.dumps(document, indent=2, sort_keys=True)}\n"


def test_the_text_of_a_charter_comes_back_as_it_was_written() -> None:
    assert write(DOCUMENT) == TEXT
    assert parse_text(TEXT) == FIRST


MISSHAPEN: list[object] = [None, True, 1.5, -1, 10**30, "no name", [], {}, [[]], [1], {"a": 1}]
# A first version has no previous one, and a charter may grant nothing to anyone.
WELL_SHAPED: list[tuple[str, object]] = [("previous", None), ("quotas", {})]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (name, value)
        for name in sorted(DOCUMENT)
        for value in MISSHAPEN
        if (name, value) not in WELL_SHAPED
    ],
)
def test_a_field_of_another_shape_is_refused(name: str, value: object) -> None:
    with pytest.raises(CharterError):
        parse_text(write(DOCUMENT | {name: value}))


@pytest.mark.parametrize("name", sorted(DOCUMENT))
def test_a_missing_field_is_named(name: str) -> None:
    with pytest.raises(CharterError, match=name):
        parse_text(write({key: value for key, value in DOCUMENT.items() if key != name}))


@pytest.mark.parametrize("name", sorted(DOCUMENT["members"][0]))
@pytest.mark.parametrize("value", [True, 1.5, 7, "\ud800", "é", [7], {}])
def test_a_members_field_of_another_shape_is_refused(name: str, value: object) -> None:
    members = [DOCUMENT["members"][0] | {name: value}, *DOCUMENT["members"][1:]]

    with pytest.raises(CharterError):
        parse_text(write(DOCUMENT | {"members": members}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        CHARTER_HEADER,
        TEXT.replace("charter v1", "charter v2"),
        TEXT.replace('"version": 1\n', '"version": 1,\n  "version": 1\n'),
        TEXT.replace('"version": 1\n', '"version": 1,\n  "word": 1\n'),
        TEXT.replace('"version": 1\n', '"version": 1.0\n'),
        TEXT.replace('"version": 1\n', '"version": 1e0\n'),
        TEXT.replace("  ", " "),
        TEXT + "\n",
        TEXT.replace("night-harbour", "night-harbo\\u0075r"),
        CHARTER_HEADER + "\n" + "[" * 100_000,
        CHARTER_HEADER + "\n" + "9" * 100_000,
        " " * 2_000_000,
    ],
)
def test_another_spelling_of_a_charter_is_refused(text: str) -> None:
    with pytest.raises(CharterError) as caught:
        parse_text(text)

    assert caught.value.reason == "CHARTER_MALFORMED"


@given(st.binary(max_size=400))
def test_any_bytes_are_a_charter_or_a_charter_error(data: bytes) -> None:
    for read in (parse_charter, parse_card, charter_digest):
        with pytest.raises(CharterError):
            read(data)


@given(st.data())
def test_a_charter_with_a_byte_changed_is_refused(data: st.DataObject) -> None:
    note = bytearray(sign_by(FIRST, *FOUNDERS))
    place = data.draw(st.integers(0, len(note) - 1))
    note[place] ^= data.draw(st.integers(1, 255))

    with pytest.raises(CharterError):
        verify_charter(bytes(note), None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(DOCUMENT)), JSON, max_size=3))
def test_any_json_in_a_charters_fields_is_read_or_refused(changes: dict[str, object]) -> None:
    text = write(DOCUMENT | changes)

    with contextlib.suppress(CharterError):
        assert encode_charter(parse_text(text)) == text
