"""NDCG against scikit-learn, on generated queries."""

import math

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from mlops_nb.evaluation import by_slice, metrics, ranking


def queries(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return relevance, scores with ties, and queries in no order."""
    draw = np.random.default_rng(seed)
    number = int(draw.integers(2, 200))
    query = draw.integers(0, max(1, number // 5), number)
    score = draw.normal(size=number).round(int(draw.integers(0, 3)))
    return draw.integers(0, 4, number).astype(float), score, query


def exact(truth, score, query) -> dict[int, float]:
    found = {}
    for one in np.unique(query):
        mine = query == one
        if not truth[mine].any():
            found[int(one)] = math.nan
        elif mine.sum() == 1:
            found[int(one)] = 1.0  # scikit-learn refuses a single row
        else:
            found[int(one)] = ndcg_score([truth[mine]], [score[mine]])
    return found


@pytest.mark.parametrize("seed", range(40))
def test_each_query_has_the_value_of_scikit_learn(seed):
    truth, score, query = queries(seed)
    values, places = ranking.ndcg_of(truth, score, query)
    wanted = exact(truth, score, query)
    np.testing.assert_allclose(values, list(wanted.values()), rtol=1e-12, equal_nan=True)
    np.testing.assert_array_equal(np.unique(query)[places], query)
    found = metrics.ndcg(truth, score, query.astype(str))
    known = [one for one in wanted.values() if not math.isnan(one)]
    assert found["value"] == pytest.approx(np.mean(known))
    assert found["n"] == len(known)
    assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1


def test_an_evaluation_has_it_whole_by_slice_and_beside_equal_scores():
    truth, score, query = queries(3)
    place = np.where(query % 2 == 0, "even", "odd").astype(object)
    found = by_slice.evaluation({"truth": truth, "score": score, "query": query}, {"half": place})
    for name in ("even", "odd"):
        mine = place == name
        wanted = exact(truth[mine], score[mine], query[mine]).values()
        assert found["by"]["ndcg_by_half"][name]["value"] == pytest.approx(np.nanmean([*wanted]))
    tied = exact(truth, np.zeros(len(truth)), query).values()
    assert found["baseline"]["ndcg"] == pytest.approx(np.nanmean([*tied]))


def test_texts_and_negative_relevance_have_no_value():
    query, score = np.array(["a", "a"]), np.array([1.0, 2.0])
    for truth in (np.array([-1.0, 1.0]), np.array(["x", "y"], object)):
        assert metrics.ndcg(truth, score, query)["value"] is None


def test_the_interval_covers_the_mean_of_all_queries():
    draw = np.random.default_rng(8)
    truth, score = draw.integers(0, 3, (20_000, 5)), draw.normal(size=(20_000, 5))
    score += truth * 0.5
    query = np.repeat(np.arange(20_000), 5)
    every = ranking.ndcg_of(truth.ravel(), score.ravel(), query)[0]
    covered = 0
    for _ in range(400):
        rows = draw.choice(20_000, 200, replace=False)
        one = metrics.ndcg(truth[rows].ravel(), score[rows].ravel(), np.repeat(rows, 5))
        covered += one["low"] <= np.nanmean(every) <= one["high"]
    assert covered >= 400 * 0.95 - 3.9 * math.sqrt(400 * 0.95 * 0.05)
