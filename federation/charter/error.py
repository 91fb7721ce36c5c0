"""Refuse what is no valid charter."""

from typing import NoReturn

from federation.errors import PolicyError


class CharterError(PolicyError):
    """A charter is not valid, or does not say what was asked of it.

    ``reason`` says why, from this closed set: CHARTER_MALFORMED, CHARTER_INVALID,
    CHARTER_SIGNATURE_INVALID, CHARTER_SIGNATURE_MISSING, CHARTER_COORDINATOR_MISSING,
    CHARTER_MAJORITY_MISSING, CHARTER_FEDERATION_MISMATCH, CHARTER_VERSION_SKIPPED,
    CHARTER_PREVIOUS_MISMATCH, CHARTER_TIME_REVERSED, CHARTER_MEMBER_REMOVED,
    CHARTER_REVOCATION_UNDONE, CHARTER_KEY_CHANGED, MEMBER_UNKNOWN.
    """

    reason = "CHARTER_INVALID"
    public = "The charter is not valid."


def refuse(message: str, reason: str = "CHARTER_INVALID", hint: str | None = None) -> NoReturn:
    """Raise the error that says which rule is broken."""
    raise CharterError(message, reason=reason, hint=hint)


def refuse_format(message: str) -> NoReturn:
    """Raise the error for text that no node writes."""
    refuse(message, "CHARTER_MALFORMED")
