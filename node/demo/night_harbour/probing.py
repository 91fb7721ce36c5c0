"""Act 10: a courier asks about its deliveries, and a thief walks through numbers in its name."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime

from federation.charter import Charter, change_member
from federation.names import MemberId
from federation.vocabulary import AlarmKind, Band
from keys.keystore import Cost
from node.demo.doors import CALL_SECONDS, Check, wait_until
from node.demo.night_harbour.cast import COORDINATOR, HOLDERS, INDUSTRY, PARTNER
from node.demo.night_harbour.charter_change import change_charter, charter_of, open_keys
from node.demo.night_harbour.scene import Scene
from node.demo.night_harbour.thief import Thief
from node.demo.night_harbour.visitor import VISIT_SECONDS, refusal_of, visit
from node.home import Home
from node.member import Applicant, MemberKeys, create_member
from node.passphrase import passphrase_from_file
from node.peers import Peers
from node.sandbox.build import passphrase_file
from tocsin.desk.v1 import operation_service_pb2 as operation
from tocsin.v1 import lookup_service_pb2 as lookup
from tocsin.v1 import vocabulary_pb2
from tocsin.v1.lookup_service_pb2_grpc import LookupServiceStub

HONEST = "bank-y"
"""Whose quota must not change because of what the thief does."""
GRANTED = 60
"""Evaluations that the holders grant the courier once, so that its day goes on."""

_CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)


def probe(scene: Scene) -> Iterator[Check]:
    """Let the courier ask, then the thief; the quota stops the one and nobody else."""
    yield _ask_contacts(scene)
    before = _used(scene, HONEST)
    thief = Thief(scene.home(PARTNER), scene.file("thief", [""]).parent / "thief-home")
    thief.start()
    try:
        answered, ended = thief.walk(scene.truth.walked)
    finally:
        thief.end()
    walked = len(scene.truth.walked)
    yield Check(
        "act-10-walk-stopped-at-quota",
        ended == "QUOTA_EXCEEDED" and 0 < answered < walked,
        f"{answered} of {walked:,} consecutive numbers answered, then {ended}",
    )
    scene.saw("a thief", f"{answered} times NONE, then {ended}")
    yield _alarm_everywhere(scene)
    yield _others_unchanged(scene, before)
    _grant(scene)


def _ask_contacts(scene: Scene) -> Check:
    contacts = scene.truth.contacts
    results = scene.check(PARTNER, [("phone", number) for number in contacts])
    told = [one for one in results if one.band > Band.NONE]
    risky = [one for one in told if one.band >= Band.HIGH]
    codes = sorted({code for one in risky for code in one.display_codes})
    scene.saw(
        PARTNER,
        f"{len(results)} bands: {len(risky)} HIGH or above with {', '.join(codes) or 'no code'};"
        " no source, no count, no list",
    )
    return Check(
        "act-10-one-of-200-contacts-is-high",
        len(results) == len(contacts)
        and [one.value for one in told] == [scene.truth.n1]
        and len(risky) == 1
        and bool(codes)
        and not any(one.sources for one in results),
        f"{len(contacts)} contacts checked, {len(told)} known: the farm's, with display codes"
        f" {', '.join(codes)}",
    )


def _used(scene: Scene, member: str) -> dict[str, int]:
    """Return what a member has used of its quotas today, at each holder that is another."""

    async def ask(peers: Peers) -> dict[str, int]:
        used = {}
        for holder in HOLDERS:
            answer = await peers.call(
                MemberId(holder),
                lambda channel: LookupServiceStub(channel).GetQuota,
                lookup.GetQuotaRequest(),
                VISIT_SECONDS,
            )
            used[holder] = sum(one.used for one in answer.quotas)
        return used

    keys = open_keys(scene.home(member))
    return visit(keys, charter_of(scene, member), ask)


def _alarms(scene: Scene, member: str) -> list[operation.AlarmStatus]:
    return [
        one
        for one in scene.status(member).alarms
        if one.alarm.alarm_kind == AlarmKind.QUOTA_EXCEEDED.value and one.alarm.member == PARTNER
    ]


def _alarm_everywhere(scene: Scene) -> Check:
    """Wait for the alarm at every member with a log that has power."""
    told = scene.speaking
    wait_until(lambda: all(_alarms(scene, member) for member in told), "an alarm did not arrive")
    (first, *_) = _alarms(scene, told[0])
    scene.saw(COORDINATOR if COORDINATOR in told else told[0], "an alarm that names the courier")
    return Check(
        "act-10-alarm-raised",
        all(
            first.alarm.certificate_digest == one.alarm.certificate_digest
            for one in _alarms(scene, told[0])
        ),
        f"QUOTA_EXCEEDED by {PARTNER}, raised by {first.raised_by}, with the certificate's digest,"
        f" in the logs of {len(told)} members",
    )


def _others_unchanged(scene: Scene, before: dict[str, int]) -> Check:
    after = _used(scene, HONEST)
    (answer,) = scene.check(HONEST, [("phone", scene.truth.shop.number)])
    return Check(
        "act-10-honest-quota-unchanged",
        after == before and not answer.HasField("error"),
        f"{HONEST} has used {sum(after.values()):,} evaluations today, as before, and is answered",
    )


def _grant(scene: Scene) -> None:
    """Let two holders grant the courier a little more for today's deliveries."""
    grant_id = secrets.token_bytes(16)
    for holder in HOLDERS[:2]:
        request = operation.GrantQuotaRequest(
            member=PARTNER,
            kind_class=vocabulary_pb2.KIND_CLASS_PHONE,
            amount=GRANTED,
            grant_id=grant_id,
        )
        door = scene.door(holder)
        door.call(door.operation.GrantQuota, request, CALL_SECONDS)
    scene.wait_replicated()
    scene.saw(HOLDERS[0], f"as key holder, a grant of {GRANTED} evaluations once to {PARTNER}")


def revoke(scene: Scene) -> Iterator[Check]:
    """Put the stolen certificate out of force; the courier comes back with new keys."""
    wait_until(lambda: _alarms(scene, COORDINATOR), "the coordinator sees no alarm")
    yield Check(
        "act-10-alarm-at-coordinator",
        bool(_alarms(scene, COORDINATOR)),
        f"{len(_alarms(scene, COORDINATOR))} alarm at {COORDINATOR} that names {PARTNER}",
    )
    stolen, before = open_keys(scene.home(PARTNER)), charter_of(scene, INDUSTRY[0])
    renewed = _renew(scene)
    member = renewed.card.member

    def change(charter: Charter, now: int) -> Charter:
        return change_member(charter, member, time=now)

    scene.reopen(PARTNER)  # a node that stops waits for those that are connected
    scene.sandbox.stop(PARTNER)
    signers = [scene.home(one) for one in (*INDUSTRY, COORDINATOR, PARTNER)]
    new_home = scene.facts["act10.new_home"]
    version = change_charter(scene, change, [*signers, new_home], scene.speaking)
    for name in ("keys", "card"):
        shutil.copy2(getattr(new_home, name), getattr(scene.home(PARTNER), name))
    shutil.copy2(scene.home(INDUSTRY[0]).charter, scene.home(PARTNER).charter)
    scene.sandbox.start(PARTNER)
    refused = {holder: refusal_of(stolen, before, holder) for holder in HOLDERS}
    yield Check(
        "act-10-certificate-revoked",
        all(refused.values()),
        f"charter version {version} names another certificate for {PARTNER}; the stolen one at"
        f" {len(refused)} holders: {', '.join(sorted(set(refused.values())))}",
    )
    answered = scene.check(PARTNER, [("domain", "harbour-parcels.example")])
    yield Check(
        "act-10-courier-is-back",
        not any(one.HasField("error") for one in answered),
        f"{PARTNER} asks again, with new keys that its old ones and a majority signed for",
    )
    scene.saw("a thief", "closed doors")


def _renew(scene: Scene) -> MemberKeys:
    """Make new keys for the courier in a home beside its own."""
    old = scene.home(PARTNER)
    place = scene.sandbox.layout.place(PARTNER)
    home = Home(scene.file("renewed", [""]).parent / "renewed-home")
    scene.facts["act10.new_home"] = home
    applicant = Applicant(scene.sandbox.layout.federation, place.member, place.roles, place.address)
    secret = passphrase_file(old)
    create_member(home, applicant, passphrase_from_file(secret), datetime.now(UTC), _CHEAP)
    shutil.copy2(secret, passphrase_file(home))
    return MemberKeys.open(home, passphrase_from_file(passphrase_file(home)))
