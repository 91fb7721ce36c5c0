"""Be a coordinator's run: the server half of the app; no keys, no network; asks its node."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from federation.errors import FederationError
from node.training.fence import claim_pipe, close_fence
from node.training.frames import ProcessError, encode_frame, read_frame

if TYPE_CHECKING:
    from federation.training.checkpoint import Checkpoint, RoundReport
    from federation.training.grpc_grid import Answer, Answered, GrpcRun, RunSetting, SumQuestion
    from federation.training.plan import TrainingPlan
    from federation.training.released import ReleasedModel
    from federation.training.schema import FeatureSchema

FLOWER = "flower"


class PipeTransport:
    """The grid's way to the members: the pipe to the node."""

    def __init__(self, given: BinaryIO, taken: BinaryIO) -> None:
        self._given = given
        self._taken = taken
        self.certificate = b""

    def ask(self, header: dict[str, Any], body: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """Send a frame and wait for the next.

        Raises:
            ProcessError: The node is gone.
        """
        self._taken.write(encode_frame(header, body))
        self._taken.flush()
        return read_frame(self._given)

    def roster(self) -> list[str]:
        """Give the members that are attached."""
        header, _ = self.ask({"kind": "roster"}, self.certificate)
        return [str(name) for name in header["members"]]

    def losses(self) -> dict[str, str]:
        """Give which members of a run on Flower's engine do not take part now, and why."""
        header, _ = self.ask({"kind": "losses"})
        return {str(name): str(why) for name, why in header["losses"].items()}

    def exchange(
        self, number: int, seconds: float, messages: Sequence[tuple[str, bytes]]
    ) -> list[Answer]:
        """Ask members."""
        from federation.training.grpc_grid import Answer

        items = [{"member": name, "bytes": len(data)} for name, data in messages]
        question = {"kind": "exchange", "round": number, "seconds": seconds, "items": items}
        header, body = self.ask(question, b"".join(data for _, data in messages))
        answers, start = [], 0
        for item in header["items"]:
            end = start + int(item["bytes"])
            answers.append(Answer(body[start:end], str(item["failure"])))
            start = end
        return answers

    def add(self, question: SumQuestion) -> Answered:
        """Add vectors that the members withheld."""
        import numpy as np

        from federation.training.grpc_grid import Answered

        scale = question.scale
        asked = {
            "kind": "sum",
            "label": question.label,
            "members": question.members,
            "length": question.length,
            "largest": scale.largest if scale else 0,
            "rows": scale.rows if scale else 0,
        }
        header, body = self.ask(asked)
        return Answered(
            total=np.frombuffer(body, "<i8").astype(np.int64),
            contributors=tuple(header["contributors"]),
            rejected=header["rejected"],
            absent={name: (status, why) for name, (status, why) in header["absent"].items()},
            norms_opened=bool(header["norms_opened"]),
        )

    def keep(self, checkpoint: Checkpoint, report: RoundReport | None) -> None:
        """Keep a finished round, or the state before the first."""
        from federation.training.network import model_digest

        if report is None:
            self.ask({"kind": "state"}, checkpoint.encode())
            return
        model = model_digest(checkpoint.final_model(), checkpoint.scaling)
        digest = model.hex() if report.moved else ""
        header = {"kind": "round", "digest": digest, "report": asdict(report)}
        self.ask(header, checkpoint.encode())


def main() -> None:
    """Run the plan that the node's first frame names, and tell the node how it ended."""
    given, taken = claim_pipe()
    settings, checkpoint = read_frame(given)
    close_fence(network=False, loopback=settings["engine"] == FLOWER)
    transport = PipeTransport(given, taken)
    try:
        run = _run(settings, checkpoint, transport)
        transport.ask(*_outcome(run))
    except ProcessError:
        return  # the node is gone: the run goes on from its checkpoint when it is back
    except FederationError as error:
        transport.ask({"kind": "failed", "reason": error.reason, "why": str(error)})
    except Exception as error:
        logging.getLogger("tocsin").exception("the run failed")
        why = type(error).__name__
        transport.ask({"kind": "failed", "reason": "RUN_FAILED", "why": why})


def _run(settings: dict[str, Any], checkpoint: bytes, transport: PipeTransport) -> GrpcRun:
    from federation.training.app_identity import app_digest
    from federation.training.checkpoint import Checkpoint
    from federation.training.error import PlanError
    from federation.training.grpc_grid import RunSetting, run_over_nodes
    from federation.training.plan import TrainingPlan
    from federation.training.schema import FeatureSchema

    plan = TrainingPlan.parse(str(settings["plan"]).encode())
    if plan.app_digest != app_digest():
        raise PlanError("this is not the plan's training code", reason="CODE_DIFFERS")
    schema = FeatureSchema.parse(str(settings["schema"]).encode())
    kept = Checkpoint.parse(checkpoint) if checkpoint else None
    setting = RunSetting(settings["row_caps"], int(settings["starts"]))
    if settings["engine"] == FLOWER:
        return _run_on_flower(plan, schema, setting, transport, kept)
    return run_over_nodes(plan, schema, setting, transport, kept)


def _run_on_flower(
    plan: TrainingPlan,
    schema: FeatureSchema,
    setting: RunSetting,
    transport: PipeTransport,
    kept: Checkpoint | None,
) -> GrpcRun:
    from federation.training.flower_engine import run_over_superlink
    from federation.training.superlink import SuperLink
    from node.training.superlink_server import serve_superlink

    link = SuperLink()
    transport.certificate = serve_superlink(link)
    return run_over_superlink(link, plan, schema, setting, transport, kept)


def _outcome(run: GrpcRun) -> tuple[dict[str, Any], bytes]:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "model"
        run.model.save(file)
        data = file.read_bytes()
    header = {
        "kind": "done",
        "digest": run.model.digest().hex(),
        "evaluation": run.evaluation.encode().decode(),
        "unused": _unused(run.model),
    }
    return header, data


def _unused(model: ReleasedModel) -> list[str]:
    """Return the columns that the run left out, because their empty cells told the label."""
    from federation.training.scaling import Scaling

    ignored = Scaling.parse(model.schema, model.plan.model.bins, model.scaling).ignored
    columns = zip(model.schema.columns, ignored, strict=True)
    return [column.name for column, is_ignored in columns if is_ignored]


if __name__ == "__main__":
    main()
