"""Fit a model to one member's rows for one round, and score rows without looking twice."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from federation.training.forest import forest_probabilities
from federation.training.models import build_model, flatten, network_probabilities, restore
from federation.training.plan import TREES, ModelChoice, Optimiser, TrainingPlan
from federation.training.trees import forest_scores, grow_round

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]

FOLD_SEED = 0x70C5
RARE_ROWS = 4  # of the rarer label in a batch: gradients of batches without any only add noise
LARGEST_RARE_BATCH = 1_024
FEWEST_IN_FOLD = 2
HELD_OUT = 10  # one row in so many is not trained on where a single network sees all others


@dataclass(frozen=True)
class Examples:
    """A member's encoded training rows.

    Attributes:
        inputs: Encoded rows, float32.
        labels: 0.0 or 1.0.
        folds: For each row, the network that never trains on it; -1 where all do: with a single
            network most rows.
        prior: Log-odds of label 1 among all members.
    """

    inputs: Floats
    labels: Floats
    folds: Places
    prior: float

    @classmethod
    def of(cls, inputs: Floats, labels: Floats, prior: float, networks: int) -> "Examples":
        """Assign folds so that each holds its share of both labels; the same on every call."""
        return cls(inputs, labels, assign_folds(labels, networks), prior)

    def __len__(self) -> int:
        return len(self.labels)


def assign_folds(labels: Floats, networks: int) -> Places:
    """Give for each row the network that never trains on it; see ``Examples``."""
    folds = np.full(len(labels), -1, np.int64)
    if len(labels) < FEWEST_IN_FOLD * networks:
        return folds  # so few rows that a network without its own would see hardly any
    generator = np.random.default_rng(FOLD_SEED)
    for label in (0.0, 1.0):
        rows = generator.permutation(np.flatnonzero(labels == label))
        if networks > 1:
            folds[rows] = np.arange(len(rows)) % networks
        else:
            folds[rows[1::HELD_OUT]] = 0  # a label's only row is trained on
    return folds


def fit_round(
    plan: TrainingPlan, start: Floats, examples: Examples, round_number: int, seed: int
) -> tuple[Floats, float]:
    """Train for one round from a given model.

    Args:
        plan: Model and optimiser.
        start: The model the round begins with.
        examples: The member's rows.
        round_number: From 1; decides the learning rate.
        seed: Of the order of rows and of dropout.

    Returns:
        The new model, and the mean loss over the round.
    """
    choice, optimiser = plan.model, plan.optimiser
    if choice.name == TREES:
        return grow_round(plan, start, examples, round_number, seed)
    model = build_model(choice, examples.inputs.shape[1])
    restore(model, start)
    anchor = torch.from_numpy(start.copy()) if plan.strategy.proximal else None
    stepper = torch.optim.AdamW(
        model.parameters(),
        lr=optimiser.learning_rate * plan.pace(round_number),
        betas=(0.9, 0.99),
        weight_decay=optimiser.weight_decay,
    )
    inputs, labels = torch.from_numpy(examples.inputs), torch.from_numpy(examples.labels)
    losses: list[float] = []
    model.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for batch in _batches(examples, choice, optimiser, seed):
            rows = _drop_inputs(inputs[batch], optimiser.input_dropout)
            scores = model(rows) + examples.prior
            loss = nn.functional.binary_cross_entropy_with_logits(scores, labels[batch])
            total = loss * choice.networks
            if anchor is not None:
                moved = nn.utils.parameters_to_vector(model.parameters()) - anchor
                total = total + plan.strategy.proximal / 2 * moved.square().sum()
            stepper.zero_grad()
            total.backward()  # type: ignore[no-untyped-call]  # torch annotates it only in part
            stepper.step()
            losses.append(float(loss.detach()))
    return flatten(model), float(np.mean(losses))


def network_scores(plan: TrainingPlan, vector: Floats, examples: Examples) -> Floats:
    """Score each training row by every network on its own: (rows, networks)."""
    if plan.model.name == TREES:
        return forest_scores(plan, vector, examples)
    model = build_model(plan.model, examples.inputs.shape[1])
    restore(model, vector)
    return network_probabilities(model, examples.inputs, examples.prior)


def probabilities(plan: TrainingPlan, vector: Floats, inputs: Floats, prior: float) -> Floats:
    """Score new rows: the mean of the networks."""
    if plan.model.name == TREES:
        codes = np.asarray(inputs, np.uint8)
        return forest_probabilities(plan.model, vector, codes, prior).mean(axis=1)
    model = build_model(plan.model, inputs.shape[1])
    restore(model, vector)
    return np.asarray(network_probabilities(model, inputs, prior).mean(axis=1), np.float32)


def fit_alone(
    plan: TrainingPlan,
    start: Floats,
    examples: Examples,
    seed: int,
    is_over: Callable[[], bool] = lambda: False,
) -> Floats:
    """Train a member's own model on its own rows only, with the plan's rounds.

    Args:
        plan: Model, optimiser, rounds.
        start: The first model.
        examples: The member's rows.
        seed: Of the first round; the next has the next.
        is_over: Asked after each round; whether to do without the rest.
    """
    vector = start
    first_averaged = plan.rounds - int(plan.rounds * plan.strategy.averaged_rounds)
    averaged: list[Floats] = []
    for number in range(1, plan.rounds + 1):
        vector, _ = fit_round(plan, vector, examples, number, seed + number)
        if number > first_averaged:
            averaged.append(vector)
        if is_over():
            break
    if not averaged:
        return vector
    return np.asarray(np.mean(averaged, axis=0, dtype=np.float64), np.float32)


def _batches(
    examples: Examples, choice: ModelChoice, optimiser: Optimiser, seed: int
) -> list[torch.Tensor]:
    """Choose the rows of every step: tensors (rows, networks) of row numbers.

    The step count stays within the plan's bounds: few rows are passed over again, many come in
    larger batches, and so do rows of which few are positive.
    """
    generator = np.random.default_rng(seed)
    networks = choice.networks
    allowed = [np.flatnonzero(examples.folds != network) for network in range(networks)]
    size = min(len(rows) for rows in allowed)
    seen = size * optimiser.epochs
    batch = max(optimiser.batch_rows, math.ceil(seen / optimiser.most_steps), _rare_batch(examples))
    batch = min(batch, size)
    steps = max(optimiser.least_steps, math.ceil(seen / batch))
    columns = []
    for rows in allowed:
        passes = math.ceil(steps * batch / len(rows))
        order = np.concatenate([generator.permutation(rows) for _ in range(passes)])
        columns.append(order[: steps * batch])
    order = np.stack(columns, axis=1)
    return [torch.from_numpy(part) for part in np.split(order, steps)]


def _rare_batch(examples: Examples) -> int:
    """Count the rows that hold a few of the rarer label, as the prior expects it."""
    share = 1 / (1 + math.exp(abs(examples.prior)))
    return min(math.ceil(RARE_ROWS / share), LARGEST_RARE_BATCH)


def _drop_inputs(rows: torch.Tensor, share: float) -> torch.Tensor:
    return rows * (torch.rand_like(rows) >= share) if share else rows
