"""One table, three ways to learn from it; the federated one beats each member alone."""

import dataclasses
import os
from pathlib import Path

import pytest

numpy = pytest.importorskip("numpy")
pytest.importorskip("torch")
pytest.importorskip("flwr")
pytest.importorskip("lightgbm")

from federation.training.error import TableError  # noqa: E402
from federation.training.experiment import propose_plan, run_table  # noqa: E402
from federation.training.plan import PrivacyTarget, TrainingPlan  # noqa: E402
from federation.training.released import ReleasedModel  # noqa: E402
from federation.training.table import Table, infer_schema, read_table, split_rows  # noqa: E402
from tests.training.planted import joined, planted_members, planted_rows  # noqa: E402

# LightGBM warns about numpy arrays without names.
pytestmark = [
    pytest.mark.filterwarnings("ignore:X does not have valid feature names"),
    pytest.mark.timeout(400),  # many small steps: slow where other work takes the cores
]

DATA = Path(os.environ.get("TOCSIN_DATA", Path(__file__).parents[3] / "shared" / "data"))
SEEDS = (42, 1, 2)


def test_together_is_better_than_each_alone_and_near_all_in_one_pot() -> None:
    table = joined(planted_members(3, 400))
    done = run_table(table, "member", "label", planted_rows(3_000, 99))
    result = done.result

    assert set(result["members"]) == {"carrier-a", "carrier-b", "carrier-c"}
    for member in result["members"].values():
        assert set(member["local"]) >= {"auc", "ap", "macro_f1"}
        assert member["local"]["auc"] < result["federated"]["auc"]
    assert result["federated"]["auc"] > 0.98 * result["pooled"]["auc"]
    assert result["pooled"]["model"] == "lightgbm"
    assert result["protection"] == "secret"
    assert result["rounds"] == done.model.plan.rounds
    assert result["seconds"] > 0


def test_a_released_model_scores_the_same_from_its_file(tmp_path: Path) -> None:
    table = joined(planted_members(3, 150))
    test = planted_rows(200, 9)
    model = run_table(table, "member", "label", test).model
    model.save(tmp_path / "model")
    loaded = ReleasedModel.load(tmp_path / "model")

    assert (loaded.score(test) == model.score(test)).all()
    assert loaded.digest() == model.digest()
    assert loaded.plan == model.plan
    assert loaded.threshold == model.threshold


def test_a_model_with_a_number_less_is_refused(tmp_path: Path) -> None:
    model = run_table(joined(planted_members(3, 60)), "member", "label", planted_rows(60, 9)).model
    dataclasses.replace(model, vector=model.vector[:-1]).save(tmp_path / "model")

    with pytest.raises(TableError) as refusal:
        ReleasedModel.load(tmp_path / "model")

    assert refusal.value.reason == "MODEL_MALFORMED"


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"tocsin"])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "model").write_bytes(damage)

    with pytest.raises(TableError) as refusal:
        ReleasedModel.load(tmp_path / "model")

    assert refusal.value.reason == "MODEL_MALFORMED"


def test_tables_that_do_not_fit_are_refused_by_name() -> None:
    table = joined(planted_members(3, 50))
    numbers = Table(
        table.columns | {"msisdn": numpy.array([f"138{n:08}" for n in range(150)], object)}
    )

    with pytest.raises(TableError, match="'bank'"):
        run_table(table, "bank", "label", table)
    less = Table({name: cells for name, cells in table.columns.items() if name != "plan"})
    with pytest.raises(TableError, match="'plan' is missing"):
        run_table(table, "member", "label", less)

    assert run_table(numbers, "member", "label", table).result["refused"] == ["msisdn"]


def test_two_members_train_with_visible_updates_and_the_result_says_so() -> None:
    table = joined(planted_members(2, 200))
    result = run_table(table, "member", "label", planted_rows(200, 9)).result

    assert result["protection"] == "robust"
    assert len(result["members"]) == 2


def test_the_default_plan_reads_back_and_names_the_first_model() -> None:
    schema = infer_schema(planted_rows(50, 1), "label")
    plan = propose_plan(schema)
    private = propose_plan(schema, privacy=PrivacyTarget(8.0, 1e-5))

    assert TrainingPlan.parse(plan.encode()) == plan
    assert plan.initial_model_digest != bytes(32)
    assert private.privacy is not None
    assert private.model.networks == 1


def _real(name: str) -> Table:
    path = DATA / f"{name}.csv.gz"
    if not path.exists():
        pytest.skip(f"{path.name} is not there")
    return read_table(path)


def _mean_result(name: str, seeds: tuple[int, ...] = SEEDS) -> dict[str, float]:
    table = _real(name)
    rows: list[dict[str, float]] = []
    for seed in seeds:
        train, test = split_rows([table.columns["member"], table.columns["label"]], 0.2, seed)
        done = run_table(table.select(train), "member", "label", table.select(test)).result
        row = {f"federated {key}": done["federated"][key] for key in ("auc", "ap", "macro_f1")}
        row |= {f"pooled {key}": done["pooled"][key] for key in ("auc", "ap", "macro_f1")}
        for member, measured in done["members"].items():
            row |= {f"{member} {key}": measured["local"][key] for key in ("auc", "macro_f1")}
        rows.append(row)
    mean = {key: float(numpy.mean([row[key] for row in rows])) for key in rows[0]}
    print(name, {key: round(value, 4) for key, value in mean.items()})
    return mean


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_carriers_gain_on_real_subscribers() -> None:
    mean = _mean_result("carrier_subscribers")

    assert mean["federated auc"] >= 0.945
    assert mean["federated macro_f1"] >= 0.905
    for carrier in ("carrier-a", "carrier-b", "carrier-c"):
        assert mean["federated auc"] > mean[f"{carrier} auc"]
        assert mean["federated macro_f1"] > mean[f"{carrier} macro_f1"]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["bank_customers", "internet_pages"])
def test_banks_and_internet_firms_come_near_the_pooled_model(name: str) -> None:
    mean = _mean_result(name, SEEDS[:1])  # all seeds: python -m tests.bench.training_accuracy

    assert mean["federated auc"] >= 0.98 * mean["pooled auc"]
    for key, value in mean.items():
        if key.endswith(" auc") and not key.startswith(("federated", "pooled")):
            assert mean["federated auc"] > value
