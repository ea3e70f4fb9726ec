"""Answers rows with a model, its features function and its decide function."""

import math
import os
import pickle
import sys
from collections.abc import Mapping
from typing import Any

from . import frames

RTOL = 1e-6  # of scores: a batch of another size may round otherwise
BINARY = 2  # classes, of which the score is that of the second one; and dimensions of a table


class Answers:
    """Answers requests with what a package holds.

    parts:     "model", and "features" and "decide", which may be None
    signature: of the input, as in package.json
    """

    def __init__(self, parts: Mapping[str, Any], signature: Mapping[str, Any]) -> None:
        self.model = parts["model"]
        self.before, self.last = _divided(self.model)
        self.has_scores = hasattr(self.model, "predict_proba")
        self.features, self.decide = parts.get("features"), parts.get("decide")
        self.signature = signature

    @classmethod
    def of(cls, folder: str, signature: Mapping[str, Any]) -> "Answers":
        """Load the model of a package. Raises whatever its classes raise."""
        with open(os.path.join(folder, "model.pickle"), "rb") as file:
            return cls(pickle.load(file), signature)

    def answer(self, columns: frames.Columns) -> dict[str, Any]:
        """Return predictions, scores (None without), and computed features (None without).

        columns: column → its values, one a row, as JSON has them
        """
        rows = frames.to_input(columns, self.signature)
        given = rows if self.features is None else self.features(rows)
        taken = given if self.before is None else self.before.transform(given)
        scores = _score(self.last.predict_proba(taken)) if self.has_scores else None
        predictions = self.last.predict(taken) if self.decide is None else self.decide(scores)
        predictions = _flat(predictions)
        names = self.signature.get("features") or []
        return {
            "predictions": frames.plain(predictions),
            "scores": None if scores is None else frames.plain(scores),
            "features": frames.to_columns(given, names) if names else None,
        }


def _divided(model: Any) -> tuple[Any, Any]:
    """Return the first steps of a pipeline and its last one, so that the first ones run once.

    (None, model) for any other model.
    """
    pipelines: Any = sys.modules.get("sklearn.pipeline")
    if pipelines is None or type(model) is not pipelines.Pipeline or len(model.steps) == 1:
        return None, model
    return model[:-1], model.steps[-1][1]


def _score(found: Any) -> Any:
    """Return the score of each row: of the second of two classes, or of every class."""
    if getattr(found, "ndim", 0) == BINARY and found.shape[1] == BINARY:
        return found[:, 1]
    return _flat(found)


def _flat(found: Any) -> Any:
    """Return a table of one column as that column: some models predict (n, 1)."""
    if getattr(found, "ndim", 0) == BINARY and found.shape[1] == 1:
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
