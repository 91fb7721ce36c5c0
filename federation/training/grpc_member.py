"""Answer the coordinator's messages in a member's worker process, with this very app."""

from typing import Any

from flwr.app import ConfigRecord, Context, MessageType, RecordDict

from federation.errors import FederationError
from federation.training.adapter import claim_process, encode_message, parse_message, quieten
from federation.training.app_identity import app_digest
from federation.training.client_app import OWN, app
from federation.training.error import PlanError
from federation.training.local_engine import RUN, node_id
from federation.training.plan import SECRET, TrainingPlan
from federation.training.records import MessageError, read_round
from federation.training.sum_labels import labels_digest
from federation.training.withholding import label_asked_for, withhold


class MemberEngine:
    """One member's side of one run."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Check that this app is the plan's.

        Args:
            settings: ``plan``, ``schema``, ``approved``, ``member``, ``source``, ``query`` and
                ``row_cap``, as ``client_app`` reads them.

        Raises:
            PlanError: CODE_DIFFERS or PLAN_MALFORMED.
        """
        plan = TrainingPlan.parse(str(settings["plan"]).encode())
        if plan.app_digest != app_digest():
            raise PlanError("this is not the plan's training code", reason="CODE_DIFFERS")
        quieten()
        claim_process(RUN)
        node = node_id(str(settings["member"]))
        self._context = Context(RUN, node, dict(settings), RecordDict(), {})
        self._plan = plan
        self._withheld: tuple[bytes, bytes] = (b"", b"")

    def answer(self, data: bytes, number: int) -> bytes:
        """Answer one message.

        Args:
            data: The message.
            number: The round it may train for; 0: it may only count or measure.

        Raises:
            FederationError: The message or the member's rows do not fit.
        """
        request = parse_message(data)
        trains = request.metadata.message_type == MessageType.TRAIN
        if trains is not (number > 0) or (trains and read_round(request) != number):
            raise MessageError("the message is not of the round that was named")
        try:
            reply = app(request, self._context)
        except Exception as error:  # flwr wraps whatever the app raises
            raise _own_error(error) or error from error
        if self._plan.protection == SECRET:
            labels = labels_digest(self._plan.digest(), label_asked_for(request))
            reply, vector = withhold(request, reply)
            self._withheld = labels, vector.astype("<i8").tobytes()
        return encode_message(reply)

    def take_summand(self) -> tuple[bytes, bytes]:
        """Give once what the last answer withheld: name of its labels, whole numbers of 8 bytes."""
        withheld, self._withheld = self._withheld, (b"", b"")
        return withheld

    def take_own_numbers(self) -> str:
        """Give what an evaluation measured for the member alone, once; empty for nothing new."""
        record = self._context.state.pop(OWN, None)
        return str(record[OWN]) if isinstance(record, ConfigRecord) else ""


def _own_error(error: BaseException) -> FederationError | None:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, FederationError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None
