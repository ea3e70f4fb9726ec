"""Metrics of the notebook's own functions: a number each, or the text of what went wrong."""

import json

import numpy as np
import pandas as pd
import pytest

from mlops_nb.probe.answer import computed

ROWS = pd.DataFrame({"amount": [10.0, 20.0, 5.0, 1.0], "city": ["a", "b", "a", "b"]})
TRUTH, PRED = np.array([0, 1, 1, 0]), np.array([0, 0, 1, 1])


def cost(truth, pred, score, rows):
    return float((rows["amount"] * (truth != pred)).mean())


def space(**more):
    return {
        "test": ROWS,
        "other": ROWS.head(2),
        "truth": TRUTH,
        "pred": PRED,
        "score": np.column_stack([1 - PRED * 0.5, PRED * 0.5]),
        "cost": cost,
        **more,
    }


@pytest.fixture
def measured(monkeypatch):
    def measure(
        functions, rows=("other", "test"), names=("truth", "pred", "score"), slices=None, **more
    ):
        monkeypatch.setattr(computed, "namespace", lambda: space(**more))
        named = {name: name for name in names}
        asked = {"functions": functions, "names": named, "rows": rows, "slices": slices or {}}
        return json.loads(computed.measure(json.dumps(asked)))

    return measure


def test_a_function_gets_what_the_notebook_was_judged_on(measured):
    seen = {}

    def all_of(truth, pred, score, rows):
        seen.update(truth=truth, pred=pred, score=score, rows=rows)
        return np.float32(1.5)

    found = measured({"cost": "cost", "all": "all_of"}, all_of=all_of)
    assert found == {"cost": {"value": 21 / 4}, "all": {"value": 1.5}}
    assert seen["rows"] is ROWS
    assert seen["score"].tolist() == [0, 0, 0.5, 0.5]
    assert (seen["truth"].tolist(), seen["pred"].tolist()) == (TRUTH.tolist(), PRED.tolist())


def test_each_slice_has_what_the_function_computes_of_its_rows_alone(measured):
    city = pd.Series(["a", 2, "a", None])

    def first_amount(truth, pred, score, rows):
        if len(rows) < 2:
            raise ValueError("too few")
        return float((truth != pred).sum() + rows["amount"].iloc[0])

    slices = {"city": ["2", "None", "a"]}
    found = measured({"m": "first_amount"}, slices=slices, city=city, first_amount=first_amount)
    mine = (city == "a").to_numpy()
    here = first_amount(TRUTH[mine], PRED[mine], None, ROWS[mine])
    assert found["m"]["by"] == {"city": {"2": None, "None": None, "a": here}}
    assert found["m"]["value"] == first_amount(TRUTH, PRED, None, ROWS)


def test_what_is_not_at_hand_is_none(measured):
    def lacking(truth, pred, score, rows):
        return float(score is None and rows is None)

    found = measured({"m": "lacking"}, rows=(), names=("truth", "pred"), lacking=lacking)
    assert found == {"m": {"value": 1.0}}


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda *given: given[3]["gone"].sum(), "KeyError: 'gone'"),
        (lambda *_: "many", "TypeError: it returned str"),
        (lambda *_: float("nan"), "ValueError: it returned nan"),
        (lambda *_: 1 / 0, "ZeroDivisionError"),
        (lambda truth: truth.mean(), "TypeError"),
        (7, "TypeError: 'int' object is not callable"),
    ],
)
def test_a_function_that_fails_says_why_and_stops_no_other(measured, function, words):
    found = measured({"bad": "bad", "gone": "gone", "cost": "cost"}, bad=function)
    assert words in found["bad"]["error"]
    assert "gone" in found["gone"]["error"]
    assert found["cost"] == {"value": 21 / 4}


@pytest.mark.parametrize("seed", range(10))
def test_answered_rows_give_what_the_notebook_has(measured, seed):
    draw = np.random.default_rng(seed)
    texts = draw.choice(["x", "y"], 4).astype(object)
    truth = [TRUTH, texts, TRUTH.astype(float)][seed % 3]

    def share(truth, pred, score, rows):
        return float((truth == truth[0]).mean() + (pred * rows["amount"]).sum() + score.sum())

    here = measured({"m": "share"}, truth=truth, share=share)["m"]["value"]
    score = space()["score"][:, 1].tolist()
    asked = {"truth": truth.tolist(), "pred": PRED.tolist(), "score": score}
    assert computed.of_columns(share, asked, ROWS) == pytest.approx(here)
