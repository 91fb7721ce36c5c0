"""The key ceremony: how the federation's token keys come about without anybody holding one.

``opening`` says which ceremonies there may be, ``fold`` how one stands, ``dealing`` what the
statements mean in keys, ``procedure`` what a member does next and with what. ``proto/README.md``
gives the rules.
"""

from federation.ceremony.dealing import Shares, deal, open_shares, public_keys, verify_deals
from federation.ceremony.error import CeremonyError
from federation.ceremony.fold import fold_ceremony
from federation.ceremony.opening import Setting, check_opening, open_ceremony
from federation.ceremony.procedure import (
    Step,
    StepKind,
    complain,
    conclude,
    confirm,
    give_up,
    join,
    next_step,
)
from federation.ceremony.state import Blame, CeremonyState, Fault, Phase, transcript_digest

__all__ = [
    "Blame",
    "CeremonyError",
    "CeremonyState",
    "Fault",
    "Phase",
    "Setting",
    "Shares",
    "Step",
    "StepKind",
    "check_opening",
    "complain",
    "conclude",
    "confirm",
    "deal",
    "fold_ceremony",
    "give_up",
    "join",
    "next_step",
    "open_ceremony",
    "open_shares",
    "public_keys",
    "transcript_digest",
    "verify_deals",
]
