"""A citizen, what the citizen signs, and what members may say in one-ID queries and disputes."""

from dataclasses import replace

from federation.names import MemberId
from federation.one_id import CitizenKeys, ConsentForm
from federation.statements import OneIdAnswer, OneIdDecision, OneIdDispute
from federation.statements.one_id import SEALED_BYTES
from federation.vocabulary import AccountKind, OneIdMove, OneIdReason
from keys.secret import Secret
from tests.federation.said import NOW, TOKEN, opaque

CONTENT_KEY = opaque("content key of the identity", 32)
CITIZEN = CitizenKeys(Secret(opaque("a citizen", 32)))
A, E, F = (MemberId(name) for name in ("bank-a", "carrier-e", "net-f"))
SEALED = opaque("sealed", SEALED_BYTES)


def form(opener=A, **fields):
    defaults = {
        "opener": opener,
        "token": TOKEN,
        "epoch": 1,
        "wanted": (AccountKind.SIM, AccountKind.BANK_ACCOUNT),
        "members": (A, E),
        "receiving_key": CITIZEN.receiving_key,
        "consent_key": CITIZEN.consent_key,
        "proof_digest": opaque("proof", 32),
        "consent_time": NOW,
    }
    found = ConsentForm(**defaults | fields)
    return replace(found, knowledge_proof=found.prove(CONTENT_KEY))


def request(opener=A, **fields):
    """Return what the citizen signed for a desk."""
    found = form(opener, **fields)
    return found.signed(CITIZEN.sign_consent(found))


OPENS = [request(A), request(F), request(E, consent_time=NOW - 7_200)]
DISPUTES = [OneIdDispute(E, SEALED), OneIdDispute(A, SEALED)]


def moves(name):
    """Return bodies about one request, allowed and not."""
    return [OneIdAnswer(name.id, name.opener, SEALED), *OPENS[:1]]


def dispute_moves(name):
    """Return bodies about one dispute, allowed and not."""
    return [
        OneIdDecision(name.id, name.opener, OneIdMove.ACCEPTED),
        OneIdDecision(name.id, name.opener, OneIdMove.CLOSED, sealed_feedback=SEALED),
        *(
            OneIdDecision(
                name.id,
                name.opener,
                OneIdMove.REJECTED,
                reason,
                b"" if reason is OneIdReason.NOT_AUTHENTIC else SEALED,
            )
            for reason in OneIdReason
            if reason
        ),
    ]
