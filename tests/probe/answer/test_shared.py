"""A model answers the same whether `predict` computes the scores again or not."""

import inspect
import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.utils import all_estimators

from mlops_nb.probe.answer.answers import Answers
from mlops_nb.probe.answer.shared import Shared

NAMES = ["a", "b", "c", "d", "e"]
SIGNATURE = {
    "input": "frame",
    "arrays": True,
    "columns": [{"name": name, "kind": "float", "dtype": "float64"} for name in NAMES],
}


# what a classifier needs so that it can be fitted to `data`
GIVEN = {
    "estimator": LogisticRegression(),
    "estimators": [("one", LogisticRegression()), ("other", GaussianNB())],
    "radius": 1000.0,
    "min_categories": 100,
}
OF_TABLES = {"ClassifierChain", "MultiOutputClassifier"}  # each row has several labels
OF_TWO = {"FixedThresholdClassifier", "TunedThresholdClassifierCV"}  # classes
ALL = [
    pytest.param(kind, classes, id=f"{name}-{classes}")
    for name, kind in all_estimators("classifier")
    for classes in (2, 3)
    if name not in OF_TABLES and not (name in OF_TWO and classes > 2)
]


def data(classes, rows=200):
    given, label = make_classification(
        rows, 5, n_informative=4, n_redundant=0, n_classes=classes, random_state=classes
    )
    return (given - given.min()) * 3, label


def fitted(kind, classes):
    known = inspect.signature(kind).parameters
    return kind(**{n: v for n, v in GIVEN.items() if n in known}).fit(*data(classes))


def both(model, tmp_path):
    """Return the answers of two copies of a model: one as it is, and one as it is served."""
    parts = {"model": model}
    text = pickle.dumps(parts)
    (tmp_path / "model.pickle").write_bytes(text)
    return Answers(pickle.loads(text), SIGNATURE), Answers.of(str(tmp_path), SIGNATURE)


def batches(classes):
    given, _ = data(classes, 120)
    for start, size in ((0, 1), (1, 1), (2, 8), (10, 8), (18, 50), (2, 8)):
        rows = given[start : start + size]
        yield {name: rows[:, place].tolist() for place, name in enumerate(NAMES)}


@pytest.mark.parametrize(("kind", "classes"), ALL)
@pytest.mark.filterwarnings("ignore")
def test_each_classifier_of_scikit_learn_answers_the_same(kind, classes, tmp_path):
    plain, served = both(fitted(kind, classes), tmp_path)
    for columns in batches(classes):
        assert served.answer(columns) == plain.answer(columns)


class Counting(LogisticRegression):
    def decision_function(self, X):  # noqa: N803  scikit-learn's name
        self.computed = getattr(self, "computed", 0) + 1
        return super().decision_function(X)


def test_the_scores_of_a_batch_are_computed_once(tmp_path):
    plain, served = both(Counting().fit(*data(2)), tmp_path)
    for answers, times in ((plain, 2), (served, 1)):
        for count, columns in enumerate(batches(2), 1):
            answers.answer(columns)
            assert answers.model.computed == times * count


class Writing(BaseEstimator):
    """It writes into what it has computed, and its scores depend on how they are asked for."""

    def decision_function(self, X, scale=1.0):  # noqa: N803
        return np.asarray(X).sum(axis=1) * scale

    def predict_proba(self, X):  # noqa: N803
        found = self.decision_function(X)
        found /= 1000.0
        return np.column_stack([1 - found, found])

    def predict(self, X):  # noqa: N803
        first = self.decision_function(X)
        first += self.decision_function(X, scale=10.0)
        first += self.decision_function(X)
        return first


def test_what_a_caller_writes_into_its_scores_reaches_no_other(tmp_path):
    plain, served = both(Writing(), tmp_path)
    for columns in batches(2):
        assert served.answer(columns) == plain.answer(columns)


class Slotted:
    __slots__ = ()

    def predict_proba(self, rows):
        return np.tile([0.25, 0.75], (len(rows), 1))

    def predict(self, rows):
        return self.predict_proba(rows).argmax(axis=1)


def test_a_model_that_takes_no_attribute_answers_as_it_is(tmp_path):
    plain, served = both(Slotted(), tmp_path)
    for columns in batches(2):
        assert served.answer(columns) == plain.answer(columns)


def test_nothing_is_kept_when_a_model_raises():
    class Failing(Slotted):
        def predict(self, rows):
            raise ValueError(len(rows))

    answers = Answers({"model": Failing()}, SIGNATURE)
    answers.shared = Shared(answers.last)
    with pytest.raises(ValueError, match="8"):
        answers.answer({name: [1.0] * 8 for name in NAMES})
    assert answers.shared.found is None


def test_rows_that_a_function_changes_between_two_calls_are_computed_again(tmp_path):
    _, served = both(LogisticRegression().fit(*data(2)), tmp_path)
    rows = data(2)[0].copy()
    before = served.model.predict_proba(rows)
    rows += 9.0
    assert not np.array_equal(served.model.predict_proba(rows), before)
