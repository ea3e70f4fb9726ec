"""The estimate of a drawn sample beside that of glide-py, on the same draws."""

import numpy as np
import pytest
from labelling import KINDS, LOSSES, losses_of

from mlops_nb.evaluation import sampling

glide = pytest.importorskip("glide.estimators", reason="glide-py needs Python 3.12 or newer")
ROWS, SIZE, DRAWS = 5000, 500, 60


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", KINDS)
def test_both_tell_the_same_of_the_same_rows(kind, loss):
    """They differ where scores mislead: there our weights are scaled to the number of rows."""
    draw = np.random.default_rng(1)
    apart, widths, covered = [], [], 0
    for _ in range(DRAWS):
        score, chance = KINDS[kind](draw, ROWS)
        losses, expected, spread = losses_of(score, draw.random(ROWS) < chance, loss)
        probability = sampling.inclusion(spread, SIZE)
        chosen = sampling.draw(probability, int(draw.integers(1 << 60)))
        known = losses[chosen], 1 / probability[chosen], expected[chosen]
        sums = sampling.weighted_sums(*known, rows=ROWS, forecast=float(expected.sum()))
        mine = sampling.estimate([sums])
        labels = np.full(ROWS, np.nan)
        labels[chosen] = losses[chosen]
        peer = glide.ASIMeanEstimator().estimate(labels, expected, np.minimum(probability, 1))
        ends = peer.confidence_interval
        half = (ends.upper_bound - ends.lower_bound) / 2
        apart.append((mine.value - ends.mean) / half)
        widths.append((mine.high - mine.low) / 2 / half)
        covered += mine.low <= losses.mean() <= mine.high
    assert abs(np.mean(apart)) < 0.1
    assert np.quantile(np.abs(apart), 0.9) < (0.15 if kind in {"calibrated", "rare"} else 0.7)
    assert 0.8 < np.median(widths) < 1.05
    assert covered >= 0.85 * DRAWS  # 3 standard errors below 0.95
