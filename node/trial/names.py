"""Find a member id for whatever a table calls its members."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from federation.names import MemberId, NameFormatError
from federation.roles import INDUSTRY
from node.sandbox.error import SandboxError
from node.sandbox.layout import role_of

COORDINATOR: Final = "coord-trial"
MAX_KEPT_CHARACTERS: Final = 20
"""Characters: a home's path has room for no more below a long temporary directory."""

_MANY_DIGITS: Final = re.compile(r"\d{7}")  # could be somebody's number


def member_ids(names: Sequence[str]) -> dict[str, str]:
    """Give each name its member id: the names themselves where all can be ids, else a count.

    Returns:
        Member id by name, in the order of the names.
    """
    if all(_is_member_id(name) for name in names):
        return {name: name for name in names}
    return {name: f"net-{place}" for place, name in enumerate(names, start=1)}


def _is_member_id(name: str) -> bool:
    try:
        MemberId(name)
        role = role_of(name)
    except (NameFormatError, SandboxError):
        return False
    fits = len(name) <= MAX_KEPT_CHARACTERS and not _MANY_DIGITS.search(name)
    return fits and role in INDUSTRY
