"""Members who order measures, act and appeal, and what they say, for tests of matters."""

from federation.matters import DispositionMatter, MatterError, advance, fold_matter
from federation.names import MemberId
from federation.roles import Role
from federation.statements import (
    Appeal,
    AppealDecision,
    DispositionDecision,
    DispositionReceipt,
    DispositionReverify,
)
from federation.statements.shape import MAX_TIME
from federation.vocabulary import (
    AppealGround,
    AppealResult,
    Authority,
    DispositionOutcome,
    Exemption,
    Measure,
    OrderDecision,
    ReceiptStep,
    ReverifyResult,
)
from tests.federation.said import DAY, NOW, opaque, order, said

COORD, POLICE, A, B, BANK, NET = (
    MemberId(name) for name in ("coord", "police", "carrier-a", "carrier-b", "bank-a", "net-f")
)
ROLES = {
    COORD: frozenset({Role.COORDINATOR}),
    POLICE: frozenset({Role.POLICE}),
    A: frozenset({Role.CARRIER}),
    B: frozenset({Role.CARRIER}),
    BANK: frozenset({Role.BANK}),
    NET: frozenset({Role.INTERNET}),
}
MATTER = opaque("order 1")
EXECUTED, NOT_MINE, EXEMPT, NOTIFIED, RESTORED = ReceiptStep


def roles(member, _time=NOW):
    return ROLES.get(member, frozenset())


def ordered(**fields):
    return order(**{"members": (A, B)} | fields)


def receipt(step, outcome=None, exemption=None, name=MATTER, opener=COORD):
    if step is EXEMPT:
        exemption = exemption or Exemption.PROTECTED_OBJECT
    if step is RESTORED:
        outcome = outcome or DispositionOutcome.LIFTED_APPEAL
    return DispositionReceipt(name, opener, step, exemption, outcome)


def appeal(name=MATTER, opener=COORD):
    return Appeal(name, opener, AppealGround.NEW_OWNER)


def decided(result, name=MATTER, opener=COORD):
    return AppealDecision(name, opener, result)


def decide(decision, name=MATTER, opener=COORD):
    return DispositionDecision(name, opener, decision)


def reverified(result, name=MATTER, opener=COORD):
    return DispositionReverify(name, opener, result)


def say(body, at=0, name=None):
    """Return the statement, said ``at`` seconds after the order."""
    return said(body, id=name or opaque(f"id of {body!r} at {at}"), issued_time=NOW + at)


def timed(story, name=MATTER, start=0):
    """Return a story's statements, a second apart; the first opens the matter ``name``."""
    return [
        (member, say(body, start + at, name if at == 0 else None))
        for at, (member, body) in enumerate(story)
    ]


def after(*story, name=MATTER, start=0) -> DispositionMatter:
    """Return the matter after statements that all must count."""
    matter = None
    for member, statement in timed(story, name, start):
        matter = advance(matter, member, roles(member), statement)
    return matter


def refusal(matter, member, body, at=50):
    """Return the rule by which the matter refuses a statement."""
    try:
        advance(matter, member, roles(member), say(body, at, MATTER if matter is None else None))
    except MatterError as error:
        return error.reason
    return "ACCEPTED"


def folded(said_by):
    return fold_matter(said_by, roles, MAX_TIME)


def moves(name):
    """Return what anybody can say in the matter of an order."""
    by = {"name": name.id, "opener": name.opener}
    receipts = [receipt(step, **by) for step in ReceiptStep]
    outcomes = [receipt(RESTORED, outcome, **by) for outcome in DispositionOutcome]
    return [
        *receipts,
        *outcomes,
        appeal(**by),
        *(decided(result, **by) for result in AppealResult),
        *(decide(decision, **by) for decision in OrderDecision),
        *(reverified(result, **by) for result in ReverifyResult),
    ]


def brief(**fields):
    return ordered(term_end_time=NOW + 3 * DAY, **fields)


OPENS = [
    brief(members=(MemberId("carrier-b"), MemberId("carrier-e"))),
    brief(members=(MemberId("carrier-e"),)),
    brief(members=(MemberId("net-f"),), measure=Measure.I_LIMIT),
    brief(members=(MemberId("bank-a"),), measure=Measure.F_LIMIT, authority=Authority.POLICE),
    brief(members=(MemberId("carrier-b"),), authority=Authority.MEMBER),
    brief(members=(MemberId("carrier-b"), MemberId("bank-a")), authority=Authority.MEMBER),
    brief(members=(MemberId("carrier-b"),)),
]
"""Orders by several members about one subject."""
