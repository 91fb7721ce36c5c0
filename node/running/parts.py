"""Make all parts of a node, each from those that it needs."""

from __future__ import annotations

from dataclasses import dataclass

from node.assembly import (
    Core,
    LogSide,
    TrainingSide,
    build_desk,
    build_learning,
    build_log_side,
    build_score_desk,
    build_tokeniser,
    build_training_side,
)
from node.desk.case import CaseParts
from node.desk.learning import Learning
from node.desk.report import ReportParts
from node.desk.score import ScoreDesk
from node.desk.service import DeskService
from node.duties.case_side import build_case_side
from node.duties.counting_side import CountingSide, build_counting_side
from node.duties.disposition_side import DispositionSide
from node.duties.one_id_side import OneIdSide
from node.duties.report_side import build_report_side
from node.duties.verification_side import VerificationSide, build_verification_side
from node.duties.warning_side import WarningSide, build_warning_side
from node.tokens.tokeniser import Tokeniser


@dataclass(frozen=True, slots=True)
class Parts:
    """What a node consists of; a query partner lacks the log and all that may be None.

    Attributes:
        training: None also without the extra ``train``.
        scores: None also where nothing can be nominated.
    """

    core: Core
    tokeniser: Tokeniser
    desk: DeskService
    disposition: DispositionSide
    one_id: OneIdSide
    counting: CountingSide
    log: LogSide | None
    training: TrainingSide | None
    verification: VerificationSide | None
    learning: Learning | None
    case: CaseParts | None
    scores: ScoreDesk | None
    warning: WarningSide | None
    reporting: ReportParts | None


def build_parts(core: Core) -> Parts:
    """Make them all; nothing listens and nothing runs yet.

    Raises:
        NodeError: A store cannot be opened.
    """
    log = build_log_side(core) if core.speaks else None
    training = build_training_side(core, log) if log else None
    tokeniser = build_tokeniser(core, log)
    desk = build_desk(core, log, tokeniser)
    nominator = desk.nominator
    case = build_case_side(core, log, tokeniser) if log else None
    return Parts(
        core=core,
        tokeniser=tokeniser,
        desk=desk,
        disposition=DispositionSide(core, log, tokeniser),
        one_id=OneIdSide(core, log, tokeniser),
        counting=build_counting_side(core, log, tokeniser, case.clues if case else None),
        log=log,
        training=training,
        verification=build_verification_side(core, log, tokeniser) if log else None,
        learning=build_learning(core, log, tokeniser) if log else None,
        case=case,
        scores=build_score_desk(core, log, nominator) if log and nominator is not None else None,
        warning=build_warning_side(core, log, tokeniser) if log else None,
        reporting=build_report_side(core, log, tokeniser) if log else None,
    )
