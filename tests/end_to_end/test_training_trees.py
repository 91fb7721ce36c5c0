"""Three members grow one model of boosted trees with real nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.training.schema import FeatureSchema
from federation.training.table import check_table, infer_schema
from tests.end_to_end.members import Federation, running_federation
from tests.end_to_end.test_training_run import (
    COORDINATOR,
    MEMBERS,
    POLICY,
    ROWS,
    approved_plan,
    rounds,
    write_table,
)
from tests.training.planted import planted_rows

pytest.importorskip("flwr", reason="the extra 'train' is not installed")
pytest.importorskip("torch", reason="the extra 'train' is not installed")
pytest.importorskip("xgboost", reason="the extra 'train' is not installed")

TREES = """
task = "carrier_subscribers"
schema = "rows.schema"
label = {{ definition = "confirmed" }}
data_use = {{ purpose = "trial", legal_basis = "atnfl_32" }}
expiry_time = 2099-01-31T00:00:00Z
rounds = {rounds}
protection = "robust"
minimum_members = 2
deadline_seconds = {seconds}
model = {{ name = "trees", networks = 2, seed = {seed} }}
"""

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def schema() -> FeatureSchema:
    return infer_schema(planted_rows(200, 1), "label")


@pytest.fixture(scope="module")
def federation(
    tmp_path_factory: pytest.TempPathFactory, schema: FeatureSchema
) -> Iterator[Federation]:
    root = tmp_path_factory.mktemp("trees") / "f"
    with running_federation(root, (COORDINATOR, *MEMBERS)) as found:
        for place, member in enumerate(MEMBERS):
            home = found.home(member)
            write_table(home.root / "rows.csv", planted_rows(ROWS, 7 + place, place * 0.3))
            (home.root / "rows.schema").write_bytes(schema.encode())
            home.training.write_text(POLICY, encoding="utf-8")
        yield found


def test_nodes_grow_the_trees_that_one_process_grows(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    from federation.training.local_engine import run_locally
    from federation.training.metrics import roc_auc
    from federation.training.released import ReleasedModel
    from federation.training.table import read_table

    digest = approved_plan(federation, tmp_path, schema, plan=TREES, rounds=6, seed=3)
    file = str(tmp_path / "rows.schema")
    ended = federation.do(COORDINATOR, "train", "run", digest, "--schema", file, "--json").rows[-1]
    model = ReleasedModel.load(Path(ended["model_file"]))
    tables = {name: read_table(federation.home(name).root / "rows.csv") for name in MEMBERS}
    local = run_locally(model.plan, schema, tables)
    truth = check_table(planted_rows(2_000, 99), schema)

    assert model.plan.strategy.name == "FedXgbBagging"
    assert len(rounds(federation, COORDINATOR, digest)) == 6
    assert model.scaling == local.scaling
    assert (model.vector == local.model).all()
    assert model.threshold == local.threshold
    assert roc_auc(truth.labels, model.score_rows(truth)) > 0.8


def test_trees_that_should_be_secret_are_refused_with_what_to_write_instead(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    (tmp_path / "rows.schema").write_bytes(schema.encode())
    file = tmp_path / "plan.toml"
    text = TREES.format(rounds=2, seconds=60, seed=1).replace('"robust"', '"secret"')
    file.write_text(text, encoding="utf-8")
    refused = federation.run(COORDINATOR, "train", "plan", str(file))

    assert refused.code != 0
    assert "trees have no sum" in refused.err
    assert 'protection = "robust"' in refused.err
