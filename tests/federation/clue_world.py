"""What members may say in the matter of a clue, for the tests that hold for every kind."""

from federation.names import MemberId
from federation.statements import ClueOutcome, ClueStep, ClueSubject
from federation.vocabulary import ClueMove, ClueResult, ClueReturn
from tests.federation.said import CLUE_SUBJECTS, clue, clue_hand_over, opaque

OPENS = [clue()]

_FOREIGN = (ClueSubject(opaque("elsewhere"), CLUE_SUBJECTS[0].kind, 1),)


def moves(name):
    """Return bodies about one clue, allowed and not."""
    return [
        *(
            ClueStep(name.id, name.opener, which)
            for which in ClueMove
            if which is not ClueMove.RETURNED
        ),
        ClueStep(name.id, name.opener, ClueMove.RETURNED, ClueReturn.UNREADABLE),
        *(
            clue_hand_over(matter_id=name.id, opener=name.opener, receiver=MemberId(receiver))
            for receiver in ("police", "bank-a")
        ),
        *(
            ClueOutcome(name.id, name.opener, result, subjects)
            for result in (ClueResult.FRAUD, ClueResult.NOT_FRAUD)
            for subjects in (CLUE_SUBJECTS, CLUE_SUBJECTS[:1])
        ),
        ClueOutcome(name.id, name.opener, ClueResult.FRAUD, _FOREIGN),
    ]
