"""Key ceremonies: keys come about, stay the same through new shares, and no lie gets through."""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.ceremony import (
    CeremonyError,
    CeremonyState,
    Fault,
    Phase,
    Setting,
    StepKind,
    check_opening,
    complain,
    conclude,
    confirm,
    deal,
    fold_ceremony,
    give_up,
    join,
    next_step,
    open_ceremony,
    open_shares,
    public_keys,
    transcript_digest,
)
from federation.ceremony.dealing import _deal_context, _share_context
from federation.ceremony.opening import opening_id
from federation.charter import add_member, change_member, revoke_member, with_holders
from federation.indicators.kind import KindClass
from federation.key_set import (
    KeySetError,
    SignedKeySet,
    encode_key_set,
    parse_key_set,
    verify_public_key_set,
)
from federation.names import MemberId
from federation.roles import Role
from federation.statements import (
    KeyComplaint,
    KeyConfirm,
    KeyDeal,
    KeyJoin,
    KeyOpen,
    StatementError,
)
from federation.statements.statement import Body
from federation.vocabulary import KeyAction
from keys.ceremony import deal_new
from keys.group import IDENTITY, multiply_base
from keys.scalar import random_secret
from keys.sealing import SealingKey, seal_to_member
from keys.secret import Secret
from tests.federation.ceremony_world import (
    HOLDERS,
    LieAboutDeal,
    Said,
    World,
    state_something,
    world,
)
from tests.federation.organisations import PARTNER, START, organisation

A, B, C, D, E, F, G = (each.name for each in HOLDERS)
GENERATE, REFRESH, RESHARE = KeyAction.GENERATE, KeyAction.REFRESH, KeyAction.RESHARE


@pytest.mark.parametrize(("threshold", "holders"), [(1, 1), (2, 2), (2, 3), (3, 5)])
def test_a_key_stays_the_same_through_refresh_and_reshare(threshold: int, holders: int) -> None:
    federation = world(holders, threshold)
    federation.complete(A, GENERATE)
    subsets = list(combinations(range(1, holders + 1), threshold))
    tokens = federation.tokens(subsets[0])

    assert all(federation.tokens(subset) == tokens for subset in subsets[1:])

    federation.complete(A, REFRESH)
    assert federation.tokens(subsets[-1]) == tokens

    federation.charter = with_holders(federation.charter, [F, B, G], 2, time=START)
    federation.complete(A, RESHARE)
    assert federation.previous is not None
    assert federation.previous.holders == (F, B, G)
    assert (federation.previous.epoch, federation.previous.share_epoch) == (1, 3)
    assert all(federation.tokens(subset) == tokens for subset in ((1, 2), (1, 3), (2, 3)))

    federation.complete(G, REFRESH)
    assert federation.tokens((1, 3)) == tokens


def test_every_class_has_a_key_of_its_own() -> None:
    federation = world(3, 2)
    federation.complete(A, GENERATE)
    assert federation.previous is not None

    assert len({key.element for key in federation.previous.keys.values()}) == len(KindClass)
    assert len({federation.tokens((1, 2), name)[0].token for name in KindClass}) == len(KindClass)


def test_a_new_epoch_has_other_tokens() -> None:
    federation = world(3, 2)
    federation.complete(A, GENERATE)
    tokens = federation.tokens((1, 2))
    federation.complete(B, GENERATE)
    assert federation.previous is not None

    assert federation.previous.epoch == 2
    assert federation.tokens((1, 2)) != tokens


def test_old_and_new_shares_do_not_go_together() -> None:
    federation = world(3, 2)
    federation.complete(A, GENERATE)
    old = federation.holders[A].shares
    federation.complete(A, REFRESH)

    assert federation.holders[A].shares != old


def test_a_reshare_can_leave_a_lost_holder_behind() -> None:
    federation = world(3, 2)
    federation.complete(A, GENERATE)
    tokens = federation.tokens((1, 2))
    federation.holders[A].shares = None
    federation.charter = revoke_member(federation.charter, A, time=START, holders=[B, C, D])

    federation.complete(B, RESHARE)

    assert federation.tokens((2, 3)) == tokens


# One ceremony that went well, for tests that take it apart.
RUN = world(3, 2)
RUN_ID = RUN.open(A, GENERATE)
RUN_STATE = RUN.run(RUN_ID)
RUN_KEYS = conclude(RUN_STATE, RUN.setting)


def by_member(said: Sequence[Said]) -> dict[MemberId, list[Said]]:
    logs: dict[MemberId, list[Said]] = {}
    for each in said:
        logs.setdefault(each[0], []).append(each)
    return logs


def interleave(said: Sequence[Said], seed: int) -> list[Said]:
    """Mix the members' logs in a random order, each log in its own."""
    logs = {member: list(log) for member, log in by_member(said).items()}
    turns = [member for member, log in logs.items() for _ in log]
    random.Random(seed).shuffle(turns)
    return [logs[member].pop(0) for member in turns]


@given(st.integers())
def test_any_interleaving_of_the_logs_gives_the_same_state(seed: int) -> None:
    assert fold_ceremony(RUN_ID, interleave(RUN.said, seed)) == RUN_STATE


@given(st.integers(), st.data())
def test_no_part_of_a_ceremony_is_confirmed_or_failed(seed: int, data: st.DataObject) -> None:
    mixed = interleave(RUN.said, seed)
    opened = next(i for i, each in enumerate(mixed) if isinstance(each[1].body, KeyOpen))
    length = data.draw(st.integers(opened + 1, len(mixed) - 1))

    state = fold_ceremony(RUN_ID, mixed[:length])

    assert state.phase in (Phase.OPEN, Phase.JOINED, Phase.DEALT)
    assert state.waiting_for
    with pytest.raises(CeremonyError):
        conclude(state, RUN.setting)


LATE_BODIES: list[Body] = [
    give_up(RUN_STATE, A),
    KeyComplaint(RUN_ID, B, KindClass.PHONE),
    KeyJoin(RUN_ID, SealingKey.generate().public),
    replace(RUN_STATE.deals[A]),
    replace(RUN_STATE.deals[B], ceremony_id=RUN_ID, deals=RUN_STATE.deals[C].deals),
    KeyConfirm(RUN_ID, b"\xcc" * 32, b"\xdd" * 64),
    replace(RUN_STATE.opening, threshold=3),
]


@given(
    st.lists(st.tuples(st.sampled_from([A, B, C, D, PARTNER.name]), st.sampled_from(LATE_BODIES)))
)
def test_nothing_said_later_changes_a_confirmed_ceremony(late: list[tuple[MemberId, Body]]) -> None:
    said = [*RUN.said, *((who, state_something(body, 900)) for who, body in late)]

    state = fold_ceremony(RUN_ID, said)

    assert state.phase is Phase.CONFIRMED
    assert state.digest == RUN_STATE.digest
    assert conclude(state, RUN.setting) == RUN_KEYS


@given(st.lists(st.tuples(st.sampled_from([D, E, PARTNER.name]), st.sampled_from(LATE_BODIES))))
def test_strangers_have_no_say(early: list[tuple[MemberId, Body]]) -> None:
    said = [*((who, state_something(body, 900)) for who, body in early), *RUN.said]

    assert fold_ceremony(RUN_ID, said) == RUN_STATE


def test_a_ceremony_goes_through_its_phases() -> None:
    federation = world(2, 2)
    ceremony_id = federation.open(A, GENERATE)
    seen = []
    while (phase := federation.fold(ceremony_id).phase) is not Phase.CONFIRMED:
        seen.append((phase, federation.fold(ceremony_id).waiting_for))
        name = federation.fold(ceremony_id).waiting_for[0]
        federation.act(federation.holders[name], ceremony_id)

    assert seen == [
        (phase, waiting)
        for phase in (Phase.OPEN, Phase.JOINED, Phase.DEALT)
        for waiting in ((A, B), (B,))
    ]


def forge(dealt: KeyDeal, place: int = 0, **changes: object) -> KeyDeal:
    """Change one class's deal."""
    deals = list(dealt.deals)
    deals[place] = replace(deals[place], **changes)  # type: ignore[arg-type]  # as given
    return replace(dealt, deals=tuple(deals))


def random_elements(count: int) -> bytes:
    scalars = [random_secret() for _ in range(count)]
    return b"".join(multiply_base(scalar.borrow()) for scalar in scalars)


def share_for(federation: World, dealt: KeyDeal, plaintext: bytes) -> KeyDeal:
    """Seal, in due form, something else to the third holder than what was committed to."""
    state = federation.fold(dealt.ceremony_id)
    context = _share_context(state, federation.setting, KindClass.DEVICE, B, C)
    sealed = seal_to_member(state.joins[C].receiving_key, plaintext, context)
    return forge(dealt, 2, sealed_shares=(*dealt.deals[2].sealed_shares[:2], sealed))


def deal_again(federation: World, dealt: KeyDeal) -> list[Body]:
    state, shares = federation.fold(dealt.ceremony_id), federation.holders[B].shares
    return [dealt, deal(state, federation.setting, B, shares)]


def swap_shares(_: World, dealt: KeyDeal) -> list[Body]:
    first, second, third = dealt.deals[0].sealed_shares
    return [forge(dealt, sealed_shares=(second, first, third))]


def deal_of_another_class(_: World, dealt: KeyDeal) -> list[Body]:
    other = dealt.deals[3]
    return [forge(dealt, 4, commitments=other.commitments, proof=other.proof)]


def deal_another_key(federation: World, dealt: KeyDeal) -> list[Body]:
    """Deal a fresh secret in due form, where only the old key's part is due."""
    state = federation.fold(dealt.ceremony_id)
    context = _deal_context(state, federation.setting, KindClass.ACCOUNT)
    public, _ = deal_new(2, 2, [1, 2, 3], context)
    is_refresh = state.opening.action is REFRESH
    proof = b"" if is_refresh else public.proof
    return [forge(dealt, 1, commitments=b"".join(public.commitments), proof=proof)]


# What the second holder says instead of its deal, and what everybody then sees.
LIES: dict[str, tuple[LieAboutDeal, Fault]] = {
    "two deals": (deal_again, Fault.DEALT_TWICE),
    "too few commitments": (
        lambda _, dealt: [forge(dealt, commitments=dealt.deals[0].commitments[:32])],
        Fault.DEAL_MALFORMED,
    ),
    "too few shares": (
        lambda _, dealt: [forge(dealt, 4, sealed_shares=dealt.deals[4].sealed_shares[:2])],
        Fault.DEAL_MALFORMED,
    ),
    "no proof": (lambda _, dealt: [forge(dealt, proof=b"")], Fault.DEAL_MALFORMED),
    "other commitments": (
        lambda _, dealt: [forge(dealt, 3, commitments=random_elements(2))],
        Fault.COMPLAINED_OF,
    ),
    "one other commitment": (
        lambda _, dealt: [
            forge(dealt, 3, commitments=dealt.deals[3].commitments[:32] + random_elements(1))
        ],
        Fault.COMPLAINED_OF,
    ),
    "no elements": (
        lambda _, dealt: [forge(dealt, commitments=b"\xfe" * 64)],
        Fault.COMPLAINED_OF,
    ),
    "the identity": (
        lambda _, dealt: [forge(dealt, commitments=IDENTITY + random_elements(1))],
        Fault.COMPLAINED_OF,
    ),
    "a wrong share": (
        lambda federation, dealt: [share_for(federation, dealt, random_secret().reveal())],
        Fault.COMPLAINED_OF,
    ),
    "a share that is no scalar": (
        lambda federation, dealt: [share_for(federation, dealt, b"\xff" * 32)],
        Fault.COMPLAINED_OF,
    ),
    "bytes that do not open": (
        lambda _, dealt: [
            forge(dealt, sealed_shares=(*dealt.deals[0].sealed_shares[:2], b"\x01" * 1_169))
        ],
        Fault.COMPLAINED_OF,
    ),
    "another holder's share": (swap_shares, Fault.COMPLAINED_OF),
    "another class's deal": (deal_of_another_class, Fault.COMPLAINED_OF),
    "another dealer's deal": (
        lambda federation, dealt: [federation.fold(dealt.ceremony_id).deals[A]],
        Fault.COMPLAINED_OF,
    ),
    "another ceremony's deal": (
        lambda _, dealt: [replace(RUN_STATE.deals[B], ceremony_id=dealt.ceremony_id)],
        Fault.COMPLAINED_OF,
    ),
}


@pytest.mark.parametrize("lie", sorted(LIES))
def test_a_lying_dealer_of_a_new_key_is_named_and_no_key_comes_about(lie: str) -> None:
    federation = world(3, 2)
    federation.holders[B].lie, fault = LIES[lie]

    state = federation.run(federation.open(A, GENERATE))

    assert state.phase is Phase.FAILED
    assert state.blame is not None
    assert (state.blame.fault, state.blame.accused) == (fault, B)
    with pytest.raises(CeremonyError):
        conclude(state, federation.setting)

    federation.holders[B].lie = None
    federation.complete(A, GENERATE, attempt=1)
    assert federation.tokens((1, 2)) == federation.tokens((2, 3))


@pytest.mark.parametrize("action", [REFRESH, RESHARE])
@pytest.mark.parametrize("lie", ["another key", "two deals", "a wrong share", "other commitments"])
def test_a_lie_leaves_the_old_shares_in_use(action: KeyAction, lie: str) -> None:
    federation = world(3, 2)
    federation.complete(A, GENERATE)
    tokens = federation.tokens((1, 2))
    federation.holders[B].lie = deal_another_key if lie == "another key" else LIES[lie][0]

    state = federation.run(federation.open(A, action))

    assert state.phase is Phase.FAILED
    assert state.blame is not None
    assert state.blame.accused == B
    assert federation.tokens((1, 2)) == federation.tokens((2, 3)) == tokens

    federation.holders[B].lie = None
    federation.complete(A, action, attempt=1)
    assert federation.tokens((1, 3)) == tokens


def test_a_complaint_names_the_class() -> None:
    federation = world(3, 2)
    federation.holders[B].lie = LIES["a wrong share"][0]

    state = federation.run(federation.open(A, GENERATE))

    assert state.blame is not None
    assert (state.blame.kind_class, state.blame.accuser) == (KindClass.DEVICE, C)


def test_a_deal_without_a_class_is_no_statement_and_the_ceremony_waits() -> None:
    federation = world(3, 2)
    federation.holders[B].lie = lambda _, dealt: []
    ceremony_id = federation.open(A, GENERATE)
    for _ in range(2):
        for name in (A, B, C):
            federation.act(federation.holders[name], ceremony_id)

    with pytest.raises(StatementError):
        replace(RUN_STATE.deals[B], deals=RUN_STATE.deals[B].deals[:4])
    assert federation.fold(ceremony_id).waiting_for == (B,)

    federation.say(A, give_up(federation.fold(ceremony_id), A))
    state = federation.run(ceremony_id)
    assert state.blame is not None
    assert (state.phase, state.blame.fault) == (Phase.FAILED, Fault.GAVE_UP)


def run_with_lie(lie: str) -> tuple[bytes, World]:
    federation = world(3, 2)
    federation.holders[B].lie = LIES[lie][0]
    ceremony_id = federation.open(A, GENERATE)
    federation.run(ceremony_id)
    return ceremony_id, federation


FAILED_RUNS = [run_with_lie(lie) for lie in ("two deals", "no proof", "a wrong share")]


@given(st.sampled_from(FAILED_RUNS), st.integers())
def test_any_interleaving_of_a_failed_ceremony_gives_the_same_state(
    run: tuple[bytes, World], seed: int
) -> None:
    ceremony_id, federation = run

    state = fold_ceremony(ceremony_id, interleave(federation.said, seed))

    assert state == federation.fold(ceremony_id)
    assert state.phase is Phase.FAILED


def run_with_delays(federation: World, ceremony_id: bytes, seed: int) -> None:
    """Let holders act in a random order, each on what happens to have reached it."""
    chance = random.Random(seed)
    reached = {name: dict.fromkeys(federation.holders, 0) for name in (A, B, C)}
    for _ in range(200):
        name, speaker = chance.choice((A, B, C)), chance.choice((A, B, C))
        reached[name][speaker] += 1
        logs = by_member(federation.said)
        reached[name][name] = len(logs.get(name, ()))
        seen = [each for who, log in logs.items() for each in log[: reached[name][who]]]
        if any(isinstance(what.body, KeyOpen) for _, what in seen):
            federation.act(federation.holders[name], ceremony_id, seen)


@given(st.integers())
@settings(max_examples=15, deadline=None)
def test_delays_between_the_logs_do_not_matter(seed: int) -> None:
    federation = world(3, 2)
    ceremony_id = federation.open(A, GENERATE)

    run_with_delays(federation, ceremony_id, seed)
    federation.take_over(federation.run(ceremony_id))

    assert federation.tokens((1, 2)) == federation.tokens((1, 3)) == federation.tokens((2, 3))


@given(st.integers(), st.sampled_from(["two deals", "a wrong share", "other commitments"]))
@settings(max_examples=25, deadline=None)
def test_a_lie_under_delays_gives_a_whole_key_or_none(seed: int, lie: str) -> None:
    federation = world(3, 2)
    federation.holders[B].lie = LIES[lie][0]
    ceremony_id = federation.open(A, GENERATE)

    run_with_delays(federation, ceremony_id, seed)
    state = federation.run(ceremony_id)

    assert state.phase in (Phase.CONFIRMED, Phase.FAILED)
    if state.phase is Phase.CONFIRMED:
        # Everybody had accepted the first deal before the second one reached anybody.
        assert lie == "two deals"
        federation.take_over(state)
        assert federation.tokens((1, 2)) == federation.tokens((2, 3))


def with_verdict(verdict: Body) -> CeremonyState:
    """Fold the good ceremony with another verdict of its second holder."""
    said = [
        (who, state_something(verdict, 900) if who == B and what.body == confirmed else what)
        for who, what in RUN.said
        for confirmed in [RUN_STATE.confirms[B]]
    ]
    return fold_ceremony(RUN_ID, said)


def test_a_confirmation_of_another_transcript_ends_the_ceremony() -> None:
    state = with_verdict(replace(RUN_STATE.confirms[B], transcript_digest=b"\xcc" * 32))

    assert state.phase is Phase.FAILED
    assert state.blame is not None
    assert (state.blame.fault, state.blame.accused) == (Fault.TRANSCRIPT_MISMATCH, B)


def test_a_wrong_signature_under_the_keys_is_found_before_they_are_used() -> None:
    state = with_verdict(replace(RUN_STATE.confirms[B], signature=b"\xdd" * 64))

    with pytest.raises(KeySetError, match=B) as caught:
        conclude(state, RUN.setting)
    assert caught.value.reason == "KEY_SET_SIGNATURE_INVALID"


def test_a_confirmed_ceremony_with_a_wrong_deal_has_no_keys() -> None:
    """As if all holders had conspired against those who only see the logs."""
    dealt = forge(RUN_STATE.deals[B], commitments=random_elements(2))
    said = [(who, what) for who, what in RUN.said if not isinstance(what.body, KeyConfirm)]
    said = [
        (who, state_something(dealt, 900) if what.body == RUN_STATE.deals[B] else what)
        for who, what in said
    ]
    digest = transcript_digest(fold_ceremony(RUN_ID, said))
    said += [
        (who, state_something(replace(each, transcript_digest=digest), 901))
        for who, each in RUN_STATE.confirms.items()
    ]
    state = fold_ceremony(RUN_ID, said)

    assert state.phase is Phase.CONFIRMED
    with pytest.raises(CeremonyError) as caught:
        conclude(state, RUN.setting)
    assert (caught.value.dealer, caught.value.kind_class) == (B, KindClass.PHONE)


def test_a_crash_between_storing_and_saying_loses_nothing() -> None:
    federation = world(3, 2)
    ceremony_id = federation.open(A, GENERATE)
    for holder in federation.holders.values():
        holder.receiving_keys[ceremony_id] = SealingKey.generate()

    state = federation.run(ceremony_id)

    kept = federation.holders[A].receiving_keys[ceremony_id]
    assert state.joins[A].receiving_key == kept.public
    assert (
        open_shares(state, federation.setting, A, kept, None)
        == (federation.holders[A].opened[ceremony_id])
    )


def test_another_receiving_key_than_the_joined_one_opens_nothing() -> None:
    with pytest.raises(CeremonyError) as caught:
        open_shares(RUN_STATE, RUN.setting, A, SealingKey.generate(), None)

    assert caught.value.dealer is None
    assert complain(RUN_STATE, A, caught.value) == give_up(RUN_STATE, A)


def test_only_parties_act_and_only_when_it_is_their_turn() -> None:
    opened = fold_ceremony(RUN_ID, RUN.said[:1])

    assert next_step(opened, D, i_hold_previous_share=False).kind is StepKind.WAIT
    assert next_step(RUN_STATE, A, i_hold_previous_share=False).kind is StepKind.DONE
    with pytest.raises(CeremonyError):
        join(opened, RUN.setting, D, SealingKey.generate())
    with pytest.raises(CeremonyError):
        deal(opened, RUN.setting, A, None)
    with pytest.raises(CeremonyError):
        deal(RUN_STATE, RUN.setting, D, None)
    with pytest.raises(CeremonyError):
        confirm(opened, RUN.setting, A, HOLDERS[0].signing_key)
    with pytest.raises(CeremonyError):
        confirm(RUN_STATE, RUN.setting, D, HOLDERS[3].signing_key)
    with pytest.raises(CeremonyError):
        public_keys(opened, RUN.setting)


def test_a_ceremony_that_nobody_opened_is_unknown() -> None:
    with pytest.raises(CeremonyError) as caught:
        fold_ceremony(b"\xaa" * 16, RUN.said)

    assert caught.value.reason == "CEREMONY_UNKNOWN"


def test_nobody_opens_another_ceremony_under_a_taken_id() -> None:
    taken = replace(RUN_STATE.opening, holders=(B, C, D), dealers=())
    early = ("a-squatter", state_something(taken, 900))

    assert fold_ceremony(RUN_ID, [early, *RUN.said]) == RUN_STATE  # type: ignore[list-item]  # a plain name
    with pytest.raises(CeremonyError):
        fold_ceremony(RUN_ID, [early])  # type: ignore[list-item]  # a plain name


def test_a_holder_without_its_old_shares_gives_up() -> None:
    federation = world(3, 2)
    federation.complete(A, GENERATE)
    federation.holders[C].shares = None

    state = federation.run(federation.open(A, REFRESH))

    assert state.blame is not None
    assert (state.blame.fault, state.blame.accused) == (Fault.GAVE_UP, C)


def test_a_holder_with_wrong_old_shares_does_not_deal_or_accept() -> None:
    federation = world(3, 2)
    federation.complete(A, GENERATE)
    wrong = {name: random_secret() for name in KindClass}
    ceremony_id = federation.open(A, REFRESH)
    state = federation.run(ceremony_id)
    key = federation.holders[A].receiving_keys[ceremony_id]

    for shares in (wrong, None, {name: Secret(bytes(32)) for name in KindClass}):
        with pytest.raises(CeremonyError) as dealt:
            deal(state, federation.setting, A, shares)
        with pytest.raises(CeremonyError) as opened:
            open_shares(state, federation.setting, A, key, shares)
        assert dealt.value.reason == opened.value.reason == "PREVIOUS_SHARE_INVALID"


def test_a_holder_confirms_one_ceremony_for_one_outcome() -> None:
    federation = world(3, 2)
    first, second = federation.open(A, GENERATE), federation.open(B, GENERATE)
    for _ in range(2):
        for name in (A, B, C):
            federation.act(federation.holders[name], second)
    rival = federation.run(first)
    state = federation.fold(second)

    free = next_step(state, A, i_hold_previous_share=False)
    bound = next_step(state, A, i_hold_previous_share=False, others=[rival])

    assert free.kind is StepKind.CONFIRM
    assert bound.complaint == give_up(state, A)


def test_a_ceremony_that_never_ended_is_passed_over() -> None:
    federation = world(3, 2)
    federation.complete(A, GENERATE)
    tokens = federation.tokens((1, 2))
    federation.open(A, REFRESH)

    federation.complete(A, REFRESH, share_epoch=3)

    assert federation.previous is not None
    assert federation.previous.share_epoch == 3
    assert federation.tokens((1, 2)) == tokens


SETTING = Setting(RUN.charter, RUN_KEYS.key_set)
GOOD_RESHARE = open_ceremony(SETTING, A, RESHARE)


@pytest.mark.parametrize(
    ("opener", "changes"),
    [
        (A, {"holders": (A, B, D)}),
        (A, {"threshold": 3}),
        (G, {}),
        (MemberId("nobody"), {}),
        (A, {"epoch": 2}),
        (A, {"share_epoch": 1}),
        (A, {"dealers": (B, A)}),
        (A, {"dealers": (A,)}),
        (A, {"dealers": (A, B, C)}),
        (A, {"dealers": (A, D)}),
        (A, {"action": REFRESH}),
        (A, {"action": GENERATE, "dealers": ()}),
        (A, {"action": GENERATE, "epoch": 2}),
    ],
)
def test_an_opening_that_nothing_calls_for_is_refused(
    opener: MemberId, changes: dict[str, object]
) -> None:
    opening = replace(GOOD_RESHARE, **changes)  # type: ignore[arg-type]  # as given

    check_opening(SETTING, A, GOOD_RESHARE)
    with pytest.raises(CeremonyError) as caught:
        check_opening(SETTING, opener, opening)
    assert caught.value.reason == "CEREMONY_REFUSED"


@pytest.mark.parametrize("action", [REFRESH, RESHARE])
def test_without_a_key_there_is_nothing_to_refresh(action: KeyAction) -> None:
    with pytest.raises((CeremonyError, StatementError)):
        open_ceremony(Setting(RUN.charter, None), A, action)


def test_nobody_joins_a_ceremony_for_holders_of_an_earlier_charter() -> None:
    charter = with_holders(RUN.charter, [A, B], 2, time=START)
    now = Setting(charter, None, earlier=(RUN.charter,))
    opened = fold_ceremony(RUN_ID, RUN.said[:1])

    with pytest.raises(CeremonyError):
        join(opened, now, A, SealingKey.generate())
    assert conclude(RUN_STATE, now) == RUN_KEYS


def test_a_coordinator_without_a_share_opens_and_calls_off_a_ceremony() -> None:
    federation = world(3, 2)
    coordinator = organisation("coord", Role.COORDINATOR, Role.REGULATOR)
    federation.charter = add_member(federation.charter, coordinator.member, time=START)

    federation.complete(coordinator.name, GENERATE)
    called_off = federation.open(coordinator.name, REFRESH)
    federation.say(coordinator.name, give_up(federation.fold(called_off), coordinator.name))
    state = federation.run(called_off)

    assert federation.tokens((1, 2)) == federation.tokens((2, 3))
    assert state.blame is not None
    assert (state.blame.fault, state.blame.accused) == (Fault.GAVE_UP, coordinator.name)
    assert any(holder in state.complaints for holder in state.holders)


def test_a_coordinator_that_changed_its_role_leaves_its_ceremonies_valid() -> None:
    federation = world(3, 2)
    coordinator = organisation("coord", Role.COORDINATOR, Role.REGULATOR)
    before = add_member(federation.charter, coordinator.member, time=START)
    federation.charter = before
    state = federation.run(federation.open(coordinator.name, GENERATE))
    plain = replace(coordinator.member, roles=frozenset({Role.REGULATOR}))
    after = change_member(before, plain, time=START)

    assert conclude(state, Setting(after, None, (before,))).key_set.epoch == 1
    with pytest.raises(CeremonyError):
        conclude(state, Setting(after, None))


def test_an_id_is_a_digest_of_the_opening() -> None:
    opening = RUN_STATE.opening

    assert opening_id(A, opening) == opening.ceremony_id
    assert opening_id(B, opening) != opening.ceremony_id
    assert opening_id(A, replace(opening, epoch=2)) != opening.ceremony_id


def test_public_keys_travel_with_every_holders_signature() -> None:
    message = encode_key_set(RUN_KEYS)

    signed = parse_key_set(type(message).FromString(message.SerializeToString()))

    assert signed == RUN_KEYS
    assert verify_public_key_set(RUN.charter, signed) == RUN_KEYS.key_set
    assert [RUN_KEYS.key_set.index(name) for name in (A, C, D)] == [1, 3, None]


@pytest.mark.parametrize("place", range(3))
def test_one_missing_signature_is_enough_to_refuse_public_keys(place: int) -> None:
    signatures = list(RUN_KEYS.signatures)
    signatures[place] = RUN_KEYS.signatures[place - 1]

    with pytest.raises(KeySetError) as caught:
        verify_public_key_set(RUN.charter, SignedKeySet(RUN_KEYS.key_set, tuple(signatures)))
    assert caught.value.reason == "KEY_SET_SIGNATURE_INVALID"


@pytest.mark.parametrize(
    "changes", [{"epoch": 2}, {"share_epoch": 2}, {"keys": dict.fromkeys(KindClass)}]
)
def test_signatures_cover_the_whole_key_set(changes: dict[str, object]) -> None:
    keys = dict(RUN_KEYS.key_set.keys)
    keys[KindClass.PHONE], keys[KindClass.ACCOUNT] = keys[KindClass.ACCOUNT], keys[KindClass.PHONE]
    changes = {name: keys if name == "keys" else value for name, value in changes.items()}
    other = replace(RUN_KEYS.key_set, **changes)  # type: ignore[arg-type]  # as given

    with pytest.raises(KeySetError):
        verify_public_key_set(RUN.charter, SignedKeySet(other, RUN_KEYS.signatures))


def test_holders_whom_no_charter_names_are_refused() -> None:
    charter = with_holders(RUN.charter, [A, B], 2, time=START)

    with pytest.raises(KeySetError) as caught:
        verify_public_key_set(charter, RUN_KEYS)
    assert caught.value.reason == "KEY_SET_HOLDERS_UNKNOWN"
    assert verify_public_key_set(charter, RUN_KEYS, [RUN.charter]) == RUN_KEYS.key_set


def damage(name: str) -> object:
    message = encode_key_set(RUN_KEYS)
    if name == "no keys":
        del message.keys[:]
    elif name == "no signatures":
        del message.signatures[:]
    elif name == "short key":
        message.keys[0].commitments = b"\x01" * 33
    elif name == "false element":
        message.keys[0].commitments = b"\xff" * 64
    elif name == "other threshold":
        message.threshold = 3
    elif name == "no epoch":
        message.epoch = 0
    elif name == "huge epoch":
        message.share_epoch = 2**32 - 1
    elif name == "false name":
        message.holders[0] = "No Name"
    elif name == "twice":
        message.holders[0] = message.holders[1]
    return message


@pytest.mark.parametrize(
    "name",
    [
        "no keys",
        "no signatures",
        "short key",
        "false element",
        "other threshold",
        "no epoch",
        "huge epoch",
        "false name",
        "twice",
    ],
)
def test_a_malformed_key_set_is_refused(name: str) -> None:
    with pytest.raises(KeySetError) as caught:
        parse_key_set(damage(name))  # type: ignore[arg-type]  # a message

    assert caught.value.reason == "KEY_SET_INVALID"


def test_no_state_or_error_shows_a_share() -> None:
    share = RUN.holders[A].opened[RUN_ID][KindClass.PHONE].reveal()

    assert share.hex() not in repr(RUN_STATE)
    assert repr(share) not in repr(RUN.holders[A])
