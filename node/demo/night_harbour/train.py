"""Act 2: carriers, banks and firms train by sector, then all seven together, each on its own rows.

While the seven train, one of them loses its power in the middle of a round.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from federation.vocabulary import TrainingOutcome
from node.demo.doors import Check
from node.demo.night_harbour import runs
from node.demo.night_harbour.cast import COORDINATOR, INDUSTRY
from node.demo.night_harbour.features import core_schema, sector_of, sector_schema
from node.demo.night_harbour.populations import FRAUD_SHARE, Population, unseen_rows
from node.demo.night_harbour.rows import TABLE_NAME, give_rows, member_rows
from node.demo.night_harbour.scene import Scene
from node.training.process import THREADS
from node.trial.extra import EXTRA_HINT, missing_packages
from tocsin.desk.v1 import train_service_pb2 as wire

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "carrier": tuple(one for one in INDUSTRY if sector_of(one) == "carrier"),
    "bank": tuple(one for one in INDUSTRY if sector_of(one) == "bank"),
    "net": tuple(one for one in INDUSTRY if sector_of(one) == "net"),
    "core": INDUSTRY,
}
"""Who trains together: the sectors, then all."""
CORE: Final = "core"
SECTORS: Final = tuple(group for group in GROUPS if group != CORE)
DROPPED: Final = "net-q"
"""Loses its power while all seven train; it holds no share of the token keys."""
SMALL: Final = ("carrier-c", "bank-y")
"""Those with the fewest rows, who gain most."""
NEAR_POOLED: Final = 0.9
"""Share of the pooled model's PR-AUC that the members reach together, in the mean."""


def why_not() -> str:
    """Say why the members cannot train here, or nothing."""
    missing = missing_packages()
    return f"needs {', '.join(missing)}: {EXTRA_HINT}" if missing else ""


def play(scene: Scene) -> Iterator[Check]:
    """Train by sector and all together, and compare with what each would have alone."""
    os.environ.setdefault("OMP_NUM_THREADS", THREADS)  # before torch: ten nodes share the cores
    rows = member_rows(scene.truth)
    for member, own in rows.items():
        give_rows(scene, member, own)
    with ThreadPoolExecutor(len(GROUPS)) as threads:
        runs_of = threads.map(lambda one: _train(scene, one), SECTORS)
        files = dict(zip(SECTORS, runs_of, strict=True))
        measuring = threads.submit(_measure, files, rows)
        drop = _PowerCut(scene)
        files = files | {CORE: _train(scene, CORE, drop.watch)}
        drop.end()
        gains = measuring.result() | _measure({CORE: files[CORE]}, rows)
    scene.facts["act2.plans"] = {group: digest for group, (digest, _) in files.items()}
    scene.facts["act2.models"] = {group: file for group, (_, file) in files.items()}
    _show(scene, rows, gains)
    yield from _check_gains(gains)
    yield from _check_drop(scene, files[CORE][0])
    yield _check_homes(scene, rows)


def _train(scene: Scene, group: str, told: Any = lambda _: None) -> tuple[bytes, Path]:
    """Have a group's plan approved and run; return its digest and the file of the model."""
    from node.demo.night_harbour.plans import usual_plan

    members = GROUPS[group]
    schema = core_schema() if group == CORE else sector_schema(group)
    plan = usual_plan(group, schema, len(members), runs.EXPIRY)
    digest = runs.propose(scene, COORDINATOR, plan, members)
    return digest, runs.run(scene, COORDINATOR, digest, schema, told)


class _PowerCut:
    """Cuts one member's power after the first round, and gives it back at once."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._started: threading.Thread | None = None

    def watch(self, response: wire.RunResponse) -> None:
        """Look how far the run is."""
        if response.last_round.round >= 1 and self._started is None:
            self._scene.sandbox.kill(DROPPED)
            self._started = threading.Thread(target=self._scene.sandbox.start, args=(DROPPED,))
            self._started.start()

    def end(self) -> None:
        """Wait until the member is back; its doors are new."""
        if self._started is not None:
            self._started.join()
        self._scene.reopen(DROPPED)


def _measure(
    files: Mapping[str, tuple[bytes, Path]], rows: Mapping[str, Population]
) -> dict[str, dict[str, Any]]:
    """Measure the models of some groups at each member, beside its own and the pooled one."""
    from federation.training.released import ReleasedModel
    from node.demo.night_harbour.measuring import measure_gains

    return {
        group: measure_gains(
            ReleasedModel.load(file),
            {member: rows[member].table for member in GROUPS[group]},
            {member: unseen_rows(member) for member in GROUPS[group]},
        )
        for group, (_, file) in files.items()
    }


def _show(
    scene: Scene, rows: Mapping[str, Population], gains: Mapping[str, Mapping[str, Any]]
) -> None:
    for member in INDUSTRY:
        own, all_seven = gains[sector_of(member)][member], gains[CORE][member]
        scene.saw(
            member,
            f"{len(rows[member]):,} own rows; PR-AUC alone {own.local:.2f}, with its sector "
            f"{own.federated:.2f}; common columns alone {all_seven.local:.2f}, with all seven "
            f"{all_seven.federated:.2f}",
        )
    scene.saw(COORDINATOR, "sums over three and over seven members; of pairs single updates")
    scene.saw(
        "story",
        f"pooled, in no node: {_row(gains['carrier'], 'pooled')}; {FRAUD_SHARE:.0%} of the rows "
        "are fraud so that training is quick (the real anchor is 1 in 2,537)",
    )
    scene.facts["act2.gains"] = {
        group: {
            member: {"local": one.local, "federated": one.federated, "pooled": one.pooled}
            for member, one in found.items()
        }
        for group, found in gains.items()
    }


def _row(found: Mapping[str, Any], field: str) -> str:
    return ", ".join(f"{member} {getattr(one, field):.2f}" for member, one in found.items())


def _check_gains(gains: Mapping[str, Mapping[str, Any]]) -> Iterator[Check]:
    for sector, small in zip(("carrier", "bank"), SMALL, strict=True):
        found = {member: one.gain for member, one in gains[sector].items()}
        yield Check(
            f"act-02-gain-largest-for-{small}",
            max(found, key=found.__getitem__) == small,
            "PR-AUC gained: " + ", ".join(f"{who} {gain:+.2f}" for who, gain in found.items()),
        )
    core = {member: one.gain for member, one in gains[CORE].items()}
    most = sorted(core, key=core.__getitem__)[-len(SMALL) :]
    yield Check(
        "act-02-gain-largest-of-all-seven",
        set(most) == set(SMALL),
        "all seven together: " + ", ".join(f"{who} {gain:+.2f}" for who, gain in core.items()),
    )
    reached = [one.federated / one.pooled for found in gains.values() for one in found.values()]
    mean = sum(reached) / len(reached)
    yield Check(
        "act-02-federated-near-pooled",
        mean >= NEAR_POOLED,
        f"{mean:.1%} of the pooled PR-AUC in the mean of {len(reached)} comparisons",
    )


def _check_drop(scene: Scene, digest: bytes) -> Iterator[Check]:
    found = runs.outcomes(scene, COORDINATOR, digest)
    others = {each[one][0] for each in found for one in INDUSTRY if one != DROPPED}
    lost = [number for number, each in enumerate(found, 1) if each[DROPPED][0] is not _OK]
    yield Check(
        "act-02-one-client-drops-mid-round",
        bool(lost) and others == {_OK},
        f"{DROPPED} lost in rounds {', '.join(map(str, lost))} of {len(found)}; the six others "
        "went on, and the run ended with a model",
    )
    plans = scene.facts["act2.plans"]
    secret = [runs.describe(scene, COORDINATOR, plans[one]).leaving for one in ("carrier", CORE)]
    yield Check(
        "act-02-secure-sums",
        all(any("sum" in sentence for sentence in each) for each in secret),
        "carriers and all seven: protection secret; two banks and two firms: robust, as a sum of "
        "two shows each the other's part",
    )


_OK: Final = TrainingOutcome.OK


def _check_homes(scene: Scene, rows: Mapping[str, Population]) -> Check:
    """Look that rows lie with their member alone, so that nobody could have pooled them."""
    strangers = []
    for member in scene.sandbox.members:
        path = scene.sandbox.home(member).root / TABLE_NAME
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        own = set(rows[member].numbers) if member in rows else set()
        strangers += [line for line in text.splitlines()[1:] if line.partition(",")[0] not in own]
    return Check(
        "act-02-oracle-in-no-node",
        not strangers,
        "the pooled model was trained in the story's own process: each home has its member's "
        "rows alone, the coordinator's none",
    )
