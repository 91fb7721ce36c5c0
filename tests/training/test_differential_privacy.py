"""Noise keeps a run within its epsilon, and the layer's gradients are each row's own."""

import pytest

numpy = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
pytest.importorskip("opacus")
pytest.importorskip("dp_accounting")

from federation.training import differential_privacy as private  # noqa: E402
from federation.training import metrics  # noqa: E402
from federation.training.fitting import Examples  # noqa: E402
from federation.training.local_engine import run_locally  # noqa: E402
from federation.training.models import build_model, initial_model  # noqa: E402
from federation.training.plan import ModelChoice, PrivacyTarget  # noqa: E402
from federation.training.proposal import PRIVATE_MODEL, PRIVATE_OPTIMISER  # noqa: E402
from federation.training.released import ReleasedModel  # noqa: E402
from federation.training.table import check_table  # noqa: E402
from tests.training.plans import plan  # noqa: E402
from tests.training.planted import planted_members, planted_rows  # noqa: E402
from tests.training.small import small_plan  # noqa: E402

# Opacus and what it imports warn about their own use of torch.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_the_accountant_agrees_with_the_published_mechanism() -> None:
    spent = private.epsilon_spent(1.0, 0.0256, 780, 1e-5)

    assert spent == pytest.approx(4.511, abs=0.02)  # FLOWER.md section 5


def test_the_noise_found_spends_the_budget_and_no_more() -> None:
    noise = private.noise_for(8.0, 1e-5, 0.05, 400)

    assert private.epsilon_spent(noise, 0.05, 400, 1e-5) <= 8.0
    assert private.epsilon_spent(noise * 0.97, 0.05, 400, 1e-5) > 8.0


def test_a_whole_run_stays_within_the_plan() -> None:
    target = PrivacyTarget(4.0, 1e-5)
    whole = plan(model=PRIVATE_MODEL, optimiser=PRIVATE_OPTIMISER, privacy=target)

    assert private.run_epsilon(whole, 4_000) <= 4.0


def test_each_rows_gradient_is_its_own() -> None:
    import opacus

    private._teach_layer()
    choice = ModelChoice(width=5, networks=2, bins=2, dropout=0.0)
    rows = torch.randn(7, 2, 4)
    wrapped = opacus.GradSampleModule(build_model(choice, 4), loss_reduction="mean")
    wrapped(rows).square().sum(dim=1).mean().backward()
    by_row = [parameter.grad_sample for parameter in wrapped.parameters()]

    for place in range(7):
        alone = build_model(choice, 4)
        alone(rows[place : place + 1]).square().sum().backward()
        for mine, parameter in zip(by_row, alone.parameters(), strict=True):
            assert torch.allclose(mine[place], parameter.grad, atol=1e-5)


def test_private_rounds_never_repeat() -> None:
    whole = plan(model=PRIVATE_MODEL, optimiser=PRIVATE_OPTIMISER, privacy=PrivacyTarget(8.0, 1e-5))
    source = numpy.random.default_rng(1)
    inputs = source.uniform(-1, 1, (300, 5)).astype(numpy.float32)
    examples = Examples.of(inputs, (inputs[:, 0] > 0).astype(numpy.float32), 0.0, 1)
    start = initial_model(PRIVATE_MODEL, 5)
    first, loss = private.fit_private_round(whole, start, examples, 1, 3)
    second, _ = private.fit_private_round(whole, start, examples, 1, 3)

    assert not (first == second).all()
    assert loss == 0.0
    assert numpy.isfinite(first).all()


def test_a_private_run_still_learns() -> None:
    target = PrivacyTarget(8.0, 1e-5)
    small, schema = small_plan(
        model=PRIVATE_MODEL, optimiser=PRIVATE_OPTIMISER, privacy=target, rounds=10
    )
    run = run_locally(small, schema, planted_members(3, 1_500))
    model = ReleasedModel(small, schema, run.scaling, run.model, run.threshold)
    truth = check_table(planted_rows(2_000, 99), schema)

    assert metrics.roc_auc(truth.labels, model.score_rows(truth)) > 0.7
    assert private.run_epsilon(small, 1_500) <= 8.0
