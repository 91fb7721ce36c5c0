"""What members may say in the matter of a trace, for the tests that hold for every kind."""

from federation.indicators.kind import Kind
from federation.names import MemberId
from federation.statements import TraceHop, TraceOpen
from federation.vocabulary import TraceAnswer
from tests.federation.said import TOKEN, opaque

SEALED = opaque("hop", 2_161)
OPENS = [TraceOpen(TOKEN, Kind.PHONE, 1, opaque("order"), MemberId("carrier-b"), SEALED)]


def moves(name):
    """Return bodies about one trace, allowed and not."""
    others = (TraceAnswer.END, TraceAnswer.NOT_HELD)
    return [
        *(
            TraceHop(name.id, name.opener, TraceAnswer.NEXT, hop, MemberId(holder), SEALED)
            for hop in (1, 2, 3)
            for holder in ("bank-a", "net-c")
        ),
        *(
            TraceHop(name.id, name.opener, step, hop, MemberId("bank-a"))
            for step in others
            for hop in (1, 2, 3)
        ),
    ]
