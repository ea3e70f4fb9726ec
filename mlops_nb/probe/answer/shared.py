"""Lets `predict` use what `predict_proba` has computed for the same rows."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

# what a `predict` may call; the last one is of scikit-learn's boosting
METHODS = ("decision_function", "predict_proba", "_raw_predict")


class Shared:
    """The results of a model's methods while one batch is answered.

    Many classifiers compute their scores again in `predict`, which takes as long as the scores
    themselves: those of scikit-learn by one of METHODS, with the very object that they are given.
    It is a context, in which results are kept. The model is changed, so nobody else may use it.
    """

    def __init__(self, model: Any) -> None:
        self.found: dict[str, tuple[Any, Any]] | None = None
        for name in METHODS:
            method = getattr(model, name, None)
            if method is not None:
                with contextlib.suppress(AttributeError, TypeError):  # a model without a __dict__
                    setattr(model, name, functools.partial(self._call, name, method))

    def _call(self, name: str, method: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Call a method, or return a copy of what it returned: some callers write into it."""
        if self.found is None or len(given) != 1 or named:
            return method(*given, **named)
        before, result = self.found.get(name, (None, None))
        if before is given[0]:
            return result.copy()
        made = method(*given)
        if hasattr(made, "__array_interface__"):
            self.found[name] = given[0], made.copy()
        return made

    def __enter__(self) -> None:
        self.found = {}

    def __exit__(self, *_: object) -> None:
        self.found = None
