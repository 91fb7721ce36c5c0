"""Decide who may replicate which log."""

from federation.names import EVERYONE, MemberId, Origin


def may_read(reader: MemberId, origin: Origin) -> bool:
    """Say whether a member that replicates may read a log.

    The door has settled already that the reader's role replicates at all. A log for a narrower
    audience is for its members alone; no such audience is defined yet, so nobody may read one.
    """
    return origin.audience == EVERYONE and bool(reader)
