"""Three members train so that only sums of updates are seen, and lose some on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from federation.training.schema import FeatureSchema
from federation.training.table import infer_schema
from tests.end_to_end.members import Federation, running_federation
from tests.end_to_end.test_training_run import (
    COORDINATOR,
    MEMBERS,
    PLAN,
    POLICY,
    ROWS,
    approved_plan,
    rounds,
    write_table,
)
from tests.training.planted import planted_rows

pytest.importorskip("flwr", reason="the extra 'train' is not installed")
pytest.importorskip("torch", reason="the extra 'train' is not installed")

SECRET_PLAN = PLAN.replace('"robust"', '"secret"').replace(
    "minimum_members = 2", "minimum_members = 3"
)

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def schema() -> FeatureSchema:
    return infer_schema(planted_rows(200, 1), "label")


@pytest.fixture(scope="module")
def federation(
    tmp_path_factory: pytest.TempPathFactory, schema: FeatureSchema
) -> Iterator[Federation]:
    root = tmp_path_factory.mktemp("secret") / "f"
    with running_federation(root, (COORDINATOR, *MEMBERS)) as found:
        for place, member in enumerate(MEMBERS):
            home = found.home(member)
            write_table(home.root / "rows.csv", planted_rows(ROWS, 7 + place, place * 0.3))
            (home.root / "rows.schema").write_bytes(schema.encode())
            policy = POLICY.replace('["robust"]', '["secret"]')
            home.training.write_text(policy, encoding="utf-8")
        yield found


def test_secret_rounds_over_nodes_give_the_model_that_one_process_gives(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    from federation.training.local_engine import run_locally
    from federation.training.released import ReleasedModel
    from federation.training.table import read_table

    digest = approved_plan(
        federation, tmp_path, schema, plan=SECRET_PLAN, rounds=3, seed=5, steps=10
    )
    file = str(tmp_path / "rows.schema")
    ended = federation.do(COORDINATOR, "train", "run", digest, "--schema", file, "--json").rows[-1]
    model = ReleasedModel.load(Path(ended["model_file"]))
    tables = {name: read_table(federation.home(name).root / "rows.csv") for name in MEMBERS}
    local = run_locally(model.plan, schema, tables)

    assert rounds(federation, COORDINATOR, digest) == [dict.fromkeys(MEMBERS, "OK")] * 3
    assert model.scaling == local.scaling
    assert np.abs(model.vector - local.model).max() < 1e-4
    assert model.threshold == pytest.approx(local.threshold, abs=0.01)
