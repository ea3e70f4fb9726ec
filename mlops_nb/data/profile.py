"""Profiles, checks and measures the columns of a frame that a kernel wrote.

numpy, pandas, pyarrow and pandera are imported only when a frame is read.
"""

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_nb.data import contract, drift

BINS = 20
CATEGORIES = 50  # a column with more distinct texts has no categories
REPEATS = 5
DRAWS = 200  # pairs of samples for a threshold
EXAMPLES = 3
NOT_NULL = "has no value"
MOSTLY_MISSING = "has too few values: more than {:.0%} are missing"


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns as arrays of `rows` values; for the kind "missing", arrays of bool."""

    rows: int
    kinds: Mapping[str, str]
    arrays: Mapping[str, Any]


def read(written: Mapping[str, Any]) -> Columns:
    """Return what `probe.inspect.columns` wrote."""
    path = Path(written["file"])
    if written["format"] == "pickle":
        with path.open("rb") as file:
            arrays = pickle.load(file)  # noqa: S301  of our own kernel
    else:
        import pyarrow

        with pyarrow.memory_map(str(path)) as mapped:
            table = pyarrow.ipc.open_file(mapped).read_all()
        arrays = {n: table.column(n) for n in table.column_names}
        arrays = {
            n: c if written["kinds"][n] == "text" else c.to_numpy() for n, c in arrays.items()
        }
    return Columns(rows=written["rows"], kinds=written["kinds"], arrays=arrays)


def plain(columns: Columns, name: str) -> Any:
    """Return a column as a numpy array, texts as objects."""
    import numpy as np

    array = columns.arrays[name]
    if columns.kinds[name] != "text":
        return np.asarray(array)
    return np.array(array.to_pylist() if hasattr(array, "is_null") else array, dtype=object)


def _missing(columns: Columns, name: str) -> Any:
    """Return which values of a column are missing: (n,) bool."""
    import numpy as np

    kind, array = columns.kinds[name], columns.arrays[name]
    if kind == "missing":
        return array
    if kind == "text":
        if hasattr(array, "is_null"):
            return array.is_null().to_numpy()
        return np.array([text is None for text in array], dtype=bool)
    return np.isnan(array) if array.dtype.kind == "f" else np.zeros(len(array), dtype=bool)


def _counts(columns: Columns, name: str) -> dict[str, int]:
    """Return how often each text or truth value of a column occurs."""
    import numpy as np
    import pyarrow.compute as pc

    array = columns.arrays[name]
    if columns.kinds[name] == "boolean":
        known = array[~_missing(columns, name)]
        true = int(np.count_nonzero(known))
        return {"False": len(known) - true, "True": true}
    if not hasattr(array, "is_null"):
        import pyarrow

        array = pyarrow.array(array, type=pyarrow.large_string())
    found = pc.value_counts(array).to_pylist()
    return {one["values"]: one["counts"] for one in found if one["values"] is not None}


# profiling


def profile(columns: Columns, kinds: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return column → its inferred contract and its profile.

    kinds: column → its kind and dtype
    """
    found: dict[str, dict[str, Any]] = {}
    for name in columns.arrays:
        seen, shape = _looks(columns, name)
        shape["thresholds"] = drift.thresholds(shape, columns.rows, _pairs(shape, columns.rows))
        found[name] = {"asks": contract.inferred(kinds[name], seen, columns.rows), "profile": shape}
    return found


def _looks(columns: Columns, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the description of one column for its limits, and its shares for its profile."""
    import numpy as np

    gone = _missing(columns, name)
    missing = round(float(gone.mean()), 6) if columns.rows else 0.0
    seen: dict[str, Any] = {"missing": missing}
    shape: dict[str, Any] = {"missing": missing}
    kind = columns.kinds[name]
    if kind == "number":
        array = columns.arrays[name]
        values = np.sort(array[np.isfinite(array)] if array.dtype.kind == "f" else array)
        if len(values):
            distinct = int(np.count_nonzero(np.diff(values))) + 1
            whole = array.dtype.kind in "iu" or bool((values == np.floor(values)).all())
            seen |= {"min": values[0], "max": values[-1], "distinct": distinct, "whole": whole}
            shape["edges"] = _edges(values)
            shape["shares"] = _shares(values, shape["edges"])
    elif kind in {"text", "boolean"}:
        counts = _counts(columns, name)
        total = sum(counts.values())
        if kind == "boolean" or (0 < len(counts) <= min(CATEGORIES, total / REPEATS)):
            seen["categories"] = sorted(counts)
            shape["shares"] = {k: round(counts[k] / max(total, 1), 6) for k in sorted(counts)}
    return seen, shape


def _edges(values: Any) -> list[float]:
    """Return the inner edges of bins of about equal size, from sorted values."""
    places = [len(values) * part // BINS for part in range(1, BINS)]
    found = {float(values[place]) for place in places} - {float(values[0])}
    return sorted(found)


def _shares(values: Any, edges: list[float]) -> list[float]:
    import numpy as np

    if not len(values):
        return [0.0] * (len(edges) + 1)
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    return [round(float(share), 6) for share in counts / len(values)]


def _pairs(shape: Mapping[str, Any], rows: int) -> Iterator[tuple[list[float], list[float]]]:
    """Yield the shares of pairs of random samples of a column, with as many rows."""
    import numpy as np

    shares = shape.get("shares", ())
    shares = list(shares.values()) if isinstance(shares, Mapping) else list(shares)
    if len(shares) < 2 or not rows:  # noqa: PLR2004  one bin never moves
        return
    exact = np.array(shares) / sum(shares)
    made = np.random.default_rng(0)  # the result must not vary
    for one, other in made.multinomial(rows, exact, size=(DRAWS, 2)) / rows:
        yield one.tolist(), other.tolist()


# drift


def moved(
    columns: Columns, profiles: Mapping[str, Mapping[str, Any]], rows: int
) -> list[dict[str, Any]]:
    """Return the drift of each column from its profile. `rows`: of the reference."""
    found: list[dict[str, Any]] = []
    for name, was in profiles.items():
        if name in columns.arrays:
            now = _now(columns, name, was)
            found.append(drift.drift(name, was, now, (rows, columns.rows)))
    return found


def _now(columns: Columns, name: str, was: Mapping[str, Any]) -> dict[str, Any]:
    import numpy as np

    gone = _missing(columns, name)
    now: dict[str, Any] = {"missing": float(gone.mean()) if columns.rows else 0.0}
    kind = columns.kinds[name]
    if "edges" in was:
        array = columns.arrays[name] if kind in {"number", "boolean"} else np.array([])
        now["shares"] = _shares(array[~gone] if len(array) else array, was["edges"])
    elif "shares" in was:
        counts = _counts(columns, name) if kind in {"text", "boolean"} else {}
        total = max(sum(counts.values()), 1)
        now["shares"] = {category: count / total for category, count in counts.items()}
        now["unseen"] = sorted(set(counts) - set(was["shares"]), key=lambda k: -counts[k])
    return now


# checking


def failures(columns: Columns, expected: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the violations: {"column", "check", "rows", "examples", "places"}.

    pandera checks all columns at once; the rows follow from its answer.
    """
    import pandas as pd
    import pandera.pandas as pa

    there = {n: spec for n, spec in expected.items() if n in columns.arrays}
    frame = pd.DataFrame(
        {n: _for_pandas(columns, n, spec) for n, spec in there.items()}, copy=False
    )
    schema = pa.DataFrameSchema({n: _column(spec, columns.kinds[n]) for n, spec in there.items()})
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        found = [_failure(columns, one, there[one.schema.name]) for one in error.schema_errors]
        return [one for one in found if one is not None]
    return []


def _for_pandas(columns: Columns, name: str, spec: Mapping[str, Any]) -> Any:
    array, kind = columns.arrays[name], columns.kinds[name]
    if kind == "missing" or (kind == "text" and spec.get("new") != "refused"):
        import numpy as np

        return np.where(_missing(columns, name), np.nan, 0.0)  # only missing values are checked
    if kind == "text":
        import pandas as pd

        return pd.Series(array.to_pandas() if hasattr(array, "is_null") else array, dtype="str")
    return array


def _column(spec: Mapping[str, Any], kind: str) -> Any:
    """Return the pandera schema of a column."""
    import pandera.pandas as pa

    options = {"n_failure_cases": 1}  # the rows are counted by the mask
    checks = []
    if kind == "number" and "min" in spec:
        checks.append(pa.Check.ge(spec["min"], **options))
    if kind == "number" and "max" in spec:
        checks.append(pa.Check.le(spec["max"], **options))
    if kind == "text" and spec.get("new") == "refused":
        checks.append(pa.Check.isin(spec["categories"], **options))
    if "most_missing" in spec:
        most = spec["most_missing"]
        checks.append(
            pa.Check(
                lambda values: values.isna().mean() <= most, name="most_missing", ignore_na=False
            )
        )
    return pa.Column(nullable=spec.get("missing") != "never", checks=checks)


def _failure(columns: Columns, error: Any, spec: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return one violation with its rows, None if the contract tolerates so few."""
    import numpy as np

    name, check = error.schema.name, getattr(error.check, "name", None)
    if check is None or check == "most_missing":
        wrong = np.flatnonzero(_missing(columns, name))
        text = NOT_NULL if check is None else MOSTLY_MISSING.format(spec["most_missing"])
    else:
        fits = error.check_output  # by row, without missing values
        wrong = fits.index.to_numpy()[~fits.to_numpy(dtype=bool)]
        text = {
            "greater_than_or_equal_to": f"is below {spec.get('min')}",
            "less_than_or_equal_to": f"is above {spec.get('max')}",
            "isin": "is none of its categories",
        }[check]
        if check != "isin" and len(wrong) <= spec.get("outside", 0.0) * columns.rows:
            return None
    places = [int(i) for i in wrong[:EXAMPLES]]
    return {
        "column": name,
        "check": text,
        "rows": len(wrong),
        "examples": [{"row": i, "value": _value(columns, name, i)} for i in places],
    }


def _value(columns: Columns, name: str, place: int) -> Any:
    if columns.kinds[name] == "missing":
        return None
    value = columns.arrays[name][place]
    value = value.as_py() if hasattr(value, "as_py") else value
    value = value.item() if hasattr(value, "item") else value
    return None if value != value else value  # noqa: PLR0124  NaN is no JSON
