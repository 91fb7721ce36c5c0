"""Find clues, hand them over to the police, and bring back what came of them.

What goes into the log are tokens, codes and a package that opens with the key of the police alone.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from federation.charter import Charter
from federation.evidence_package import (
    EvidenceFile,
    Package,
    make_package,
    open_package,
    package_context,
    seal_package,
)
from federation.matters import ClueMatter, Kind, advance
from federation.names import MemberId
from federation.roles import Role
from federation.statements import (
    Body,
    Clue,
    ClueEdge,
    ClueHandOver,
    ClueOutcome,
    ClueStep,
    ClueSubject,
    Statement,
    StatementError,
)
from federation.vocabulary import (
    ClueMove,
    ClueReason,
    ClueResult,
    ClueReturn,
    ClueSource,
    FraudType,
    LegalBasis,
    Purpose,
    TrafficLight,
)
from keys.sealing import SealingKey
from node.desk.voice import Voice
from node.errors import PolicyError, RequestError
from node.matters.book import BookedMatter, MatterBook
from tocsin.desk.v1 import desk_service_pb2

MAX_REMARKS_CHARACTERS: Final = 4_000
"""Characters that a person adds to a package: two pages."""

_SECRET_SOURCES: Final = re.compile(
    r"(?i)\b(strs?|sars?|aml|suspicious[\s_-]*(transaction|activity)s?([\s_-]*reports?)?)\b"
    r"|可疑交易|反洗钱"
)


def read_source(text: str) -> ClueSource:
    """Read what found a clue.

    Raises:
        PolicyError: STR_SECRET, a report about suspicious transactions, which the law keeps
            secret. Source: DOMAIN R67; AMLL 2024 articles 7 and 35.
        RequestError: SOURCE_UNKNOWN.
    """
    word = re.sub(r"[\s_-]+", " ", text.strip())
    if _SECRET_SOURCES.search(word):
        raise PolicyError(
            "what rests on a report of suspicious transactions is secret and is not shared",
            reason="STR_SECRET",
            hint="share only what own records show without the report",
        )
    try:
        return ClueSource[word.upper().replace(" ", "_")]
    except KeyError as error:
        names = ", ".join(one.name.lower() for one in ClueSource)
        raise RequestError(
            f"a clue is found by one of: {names}", reason="SOURCE_UNKNOWN"
        ) from error


class Clues:
    """The clues of one node: its own, and those that were handed over to it."""

    def __init__(
        self,
        voice: Voice,
        book: MatterBook,
        charter: Callable[[], Charter],
        sealing: SealingKey,
    ) -> None:
        """Prepare.

        Args:
            voice: What the member speaks with.
            book: The matters of the logs.
            charter: The one in force.
            sealing: The member's key, for packages that are sealed to it.
        """
        self._voice = voice
        self._book = book
        self._charter = charter
        self._sealing = sealing
        self._me = MemberId(voice.member)

    async def create(
        self,
        values: Sequence[desk_service_pb2.RawIndicator],
        edges: Sequence[ClueEdge],
        source: ClueSource,
        reasons: Sequence[ClueReason],
        fraud_type: FraudType,
    ) -> ClueMatter:
        """Open a clue about raw values, for a person.

        Raises:
            RequestError: A value or field is malformed; nothing was said.
            PolicyError: ROLE_NOT_ALLOWED, or the holders refuse.
            UnavailableError: No token can be made now.
            MatterError: The member may not open a clue.
        """
        self._voice.speaker.require_may_say(Clue)
        taken = await self._voice.intake.take(values, Purpose.VERIFICATION, self._voice.pad())
        for why in taken.refused.values():
            raise RequestError(why.message, reason=why.reason)
        rows = [(one.token, one.indicator.kind.value, one.indicator.value) for one in taken.known]
        await asyncio.to_thread(self._voice.stores.private.put_values, rows, self._voice.epoch())
        subjects = tuple(
            ClueSubject(one.token, one.indicator.kind, self._voice.epoch()) for one in taken.known
        )
        return await self.open(subjects, edges, source, reasons, fraud_type)

    async def open(
        self,
        subjects: Sequence[ClueSubject],
        edges: Sequence[ClueEdge],
        source: ClueSource,
        reasons: Sequence[ClueReason],
        fraud_type: FraudType,
        references: bytes = b"",
    ) -> ClueMatter:
        """Open a clue about tokens, for a rule of this node such as a match over members.

        Raises:
            RequestError: A field is malformed.
            MatterError: The member may not open a clue.
        """
        try:
            body = Clue(
                tuple(subjects), tuple(edges), source, tuple(reasons), fraud_type, references
            )
        except StatementError as error:
            raise RequestError(str(error), reason=error.reason) from error
        return await self._say(None, body)

    async def move(self, prefix: bytes, step: ClueMove, reason: ClueReturn) -> ClueMatter:
        """Take a clue on.

        Raises:
            RequestError: There is no such clue, or a reason is missing or too much.
            MatterError: The table does not allow it now; the reason is the rule's name.
        """
        matter = await asyncio.to_thread(self.find, prefix)
        try:
            body = ClueStep(matter.id, matter.opener, step, reason)
        except StatementError as error:
            raise RequestError(str(error), reason=error.reason) from error
        return await self._say(matter, body)

    async def hand_over(
        self, prefix: bytes, receiver: str, files: Sequence[EvidenceFile], remarks: str
    ) -> ClueMatter:
        """Hand a clue over in a package that opens with the receiver's key alone.

        Raises:
            RequestError: There is no such clue; RECEIVER_UNKNOWN, REMARKS_TOO_LONG.
            PolicyError: RECEIVER_NOT_POLICE.
            PackageError: PACKAGE_TOO_LARGE or FILE_NAME_INVALID.
            MatterError: The table does not allow it now.
        """
        matter = await asyncio.to_thread(self.find, prefix)
        if len(remarks) > MAX_REMARKS_CHARACTERS:
            message = f"at most {MAX_REMARKS_CHARACTERS} characters of remarks"
            raise RequestError(message, reason="REMARKS_TOO_LONG")
        to = self._receiver(receiver)
        facts = await asyncio.to_thread(self._facts, matter, remarks)
        package = make_package(facts, files)
        charter = self._charter()
        context = package_context(charter.federation, self._me, to, matter.id)
        sealed = await asyncio.to_thread(
            seal_package, package, charter.member(to).sealing_key, context
        )
        body = ClueHandOver(matter.id, matter.opener, to, sealed, package.digest, len(files))
        return await self._say(matter, body)

    async def unseal(self, prefix: bytes) -> Package:
        """Open the package that was handed over last.

        Raises:
            RequestError: There is no such clue; PACKAGE_MISSING.
            PackageError: PACKAGE_CLOSED for whoever is not the receiver; PACKAGE_INVALID.
        """
        return await asyncio.to_thread(self._unseal, prefix)

    async def report(self, prefix: bytes, result: ClueResult, places: Sequence[int]) -> ClueMatter:
        """Report what came of a clue, to its finder and to all who learn from it.

        Raises:
            RequestError: There is no such clue, or no such place in it.
            PolicyError: ROLE_NOT_ALLOWED for whoever is not of the police.
            MatterError: The table does not allow it now.
        """
        matter = await asyncio.to_thread(self.find, prefix)
        subjects = matter.facts.clue.subjects
        if any(place >= len(subjects) for place in places):
            raise RequestError("the clue has no object at this place", reason="PLACE_INVALID")
        named = tuple(subjects[place] for place in dict.fromkeys(places)) or subjects
        return await self._say(matter, ClueOutcome(matter.id, matter.opener, result, named))

    def find(self, prefix: bytes) -> ClueMatter:
        """Return the clue whose id begins so; blocking.

        Raises:
            RequestError: MATTER_ID_INVALID, MATTER_UNKNOWN or MATTER_AMBIGUOUS.
        """
        return self._book.find(prefix, Kind.CLUE).matter

    def all(self) -> list[BookedMatter]:
        """Return every clue, newest first; blocking."""
        return self._book.all(Kind.CLUE)

    def values(self, tokens: Sequence[bytes]) -> dict[bytes, str]:
        """Return the values of those of the tokens that this member has; blocking."""
        found = self._voice.stores.private.values(tokens)
        return {token: own.value for token, own in found.items()}

    async def _say(self, matter: ClueMatter | None, body: Body) -> ClueMatter:
        speaker = self._voice.speaker
        speaker.require_may_say(type(body))
        statement = speaker.statement(
            body,
            Purpose.VERIFICATION,
            legal_basis=LegalBasis.ATNFL_32,
            tlp=TrafficLight.AMBER_STRICT,
        )
        async with speaker.lock:
            after = await asyncio.to_thread(self._try, matter, statement)
            await speaker.say([statement])
        return after

    def _try(self, matter: ClueMatter | None, statement: Statement) -> ClueMatter:
        if matter is not None:  # as it stands now, under the lock
            matter = self.find(matter.handle)
        roles = self._book.roles(self._me, self._voice.clock())
        return advance(matter, self._me, roles, statement)

    def _receiver(self, name: str) -> MemberId:
        now = self._voice.clock()
        police = [one.member for one in self._charter().active(now) if Role.POLICE in one.roles]
        if not name and len(police) == 1:
            return police[0]
        if name in police:
            return MemberId(name)
        known = name and self._charter().find(MemberId(name)) is not None
        raise PolicyError(
            "a clue is handed over to a member of the police",
            reason="RECEIVER_NOT_POLICE" if known else "RECEIVER_UNKNOWN",
            hint=f"members of the police: {', '.join(police) or 'none'}",
        )

    def _facts(self, matter: ClueMatter, remarks: str) -> dict[str, Any]:
        clue = matter.facts.clue
        values = self.values([one.token for one in clue.subjects])
        references = clue.references
        return {
            "clue": matter.id.hex(),
            "finder": str(matter.opener),
            "source": clue.source.name,
            "reasons": [one.name for one in clue.reasons],
            "fraud_type": clue.fraud_type.name,
            "objects": [
                {
                    "kind": one.kind.name.lower(),
                    "token": one.token.hex(),
                    # Only what this member knows by itself: others' values it does not have.
                    "value": values.get(one.token, ""),
                }
                for one in clue.subjects
            ],
            "edges": [
                {
                    "first": one.first,
                    "second": one.second,
                    "relation": one.relation.name,
                    "member": str(one.member),
                }
                for one in clue.edges
            ],
            "statements": [references[at : at + 16].hex() for at in range(0, len(references), 16)],
            "remarks": remarks,
        }

    def _unseal(self, prefix: bytes) -> Package:
        matter = self.find(prefix)
        facts = matter.facts
        body = self._last_hand_over(matter)
        if facts.receiver is None or body is None:
            raise RequestError("nothing was handed over yet", reason="PACKAGE_MISSING")
        context = package_context(
            self._charter().federation, matter.opener, facts.receiver, matter.id
        )
        return open_package(body.sealed_package, self._sealing, context, facts.manifest_digest)

    def _last_hand_over(self, matter: ClueMatter) -> ClueHandOver | None:
        """Return the last package that counts."""
        for step in reversed(self._book.history(matter).steps):
            body = step.statement.body
            if step.error is None and isinstance(body, ClueHandOver):
                return body
        return None
