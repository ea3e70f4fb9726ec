"""Answers rows with a model, its features function and its decide function."""

import contextlib
import math
import os
import pickle
import sys
import warnings
from collections.abc import Mapping
from typing import Any

from . import computed, frames, shared

RTOL = 1e-6  # of scores: a batch of another size may round otherwise
NUMBERS = {"i", "u", "f"}  # kinds of dtypes of NumPy
TABLE = 2  # dimensions
BINARY = 2  # classes, of which the score is that of the second one


class Answers:
    """Answers requests with what a package holds.

    parts:     "model", and "features" and "decide", which may be None
    signature: of the input, as in package.json; "arrays": the model answers an array of numbers as
               it answers a frame, which was proven when the package was written
    """

    def __init__(self, parts: Mapping[str, Any], signature: Mapping[str, Any]) -> None:
        self.model = parts["model"]
        self.before, self.last = _divided(self.model)
        self.arrays = bool(signature.get("arrays"))
        self.has_scores = hasattr(self.model, "predict_proba")
        self.features, self.decide = parts.get("features"), parts.get("decide")
        self.metrics: Mapping[str, Any] = parts.get("metrics") or {}
        self.signature = signature
        self.shared: shared.Shared | None = None  # of a model that nobody else uses

    @classmethod
    def of(cls, folder: str, signature: Mapping[str, Any]) -> "Answers":
        """Load the model of a package. Raises whatever its classes raise."""
        with open(os.path.join(folder, "model.pickle"), "rb") as file:
            made = cls(pickle.load(file), signature)
        made.shared = shared.Shared(made.last)
        return made

    def answer(self, columns: frames.Columns) -> dict[str, Any]:
        """Return predictions, scores (None without), and computed features (None without).

        columns: column → its values, one a row, as JSON has them
        """
        if self.arrays and self.features is None:
            given = frames.to_array(columns, self.signature)
        else:
            rows = frames.to_input(columns, self.signature)
            given = rows if self.features is None else self.features(rows)
        if self.arrays:
            with warnings.catch_warnings():  # of scikit-learn: an array has no names
                warnings.filterwarnings("ignore", "X does not have valid feature names")
                given = _as_array(given)  # its columns are read faster as well
                predictions, scores = self._answered(given)
        else:
            predictions, scores = self._answered(given)
        names = self.signature.get("features") or []
        return {
            "predictions": frames.plain(predictions),
            "scores": None if scores is None else frames.plain(scores),
            "features": frames.to_columns(given, names) if names else None,
        }

    def measure(self, asked: Mapping[str, Any]) -> float:
        """Return a metric that a function of the notebook computes of labelled rows.

        asked: metric, columns, and truth, pred and score as `computed.of_columns` has them
        """
        rows = frames.to_input(asked["columns"], self.signature)
        return computed.of_columns(self.metrics[asked["metric"]], asked, rows)

    def _answered(self, taken: Any) -> tuple[Any, Any]:
        """Return predictions and scores for the input of the model."""
        for step in self.before:
            taken = step.transform(taken)
        with self.shared or contextlib.nullcontext():
            scores = _score(self.last.predict_proba(taken)) if self.has_scores else None
            predictions = self.last.predict(taken) if self.decide is None else self.decide(scores)
        return _flat(predictions), scores


def _divided(model: Any) -> tuple[list[Any], Any]:
    """Return the first steps of a pipeline and its last one, so that the first ones run once.

    ([], model) for any other model.
    """
    pipelines: Any = sys.modules.get("sklearn.pipeline")
    if pipelines is None or type(model) is not pipelines.Pipeline:
        return [], model
    *first, last = (step for _, step in model.steps)
    return [step for step in first if step not in (None, "passthrough")], last


def _as_array(given: Any) -> Any:
    """Return a frame of numbers as an array, which costs a model less to check; others as is."""
    if getattr(given, "ndim", 0) != TABLE or not hasattr(given, "dtypes"):
        return given
    made = given.to_numpy()
    return made if made.dtype.kind in NUMBERS else given


def _score(found: Any) -> Any:
    """Return the score of each row: of the second of two classes, or of every class."""
    if getattr(found, "ndim", 0) == BINARY and found.shape[1] == BINARY:
        return found[:, 1]
    return _flat(found)


def _flat(found: Any) -> Any:
    """Return a table of one column as that column: some models predict (n, 1)."""
    if getattr(found, "ndim", 0) == TABLE and found.shape[1] == 1:
        return found.iloc[:, 0] if hasattr(found, "iloc") else found[:, 0]
    return found


def equal(one: Any, other: Any) -> bool:
    """Return whether two answers are the same, but for rounding.

    >>> equal([0.1 + 0.2, 1], [0.3, 1]), equal("a", "b")
    (True, False)
    """
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return one == other or (numbers and math.isclose(one, other, rel_tol=RTOL, abs_tol=1e-12))
