"""Logs values within the limits of MLflow, and says what had to be cut or is no finite number."""

import math
from collections.abc import Mapping
from typing import Any

LONGEST_KEY = 250  # characters
LONGEST_PARAM = 6000
LONGEST_TAG = 5000  # of the servers in use; newer ones accept 8000
MOST_METRICS = 800  # in one call, which takes 1000 values
MOST_OTHERS = 100  # parameters, and tags, in one call
CUT_TAG = "mlops-nb.cut"
NOT_FINITE_TAG = "mlops-nb.not-finite"


def shortened(text: str, longest: int) -> str:
    """Return a text with at most `longest` characters, and a note at its end if it was cut.

    >>> shortened("a" * 50, 40)
    'aaaaaaaaaaaaaa… [cut from 50 characters]'
    """
    if len(text) <= longest:
        return text
    note = f"… [cut from {len(text)} characters]"
    return text[: longest - len(note)] + note


def log(
    client: Any,
    run: str,
    *,
    metrics: Mapping[str, float] | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    at: int = 0,
) -> None:
    """Log values to a run; the tags of this module name those that MLflow cannot store whole.

    at: time of the metrics, ms since 1970
    """
    from mlflow.entities import Metric, Param, RunTag

    numbers = {n: float(v) for n, v in (metrics or {}).items()}
    texts = {n: str(v) for n, v in (params or {}).items()}
    notes = {n: str(v) for n, v in (tags or {}).items() if v}
    notes |= _limits(numbers, texts, notes)
    measured = [Metric(_key(n), v, at, 0) for n, v in numbers.items()]
    given = [Param(_key(n), shortened(v, LONGEST_PARAM)) for n, v in texts.items()]
    noted = [RunTag(_key(n), shortened(v, LONGEST_TAG)) for n, v in notes.items()]
    calls = max(math.ceil(len(measured) / MOST_METRICS), math.ceil(len(given) / MOST_OTHERS), 1)
    for call in range(max(calls, math.ceil(len(noted) / MOST_OTHERS))):
        some = slice(call * MOST_METRICS, (call + 1) * MOST_METRICS)
        few = slice(call * MOST_OTHERS, (call + 1) * MOST_OTHERS)
        client.log_batch(run, metrics=measured[some], params=given[few], tags=noted[few])


def _limits(
    metrics: Mapping[str, float], params: Mapping[str, str], tags: Mapping[str, str]
) -> dict[str, str]:
    """Return the tags that name cut values, and metrics that are NaN or infinite.

    The databases of MLflow store an infinite number as the largest number.
    """
    cut = [f"parameter {_key(n)}" for n, v in params.items() if len(v) > LONGEST_PARAM]
    cut += [f"tag {_key(n)}" for n, v in tags.items() if len(v) > LONGEST_TAG]
    names = {"metric": metrics, "parameter": params, "tag": tags}
    cut += [f"name of {kind} {_key(n)}" for kind, of in names.items() for n in of if _key(n) != n]
    odd = [f"{_key(n)} = {v}" for n, v in metrics.items() if not math.isfinite(v)]
    found = {CUT_TAG: ", ".join(cut), NOT_FINITE_TAG: ", ".join(odd)}
    return {name: text for name, text in found.items() if text}


def _key(name: str) -> str:
    """Return a name that MLflow accepts; its own note uses no other character."""
    if len(name) <= LONGEST_KEY:
        return name
    note = f"...cut from {len(name)}"
    return name[: LONGEST_KEY - len(note)] + note
