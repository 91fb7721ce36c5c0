"""A notice and what can be said about it, for tests."""

from __future__ import annotations

from federation.names import MemberId
from federation.statements import NoticeStep, ProblemNotice
from federation.vocabulary import NoticeAction
from tests.federation.said import DAY, NOW, opaque

BANK = MemberId("bank-a")
NOTICE = ProblemNotice(BANK, "CUSTOMER_CHECKS_MISSING", opaque("finding", 32), NOW + 30 * DAY)
OPENS = [NOTICE]
_WITH_PAPER = (NoticeAction.REPLIED, NoticeAction.RECTIFIED)


def step(name, action):
    paper = opaque(f"paper {action}", 32) if action in _WITH_PAPER else b""
    return NoticeStep(name.id, name.opener, action, paper)


def moves(name):
    return [step(name, action) for action in NoticeAction]
