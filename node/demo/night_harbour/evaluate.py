"""Act 15: what was achieved is added up without showing whose; who is behind has to mend it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Final

from federation.sheet import INDICATOR, LEAST_MEMBERS, Form, duration_figure, value_of
from federation.vocabulary import NoticeAction
from node.demo.doors import Check, wait_until
from node.demo.night_harbour import case_files, poison
from node.demo.night_harbour.annual_excerpt import show_excerpt
from node.demo.night_harbour.calls import ask
from node.demo.night_harbour.cast import (
    BANKS,
    CARRIERS,
    COORDINATOR,
    FIRMS,
    INDUSTRY,
)
from node.demo.night_harbour.rows import COURIERS
from node.demo.night_harbour.scene import Scene
from tocsin.desk.v1 import duty_service_pb2 as duty
from tocsin.desk.v1 import notice_service_pb2 as notices
from tocsin.desk.v1 import sheet_service_pb2 as sheet

LATE: Final = "carrier-c"
SHOWN: Final = ("E-1", "E-2", "E-5", "C-1", "C-2", "I-1", "B-1")
"""Indicators of the act, what people suffer from first."""
LEAD_HOURS: Final = {"carrier-a": 6, "carrier-b": 9, "carrier-c": 30}
"""Planted: hours by which the federation was ahead of each carrier's own detection."""
DEADLINE_SECONDS: Final = 30 * 86_400
NOTICE: Final = "DUTY_OVERDUE"

_Cells = Mapping[str, sheet.SheetCell]


def play(scene: Scene) -> Iterator[Check]:
    """Lift what was wrong, make the sheet, and go after an overdue duty."""
    scene.at("T 20:00")
    entered = case_files.enter_old_cases(scene)
    given = case_files.restrict_couriers(scene)
    scene.each(lambda member: _attest(scene, member), [one for one in INDUSTRY if one != LATE])
    scene.at("T+1d 08:00")
    case_files.appeal_all(scene)
    scene.at("T+1d 11:00")
    case_files.lift_all(scene, given)
    scene.saw("couriers (citizens)", f"{sum(COURIERS.values())} restrictions lifted after 3 hours")
    seized = case_files.designate_farm(scene)
    scene.saw("police-cli", f"{seized} seized SIMs in one case; {entered} older cases in the logs")
    yield from _evaluate(scene)
    yield from _mend(scene)
    yield from show_excerpt(scene, LATE)


def _attest(scene: Scene, member: str) -> None:
    matter = bytes.fromhex(scene.facts["act0.duty"])
    evidence = hashlib.sha256(f"SYNTHETIC evidence of {member}".encode()).digest()
    request = duty.AttestDutyRequest(matter_id=matter, evidence_digest=evidence)
    ask(scene, member, "duty", "AttestDuty", request)


def _evaluate(scene: Scene) -> Iterator[Check]:
    scene.each(lambda member: _feed(scene, member), INDUSTRY)
    request = sheet.MakeSheetRequest(seconds=60)
    request.from_time.seconds = scene.clock.moment("T-14d 00:00")
    request.to_time.seconds = scene.clock.moment("T+2d 00:00")
    made = ask(scene, COORDINATOR, "sheet", "MakeSheet", request)
    cells = {one.code: one for one in made.cells}
    own = scene.each(lambda member: _own(scene, member, request), INDUSTRY)
    yield _check_totals(cells, own)
    yield _check_planted(scene, cells)
    yield _check_suppressed(cells, own)
    for code in SHOWN:
        scene.saw(COORDINATOR, f"{code} {_shown(cells[code])}")
    scene.saw("carrier-a", f"own C-1 {_rate(own['carrier-a'], 'C-1')}; of the others the total")


def _feed(scene: Scene, member: str) -> None:
    """Feed what no log holds: how many customers there are, and own cases found later."""
    code = {"carrier": "C-1", "bank": "B-1", "net": "I-1"}[member.partition("-")[0]]
    counted = scene.clock.moment("T 00:00")
    customers = scene.truth.subscribers.get(member) or scene.truth.accounts[member]
    rows = [sheet.FigureRow(code=code, numerator=0, denominator=len(customers))]
    if member in LEAD_HOURS:
        rows.append(sheet.FigureRow(code="E-5", seconds=[LEAD_HOURS[member] * 3_600]))
    for row in rows:
        row.counted_time.seconds = counted
    ask(scene, member, "sheet", "AddFigures", sheet.AddFiguresRequest(rows=rows))


def _own(scene: Scene, member: str, asked: sheet.MakeSheetRequest) -> _Cells:
    request = sheet.ListFiguresRequest(from_time=asked.from_time, to_time=asked.to_time)
    return {one.code: one for one in ask(scene, member, "sheet", "ListFigures", request).cells}


def _figure(cell: sheet.SheetCell) -> tuple[int, ...]:
    if INDICATOR[cell.code].form is Form.RATE:
        return cell.numerator, cell.denominator
    return tuple(cell.durations)


def _check_totals(cells: _Cells, own: Mapping[str, _Cells]) -> Check:
    """Compare every total that is told with the figures that the members have themselves."""
    told = [code for code, cell in cells.items() if not cell.suppressed]
    wrong = [code for code in told if _figure(cells[code]) != _added(code, own)]
    return Check(
        "act-15-totals-equal-what-members-have",
        bool(told) and not wrong,
        f"{', '.join(told)}: each is the sum of what the members hold, who said none of it"
        if not wrong
        else f"differ: {', '.join(wrong)}",
    )


def _added(code: str, own: Mapping[str, _Cells]) -> tuple[int, ...]:
    figures = [_figure(cells[code]) for cells in own.values() if code in cells]
    longest = max(map(len, figures))
    padded = (figure + (0,) * (longest - len(figure)) for figure in figures)
    return tuple(map(sum, zip(*padded, strict=True)))


def _check_planted(scene: Scene, cells: _Cells) -> Check:
    """Compare with what the story planted: customers, lead times, wrong restrictions, lifts."""
    customers = sum(len(scene.truth.subscribers[one]) for one in CARRIERS)
    lifted = sum(COURIERS.values())
    others = [scene.facts.get(f"act{number}.lifted", {}) for number in (12, 14)]
    wrong = lifted + sum(sum(one.values()) for one in others)
    leads = duration_figure(hours * 3_600 for hours in LEAD_HOURS.values())
    has_leads = all(a >= b for a, b in zip(cells["E-5"].durations, leads, strict=True))
    found = (cells["C-1"].denominator, cells["E-1"].numerator)
    timed = sum(cells["E-2"].durations)
    return Check(
        "act-15-totals-equal-planted-truth",
        found == (customers, wrong) and has_leads and timed >= lifted,
        f"{customers:,} subscribers, {wrong} of {cells['E-1'].denominator} measures lifted as "
        f"wrong, {timed} lifts timed, lead times of {', '.join(map(str, LEAD_HOURS.values()))} h; "
        f"found {found[0]:,} and {found[1]}",
    )


def _check_suppressed(cells: _Cells, own: Mapping[str, _Cells]) -> Check:
    """See that two banks' and two firms' figures stay unknown to everybody."""
    small = {"B-1": BANKS, "I-1": FIRMS}
    hidden = all(
        cells[code].suppressed and not cells[code].denominator and not cells[code].contributors
        for code in small
    )
    exist = all(own[member][code].denominator for code, who in small.items() for member in who)
    return Check(
        "act-15-cell-of-fewer-than-three-suppressed",
        hidden and exist,
        f"B-1 and I-1: two members each, told as <{LEAST_MEMBERS}, to everybody",
    )


def _shown(cell: sheet.SheetCell) -> str:
    if cell.suppressed:
        return f"<{LEAST_MEMBERS} members"
    indicator = INDICATOR[cell.code]
    value = value_of(indicator, _figure(cell))
    return "no case" if value is None else f"{value:.2f} {indicator.unit}"


def _rate(cells: _Cells, code: str) -> str:
    return f"{cells[code].numerator} of {cells[code].denominator}"


def _mend(scene: Scene) -> Iterator[Check]:
    """Go from an overdue duty over a notice to its rectification."""
    matter = bytes.fromhex(scene.facts["act0.duty"])
    wait_until(lambda: _standing(scene, matter).get(LATE) == "OVERDUE", "nobody is overdue")
    before = _standing(scene, matter)
    yield Check(
        "act-15-duty-overdue",
        [one for one, state in before.items() if state == "OVERDUE"] == [LATE],
        f"{LATE} has not attested REAL_NAME_CHECK: red at every member; the other six on time",
    )
    notice = _notify(scene, matter)
    _attest(scene, LATE)
    wait_until(lambda: _standing(scene, matter).get(LATE) == "ON_TIME", "an attestation is missing")
    closed = [_rectify(scene, one) for one in _open_notices(scene, notice)]
    yield Check(
        "act-15-notice-and-rectification",
        set(closed) == {"CLOSED"} and _standing(scene, matter)[LATE] == "ON_TIME",
        f"{len(closed)} notices to {LATE} answered with a plan, mended with evidence and closed",
    )
    scene.saw(LATE, "one notice for the overdue duty; attested, mended, closed")


def _standing(scene: Scene, matter: bytes) -> dict[str, str]:
    found = ask(scene, COORDINATOR, "duty", "ListDuties", duty.ListDutiesRequest()).duties
    own = next(one for one in found if one.matter_id == matter)
    return {one.member: one.state for one in own.members}


def _notify(scene: Scene, matter: bytes) -> bytes:
    finding = hashlib.sha256(matter + LATE.encode()).digest()
    request = notices.IssueNoticeRequest(member=LATE, code=NOTICE, finding_digest=finding)
    request.deadline_time.seconds = scene.now() + DEADLINE_SECONDS
    issued: bytes = ask(scene, COORDINATOR, "notice", "IssueNotice", request).matter_id
    return issued


def _open_notices(scene: Scene, notice: bytes) -> list[bytes]:
    """Return the notices that the late member has to mend, act 11's among them."""
    earlier = scene.facts.get("act11.notice")
    return [one for one in (notice, earlier) if one]


def _rectify(scene: Scene, notice: bytes) -> str:
    wait_until(lambda: notice in poison.notices_at(scene, LATE), "a notice did not arrive")
    poison.step(scene, LATE, notice, NoticeAction.REPLIED, b"SYNTHETIC plan")
    poison.step(scene, LATE, notice, NoticeAction.RECTIFIED, b"SYNTHETIC evidence")
    wait_until(
        lambda: poison.notices_at(scene, COORDINATOR).get(notice) == "RECTIFIED",
        "a rectification did not arrive",
    )
    poison.step(scene, COORDINATOR, notice, NoticeAction.CLOSED)
    wait_until(
        lambda: poison.notices_at(scene, LATE).get(notice) == "CLOSED", "a notice stays open"
    )
    return poison.notices_at(scene, LATE)[notice]
