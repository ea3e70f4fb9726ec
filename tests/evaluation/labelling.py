"""Simulated logs whose rows are drawn for labelling."""

from functools import cache

import numpy as np

from mlops_nb.evaluation import sampling

ROWS = 20_000
LOSSES = ("hit", "brier")


def calibrated(draw, count):
    score = draw.beta(0.4, 0.8, count)
    return score, score


def rare(draw, count):
    score = draw.beta(0.15, 6, count)
    return score, score


def random(draw, count):
    return draw.beta(0.4, 0.8, count), np.full(count, 0.3)


def confident(draw, count):
    """Scores near 0 that are wrong in a quarter of the rows, and modest ones that are right."""
    score = np.where(
        draw.random(count) < 0.7, draw.beta(0.2, 4, count), draw.uniform(0.3, 0.7, count)
    )
    true = np.where(score < 0.3, 0.25, np.round(score))
    return score, true


KINDS = {"calibrated": calibrated, "rare": rare, "random": random, "confident": confident}


def losses_of(score, truth, loss):
    """Return the loss of each row, its expectation by the score, and its expected spread."""
    right = np.maximum(score, 1 - score)
    if loss == "hit":
        return ((score > 0.5) == truth).astype(float), right, np.sqrt(right * (1 - right))
    spread = np.sqrt(score * (1 - score))
    return (score - truth) ** 2, score * (1 - score), spread * np.abs(1 - 2 * score)


def run(draw, kind, loss, size, pilot):
    """Return whether both intervals cover, and their widths: of the draw, of a plain sample."""
    score, chance = KINDS[kind](draw, ROWS)
    truth = draw.random(ROWS) < chance
    values, expected, spread = losses_of(score, truth, loss)
    known = draw.choice(ROWS, pilot, replace=False) if pilot else np.array([], int)
    learned = sampling.learned_spread(spread, spread[known], values[known])
    probability = sampling.inclusion(learned, size)
    chosen = sampling.draw(probability, int(draw.integers(1 << 60)))
    mine = estimated(values, expected, chosen, 1 / probability[chosen])
    some = draw.choice(ROWS, size, replace=False)
    plain = estimated(values, np.zeros(ROWS), some, np.full(size, ROWS / size))
    true = mean_of(kind, loss)
    covers = [one.low <= true <= one.high for one in (mine, plain)]
    return *covers, mine.high - mine.low, plain.high - plain.low


def estimated(values, expected, chosen, weights):
    sums = sampling.weighted_sums(
        values[chosen],
        weights,
        expected[chosen],
        rows=ROWS,
        forecast=float(expected.sum()),
    )
    return sampling.estimate([sums], bounded=True)


@cache
def mean_of(kind, loss):
    """Return the mean loss of the world that the rows are of."""
    draw = np.random.default_rng(0)
    score, chance = KINDS[kind](draw, 20_000_000)
    one, _, _ = losses_of(score, np.ones(len(score), bool), loss)
    other, _, _ = losses_of(score, np.zeros(len(score), bool), loss)
    return float((chance * one + (1 - chance) * other).mean())
