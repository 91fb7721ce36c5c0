"""Hold the procedure of an order: from the order over receipts and notice to its end, or a lift.

A lift ends one order here; which other orders about the same subject end with it, and that it wins
over every older one, says ``federation.matters.restrictions``.

Source: DOMAIN §2 (disposition), R07, R08, R63.
"""

from collections.abc import Iterable
from typing import Final

from federation.matters.disposition_facts import (
    ABLE,
    ACTED,
    AFTER_TERM,
    APPEAL_CLOSED,
    APPEALS_LEFT,
    CIVIL,
    COMMON,
    FOR_ITSELF,
    FREE,
    IN_TERM,
    LAST,
    LIFTED_ELSEWHERE,
    MEASURE_FITS,
    NOT_SPOOFED,
    NOTICES_LAST,
    OWES_NOTICE,
    PARTIAL,
    POWER,
    SUBJECT_MAY,
    TERM_FITS,
    DispositionFacts,
    absorb,
    awaited,
    due,
)
from federation.matters.procedure import (
    Deadline,
    Kind,
    Matter,
    Part,
    Procedure,
    Rule,
    State,
    Transition,
)
from federation.roles import INDUSTRY, SPEAKING, Role
from federation.statements import (
    Appeal,
    AppealDecision,
    DispositionDecision,
    DispositionOrder,
    DispositionReceipt,
    DispositionReverify,
    Statement,
)
from federation.vocabulary import (
    AppealResult,
    Authority,
    OrderDecision,
    ReceiptStep,
    ReverifyResult,
)

DispositionMatter = Matter[DispositionFacts]

OWED: Final = Deadline("when the first answer, notice, decision or restoration is owed", due)

_POLICE: Final = frozenset({Role.POLICE})
_DECIDING: Final = frozenset({Role.COORDINATOR, Role.REGULATOR})

IN_FORCE: Final = (State.AUTHORISED, State.EXECUTED, State.NOTIFIED, State.APPEALED, State.UPHELD)
"""States in which the order stands."""


def _step(
    state: State,
    said: tuple[type, ReceiptStep | ReverifyResult | AppealResult | OrderDecision | None],
    who: tuple[frozenset[Role], Part],
    rules: Iterable[Rule],
    to: State,
) -> Transition:
    body, choice = said
    roles, part = who
    return Transition(Kind.DISPOSITION, state, body, choice, roles, part, tuple(rules), to, OWED)


_ORDER: Final = (DispositionOrder, None)
_SOUND: Final = (MEASURE_FITS, NOT_SPOOFED, SUBJECT_MAY, TERM_FITS)
_ADDRESSED: Final = (INDUSTRY, Part.PARTY)

_ORDERS: Final = (
    _step(
        State.ABSENT,
        _ORDER,
        (_POLICE, Part.ANYONE),
        (POWER[Authority.POLICE], *_SOUND),
        State.AUTHORISED,
    ),
    _step(
        State.ABSENT,
        _ORDER,
        (_DECIDING, Part.ANYONE),
        (POWER[Authority.FEDERATION], COMMON, *_SOUND),
        State.AUTHORISED,
    ),
    _step(
        State.ABSENT,
        _ORDER,
        (INDUSTRY, Part.ANYONE),
        (POWER[Authority.MEMBER], COMMON, *_SOUND, FOR_ITSELF),
        State.AUTHORISED,
    ),
    _step(
        State.ABSENT,
        _ORDER,
        (INDUSTRY, Part.ANYONE),
        (POWER[Authority.MEMBER], COMMON, *_SOUND),
        State.PROPOSED,
    ),
    _step(
        State.PROPOSED,
        (DispositionDecision, OrderDecision.AUTHORISE),
        (_DECIDING, Part.ANYONE),
        (IN_TERM,),
        State.AUTHORISED,
    ),
    _step(
        State.PROPOSED,
        (DispositionDecision, OrderDecision.REJECT),
        (_DECIDING, Part.ANYONE),
        (),
        State.REJECTED,
    ),
)


def _after_executing(state: State) -> State:
    return state if state in (State.APPEALED, State.UPHELD, State.LIFTED) else State.EXECUTED


def _receipts(state: State) -> tuple[Transition, ...]:
    """Return the rows of what an addressed member says of its own part."""
    executed = (DispositionReceipt, ReceiptStep.EXECUTED)
    notified = (DispositionReceipt, ReceiptStep.NOTIFIED)
    to = _after_executing(state)
    return (
        *(
            _step(
                state,
                executed,
                (frozenset({role}), Part.PARTY),
                (able, FREE, IN_TERM),
                to,
            )
            for role, able in ABLE.items()
        ),
        *(
            _step(state, (DispositionReceipt, answer), _ADDRESSED, (FREE,), state)
            for answer in (ReceiptStep.NOT_MINE, ReceiptStep.EXEMPT)
        ),
        *(
            (_step(state, notified, _ADDRESSED, (OWES_NOTICE, NOTICES_LAST), State.NOTIFIED),)
            if state is State.EXECUTED
            else ()
        ),
        _step(state, notified, _ADDRESSED, (OWES_NOTICE,), state),
    )


def _ends(state: State) -> tuple[Transition, ...]:
    """Return the rows by which an order that stands is contested, lifted or over."""
    restored = (DispositionReceipt, ReceiptStep.RESTORED)
    reverify = DispositionReverify
    lift = (DispositionDecision, OrderDecision.LIFT)
    stays = (ReverifyResult.FAIL, ReverifyResult.NO_RESPONSE)
    return (
        _step(state, restored, _ADDRESSED, (ACTED, AFTER_TERM, LAST), State.EXPIRED),
        _step(state, restored, _ADDRESSED, (ACTED, AFTER_TERM), state),
        _step(state, restored, _ADDRESSED, (ACTED, LIFTED_ELSEWHERE, LAST), State.LIFTED),
        _step(state, restored, _ADDRESSED, (ACTED, LIFTED_ELSEWHERE), state),
        _step(state, (reverify, ReverifyResult.PASS), _ADDRESSED, (ACTED, CIVIL), State.LIFTED),
        *(_step(state, (reverify, result), _ADDRESSED, (ACTED,), state) for result in stays),
        _step(
            state,
            (Appeal, None),
            (SPEAKING, Part.ANYONE),
            (APPEALS_LEFT, APPEAL_CLOSED),
            State.APPEALED,
        ),
        _step(state, lift, (SPEAKING, Part.OPENER), (), State.LIFTED),
        _step(state, lift, (_DECIDING, Part.ANYONE), (CIVIL,), State.LIFTED),
        _step(state, lift, (_POLICE, Part.ANYONE), (), State.LIFTED),
    )


def _decisions(state: State) -> tuple[Transition, ...]:
    """Return the rows by which an appeal is decided: by who ordered, acted or oversees."""
    who: tuple[tuple[tuple[frozenset[Role], Part], tuple[Rule, ...]], ...] = (
        ((SPEAKING, Part.OPENER), ()),
        (_ADDRESSED, (ACTED, CIVIL)),
        ((_DECIDING, Part.ANYONE), (CIVIL,)),
        ((_POLICE, Part.ANYONE), ()),
    )
    results = ((AppealResult.UPHELD, State.UPHELD), (AppealResult.LIFTED, State.LIFTED))
    return tuple(
        _step(state, (AppealDecision, result), part, rules, to)
        for result, to in results
        for part, rules in who
        if state is State.APPEALED or result is AppealResult.LIFTED
    )


def _widened() -> tuple[Transition, ...]:
    """Return the rows by which who oversees lifts for all what others lifted for themselves.

    Without them a member could take its measure back, or lift its own order, and date that before
    the decision that frees the subject everywhere: that would not count any more.
    """
    lifts = (
        (DispositionDecision, OrderDecision.LIFT),
        (AppealDecision, AppealResult.LIFTED),
    )
    who = (((_DECIDING, Part.ANYONE), (CIVIL, PARTIAL)), ((_POLICE, Part.ANYONE), (PARTIAL,)))
    return tuple(
        _step(State.LIFTED, lift, part, rules, State.LIFTED)
        for lift in lifts
        for part, rules in who
    )


TABLE: Final[tuple[Transition, ...]] = (
    *_ORDERS,
    *(row for state in (*IN_FORCE, State.LIFTED) for row in _receipts(state)),
    *(row for state in IN_FORCE for row in _ends(state)),
    *(row for state in (State.APPEALED, State.UPHELD) for row in _decisions(state)),
    _step(
        State.LIFTED, (DispositionReceipt, ReceiptStep.RESTORED), _ADDRESSED, (ACTED,), State.LIFTED
    ),
    *_widened(),
)
"""Every step that an order can take."""


def _begin(statement: Statement) -> DispositionFacts:
    assert isinstance(statement.body, DispositionOrder)  # noqa: S101  # it is what opens a matter
    return DispositionFacts(statement.body)


def _ends_at(facts: DispositionFacts) -> int | None:
    return None if facts.lifted_time else facts.order.term_end_time


DISPOSITION: Final = Procedure(
    kind=Kind.DISPOSITION,
    opens=DispositionOrder,
    bodies=frozenset(
        {
            DispositionOrder,
            DispositionReceipt,
            DispositionReverify,
            Appeal,
            AppealDecision,
            DispositionDecision,
        }
    ),
    begin=_begin,
    absorb=absorb,
    table=TABLE,
    parties=lambda facts: frozenset(facts.order.members),
    subject=lambda facts: facts.order.token,
    ends=_ends_at,
    awaits=awaited,
)
