"""Which model scores, from which score on, what is counted; without the extra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.matters import State
from federation.training.error import TableError
from federation.training.schema import CATEGORICAL
from node.errors import PolicyError, RequestError, UnavailableError
from node.store.private import PrivateStore
from node.training.bundle import Bundles, ModelFile
from node.training.grounds import Ground, Grounds
from node.training.models import Models, Wanted
from node.training.scoring import Scoring, read_rows
from node.training.shadow import Shadow, ShadowCounts
from tests.federation.said import NOW
from tests.node.training.model_world import SCHEMA, KnownMatters, matter, model
from tests.training.planted import planted_rows
from tocsin.desk.v1 import train_service_pb2 as wire

ROWS = 300
OLD = model(1, threshold=0.7, action_threshold=0.75)
NEW = model(2, threshold=0.6, action_threshold=1.0)
COLUMNS = tuple(column.name for column in SCHEMA.columns)


class World:
    """Two models of one task at one node."""

    def __init__(self, folder: Path, new: State = State.SHADOW) -> None:
        self.bundles = Bundles(folder / "models")
        self.private = PrivateStore(folder / "private.db")
        self.old, self.new = matter(OLD), matter(NEW, new, at=60)
        for one, of in ((self.old, OLD), (self.new, NEW)):
            self.bundles.keep(one.id, ModelFile.MODEL, of.encode())
        self.matters = KnownMatters(self.old, self.new)
        known: Any = self.matters
        self.models = Models(known, self.bundles)
        self.shadow = Shadow(self.private)
        self.scoring = Scoring(self.models, self.shadow, lambda: NOW)


def batch(count: int = ROWS, **fields: Any) -> wire.ScoreRequest:
    table = planted_rows(count, 5)
    request = wire.ScoreRequest(rows=count, first_row=1, **fields)
    for column in SCHEMA.columns:
        cells = table.columns[column.name]
        if column.kind == CATEGORICAL:
            request.columns.add(name=column.name, texts=[cell or "" for cell in cells])
        else:
            request.columns.add(name=column.name, numbers=cells.astype("<f8").tobytes())
    return request


def test_the_model_in_force_is_the_one_released_last(tmp_path: Path) -> None:
    released, shadowed = World(tmp_path / "a", State.RELEASED), World(tmp_path / "b")

    assert released.models.choose(Wanted()).matter.id == released.new.id
    assert shadowed.models.choose(Wanted()).matter.id == shadowed.old.id
    assert shadowed.models.choose(Wanted(shadow=True)).matter.id == shadowed.new.id


def test_retiring_a_model_brings_the_one_before_it_back_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, State.RELEASED)
    world.models.choose(Wanted())
    world.matters.matters[1] = matter(NEW, State.RETIRED, at=60)

    assert world.models.choose(Wanted()).matter.id == world.old.id


def test_a_model_is_named_by_its_plan_or_by_itself(tmp_path: Path) -> None:
    world = World(tmp_path, State.RELEASED)
    for digest in (world.old.id, world.old.id[:4], OLD.digest(), OLD.digest()[:5]):
        found = world.models.choose(Wanted(digest))

        assert (found.matter.id, found.in_force) == (world.old.id, False)


def refusal(world: World, wanted: Wanted) -> str:
    with pytest.raises((PolicyError, RequestError, UnavailableError)) as caught:
        world.models.choose(wanted)
    return caught.value.reason


def test_only_a_released_model_scores_and_one_in_the_shadow_stage_when_asked(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)

    assert refusal(world, Wanted(world.new.id)) == "MODEL_NOT_RELEASED"
    assert refusal(world, Wanted(world.old.id, shadow=True)) == "MODEL_NOT_IN_SHADOW"
    assert refusal(world, Wanted(b"\0" * 32)) == "MODEL_UNKNOWN"
    assert refusal(world, Wanted(b"\0")) == "MODEL_UNKNOWN"
    assert refusal(World(tmp_path / "x", State.RELEASED), Wanted(shadow=True)) == "MODEL_UNKNOWN"
    assert refusal(world, Wanted(columns=("calls", "number"))) == "MODEL_COLUMNS"

    world.bundles.path(world.old.id, ModelFile.MODEL).unlink()

    assert refusal(world, Wanted()) == "MODEL_FILE_MISSING"


def test_scores_alarms_and_reasons_are_the_model_s(tmp_path: Path) -> None:
    world = World(tmp_path)
    scored = world.scoring.score(world.models.choose(Wanted()), batch())
    expected = OLD.score(planted_rows(ROWS, 5))

    assert np.array_equal(scored.scores, expected)
    assert scored.alarms == np.flatnonzero(expected >= np.float32(0.7)).tolist()
    assert 0 < len(scored.alarms) == len(scored.reasons) < ROWS
    assert {one.column for each in scored.reasons for one in each} <= set(COLUMNS)


def test_the_threshold_is_as_asked_or_the_model_s_or_for_nominations_the_stricter(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, State.RELEASED)
    old, new = (world.models.choose(Wanted(one.id)) for one in (world.old, world.new))
    nomination = wire.ScoreNomination(kind="phone")
    score = world.scoring.score

    assert score(old, batch()).threshold == 0.7
    assert score(old, batch(threshold_millionths=900_000)).threshold == 0.9
    assert score(old, batch(nomination=nomination)).threshold == 0.75

    with pytest.raises(PolicyError) as caught:
        score(new, batch(nomination=nomination))

    assert caught.value.reason == "ACTION_THRESHOLD_MISSING"


def test_the_shadow_stage_counts_beside_the_model_in_force(tmp_path: Path) -> None:
    world = World(tmp_path)
    new = world.models.choose(Wanted(shadow=True))
    mine = NEW.score(planted_rows(ROWS, 5)) >= np.float32(0.6)
    theirs = OLD.score(planted_rows(ROWS, 5)) >= np.float32(0.7)
    for _ in range(2):
        world.scoring.score(new, batch(shadow=True))
    found = world.shadow.read(world.new.id)

    assert found == ShadowCounts(
        2 * ROWS,
        2 * int(mine.sum()),
        2 * ROWS,
        2 * int(theirs.sum()),
        2 * int((mine & theirs).sum()),
        NOW,
    )
    assert world.shadow.read(world.old.id) is None


def test_categories_may_come_as_numbers_or_texts(tmp_path: Path) -> None:
    request = batch(4)
    del request.columns[-1].texts[:]
    request.columns[-1].texts.extend(["pre", "", "other", "post"])
    rows = read_rows(SCHEMA, request)

    assert rows.values[:, -1].tolist() == [1, 0, -1, 0]
    assert rows.empty[:, -1].tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    "change",
    [
        {"rows": 0},
        {"rows": ROWS + 1},
        {"rows": 20_000},
        {"threshold_millionths": 1_000_001},
        {"reasons": 11},
    ],
)
def test_a_batch_out_of_its_bounds_is_refused(tmp_path: Path, change: dict[str, int]) -> None:
    world, request = World(tmp_path), batch()
    for name, number in change.items():
        setattr(request, name, number)
    with pytest.raises(RequestError) as caught:
        world.scoring.score(world.models.choose(Wanted()), request)

    assert caught.value.reason == "BATCH_MALFORMED"


def test_a_misfit_is_named_by_column_and_row_of_the_whole_table(tmp_path: Path) -> None:
    request = batch()
    cells = np.ones(ROWS)
    cells[7] = np.inf
    request.first_row = 1_001
    request.columns[1].numbers = cells.tobytes()
    with pytest.raises(TableError) as caught:
        read_rows(SCHEMA, request)

    assert str(caught.value) == f"column '{COLUMNS[1]}', row 1008: not a finite number"

    del request.columns[1]
    with pytest.raises(TableError, match="is missing"):
        read_rows(SCHEMA, request)


def test_grounds_are_remembered_by_token_and_model(tmp_path: Path) -> None:
    grounds = Grounds(PrivateStore(tmp_path / "private.db"))
    ground = Ground("ab" * 32, 0.93, 0.8, NOW, ("calls HIGH", "ratio LOW"))
    grounds.keep(b"m" * 32, [(b"t" * 16, ground)])

    assert grounds.read(b"t" * 16, b"m" * 32) == ground
    assert grounds.read(b"t" * 16, b"n" * 32) is None
    assert grounds.read(b"u" * 16, b"m" * 32) is None
