"""Late fusion: what no sector sees alone, their models' levels say together."""

import numpy as np
import pytest

from federation.training.fusion import MOST_LEVEL, fused_log_odds, level_of
from federation.training.metrics import roc_auc

SECTORS = ("carrier", "bank", "internet")


def planted(count=6_000, seed=4):
    """Give subjects whose fraud shows a little in each of three sectors' features."""
    random = np.random.default_rng(seed)
    labels = (random.random(count) < 0.08).astype(np.float32)
    features = {
        sector: np.stack(
            [labels * weight + random.normal(size=count), random.normal(size=count)], axis=1
        )
        for sector, weight in zip(SECTORS, (1.3, 1.1, 0.9), strict=True)
    }
    return features, labels


def fit(features, labels):
    """Fit a logistic model by Newton's method; return its weights."""
    inputs = np.c_[features, np.ones(len(features))]
    weights = np.zeros(inputs.shape[1])
    for _ in range(12):
        chance = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (labels - chance)
        curve = (inputs * (chance * (1 - chance))[:, None]).T @ inputs
        weights += np.linalg.solve(curve + 1e-6 * np.eye(len(weights)), slope)
    return weights


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_sectors_together_beat_the_best_single_one_on_the_planted_case(seed):
    features, labels = planted(seed=seed)
    half = len(labels) // 2
    rate = labels[:half].mean()
    prior = float(np.log(rate / (1 - rate)))
    odds = {
        sector: np.c_[values[half:], np.ones(half)] @ fit(values[:half], labels[:half])
        for sector, values in features.items()
    }
    levels = {sector: level_of(found, prior) for sector, found in odds.items()}
    fused = np.sum(list(levels.values()), axis=0)
    best = max(roc_auc(labels[half:], found) for found in odds.values())

    assert roc_auc(labels[half:], fused) > best + 0.01
    assert set(np.unique(np.concatenate(list(levels.values())))) <= {-2, -1, 0, 1, 2}


def test_levels_are_five_and_centred_on_the_usual():
    found = level_of(np.array([-100, -5.2, -4.0, -3.1, -2.0, 0.5, 100]), prior=-4.0)

    assert found.tolist() == [-2, -1, 0, 0, 1, 2, 2]
    assert level_of(1e9, 0.0) == MOST_LEVEL


def test_a_sum_of_levels_is_log_odds_again():
    assert fused_log_odds(3) == 6.0
    assert fused_log_odds(-2) == -4.0
