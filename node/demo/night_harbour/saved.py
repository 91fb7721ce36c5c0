"""Act 8: V1 is saved: the bank learns that a risky call is on, the carrier whom to warn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from federation.vocabulary import (
    AgeBand,
    Band,
    CallContext,
    DispositionReason,
    FraudStage,
    FraudType,
    Measure,
    Purpose,
    ReceiptStep,
    SubjectRole,
    WarningChannel,
    WarningOutcome,
    WarningUrgency,
)
from federation.warning_text import WarningTextError, check_text
from node.demo.doors import Check, wait_until
from node.demo.night_harbour.calls import (
    ask,
    notify_all,
    number,
    order,
    raw,
    refusal,
    wait_answered,
    watch,
)
from node.demo.night_harbour.cast import CARRIERS
from node.demo.night_harbour.scene import Scene
from tocsin.desk.v1 import call_service_pb2 as calls
from tocsin.desk.v1 import matter_service_pb2 as matter
from tocsin.desk.v1 import warn_service_pb2 as warn

HOME: Final = "carrier-c"
"""V1's carrier."""
BANK: Final = "bank-x"
AMOUNT: Final = "48,000 CNY"
"""What V1 is told to pay; it is the bank's alone."""

_CALL_MINUTES: Final = 14
_CONSENT_SECONDS: Final = 30 * 86_400
_MINUTE: Final = 60


def play(scene: Scene) -> Iterator[Check]:
    """Ask before the payment, delay it, warn the customer, and see what each side learnt."""
    scene.at("T 09:40")
    scene.own(BANK, "phone", scene.truth.v1.number)
    scene.own(BANK, "bank_account", scene.truth.mules["bank-y"][1])
    scene.own(HOME, "phone", scene.truth.quiet_sim, scene.truth.guardian.number)
    scene.each(lambda carrier: _feed(scene, carrier), CARRIERS)
    before = _context(scene)
    scene.at("T 10:02")
    scene.each(lambda carrier: _feed(scene, carrier, _risky_calls(scene, carrier)), CARRIERS)
    now = _context(scene)
    yield _asked(scene, before, now)
    yield _delayed(scene)
    warning_id = _warn(scene)
    messages = _outbox(scene)
    yield _sealed(scene, messages)
    yield _text(messages)
    yield _dissuaded(scene, warning_id, messages)
    yield from _learnt(scene)


def _line(scene: Scene) -> str:
    """Return the carrier's own name for V1."""
    return scene.truth.reference(HOME, scene.truth.v1.number)


def _feed(scene: Scene, carrier: str, fed: tuple[calls.Call, ...] = ()) -> None:
    """Report what a carrier's network sees; no call says that it is watched."""
    ask(scene, carrier, "calls", "FeedCalls", calls.FeedCallsRequest(calls=fed))


def _risky_calls(scene: Scene, carrier: str) -> tuple[calls.Call, ...]:
    if carrier != HOME:
        return ()
    call = calls.Call(
        subscriber=scene.truth.v1.number, other=scene.truth.quiet_sim, first_contact=True
    )
    call.began_time.seconds = scene.now() - _CALL_MINUTES * _MINUTE
    return (call,)


def _context(scene: Scene) -> calls.GetContextResponse:
    request = calls.GetContextRequest(
        value=raw("phone", scene.truth.v1.number), purpose=number(Purpose.PAYMENT_HOLD)
    )
    return ask(scene, BANK, "calls", "GetContext", request)  # type: ignore[no-any-return]  # as the contract says


def _asked(scene: Scene, before: calls.GetContextResponse, now: calls.GetContextResponse) -> Check:
    names = [CallContext(one.call_context).name for one in (before, now)]
    scene.saw(BANK, f"V1's first payment to this payee: call context {names[1]}, {now.advice}")
    return Check(
        "act-08-call-context-active-risky",
        (names, before.advice, now.advice) == (["NONE", "ACTIVE_RISKY"], "ALLOW", "DELAY"),
        f"before the call {names[0]}: {before.advice}; {_CALL_MINUTES} minutes into it "
        f"{names[1]}: {now.advice}; {now.asked} carriers asked, none named",
    )


def _delayed(scene: Scene) -> Check:
    """Let the bank delay the payment to an account that it knows as the payee's alone."""
    payee = scene.truth.mules["bank-y"][1]
    watch(scene, BANK, "bank_account", [(payee, f"payee of {AMOUNT}")])
    status = order(
        scene,
        BANK,
        ("bank_account", payee),
        Measure.F_DELAY,
        DispositionReason.ABNORMAL_USE,
        role=SubjectRole.MULE,
        to=(BANK,),
        seconds=86_400,
    )
    done = wait_answered(scene, BANK, [status.matter_id])[status.matter_id]
    notify_all(scene, BANK)
    return Check(
        "act-08-payment-delayed",
        done.parts[0].step == number(ReceiptStep.EXECUTED),
        f"F-DELAY on a payment of {AMOUNT} to a payee that V1 has never paid",
    )


def _warn(scene: Scene) -> bytes:
    """Keep V1's guardian at the carrier, and let the bank raise the warning."""
    guardian = warn.Guardian(
        reference=_line(scene), contact=raw("phone", scene.truth.guardian.number)
    )
    guardian.until_time.seconds = scene.now() + _CONSENT_SECONDS
    ask(scene, HOME, "warn", "AddGuardian", warn.AddGuardianRequest(guardian=guardian))
    request = warn.RaiseWarningRequest(
        value=raw("phone", scene.truth.v1.number),
        risk=number(Band.VERY_HIGH),
        age_band=number(AgeBand.VULNERABLE),
        urgency=number(WarningUrgency.IMMEDIATE),
        fraud_type=number(FraudType.CUSTOMER_SERVICE),
        stage=number(FraudStage.PAYMENT),
        impersonated="the refund service",
        pretext="a refund of a double charge",
    )
    warning_id: bytes = ask(scene, BANK, "warn", "RaiseWarning", request).warning_id
    scene.facts["act8.warning"] = warning_id
    return warning_id


def _waiting(scene: Scene, carrier: str) -> list[warn.OutboxMessage]:
    return list(ask(scene, carrier, "warn", "ListOutbox", warn.ListOutboxRequest()).messages)


def _outbox(scene: Scene) -> dict[str, list[warn.OutboxMessage]]:
    """Wait for the messages, and return what each carrier has to send."""
    wait_until(lambda: _waiting(scene, HOME), "a warning did not arrive")
    others = [one for one in CARRIERS if one != HOME]
    wait_until(
        lambda: all(_knows_warning(scene, one) for one in others), "a warning did not arrive"
    )
    return scene.each(lambda carrier: _waiting(scene, carrier), CARRIERS)


def _knows_warning(scene: Scene, member: str) -> bool:

    request = matter.GetMatterRequest(matter_id=scene.facts["act8.warning"])
    return not refusal(scene, member, "matter", "GetMatter", request)


def _sealed(scene: Scene, messages: dict[str, list[warn.OutboxMessage]]) -> Check:
    own = {one.recipient: one for one in messages[HOME]}
    others = [carrier for carrier in CARRIERS if carrier != HOME]
    flash, copy = own["CUSTOMER"], own["GUARDIAN"]
    scene.saw(HOME, f"a warning for {flash.address}: flash message, and a copy to the guardian")
    for carrier in others:
        scene.saw(carrier, "a warning about nobody of its own")
    right = (
        flash.channel == number(WarningChannel.FLASH)
        and flash.address == _line(scene)
        and copy.address == scene.truth.guardian.number
        and "refund service" in flash.text_en
        and "refund service" not in copy.text_en + copy.text_zh
    )
    return Check(
        "act-08-warning-at-carrier-c-only",
        right and not any(messages[one] for one in others),
        f"{HOME} alone opens it: a flash message to V1, a notice without the case to the guardian",
    )


def _text(messages: dict[str, list[warn.OutboxMessage]]) -> Check:
    texts = [text for one in messages[HOME] for text in (one.text_zh, one.text_en)]
    (shown,) = (one.text_en for one in messages[HOME] if one.recipient == "CUSTOMER")
    try:
        for text in texts:
            check_text(text)
    except WarningTextError as error:
        return Check("act-08-text-has-no-link", passed=False, detail=error.reason)
    return Check(
        "act-08-text-has-no-link",
        len(texts) == 4 and all(texts),
        f"{len(texts)} texts without link, number, account or way to reply: “{shown}”",
    )


def _dissuaded(
    scene: Scene, warning_id: bytes, messages: dict[str, list[warn.OutboxMessage]]
) -> Check:
    for one in messages[HOME]:
        request = warn.ReportSentRequest(message_id=one.message_id)
        ask(scene, HOME, "warn", "ReportSent", request)
    acknowledged = warn.ReportAcknowledgedRequest(warning_id=warning_id)
    ask(scene, HOME, "warn", "ReportAcknowledged", acknowledged)
    outcome = warn.ReportOutcomeRequest(
        warning_id=warning_id, outcome=number(WarningOutcome.DISSUADED)
    )
    ask(scene, HOME, "warn", "ReportOutcome", outcome)
    wait_until(
        lambda: _warning(scene, warning_id).outcome == number(WarningOutcome.DISSUADED),
        "an outcome did not arrive",
    )
    known = _warning(scene, warning_id)
    scene.saw(BANK, f"the warning's outcome as a code: {WarningOutcome(known.outcome).name}")
    scene.moment("T 10:02", "S4", BANK, f"V1 is about to pay {AMOUNT}: delayed")
    scene.moment("T 10:02", "S4", HOME, "V1 is warned on the screen, and dissuaded")
    scene.saw("V1 (citizen)", "a flash message over the screen; hangs up and does not pay")
    return Check(
        "act-08-outcome-dissuaded",
        known.state == "OUTCOME_REPORTED" and known.carrier == HOME,
        f"{BANK} learns one code, DISSUADED, and which carrier warned",
    )


def _warning(scene: Scene, warning_id: bytes) -> warn.WarningStatus:
    found: list[warn.WarningStatus] = list(
        ask(scene, BANK, "warn", "ListWarnings", warn.ListWarningsRequest()).warnings
    )
    return next(one for one in found if one.warning_id == warning_id)


def _learnt(scene: Scene) -> Iterator[Check]:
    """Search what the nodes wrote: the caller at the bank, amount and payee at the carriers."""
    truth = scene.truth
    caller, payee = truth.quiet_sim.encode()[1:], truth.mules["bank-y"][1].encode()
    wrote = {one: _files(scene, one) for one in (BANK, *CARRIERS)}
    yield Check(
        "act-08-bank-never-learns-caller",
        caller in wrote[HOME] and caller not in wrote[BANK],
        f"the caller's number stands at {HOME} and nowhere on {BANK}'s disk, "
        f"{len(wrote[BANK]) / 1e6:.0f} MB searched",
    )
    account = payee.partition(b":")[2]
    amount = AMOUNT.partition(" ")[0].encode()
    yield Check(
        "act-08-carrier-never-learns-amount",
        amount in wrote[BANK]
        and not any(what in wrote[one] for one in CARRIERS for what in (account, amount)),
        f"neither amount nor payee on the disk of any carrier; {BANK} has both",
    )


def _files(scene: Scene, member: str) -> bytes:
    """Return everything that a node has written, its captured messages too."""
    root = scene.home(member).root
    return b"\0".join(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file())
