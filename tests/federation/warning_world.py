"""What can be said in the matter of a warning, for the tests that hold for every kind."""

from __future__ import annotations

from federation.statements import WarningStep
from federation.vocabulary import (
    AgeBand,
    Band,
    WarningAction,
    WarningChannel,
    WarningOutcome,
)
from tests.federation.said import warning

MILD = warning(
    risk=Band.HIGH,
    age_band=AgeBand.GENERAL,
    channels=(WarningChannel.SMS, WarningChannel.VOICE, WarningChannel.VISIT),
    acknowledge_seconds=60,
)
OPENS = [warning(), MILD]


def moves(name):
    """Return every step that a warning can take, wise or not."""
    channels = (
        WarningChannel.SMS,
        WarningChannel.FLASH,
        WarningChannel.VOICE,
        WarningChannel.VISIT,
    )
    return [
        WarningStep(name.id, name.opener, WarningAction.ACKNOWLEDGED),
        *(
            WarningStep(name.id, name.opener, step, channel=channel)
            for step in (WarningAction.SENT, WarningAction.ESCALATED)
            for channel in channels
        ),
        *(
            WarningStep(name.id, name.opener, WarningAction.OUTCOME, outcome=outcome)
            for outcome in WarningOutcome
        ),
    ]
