"""Key ceremonies over real logs and key files: they end whoever is killed, and leave no traces."""

import time

import pytest

from federation.ceremony import CeremonyError
from federation.charter import encode_charter, sign_charter, with_holders
from federation.indicators import KindClass
from federation.names import MemberId
from federation.statements import KeyComplaint, KeyOpen
from federation.vocabulary import KeyAction
from keys.errors import KeyStoreError
from keys.secret import Secret
from node.errors import ConfigError
from node.keyfile import KeyFile
from tests.node.tokens.parties import KilledError, Party, advance_all, make_parties

FIRST = (1, 1)


@pytest.fixture
def parties(tmp_path):
    made = make_parties(tmp_path / "f")
    yield made
    for party in made:
        party.close()


async def generate(parties):
    await parties[0].ceremonies.open(KeyAction.GENERATE)
    return await advance_all(parties, lambda party: party.place == FIRST)


async def test_a_generated_key_is_the_same_everywhere_and_survives_a_restart(parties) -> None:
    await generate(parties)
    key_sets = [party.ring.current for party in parties]

    assert all(one == key_sets[0] for one in key_sets)
    assert [party.shares is not None for party in parties] == [True, True, True, False]
    assert not any(party.entries("receiving/") for party in parties)

    before = dict(parties[0].shares.shares)
    parties[0].reopen()
    await parties[0].ceremonies.advance()

    assert parties[0].shares.shares == before
    assert parties[0].ring.current == key_sets[0]
    assert {one.key_set.share_epoch for one in parties[0].ceremonies.signed_key_sets()} == {1}


async def test_a_process_that_stands_by_uses_the_same_shares_and_says_nothing(parties) -> None:
    standing_by = Party(parties[0].home)
    await standing_by.ceremonies.follow_if_changed()
    await generate(parties)
    size = parties[0].log.ledger.size(parties[0].log.ledger.own)
    await standing_by.ceremonies.follow_if_changed()

    assert standing_by.ring.current == parties[0].ring.current
    assert standing_by.shares == parties[0].shares
    assert standing_by.log.ledger.size(standing_by.log.ledger.own) == size
    standing_by.close()


async def test_a_process_that_takes_over_ends_what_another_began(parties) -> None:
    standing_by = Party(parties[0].home)
    await generate(parties)
    await standing_by.ceremonies.follow_if_changed()
    await parties[0].ceremonies.open(KeyAction.REFRESH)
    parties[0].close()
    parties[0] = standing_by
    await standing_by.ceremonies.take_over()
    await advance_all(parties, lambda party: party.place == (1, 2))

    assert all(party.shares is not None for party in parties[:3])
    assert standing_by.entries("share/") == {f"share/1/2/{k.name.lower()}" for k in KindClass}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3], ids=["join", "deal", "confirm"])
async def test_a_node_killed_at_any_step_goes_on_where_it_was(parties, number, after) -> None:
    parties[1].kill_at(number, after=after)
    killed = await generate(parties)

    assert killed == 1
    assert parties[1].shares is not None
    said = [body for member, body in parties[0].ceremonies._said() if member == parties[1].name]
    assert len(said) == 3


async def test_the_opener_may_be_killed_right_after_it_opened(parties) -> None:
    parties[0].kill_at(2, after=False)
    with pytest.raises(KilledError):
        await parties[0].ceremonies.open(KeyAction.GENERATE)
    parties[0].reopen()

    await advance_all(parties, lambda party: party.place == FIRST)


async def test_a_refresh_keeps_the_key_and_deletes_the_old_shares(parties) -> None:
    await generate(parties)
    before = parties[0].ring.current
    old = dict(parties[0].shares.shares)
    await parties[2].ceremonies.open(KeyAction.REFRESH)
    await advance_all(parties, lambda party: party.place == (1, 2))
    after = parties[0].ring.current

    for kind_class in KindClass:
        assert after.keys[kind_class].element == before.keys[kind_class].element
        assert parties[0].shares.shares[kind_class] != old[kind_class]
    for party in parties[:3]:
        assert party.entries("share/") == {f"share/1/2/{k.name.lower()}" for k in KindClass}
        assert not party.entries("receiving/")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3], ids=["join", "deal", "confirm"])
async def test_a_node_killed_during_a_refresh_loses_no_share(parties, number, after) -> None:
    await generate(parties)
    parties[1].kill_at(number, after=after)
    await parties[0].ceremonies.open(KeyAction.REFRESH)
    killed = await advance_all(parties, lambda party: party.place == (1, 2))

    assert killed == 1
    assert all(party.shares is not None for party in parties[:3])


def next_charter(parties, holders):
    charter = with_holders(
        parties[0].core.now_charter(),
        [MemberId(name) for name in holders],
        2,
        time=int(time.time()),
    )
    note = encode_charter(charter).encode()
    for party in parties:
        note = sign_charter(note, party.name, party.core.keys.signing)
    return note


async def test_a_reshare_moves_the_key_to_the_holders_of_a_new_charter(parties) -> None:
    await generate(parties)
    before = parties[0].ring.current
    note = next_charter(parties, ("bank-x", "net-p", "carrier-b"))
    for party in parties:
        party.core.charter.adopt(note)
    await parties[1].ceremonies.open(KeyAction.RESHARE)
    await advance_all(parties, lambda party: party.place == (1, 2))
    after = parties[3].ring.current

    assert after.holders == ("bank-x", "net-p", "carrier-b")
    assert all(after.keys[k].element == before.keys[k].element for k in KindClass)
    assert parties[3].shares is not None
    assert parties[0].shares is None
    assert not parties[0].entries("share/")
    parties[3].reopen()
    await parties[3].ceremonies.advance()
    assert parties[3].shares is not None


async def test_a_new_epoch_deletes_the_shares_of_the_old_one(parties) -> None:
    await generate(parties)
    await parties[0].ceremonies.open(KeyAction.GENERATE)
    await advance_all(parties, lambda party: party.place == (2, 1))

    assert not any(name.startswith("share/1/") for name in parties[0].entries("share/"))


async def test_a_refresh_without_a_key_is_refused(parties) -> None:
    with pytest.raises(CeremonyError) as caught:
        await parties[0].ceremonies.open(KeyAction.REFRESH)

    assert caught.value.reason == "CEREMONY_REFUSED"


async def test_nonsense_in_one_ceremony_holds_no_other_up(parties) -> None:
    outsider = parties[3]
    for number in range(20):
        opening = KeyOpen(
            ceremony_id=bytes([number]) * 8 + b"\xee" * 8,
            action=KeyAction.REFRESH,
            epoch=number + 1,
            share_epoch=40,
            threshold=1,
            holders=(outsider.name,),
            dealers=(outsider.name,),
        )
        await outsider.ceremonies._say(opening)
        await outsider.ceremonies._say(
            KeyComplaint(opening.ceremony_id, parties[0].name, KindClass.PHONE)
        )

    await generate(parties)

    assert all(party.place == FIRST for party in parties)


async def test_a_share_that_is_not_this_holders_keeps_the_node_from_starting(parties) -> None:
    await generate(parties)
    party = parties[0]
    state = party.ceremonies._ended[0].state
    party.core.keys.keyfile.put("share/1/1/phone", Secret(b"\7" * 31 + b"\0"), state.id)
    party.reopen()

    with pytest.raises(ConfigError) as caught:
        await party.ceremonies.advance()

    assert caught.value.reason == "SHARE_MISMATCH"
    assert party.place is None


async def test_a_share_for_another_ceremony_does_not_pass_for_this_one(parties) -> None:
    await generate(parties)
    party = parties[0]
    party.core.keys.keyfile.put("share/1/1/phone", Secret(b"\7" * 31 + b"\0"), b"another")
    party.reopen()

    with pytest.raises(KeyStoreError) as caught:
        await party.ceremonies.advance()

    assert caught.value.reason == "KEYSTORE_INVALID"


def test_the_keys_open_with_their_own_passphrase_alone(parties) -> None:
    home = parties[0].home
    with pytest.raises(ConfigError) as caught:
        KeyFile.open(home.keys, Secret(b"guess"))

    assert caught.value.reason == "KEYSTORE_PASSPHRASE"
    assert b"guess" not in str(caught.value).encode()
