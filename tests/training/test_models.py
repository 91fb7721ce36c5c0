"""A model is one vector, the same from the same seed; its networks do not mix."""

import itertools

import pytest

numpy = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")


from federation.training.fitting import (  # noqa: E402
    Examples,
    fit_round,
    network_scores,
    probabilities,
)
from federation.training.models import (  # noqa: E402
    build_model,
    count_parameters,
    flatten,
    initial_model,
    model_digest,
    network_probabilities,
    restore,
)
from federation.training.plan import ModelChoice, Optimiser, StrategyChoice  # noqa: E402
from tests.training.plans import plan  # noqa: E402

CHOICE = ModelChoice(width=6, networks=3, bins=2, dropout=0.0)
INPUTS = 5


def _examples(rows: int = 400, networks: int = 3) -> Examples:
    source = numpy.random.default_rng(1)
    inputs = source.uniform(-1, 1, (rows, INPUTS)).astype(numpy.float32)
    labels = (inputs[:, 0] * inputs[:, 1] > 0).astype(numpy.float32)
    return Examples.of(inputs, labels, 0.0, networks)


@pytest.mark.parametrize("name", ["residual", "logistic"])
def test_a_model_is_restored_from_its_vector(name: str) -> None:
    choice = ModelChoice(name, width=6, networks=3)
    vector = initial_model(choice, INPUTS) + numpy.float32(0.25)
    model = build_model(choice, INPUTS)
    restore(model, vector)

    assert (flatten(model) == vector).all()
    assert len(vector) == count_parameters(model)
    with pytest.raises(ValueError, match="another length"):
        restore(model, vector[:-1])


def test_the_first_model_follows_from_the_seed_alone() -> None:
    first = initial_model(CHOICE, INPUTS)
    torch.manual_seed(99)
    again = initial_model(CHOICE, INPUTS)
    other = initial_model(ModelChoice(width=6, networks=3, bins=2, seed=2), INPUTS)

    assert model_digest(first) == model_digest(again)
    assert model_digest(first) != model_digest(other)


def test_each_network_scores_as_if_it_were_alone() -> None:
    model = build_model(CHOICE, INPUTS)
    alone = build_model(ModelChoice(width=6, networks=1, bins=2), INPUTS)
    with torch.no_grad():
        for mine, whole in zip(alone.parameters(), model.parameters(), strict=True):
            mine.copy_(whole[1:2])
    rows = _examples().inputs

    scores = network_probabilities(model, rows, 0.3)

    assert scores.shape == (400, 3)
    assert network_probabilities(alone, rows, 0.3)[:, 0] == pytest.approx(scores[:, 1], abs=1e-6)


def test_a_network_never_trains_on_its_own_fold() -> None:
    whole = plan(model=CHOICE, rounds=3)
    examples = _examples()
    start = initial_model(CHOICE, INPUTS)
    changed = examples.labels.copy()
    changed[examples.folds == 0] = 1 - changed[examples.folds == 0]
    lying = Examples(examples.inputs, changed, examples.folds, examples.prior)
    honest_model, lying_model = (build_model(CHOICE, INPUTS) for _ in range(2))
    restore(honest_model, fit_round(whole, start, examples, 1, 3)[0])
    restore(lying_model, fit_round(whole, start, lying, 1, 3)[0])
    honest = network_probabilities(honest_model, examples.inputs, 0.0)
    deceived = network_probabilities(lying_model, examples.inputs, 0.0)

    assert honest[:, 0] == pytest.approx(deceived[:, 0], abs=1e-6)
    assert not numpy.allclose(honest[:, 1], deceived[:, 1])


def test_folds_share_out_both_labels_evenly() -> None:
    examples = _examples(networks=4)

    for label in (0, 1):
        counts = numpy.bincount(examples.folds[examples.labels == label], minlength=4)
        assert counts.max() - counts.min() <= 1


def test_training_repeats_by_seed_and_leaves_the_global_generator_alone() -> None:
    whole = plan(model=ModelChoice(width=6, networks=3, bins=2, dropout=0.4))
    start = initial_model(whole.model, INPUTS)
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, loss = fit_round(whole, start, _examples(), 1, 7)

    assert (torch.random.get_rng_state() == before).all()
    assert (fit_round(whole, start, _examples(), 1, 7)[0] == first).all()
    assert not (fit_round(whole, start, _examples(), 1, 8)[0] == first).all()
    assert 0 < loss < 2


def test_a_residual_network_learns_what_a_logistic_one_cannot() -> None:
    from federation.training import metrics

    areas = {}
    for name in ("residual", "logistic"):
        choice = ModelChoice(name, width=16, networks=2, dropout=0.0)
        whole = plan(model=choice, rounds=10, optimiser=Optimiser(0.02, least_steps=40))
        examples = _examples(networks=2)
        vector = initial_model(choice, INPUTS)
        for number in range(1, 11):
            vector, _ = fit_round(whole, vector, examples, number, number)
        blind, folds = examples.folds >= 0, examples.folds
        scores = network_scores(whole, vector, examples)[blind, folds[blind]]
        areas[name] = metrics.roc_auc(examples.labels[blind], scores)

    assert areas["residual"] > 0.9
    assert areas["logistic"] < 0.65


def test_the_proximal_term_holds_the_model_near_its_start() -> None:
    start = initial_model(CHOICE, INPUTS)
    moves = []
    for pull in (0.0, 10.0):
        whole = plan(
            model=CHOICE,
            optimiser=Optimiser(0.01, least_steps=60),
            strategy=StrategyChoice("FedProx", proximal=pull),
        )
        fitted, _ = fit_round(whole, start, _examples(), 1, 3)
        moves.append(numpy.linalg.norm(fitted - start))

    assert moves[1] < moves[0] / 2


def test_rate_and_bound_fall_over_the_rounds() -> None:
    whole = plan()
    paces = [whole.pace(number) for number in range(1, 21)]

    assert paces[0] == 1
    assert all(later < earlier for earlier, later in itertools.pairwise(paces))
    assert paces[-1] >= 0.02
    assert whole.bound(1) == whole.norm_bound
    assert whole.bound(20) == whole.norm_bound * paces[-1]


def test_one_row_and_huge_inputs_still_give_probabilities() -> None:
    whole = plan(model=CHOICE)
    rows = numpy.full((1, INPUTS), 1e30, numpy.float32)
    scores = probabilities(whole, initial_model(CHOICE, INPUTS), rows, 0.0)

    assert scores.shape == (1,)
    assert 0 <= scores[0] <= 1
