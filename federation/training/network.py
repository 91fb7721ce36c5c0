"""Say how a model's numbers lie in its vector; numpy alone, so that any node can read a model.

``models`` makes the same layers with torch; a test holds the two to each other.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from federation.training.plan import ModelChoice

Floats = npt.NDArray[np.float32]

EXPANSION: Final = 2  # units inside a residual block, for each of its width


@dataclass(frozen=True)
class Linear:
    """One linear layer of each network.

    Attributes:
        weight: (networks, inputs, outputs).
        bias: (networks, outputs).
    """

    weight: Floats
    bias: Floats


@dataclass(frozen=True)
class Network:
    """The layers of a model, several networks side by side.

    Attributes:
        enter: The first layer; None in a logistic model.
        blocks: The two layers of each residual block.
        leave: The last layer, with one output.
    """

    enter: Linear | None
    blocks: tuple[tuple[Linear, Linear], ...]
    leave: Linear


def unpack(choice: ModelChoice, inputs: int, vector: Floats) -> Network:
    """Take a vector apart into layers.

    Args:
        choice: The plan's model.
        inputs: Numbers of an encoded row.
        vector: All parameters.

    Raises:
        ValueError: The vector has another length, or holds a number that is not finite.
    """
    if len(vector) != count_numbers(choice, inputs):
        raise ValueError("the vector has another length than the model")
    if not np.isfinite(vector).all():
        raise ValueError("the vector holds a number that is not finite")
    layers, start = [], 0
    for wide, narrow in _shapes(choice, inputs):
        middle = start + choice.networks * wide * narrow
        end = middle + choice.networks * narrow
        weight = vector[start:middle].reshape(choice.networks, wide, narrow)
        layers.append(Linear(weight, vector[middle:end].reshape(choice.networks, narrow)))
        start = end
    enter = None if choice.name == "logistic" else layers[0]
    inner = layers[1:-1]
    return Network(enter, tuple(zip(inner[::2], inner[1::2], strict=True)), layers[-1])


def count_numbers(choice: ModelChoice, inputs: int) -> int:
    """Count the numbers of a model's vector."""
    return sum(choice.networks * (wide + 1) * narrow for wide, narrow in _shapes(choice, inputs))


def model_digest(vector: Floats, scaling: bytes = b"") -> bytes:
    """Give the identity of a model: SHA-256 of its little-endian numbers and its scaling.

    Args:
        vector: All parameters.
        scaling: Encoded Scaling; empty before the first round, when there is none.
    """
    digest = hashlib.sha256(b"tocsin model\n" + vector.astype("<f4").tobytes())
    digest.update(scaling)
    return digest.digest()


def _shapes(choice: ModelChoice, inputs: int) -> list[tuple[int, int]]:
    """Return inputs and outputs of each layer, in the order of the vector."""
    if choice.name == "logistic":
        return [(inputs, 1)]
    width = choice.width
    block = [(width, EXPANSION * width), (EXPANSION * width, width)]
    return [(inputs, width), *(block * choice.blocks), (width, 1)]
