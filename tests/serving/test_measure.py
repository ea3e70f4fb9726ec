"""The process of a version computes metrics: a failure stops no other, a crash is not repeated."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

from mlops_nb.models.package import Package
from mlops_nb.probe.answer import package
from mlops_nb.serving.offline import measure
from mlops_nb.serving.offline.measure import ComputedMetric, JudgedBatch

CELLS = """
import numpy as np, pandas as pd
from sklearn.linear_model import LogisticRegression
draw = np.random.default_rng(1)
test = pd.DataFrame({'age': draw.integers(18, 90, 300), 'income': draw.lognormal(10, .5, 300)})
model = LogisticRegression().fit(test / [50, 1e4], test.age > 50)
def features(rows):
    return rows[['age', 'income']] / [50, 1e4]
pred = model.predict(features(test))
score = model.predict_proba(features(test))
def cost(truth, pred, score, rows):
    return (rows['income'] * (truth != pred)).sum() + score.sum()
def failing(truth, pred, score, rows):
    raise ValueError(f'{len(rows)} rows')
def deadly(truth, pred, score, rows):
    import os
    os._exit(3)
"""
METRICS = ("dead", "cost", "bad")


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    space: dict = {"__name__": "__main__"}
    exec(CELLS, space)
    monkeypatch.setattr(package, "namespace", lambda: space)
    asked = {"model": "model", "features": "features", "decide": "", "lookups": []}
    asked |= {"rows": ["test"], "pred": "pred", "score": "score"}
    asked["functions"] = {"cost": "cost", "bad": "failing", "dead": "deadly"}
    told = json.loads(package.write(json.dumps({**asked, "path": str(tmp_path / "model.pickle")})))
    assert "error" not in told, told
    assert told["computed"] == asked["functions"]
    (tmp_path / "package.json").write_text(json.dumps({"signature": told["signature"]}))
    (tmp_path / "golden.json").write_text(json.dumps(told["golden"]))
    return Package(
        folder=tmp_path,
        model="m",
        version=1,
        python=sys.executable,
        signature=told["signature"],
        independent=True,
        golden=told["golden"],
        about={},
    )


def batch(seed, rows=50):
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"age": draw.integers(18, 90, rows), "income": draw.lognormal(10, 1, rows)}
    )
    return frame, JudgedBatch(
        inputs=frame.to_dict("records"),
        truth=(draw.random(rows) < 0.5).tolist(),
        predictions=(draw.random(rows) < 0.5).tolist(),
        scores=draw.random(rows).tolist(),
    )


def test_a_failure_stops_no_other(packaged):
    made = {str(n): batch(n, 20 + n) for n in range(4)}
    asked = ((name, rows) for name, (_, rows) in made.items())
    found = measure.measure(packaged, METRICS, asked)
    for name, (frame, rows) in made.items():
        wrong = np.array(rows.truth) != np.array(rows.predictions)
        expected = frame.income[wrong].sum() + sum(rows.scores)
        assert found[name].results["cost"].value == pytest.approx(expected)
        count = len(frame)
        assert found[name].labels == count
        assert found[name].results["bad"] == ComputedMetric(error=f"ValueError: {count} rows")
        assert "ended" in found[name].results["dead"].error
        assert not found[name].results["dead"].is_final


def test_a_version_that_cannot_be_loaded_has_no_metrics(packaged):
    (packaged.folder / "model.pickle").write_bytes(b"damaged")
    found = measure.measure(packaged, ("cost", "bad"), [("a", batch(1)[1])])
    assert "cannot be loaded" in found["a"].results["cost"].error
    assert not found["a"].results["bad"].is_final


def test_a_column_that_the_log_lacks_is_named(packaged):
    frame, rows = batch(1)
    short = [{"age": int(age)} for age in frame.age]
    asked = JudgedBatch(
        inputs=short, truth=rows.truth, predictions=rows.predictions, scores=rows.scores
    )
    found = measure.measure(packaged, ("cost",), [("a", asked)])
    assert found["a"].results["cost"].error == "the log does not have the column 'income'"
