"""The two models: a residual network for tables, and a logistic baseline.

A model is several networks side by side (``networks`` of the plan), computed as one batch. Its
state is one flat float32 vector, in the order in which the layers below are made, so that every
engine, strategy and sum deals with one array.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from federation.training.network import EXPANSION
from federation.training.network import model_digest as model_digest
from federation.training.plan import TREES, ModelChoice

Floats = npt.NDArray[np.float32]

INPUT_GAIN: Final = 0.7
OUTPUT_GAIN: Final = 0.3  # first scores near the prior
ROWS_AT_ONCE: Final = 8_192  # scored together: bounds memory


class StackedLinear(nn.Module):
    """One linear layer for each network; input and output are (rows, networks, features)."""

    def __init__(
        self, networks: int, inputs: int, outputs: int, gain: float, source: torch.Generator
    ) -> None:
        super().__init__()
        spread = gain * math.sqrt(2 / inputs)
        weight = torch.randn(networks, inputs, outputs, generator=source) * spread
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(networks, 1, outputs))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Apply each network's layer to its own rows."""
        return torch.baddbmm(self.bias, rows.transpose(0, 1), self.weight).transpose(0, 1)


class _Block(nn.Module):
    def __init__(self, networks: int, width: int, dropout: float, source: torch.Generator) -> None:
        super().__init__()
        self.widen = StackedLinear(networks, width, EXPANSION * width, 1.0, source)
        self.narrow = StackedLinear(networks, EXPANSION * width, width, OUTPUT_GAIN, source)
        self.dropout = nn.Dropout(dropout)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        wide: torch.Tensor = self.dropout(torch.relu(self.widen(rows)))
        return rows + torch.as_tensor(self.narrow(wide))


class Residual(nn.Module):
    """Linear layer, residual blocks, linear score."""

    def __init__(self, choice: ModelChoice, inputs: int, source: torch.Generator) -> None:
        super().__init__()
        count, width = choice.networks, choice.width
        self.enter = StackedLinear(count, inputs, width, INPUT_GAIN, source)
        blocks = [_Block(count, width, choice.dropout, source) for _ in range(choice.blocks)]
        self.blocks = nn.Sequential(*blocks)
        self.leave = StackedLinear(count, width, 1, OUTPUT_GAIN, source)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Give log-odds less the prior: (rows, networks)."""
        hidden = self.blocks(self.enter(rows))
        return torch.as_tensor(self.leave(torch.relu(hidden))).squeeze(-1)


class Logistic(nn.Module):
    """One linear score: the baseline."""

    def __init__(self, choice: ModelChoice, inputs: int, source: torch.Generator) -> None:
        super().__init__()
        self.leave = StackedLinear(choice.networks, inputs, 1, 0.0, source)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Give log-odds less the prior: (rows, networks)."""
        return torch.as_tensor(self.leave(rows)).squeeze(-1)


def build_model(choice: ModelChoice, inputs: int) -> nn.Module:
    """Make the plan's model with its first weights, which follow from the seed alone."""
    source = torch.Generator().manual_seed(choice.seed)
    kind = {"residual": Residual, "logistic": Logistic}[choice.name]
    return kind(choice, inputs, source)


def flatten(model: nn.Module) -> Floats:
    """Write all parameters as one vector."""
    with torch.no_grad():
        vector: Floats = nn.utils.parameters_to_vector(model.parameters()).numpy().copy()
    return vector


def restore(model: nn.Module, vector: Floats) -> None:
    """Put the parameters of a vector into the model.

    Raises:
        ValueError: The vector has another length.
    """
    if len(vector) != count_parameters(model):
        raise ValueError("the vector has another length than the model")
    source = torch.from_numpy(np.ascontiguousarray(vector, np.float32).copy())
    nn.utils.vector_to_parameters(source, model.parameters())


def count_parameters(model: nn.Module) -> int:
    """Count the numbers of the model's state."""
    return sum(parameter.numel() for parameter in model.parameters())


def initial_model(choice: ModelChoice, inputs: int) -> Floats:
    """Give the model before the first round; of trees there are none yet."""
    if choice.name == TREES:
        return np.zeros(0, np.float32)
    return flatten(build_model(choice, inputs))


def network_probabilities(model: nn.Module, encoded: Floats, prior: float) -> Floats:
    """Score rows by every network on its own: (rows, networks)."""
    networks = next(model.parameters()).shape[0]
    model.eval()
    parts = []
    with torch.no_grad():
        for start in range(0, len(encoded), ROWS_AT_ONCE):
            rows = torch.from_numpy(encoded[start : start + ROWS_AT_ONCE])
            scores = model(rows.unsqueeze(1).expand(-1, networks, -1))
            parts.append(torch.sigmoid(scores + prior).numpy())
    return np.concatenate(parts) if parts else np.zeros((0, networks), np.float32)
