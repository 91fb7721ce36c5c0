"""Run a coordinator's own plans: a process for each, which asks the attached members through here.

The process has neither keys nor network. What it reports is said in the log after the checkpoint
is safe, so that a run goes on where it was after any crash.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from federation.errors import FederationError
from federation.matters import State, TrainingMatter
from federation.names import MemberId
from federation.statements import TrainingEvaluation, TrainingPlan, TrainingRound, TrainingStage
from federation.training.worth import Evaluation
from federation.vocabulary import ModelStage, TrainingProtection
from node.errors import NodeError, PolicyError
from node.telemetry import describe_error, get_log
from node.training.bundle import Bundles
from node.training.card_writer import Result, RoundNote, make_card
from node.training.consent import Consents
from node.training.frames import ProcessError, encode_frame
from node.training.hub import ExchangeError, Hub
from node.training.outcomes import round_outcomes, said_metrics
from node.training.process import TrainingProcess
from node.training.run_files import RunFiles, read_kept, unfinished
from node.training.run_sums import add_in_secret
from node.training.sum_run import SumDesk
from node.training.tunnel import Entries, too_few

MODULE: Final = "node.training.runner_main"
GATHER_SECONDS: Final = 15.0
"""Seconds that a run's start waits for all its members; they dial again within ten."""
RUN_ENDED: Final = "RUN_ENDED"
MAX_STARTS: Final = 3
"""Processes of one run: one that was killed is made again, one that dies each time is not."""

_OPEN: Final = (State.APPROVED, State.ENROLLED, State.TRAINING, State.AGGREGATED)


class Runs:
    """The runs of this coordinator, one for each plan."""

    def __init__(
        self,
        consents: Consents,
        hub: Hub,
        directory: Path,
        bundles: Bundles,
        open_desk: Callable[[], SumDesk],
    ) -> None:
        """Prepare.

        Args:
            consents: Know the plans, and say what happens to them.
            hub: The members attached.
            directory: For what a run needs to go on.
            bundles: For what a run makes.
            open_desk: Makes what a run leads its private sums by.
        """
        self._consents = consents
        self._hub = hub
        self._open_desk = open_desk
        self._directory = directory
        self._bundles = bundles
        self._runs: dict[bytes, Run] = {}

    async def start(self, matter: TrainingMatter, schema: bytes, *, on_flower: bool = False) -> Run:
        """Start a run, or what is left of it; return the one under way, if there is one.

        Args:
            matter: Of the plan.
            schema: The plan's; empty for a run that goes on.
            on_flower: Whether to run on Flower's deployment engine; a run stays on it.

        Raises:
            PolicyError: NOT_THE_OPENER, RUN_NOT_OPEN or PROTECTION_UNAVAILABLE.
            RequestError: SCHEMA_MISSING or SCHEMA_DIFFERS.
            MatterError: The members cannot be enrolled.
        """
        known = self._runs.get(matter.id)
        if known is not None and not known.ended:
            return known
        self._check(matter)
        files = RunFiles(self._directory, matter.id, self._bundles)
        plan = matter.facts.plan
        if on_flower:
            _check_visible(plan)
        await asyncio.to_thread(files.begin, schema, plan.schema_digest)
        if on_flower:
            await asyncio.to_thread(files.choose_flower)
        if matter.state is State.APPROVED:
            members = tuple(sorted(matter.facts.approved))
            await self._consents.say(
                matter, TrainingStage(matter.id, ModelStage.ENROLLED, members=members)
            )
        run = self._runs[matter.id] = Run(
            self._consents, self._hub, files, matter.id, self._open_desk()
        )
        run.begin()
        return run

    async def resume(self) -> None:
        """Take up the runs that a crash has cut off."""
        for digest in await asyncio.to_thread(lambda: list(unfinished(self._directory))):
            try:
                found = await asyncio.to_thread(self._consents.matters.find, digest)
                await self.start(found.matter, b"")
            except (NodeError, FederationError) as error:
                get_log().warning("training.not_resumed", reason=error.reason)
                files = RunFiles(self._directory, digest, self._bundles)
                await asyncio.to_thread(files.end)

    def entries(self, digest: bytes) -> Entries:
        """Return who was asked into a run on Flower's deployment engine.

        Raises:
            PolicyError: RUN_NOT_OPEN.
        """
        run = self._runs.get(digest)
        if run is None or run.ended or run.entries is None:
            raise PolicyError("there is no such run", reason="RUN_NOT_OPEN")
        return run.entries

    async def close(self) -> None:
        """Stop every run; each goes on when the node is back."""
        for run in self._runs.values():
            await run.stop()

    def _check(self, matter: TrainingMatter) -> None:
        if matter.opener != self._consents.me:
            raise PolicyError("another member proposed this plan", reason="NOT_THE_OPENER")
        if matter.state not in _OPEN:
            raise PolicyError(f"the plan is in the state {matter.state}", reason="RUN_NOT_OPEN")


def _check_visible(plan: TrainingPlan) -> None:
    if plan.protection is not TrainingProtection.ROBUST:
        raise PolicyError(
            "Flower's deployment engine cannot add updates without showing them",
            reason="PROTECTION_UNAVAILABLE",
            hint="run the plan without --engine flower, or propose one with protection 'robust'",
        )


def _count_ok(report: Mapping[str, Any]) -> int:
    return sum(one["status"] == "ok" for one in report["outcomes"].values())


class Run:
    """One run, from its start to its model or its failure."""

    def __init__(
        self, consents: Consents, hub: Hub, files: RunFiles, digest: bytes, desk: SumDesk
    ) -> None:
        self._consents = consents
        self._hub = hub
        self._desk = desk
        self._files = files
        self._digest = digest
        self._task: asyncio.Task[None] | None = None
        self._gathered = False
        self._round_started = time.monotonic()
        self._changed = asyncio.Event()
        self.process: TrainingProcess | None = None
        self.entries: Entries | None = None
        self.ended = False
        self.failure = ""
        self.loss = 0.0
        self.round_seconds = 0.0
        self.model_file = ""

    def begin(self) -> None:
        """Start working."""
        self._task = asyncio.create_task(self._work(), name="training-run")

    async def stop(self) -> None:
        """Stop the process; the files stay for another start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def wait_for_change(self, seconds: float) -> None:
        """Wait until something has happened, at most so long."""
        changed = self._changed
        try:
            async with asyncio.timeout(seconds):
                await changed.wait()
        except TimeoutError:
            return

    async def attached(self) -> list[MemberId]:
        """Return who of the members is attached now."""
        return sorted(self._hub.members() & self._partners(await self._matter()))

    async def _work(self) -> None:
        try:
            await self._serve_through_losses()
        except (NodeError, FederationError) as error:
            self._fail(error.reason)
        except Exception as error:  # the run ends, the node goes on
            get_log().error("training.failed", body="run", **describe_error(error))
            self._fail("RUN_FAILED")
        finally:
            if self.process is not None:
                await self.process.end()
        # Not reached where the node stops: then the run is taken up again.
        await asyncio.to_thread(self._files.end)
        matter = await self._matter()
        self._hub.say_goodbye(self._partners(matter), self._digest, RUN_ENDED)
        self.ended = True
        self._tell()

    def _fail(self, reason: str) -> None:
        self.failure = reason
        get_log().warning("training.run_ended", reason=reason)

    async def _serve_through_losses(self) -> None:
        for left in reversed(range(MAX_STARTS)):
            try:
                await self._serve()
                return
            except ProcessError as error:
                get_log().warning("training.process_lost", reason=error.reason)
                if self.process is not None:
                    await self.process.end()
                if not left:
                    raise

    async def _serve(self) -> None:
        header, checkpoint = await asyncio.to_thread(read_kept, self._files.checkpoint())
        if "report" in header:
            await self._say_round(header)  # a crash may have come before this was said
        matter = await self._matter()
        on_flower = self._files.on_flower
        directory = self._files.directory
        self.entries = Entries(self._hub, self._digest, directory) if on_flower else None
        self.process = await TrainingProcess.start(MODULE, directory)
        settings = {
            "plan": matter.facts.plan.value().encode().decode(),
            "schema": self._files.schema().encode().decode(),
            "row_caps": {
                name: matter.facts.approved.get(name, matter.facts.plan.weight_cap)
                for name in sorted(matter.facts.enrolled)
            },
            "starts": await asyncio.to_thread(self._files.count_start),
            "engine": "flower" if on_flower else "streams",
        }
        await self.process.send(settings, checkpoint)
        self._round_started = time.monotonic()
        while True:
            question, body = await self.process.receive()
            if question["kind"] in ("done", "failed"):
                await self._finish(question, body)
                return
            await self.process.send(*await self._answer(question, body))

    async def _answer(
        self, question: Mapping[str, Any], body: bytes
    ) -> tuple[dict[str, Any], bytes]:
        if question["kind"] == "roster":
            return {"members": await self._enter(await self._gather(), body)}, b""
        if question["kind"] == "losses" and self.entries is not None:
            return {"losses": self.entries.losses(self._partners(await self._matter()))}, b""
        if question["kind"] == "exchange":
            return await self._exchange(question, body)
        if question["kind"] == "sum":
            return await add_in_secret(self._desk, await self._matter(), question)
        if question["kind"] == "state":
            await asyncio.to_thread(self._files.keep_checkpoint, encode_frame(question, body))
            return {}, b""
        if question["kind"] == "round":
            await self._end_round(question, body)
            return {}, b""
        raise ProcessError("the run's process asks for what there is not")

    async def _gather(self) -> list[MemberId]:
        """Return who takes part in what is next: at first all are waited for, later enough."""
        matter = await self._matter()
        plan, partners = matter.facts.plan, self._partners(matter)
        if not self._gathered:
            await self._hub.wait_for(partners, len(partners), GATHER_SECONDS)
            self._gathered = True
        enough, seconds = plan.minimum_members, float(plan.round_seconds)
        found = await self._hub.wait_for(partners, enough, seconds)
        self._tell()
        return sorted(found)

    async def _enter(self, members: list[MemberId], certificate: bytes) -> list[MemberId]:
        """Return who takes part, on an engine that members have to allow."""
        if self.entries is None:
            return members
        found = await self.entries.enter(members, certificate)
        if len(found) < (await self._matter()).facts.plan.minimum_members and self.entries.refusals:
            raise too_few(self.entries.refusals)
        return found

    async def _exchange(
        self, question: Mapping[str, Any], body: bytes
    ) -> tuple[dict[str, Any], bytes]:
        number, seconds = int(question["round"]), float(question["seconds"])
        partners = self._partners(await self._matter())
        asking, start = [], 0
        for item in question["items"]:
            end = start + int(item["bytes"])
            member = MemberId(item["member"])
            payload = body[start:end]
            asking.append(self._ask(member, partners, number, payload, seconds))
            start = end
        found = await asyncio.gather(*asking)
        items = [{"bytes": len(data), "failure": failure} for data, failure in found]
        return {"items": items}, b"".join(data for data, _ in found)

    async def _ask(
        self,
        member: MemberId,
        partners: frozenset[MemberId],
        number: int,
        payload: bytes,
        seconds: float,
    ) -> tuple[bytes, str]:
        """Return a member's answer or why there is none; it approves before and after."""
        if member not in partners:
            return b"", "PLAN_NOT_APPROVED"
        try:
            answer = await self._hub.exchange(member, self._digest, number, payload, seconds)
        except ExchangeError as error:
            return b"", error.reason
        if member not in self._partners(await self._matter()):
            return b"", "PLAN_NOT_APPROVED"
        return answer, ""

    async def _end_round(self, question: Mapping[str, Any], checkpoint: bytes) -> None:
        kept = encode_frame(question, checkpoint)
        await asyncio.to_thread(self._files.keep_checkpoint, kept)
        await self._say_round(question)
        now = time.monotonic()
        self.round_seconds, self._round_started = now - self._round_started, now
        self.loss = float(question["report"]["loss"] or 0.0)
        await asyncio.to_thread(self._note_round, question["report"])
        self._tell()

    def _note_round(self, report: Mapping[str, Any]) -> None:
        # With differential privacy no member tells its loss: a nought stands in its place.
        milliseconds = round(self.round_seconds * 1_000)
        note = RoundNote(report["loss"] or None, milliseconds, self._consents.now())
        self._files.add_round(int(report["number"]), note)

    async def _say_round(self, question: Mapping[str, Any]) -> None:
        """Say a finished round, unless that was done before a crash."""
        report, matter = question["report"], await self._matter()
        if int(report["number"]) != matter.facts.round + 1:
            return
        body = TrainingRound(
            matter.id,
            int(report["number"]),
            bytes.fromhex(question["digest"]),
            round_outcomes(matter.facts.enrolled, self._refusals() | report["outcomes"]),
            0 if report["norms_opened"] else _count_ok(report),
        )
        await self._consents.say(matter, body)

    def _refusals(self) -> dict[str, Any]:
        """Return the outcomes of those who were not asked, because they refuse the engine."""
        refused = self.entries.refusals if self.entries is not None else {}
        return {str(who): {"status": "refused", "reason": why} for who, why in refused.items()}

    async def _finish(self, outcome: Mapping[str, Any], model: bytes) -> None:
        if outcome["kind"] == "failed":
            get_log().warning("training.run_failed", reason=str(outcome["reason"]))
            self.failure = str(outcome["reason"])
            return
        found = Evaluation.parse(str(outcome["evaluation"]).encode())
        result = Result(bytes.fromhex(outcome["digest"]), found, outcome["unused"])
        matter = await self._matter()
        file = await asyncio.to_thread(self._keep_files, matter, result, model)
        self.model_file = str(file)
        body = TrainingEvaluation(
            self._digest, result.model_digest, found.contributors, said_metrics(found)
        )
        await self._consents.say(matter, body)
        get_log().info("training.run_ended", count=found.contributors)

    def _keep_files(self, matter: TrainingMatter, result: Result, model: bytes) -> Path:
        """Keep model and card, before the log speaks of them."""
        notes, now = self._files.rounds(), self._consents.now()
        card = make_card(matter, self._files.schema(), result, notes, now)
        self._files.keep_card(card.encode())
        return self._files.keep_model(model)

    async def _matter(self) -> TrainingMatter:
        found = await asyncio.to_thread(self._consents.matters.find, self._digest)
        return found.matter

    def _partners(self, matter: TrainingMatter) -> frozenset[MemberId]:
        """Return the enrolled members that approve the plan at this moment."""
        return matter.facts.enrolled & matter.facts.approved.keys()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
