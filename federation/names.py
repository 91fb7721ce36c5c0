"""Names of federations, members and log audiences, each its own type.

A name is checked when it is made, so holding one is proof that it is well formed, and one kind
of name cannot be passed for another.
"""

import re
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from federation.errors import FederationError

# Characters: a member and a federation joined by a dot are still one DNS name with short labels.
MAX_NAME_CHARACTERS: Final = 40

_NAME = re.compile(r"[a-z0-9](-?[a-z0-9])*")


class NameFormatError(FederationError):
    """A name is not lower-case letters, digits and single inner hyphens, 40 at most."""

    reason = "NAME_INVALID"
    public = "A name is not well formed."


class _Name(str):
    """Text that obeys the naming rule; the checks of all kinds of name are the same."""

    __slots__ = ()

    what: ClassVar[str]

    def __new__(cls, text: str) -> Self:
        if len(text) > MAX_NAME_CHARACTERS or not _NAME.fullmatch(text):
            raise NameFormatError(
                f"not a valid {cls.what}",
                hint="use a-z, 0-9 and single hyphens inside, at most 40 characters",
            )
        return super().__new__(cls, text)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return ``text`` as a checked name.

        Raises:
            NameFormatError: The text breaks the rule. The message does not repeat it.
        """
        return cls(text)


class FederationName(_Name):
    """A federation, as its charter calls itself."""

    __slots__ = ()

    what = "federation name"


class MemberId(_Name):
    """A member, as the charter of its federation calls it."""

    __slots__ = ()

    what = "member name"


class Audience(_Name):
    """Who may replicate a log."""

    __slots__ = ()

    what = "audience name"


EVERYONE: Final = Audience("all")
"""The audience of a member's ordinary log."""


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """The identity of one log: whose it is, and who may replicate it."""

    federation: FederationName
    member: MemberId
    audience: Audience = EVERYONE

    @property
    def key_name(self) -> str:
        """Name of the key that signs this log's checkpoints, ``<federation>/<member>``."""
        return f"{self.federation}/{self.member}"

    def __str__(self) -> str:
        return f"{self.key_name}/{self.audience}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``<federation>/<member>/<audience>``.

        Raises:
            NameFormatError: There are not three parts, or one of them is no name.
        """
        parts = text.split("/")
        if len(parts) != 3:
            raise NameFormatError("an origin is <federation>/<member>/<audience>")
        return cls(FederationName(parts[0]), MemberId(parts[1]), Audience(parts[2]))
