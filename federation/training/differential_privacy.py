"""Train with record-level differential privacy: DP-SGD by Opacus, accounted by PLD.

What is private: the updates of all rounds, against one row more or less in the member's table,
whoever sees them. What is not covered: the sums of statistics before the first round and of scores
after the last, which are exact. Noise comes from torch's ordinary generator, seeded by the system.
"""

import importlib
import math
import secrets
from functools import lru_cache
from typing import Any, Final

import torch
from torch import nn

from federation.training.error import PlanError
from federation.training.fitting import Examples, Floats
from federation.training.models import StackedLinear, build_model, flatten, restore
from federation.training.plan import TrainingPlan

LOWEST_NOISE: Final = 0.3
HIGHEST_NOISE: Final = 200.0
NOISE_TOLERANCE: Final = 0.01  # the noise found is at most one per cent above what is needed
PLD_INTERVAL: Final = 1e-3


def epsilon_spent(noise: float, rate: float, steps: int, delta: float) -> float:
    """Give the epsilon of so many steps of Poisson-sampled Gaussian noise, by the PLD accountant.

    Args:
        noise: Standard deviation of the noise in clip norms.
        rate: Chance of a row to be in a step.
        steps: Over the whole run.
        delta: Of the guarantee.

    Raises:
        PlanError: PRIVACY_UNAVAILABLE without the package dp-accounting.
    """
    accounting = _library("dp_accounting")
    pld = _library("dp_accounting.pld")
    accountant = pld.PLDAccountant(value_discretization_interval=PLD_INTERVAL)
    step = accounting.PoissonSampledDpEvent(rate, accounting.GaussianDpEvent(noise))
    accountant.compose(step, steps)
    return float(accountant.get_epsilon(delta))


@lru_cache(maxsize=64)
def noise_for(epsilon: float, delta: float, rate: float, steps: int) -> float:
    """Find the least noise that keeps a run within epsilon.

    Raises:
        PlanError: PRIVACY_UNAVAILABLE, or PLAN_INVALID if no noise in reach is enough.
    """
    low, high = LOWEST_NOISE, 1.0
    while epsilon_spent(high, rate, steps, delta) > epsilon:
        low, high = high, 2 * high
        if high > HIGHEST_NOISE:
            raise PlanError("no usable noise keeps the run within the plan's epsilon")
    while high / low > 1 + NOISE_TOLERANCE:
        middle = math.sqrt(low * high)
        if epsilon_spent(middle, rate, steps, delta) > epsilon:
            low = middle
        else:
            high = middle
    return high


def sampling(plan: TrainingPlan, rows: int) -> tuple[float, int]:
    """Give the chance of a row to be in a step, and the steps of one round."""
    wanted = max(plan.optimiser.batch_rows, math.ceil(rows / plan.optimiser.most_steps))
    rate = min(1.0, wanted / rows)
    return rate, max(plan.optimiser.least_steps, math.ceil(plan.optimiser.epochs / rate))


def run_epsilon(plan: TrainingPlan, rows: int) -> float:
    """Give what a whole run of the plan spends at a member with so many rows.

    Raises:
        PlanError: The plan asks for no privacy, or PRIVACY_UNAVAILABLE.
    """
    noise, rate, steps = _mechanism(plan, rows)
    assert plan.privacy is not None  # noqa: S101  # _mechanism refuses such a plan
    return epsilon_spent(noise, rate, steps * plan.rounds, plan.privacy.delta)


def fit_private_round(
    plan: TrainingPlan, start: Floats, examples: Examples, round_number: int, seed: int
) -> tuple[Floats, float]:
    """Train for one round with clipped and noised gradients; same contract as ``fit_round``.

    ``seed`` is not used: noise and sampling that others can repeat would protect nobody. The loss
    is not private either, so 0.0 stands in its place.

    Raises:
        PlanError: PRIVACY_UNAVAILABLE without the package opacus.
    """
    del seed
    noise, rate, steps = _mechanism(plan, len(examples))
    target = plan.privacy
    assert target is not None  # noqa: S101  # _mechanism refuses such a plan
    model = build_model(plan.model, examples.inputs.shape[1])
    restore(model, start)
    wrapped, stepper = _private_stepper(
        model, plan.optimiser.learning_rate * plan.pace(round_number), plan, noise, rate, examples
    )
    inputs, labels = torch.from_numpy(examples.inputs), torch.from_numpy(examples.labels)
    folds = torch.from_numpy(examples.folds)
    source = torch.Generator().manual_seed(secrets.randbits(63))
    networks = torch.arange(plan.model.networks)
    wrapped.train()
    for _ in range(steps):
        chosen = torch.nonzero(torch.rand(len(examples), generator=source) < rate).squeeze(1)
        rows = inputs[chosen].unsqueeze(1).expand(-1, plan.model.networks, -1)
        seen = (folds[chosen, None] != networks).float()
        targets = labels[chosen, None].expand_as(seen)
        scores = wrapped(rows) + examples.prior
        losses = nn.functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")
        stepper.zero_grad()
        (losses * seen).sum(dim=1).mean().backward()  # type: ignore[no-untyped-call]  # as torch is
        stepper.step()
    return flatten(model), 0.0


def _mechanism(plan: TrainingPlan, rows: int) -> tuple[float, float, int]:
    if plan.privacy is None:
        raise PlanError("the plan asks for no differential privacy")
    rate, steps = sampling(plan, rows)
    noise = noise_for(plan.privacy.epsilon, plan.privacy.delta, rate, steps * plan.rounds)
    return noise, rate, steps


def _private_stepper(
    model: nn.Module,
    rate_of_learning: float,
    plan: TrainingPlan,
    noise: float,
    rate: float,
    examples: Examples,
) -> tuple[Any, Any]:
    opacus, optimizers = _library("opacus"), _library("opacus.optimizers")
    _teach_layer()
    wrapped = opacus.GradSampleModule(model, batch_first=True, loss_reduction="mean")
    inner = torch.optim.AdamW(model.parameters(), lr=rate_of_learning, weight_decay=0.0)
    generator = torch.Generator().manual_seed(secrets.randbits(63))
    target = plan.privacy
    assert target is not None  # noqa: S101  # checked by the caller
    stepper = optimizers.DPOptimizer(
        inner,
        noise_multiplier=noise,
        max_grad_norm=target.clip_norm,
        expected_batch_size=max(1, round(rate * len(examples))),
        generator=generator,
    )
    return wrapped, stepper


@lru_cache(maxsize=1)
def _teach_layer() -> None:
    """Show Opacus once how one row's gradient of a StackedLinear is computed."""

    def samples(
        layer: StackedLinear, activations: list[torch.Tensor], backprops: torch.Tensor
    ) -> dict[nn.Parameter, torch.Tensor]:
        weight = torch.einsum("bni,bno->bnio", activations[0], backprops)
        return {layer.weight: weight, layer.bias: backprops.unsqueeze(2)}

    _library("opacus.grad_sample").register_grad_sampler(StackedLinear)(samples)


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.split(".", 1)[0].replace("_", "-")
        raise PlanError(
            f"differential privacy needs the package {package}",
            reason="PRIVACY_UNAVAILABLE",
            hint="pip install 'tocsin[train]'",
        ) from error
