"""Acts 0 and 1: the members found their federation, and see why hashes would not do."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from federation.charter import (
    Charter,
    add_member,
    encode_charter,
    set_quota,
    sign_charter,
    uniform_quota,
)
from federation.indicators import Indicator, Kind, KindClass
from federation.names import MemberId
from federation.roles import Role
from federation.vocabulary import ProtectionGround
from keys.keystore import Cost
from keys.secret import Secret
from node.cli.document import time_text
from node.clock import system_clock
from node.demo.doors import CALL_SECONDS, Check, batches, raw
from node.demo.night_harbour.cast import (
    COORDINATOR,
    EMERGENCY_NUMBER,
    HOLDERS,
    INDUSTRY,
    NODES,
    customer_kind,
)
from node.demo.night_harbour.charter_change import change_charter, charter_of
from node.demo.night_harbour.scene import Scene
from node.demo.night_harbour.visitor import refusal_of
from node.errors import NodeError
from node.home import Home
from node.member import Applicant, MemberKeys, create_member
from tocsin.desk.v1 import desk_service_pb2 as desk
from tocsin.desk.v1 import duty_service_pb2 as duty
from tocsin.desk.v1 import operation_service_pb2 as operation

PARTNER_EVALUATIONS = 400
"""Tokens a day and kind class that a query partner may ask for: its deliveries, twice."""
PARTNER_LOOKUPS = 20_000
PARTNER_PAD = 8
DUTIES = ("REAL_NAME_CHECK", "PURPOSE_POLICY")
"""What all of industry adopts: the first is due at T+1d, the second in a year."""
FIRST_DUE = "T+1d 00:00"
STRANGER = MemberId("bank-z")

_STRANGER_SECRET = b"nobody has signed this one"
_CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)
_PAGE_ROWS = 10_000


def join(scene: Scene) -> Iterator[Check]:
    """Bring the nodes up, make the token keys, and agree on what binds everybody."""
    yield from _start(scene)
    yield _agree_on_quota(scene)
    yield _refuse_stranger(scene)
    yield from _adopt_duties(scene)
    yield _protect(scene)
    yield _watch_customers(scene)
    scene.wait_replicated()


def _start(scene: Scene) -> Iterator[Check]:
    with scene.progress("starting nodes", 3 * len(NODES)) as bar:
        scene.sandbox.up(lambda _: bar.advance(1))
    states = scene.sandbox.status()
    running = {state.process_id for state in states if state.ready} - {None}
    yield Check(
        "act-00-nodes-ready",
        len(running) == len(NODES),
        f"{len(running)} of {len(NODES)} nodes, each a process of its own: nine and the police's",
    )
    door = scene.door(HOLDERS[0])
    (key,) = door.call(door.operation.ListKeys, operation.ListKeysRequest()).ceremonies
    epochs = {scene.status(member).epoch for member in NODES}
    yield Check(
        "act-00-keys-2-of-3",
        (key.threshold, tuple(key.holders)) == (2, HOLDERS) and epochs == {1},
        f"epoch 1 by {', '.join(key.holders)}, any two of them",
    )
    yield Check(
        "act-00-coordinator-holds-no-key",
        COORDINATOR not in key.holders,
        f"{COORDINATOR} can make no token, alone or with anybody",
    )
    scene.saw(HOLDERS[0], "its own share of the keys, never another's")
    scene.saw(COORDINATOR, "who is in, and who holds shares; no share")


def _agree_on_quota(scene: Scene) -> Check:
    quota = uniform_quota(PARTNER_EVALUATIONS, PARTNER_LOOKUPS, PARTNER_PAD)

    def change(charter: Charter, now: int) -> Charter:
        return set_quota(charter, Role.PARTNER, quota, time=now)

    signers = [scene.home(member) for member in (*INDUSTRY, COORDINATOR)]
    version = change_charter(scene, change, signers)
    granted = {
        charter_of(scene, member).quotas[Role.PARTNER].evaluate[KindClass.PHONE] for member in NODES
    }
    return Check(
        "act-00-partner-quota-agreed",
        granted == {PARTNER_EVALUATIONS},
        f"charter version {version}, signed by {len(signers)}: a query partner may ask for"
        f" {PARTNER_EVALUATIONS} tokens a day of each kind class",
    )


def _refuse_stranger(scene: Scene) -> Check:
    """Let somebody with a good certificate of its own, whom nobody has signed, knock."""
    home = Home(scene.file("stranger", [""]).parent / "stranger-home")
    federation = scene.sandbox.layout.federation
    applicant = Applicant(federation, STRANGER, frozenset({Role.BANK}), "127.0.0.1:19999")
    member = create_member(home, applicant, Secret(_STRANGER_SECRET), datetime.now(UTC), _CHEAP)
    keys = MemberKeys.open(home, Secret(_STRANGER_SECRET))
    before = charter_of(scene, INDUSTRY[0])
    forged = add_member(before, member, time=system_clock())
    note = sign_charter(encode_charter(forged).encode(), STRANGER, keys.signing, before)
    door = scene.door(INDUSTRY[0])
    try:
        door.call(door.operation.AdoptCharter, operation.AdoptCharterRequest(charter=note))
        unsigned = ""
    except NodeError as error:
        unsigned = error.reason
    knocked = refusal_of(keys, forged, INDUSTRY[0])
    scene.saw("a stranger", f"{knocked}: nobody signed a charter with it")
    return Check(
        "act-00-unsigned-member-refused",
        bool(unsigned and knocked),
        f"a charter with {STRANGER} in it that nobody else signed: {unsigned}; {STRANGER}'s own"
        f" certificate at {INDUSTRY[0]}'s door: {knocked}",
    )


def _adopt_duties(scene: Scene) -> Iterator[Check]:
    published = [_publish(scene, code) for code in DUTIES]
    scene.facts["act0.duty"], scene.facts["act0.policy"] = published
    scene.wait_replicated()

    def adopt(member: str) -> int:
        door = scene.door(member)
        for one in published:
            request = duty.AdoptDutyRequest(matter_id=bytes.fromhex(one))
            door.call(door.duty.AdoptDuty, request, CALL_SECONDS)
        return len(published)

    adopted = scene.each(adopt, INDUSTRY)
    scene.wait_replicated()
    door = scene.door(COORDINATOR)
    listed = door.call(door.duty.ListDuties, duty.ListDutiesRequest()).duties
    standing = {
        (one.member, each.code)
        for each in listed
        for one in each.members
        if one.HasField("adopted_time")
    }
    yield Check(
        "act-00-duties-adopted",
        len(standing) == sum(adopted.values()) == len(INDUSTRY) * len(DUTIES),
        f"{len(standing)} signed adoptions of {' and '.join(DUTIES)} by {len(INDUSTRY)} members",
    )
    scene.saw(COORDINATOR, f"as regulator, {len(standing)} adoptions and when each duty is due")


def _publish(scene: Scene, code: str) -> str:
    wording = scene.file(f"{code}.txt", [f"SYNTHETIC duty {code} of the story Night Harbour"])
    due = time_text(scene.clock.moment(FIRST_DUE))
    first = ("--period", "90d", "--first-due", due, "--grace", "0s")
    done = scene.do(
        COORDINATOR,
        *("duty", "publish", code, "--evidence", "self_check", "--file", str(wording)),
        *("--sector", "carrier", "--sector", "bank", "--sector", "internet"),
        *(first if code == DUTIES[0] else ("--period", "365d")),
        "--json",
    )
    return str(done.document["matter_id"])


def _protect(scene: Scene) -> Check:
    number = Indicator(Kind.PHONE, EMERGENCY_NUMBER)
    request = desk.ProtectRequest(
        values=[raw(number)],
        ground=ProtectionGround.EMERGENCY.value,  # type: ignore[arg-type]  # equal numbers, tested
    )
    said = scene.say(COORDINATOR, "Protect", request)
    scene.wait_replicated()
    codes = {
        code
        for member in scene.speaking
        for code in scene.check(member, [("phone", EMERGENCY_NUMBER)])[0].display_codes
    }
    return Check(
        "act-00-protected-list-loaded",
        said == ["ADDED"] and "PROTECTED" in codes,
        f"{EMERGENCY_NUMBER}, the police hotline, may not be acted on by anybody",
    )


def _watch_customers(scene: Scene) -> Check:
    with scene.progress(
        "watching", sum(len(scene.truth.customers(one)) for one in INDUSTRY)
    ) as bar:

        def watch(member: str) -> int:
            values = scene.truth.customers(member)
            return watch_values(scene, member, values, "customer", bar.advance)

        watched = scene.each(watch, INDUSTRY)
    for member, count in watched.items():
        scene.saw(member, f"{count:,} own customers in clear, and their tokens")
    return Check(
        "act-00-customers-watched",
        watched == {member: len(scene.truth.customers(member)) for member in INDUSTRY},
        f"{sum(watched.values()):,} synthetic customers, each with its own member alone",
    )


def watch_values(
    scene: Scene,
    member: str,
    values: Sequence[str],
    word: str,
    advance: Callable[[int], None] = lambda _: None,
) -> int:
    """Put values on a member's watchlist and return how many are new there.

    Args:
        scene: The scene.
        member: Whose customers they are.
        values: Of the kind by which it knows them.
        word: What its references begin with; a place among ``values`` follows.
        advance: Told of each batch.
    """
    kind = customer_kind(member)
    rows = [
        desk.WatchRow(
            indicator=desk.RawIndicator(kind=kind, value=value), reference=f"{word}-{place:05d}"
        )
        for place, value in enumerate(values)
    ]
    added = 0
    for batch in batches(rows):
        added += scene.say(member, "AddWatch", desk.AddWatchRequest(rows=batch)).count("ADDED")
        advance(len(batch))
    return added


def compare_hashes(scene: Scene) -> Iterator[Check]:
    """Show one block of numbers as hashes, which anybody reverses, and as tokens."""
    block = scene.truth.block
    hashes = {hashlib.sha256(number.encode()).digest() for number in block}
    started = time.monotonic()
    recovered = sum(hashlib.sha256(number.encode()).digest() in hashes for number in block)
    seconds = time.monotonic() - started
    yield Check(
        "act-01-hashes-recovered-10000",
        recovered == len(block) and seconds < 1,
        f"{recovered:,} of {len(block):,} numbers recovered from their SHA-256 in {seconds:.2f} s",
    )
    watch_values(scene, "carrier-a", block, "block")
    tokens = _tokens(scene, "carrier-a", "block-")
    guessed = {
        make(form.encode()).digest()[:16]
        for make in (hashlib.sha256, hashlib.sha512, hashlib.blake2b, hashlib.sha3_256)
        for number in block
        for form in (number, number[1:], f"phone:{number}")
    }
    days = len(block) / (PARTNER_EVALUATIONS * len(HOLDERS) / 2)
    yield Check(
        "act-01-tokens-recovered-0",
        len(tokens) >= len(block) * 9 // 10 and not guessed & tokens,
        f"{len(guessed & tokens)} of the same block's {len(tokens):,} tokens; with a partner's"
        f" quota this one block takes {days:.0f} days, and its holders see it",
    )
    scene.saw("anybody with a list of hashes", "every number behind it")
    scene.saw("anybody with a list of tokens", "16 bytes that no guess leads to")


def _tokens(scene: Scene, member: str, prefix: str) -> set[bytes]:
    """Return the tokens on a member's watchlist whose references begin so."""
    door, found, page = scene.door(member), set[bytes](), ""
    while True:
        request = desk.ListWatchRequest(page_size=_PAGE_ROWS, page_token=page)
        listed = door.call(door.desk.ListWatch, request, CALL_SECONDS)
        found |= {one.token for one in listed.entries if one.reference.startswith(prefix)}
        if not (page := listed.next_page_token):
            return found
