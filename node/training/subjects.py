"""Label own subjects by what the federation's logs say became of them.

Values become tokens as those of a watchlist do: holders see blinded points. Tokens of own subjects
stay in the private store, so that the next labelling asks no holder, and a private sum about a
token finds the subject (``node.training.fusion``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from federation.findings import Finding
from federation.labels import OutcomeRule, SubjectLabel, SubjectRows, label_subject
from federation.vocabulary import Purpose
from node.desk.intake import Intake, Known
from node.store.catalogue import Catalogue, TokenRows
from node.store.private import PrivateStore
from node.verdicts import NOTHING, Verdicts
from tocsin.desk.v1 import desk_service_pb2


class Subjects:
    """What is to be learnt from own subjects."""

    def __init__(
        self,
        intake: Intake,
        catalogue: Catalogue,
        private: PrivateStore,
        verdicts: Verdicts,
        pad: Callable[[], int],
        epoch: Callable[[], int],
    ) -> None:
        """Prepare.

        Args:
            intake: Makes tokens.
            catalogue: What the federation said.
            private: Keeps the tokens of own subjects.
            verdicts: Knows the members' standing.
            pad: Least number of points that a holder may see.
            epoch: Of the keys that tokens belong to.
        """
        self._intake = intake
        self._catalogue = catalogue
        self._private = private
        self._verdicts = verdicts
        self._pad = pad
        self._epoch = epoch

    async def label(
        self, rows: Sequence[desk_service_pb2.RawIndicator], rule: OutcomeRule, now: int
    ) -> list[SubjectLabel | None]:
        """Label values, in their order; None for one that is not of its kind.

        Raises:
            RequestError: BATCH_TOO_LARGE.
            UnavailableError: Too few key holders answer.
            PolicyError: They refuse.
        """
        taken = await self._intake.take(rows, Purpose.WATCH, self._pad())
        labels = await asyncio.to_thread(self._label_known, taken.known, rule, now)
        return [labels.get(place) for place in range(len(rows))]

    def _label_known(
        self, known: Sequence[Known], rule: OutcomeRule, now: int
    ) -> dict[int, SubjectLabel]:
        values = [(one.token, one.indicator.kind.value, one.indicator.value) for one in known]
        self._private.put_values(values, self._epoch())
        tokens = list(dict.fromkeys(one.token for one in known))
        rows, lifts = self._catalogue.evidence(tokens), self._catalogue.lifts(tokens)
        standing, findings = self._verdicts.standing(), self._verdicts.findings(tokens)
        about = {
            token: _subject_rows(
                rows.get(token, NOTHING), lifts.get(token, ()), findings.get(token, ())
            )
            for token in tokens
        }
        found = {token: label_subject(about[token], rule, standing, now) for token in tokens}
        return {one.place: found[one.token] for one in known}


def _subject_rows(
    rows: TokenRows, lifts: Sequence[tuple[object, ...]], findings: Sequence[Finding]
) -> SubjectRows:
    return SubjectRows(rows.evidence, rows.cutoffs, rows.protections, lifts, findings)
