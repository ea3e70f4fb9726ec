"""What an evaluation mark names, as a kernel writes it and as it is scored."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_pinball_loss

from mlops_nb.engine import scoring
from mlops_nb.engine.task import Task
from mlops_nb.probe import introspect

Y = [0, 1] * 50
MARK = {"truth": "y", "pred": "p", "score": "s", "by": "place,kind"}


class Here:
    """Puts questions to the probe in this very process, some modules out of its sight."""

    def __init__(self, without, monkeypatch):
        self.without, self.monkeypatch = without, monkeypatch

    def ask(self, question, **request):
        part, _, function = question.rpartition(".")
        module = importlib.import_module(f"mlops_nb.probe.{part}")
        with self.monkeypatch.context() as context:
            for name in self.without:
                context.delitem(sys.modules, name)
            return json.loads(getattr(module, function)(json.dumps(request)))


@pytest.fixture
def scored(tmp_path, monkeypatch):
    """Return what scores names of a notebook under a mark."""

    def score(mark, without=(), **names):
        for name, value in names.items():
            monkeypatch.setitem(introspect.namespace(), name, value)
        brought = []
        task = Task(
            run="r",
            document={},
            folder=tmp_path,
            output=tmp_path / "run" / "n.ipynb",
            evaluation=mark,
        )
        found = scoring.evaluation(task, Here(without, monkeypatch), brought.extend)
        assert not list(Path(tmp_path).rglob("columns-*"))
        return found, brought

    return score


def values(found, metric="auc"):
    return {part: one["value"] for part, one in found["by"][f"{metric}_by_place"].items()}


def test_what_the_mark_names_is_scored_whole_and_by_each_slicing(scored):
    found, brought = scored(
        MARK,
        y=pd.Series(Y),
        p=np.array(Y),
        s=np.c_[1 - np.array(Y), Y].astype(float),
        place=["a", "b", "b", "b"] * 25,
        kind=pd.Categorical([1, 1, 2, 2] * 25),
    )
    assert brought == ["y", "p", "s", "place", "kind"]
    assert found["whole"]["auc"]["value"] == found["whole"]["f1"]["value"] == 1.0
    assert found["rows"] == {"place": {"a": 25, "b": 75}, "kind": {"1": 50, "2": 50}}
    assert values(found) == {"a": None, "b": 1.0}  # nobody in `a` is positive
    assert found["least"] == 30


@pytest.mark.parametrize("without", [(), ("pyarrow",), ("pyarrow", "numpy")])
def test_texts_and_lists_are_scored_as_arrays_are(scored, without):
    words = ["yes" if y else "no" for y in Y]
    mark = {"truth": "y", "pred": "p", "by": "place", "min-n": "7"}
    found, _ = scored(mark, without, y=words, p=list(words), place=list("ab") * 50)
    assert found["whole"]["accuracy"]["value"] == 1.0
    assert values(found, "accuracy") == {"a": 1.0, "b": 1.0}
    assert found["least"] == 7


def test_a_regression_has_errors_and_no_accuracy(scored):
    found, _ = scored({"truth": "y", "pred": "p"}, y=np.linspace(0, 1, 50), p=np.zeros(50))
    assert found["whole"].keys() == {"mae", "rmse"}


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ({"y": Y, "s": Y}, "there is no 'p'"),
        ({"y": Y, "p": Y[1:], "s": Y}, "y has 100, p has 99, s has 100"),
        ({"y": Y, "p": Y, "s": np.ones((100, 3))}, "'s' has 2 dimensions"),
        ({"y": Y, "p": Y, "s": 3}, "'s' has 0 dimensions"),
    ],
)
def test_what_cannot_be_scored_says_why_and_fails_no_run(scored, names, why):
    found, _ = scored({"truth": "y", "pred": "p", "score": "s"}, **names)
    assert found.keys() == {"error"}
    assert why in found["error"]


@pytest.mark.parametrize("mark", [{}, {"truth": "y"}, {"pred": "p", "score": "s"}])
def test_a_mark_that_names_too_little_asks_for_nothing(scored, mark):
    assert scored(mark) == ({}, [])


def test_a_quantile_and_functions_are_scored_with_the_rest(scored):
    draw = np.random.default_rng(0)
    y, p = draw.normal(0, 1, 80), draw.normal(1, 1, 80)
    rows = pd.DataFrame({"weight": draw.random(80)})
    mark = {"truth": "y", "pred": "p", "quantile": "0.9", "rows": "gone,rows"}
    mark |= {"computed": "cost,bad", "from": "cost_of,bad_of"}

    def cost_of(truth, pred, score, rows):
        return (rows["weight"] * np.abs(truth - pred)).sum()

    def bad_of(truth, pred, score, rows):
        raise RuntimeError("no")

    found, brought = scored(mark, y=y, p=p, rows=rows, cost_of=cost_of, bad_of=bad_of)
    whole = found["whole"]
    expected = mean_pinball_loss(y, p, alpha=0.9)
    assert whole["quantile_loss"]["value"] == pytest.approx(expected)
    assert found["quantile"] == 0.9
    assert whole["cost"]["value"] == pytest.approx((rows.weight * np.abs(y - p)).sum())
    assert (whole["cost"]["low"], whole["cost"]["n"]) == (None, 80)
    assert whole["bad"]["value"] is None
    assert found["error"] == "the metric 'bad' failed: RuntimeError: no"
    assert "*" in brought
