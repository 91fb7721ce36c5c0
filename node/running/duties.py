"""Say what goes on in a node by itself, and when it looks whether there is something to do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from federation.errors import FederationError
from node.allocator import keep_giving_back
from node.assembly import Core, LogSide, build_file_attachments, build_public_keys
from node.duties.report_side import report_tasks
from node.duties.verification import LOOK_SECONDS as VERIFICATION_LOOK_SECONDS
from node.duties.warnings import LOOK_SECONDS as WARNING_LOOK_SECONDS
from node.errors import NodeError
from node.matters import oversight
from node.running.parts import Parts
from node.running.tasks import Growth, Tasks, after_growth, at_once_and_after_growth
from node.sums.carrier import LOOK_SECONDS as SUM_LOOK_SECONDS
from node.telemetry import get_log

CEREMONY_SECONDS = 1.0  # how often ceremonies are looked at when no log grew
POLICY_SECONDS = 5.0  # how often a changed training.toml is noticed when no log grew
PARTNER_KEYS_SECONDS = 60.0  # how often a partner asks whether the shares were refreshed
FIRST_KEYS_SECONDS = 1.0  # the same before it has any keys

Duty = tuple[str, Callable[[], Awaitable[None]]]
"""Its name, and what does it for ever."""


class Duties:
    """The duties of every process of a node, and those of the one that leads."""

    def __init__(self, parts: Parts, growth: Growth) -> None:
        self._parts = parts
        self._ceremonies = growth.bell()
        # Now, so that no bell misses what is heard until the process leads.
        self._on_log = _duties_on_log(parts, parts.log, growth) if parts.log else []

    def of_each(self) -> list[Duty]:
        """Return what any of several processes does."""
        core = self._parts.core

        async def watch_charter() -> None:
            await _watch_charter(core)

        return [
            ("memory", keep_giving_back),
            ("leaf", core.identity.keep_fresh),
            ("charter", watch_charter),
        ]

    def following(self, log: LogSide) -> Duty:
        """Return what a process does about key ceremonies until it leads."""
        look = log.ceremonies.follow_if_changed
        return "keys", after_growth(self._ceremonies, CEREMONY_SECONDS, look)

    def start_leading(self, tasks: Tasks) -> None:
        """Start what the leader alone does."""
        for name, work in self._of_leader():
            tasks.keep(name, work)
        training = self._parts.training
        if training is not None:
            tasks.keep("attachments", training.attachments.run)
            tasks.once("resume", training.runs.resume())

    def _of_leader(self) -> list[Duty]:
        parts, log = self._parts, self._parts.log
        if log is None:

            async def keep_keys() -> None:
                await _keep_keys(parts.core)

            return [("keys", keep_keys)]
        look = log.ceremonies.advance_if_changed
        duties = [
            ("keys", after_growth(self._ceremonies, CEREMONY_SECONDS, look)),
            *self._on_log,
            *parts.disposition.tasks,
            *parts.one_id.tasks,
            *report_tasks(parts.reporting),
            *parts.counting.tasks,
        ]
        if parts.training is None:
            duties.append(("attachments", build_file_attachments(parts.core, log).run))
        return duties


def _duties_on_log(parts: Parts, log: LogSide, growth: Growth) -> list[Duty]:
    async def match_watchlist() -> None:
        if parts.desk.watch is not None:
            await parts.desk.watch.match_anew()
        await asyncio.Event().wait()  # once is enough; the supervisor tries again what failed

    consents, sums, looks = log.consents, log.sums, log.oversight
    duties: list[Duty] = [
        ("watchlist", match_watchlist),
        (
            "training",
            at_once_and_after_growth(growth.bell(), POLICY_SECONDS, consents.decide_if_changed),
        ),
        ("sums", after_growth(growth.bell(), SUM_LOOK_SECONDS, sums.advance_if_due)),
        (
            "matters",
            at_once_and_after_growth(growth.bell(), oversight.LOOK_SECONDS, looks.look),
        ),
    ]
    if parts.warning is not None:
        advance = parts.warning.warnings.advance
        duties.append(("warnings", after_growth(growth.bell(), WARNING_LOOK_SECONDS, advance)))
    if parts.verification is not None:
        advance = parts.verification.verifications.advance
        work = after_growth(growth.bell(), VERIFICATION_LOOK_SECONDS, advance)
        duties.append(("verification", work))
    return duties


async def _keep_keys(core: Core) -> None:
    """Learn the public keys of the federation, as a partner does that hears no ceremonies."""
    public_keys = build_public_keys(core)
    while True:
        known = await public_keys.refresh()
        await asyncio.sleep(PARTNER_KEYS_SECONDS if known else FIRST_KEYS_SECONDS)


async def _watch_charter(core: Core) -> None:
    while True:
        await asyncio.sleep(core.config.charter_seconds)
        try:
            core.charter.reload()
        except (NodeError, FederationError) as error:
            get_log().warning("charter.refused", reason=error.reason)
