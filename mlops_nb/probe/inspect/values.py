"""Looks at values inside a kernel: digests, schemas, metrics, and the champion's score.

Questions come as JSON, and every answer is JSON.
"""

import contextlib
import copy
import io
import json
import numbers
import os
import pickle
import random
import sys
import types
from collections.abc import Iterable
from typing import Any

from ..fingerprint.digest import digest_or_unknown
from ..introspect import namespace
from .column_origins import origins

MOST_CELLS = 10_000_000  # of a frame that are looked at at once: a byte each
_held: dict[str, Any] = {}
_seen: dict[str, dict[str, Any]] = {}  # name → what the last look told of it
_marks: dict[str, str] = {}  # digest of a frame → the schema that it was found to fit


def start(request: str) -> str:
    """Put the modules that travel with a bundle first, and set global generators to a state."""
    asked = json.loads(request)
    if asked.get("modules"):
        sys.path.insert(0, asked["modules"])
    seed = asked.get("seed")
    if seed is not None:
        random.seed(seed)
        with contextlib.suppress(ImportError):
            import numpy

            numpy.random.seed(seed % 2**32)  # noqa: NPY002  the global one is what cells may draw from
    return json.dumps({"python": sys.version.split()[0], "pid": os.getpid()})


def look(request: str) -> str:
    """Tell digest, type and schema of names; write each as a pickle where a folder is given.

    Where no cell ran since the last look ("again"), what was seen then is not looked at once more.
    """
    asked = json.loads(request)
    space = namespace()
    known = dict(_seen) if asked.get("again") else {}
    _seen.clear()
    for name in asked["names"]:
        if name not in space:
            _seen[name] = {"digest": "absent", "type": "absent"}
            continue
        value = space[name]
        _seen[name] = known.get(name) or _told(name, value)
        if "schema" in _seen[name] and _seen[name]["digest"] in _marks:
            _seen[name]["checked"] = _marks[_seen[name]["digest"]]
        if asked.get("dump"):
            path = os.path.join(asked["dump"], f"{asked['step']}--{name}.pickle")
            with contextlib.suppress(Exception):  # what cannot be written is compared by digest
                write_pickle(value, path)
    return json.dumps(_seen)


def _told(name: str, value: Any) -> dict[str, Any]:
    kind = type(value)
    told: dict[str, Any] = {
        "digest": digest_or_unknown(value),
        "type": f"{kind.__module__}.{kind.__qualname__}",
    }
    schema = _schema(value)
    if schema:
        told["schema"] = schema
        same = origins(name, value) if schema["columns"] else {}
        if same:
            told["from"] = same
    number = _number(value)
    if number is not None:
        told["number"] = number
    parts = _slices(value) if "_by_" in name else {}
    if parts:
        told["slices"] = parts
    return told


def _schema(value: Any) -> dict[str, Any] | None:
    """Columns, kinds and shares of missing values of a data frame; None for any other value."""
    pandas: Any = sys.modules.get("pandas")
    kind: Any = getattr(pandas, "DataFrame", None)
    if kind is None or not isinstance(value, kind):
        return None
    rows = len(value)
    if not value.columns.is_unique:
        return {"rows": rows, "columns": {}}
    dtypes = list(value.dtypes)
    told = {id(d): {"kind": _kind(d, pandas), "dtype": str(d)} for d in dtypes}
    missing = _missing(value) if rows else [0.0] * len(dtypes)
    columns = {
        str(name): {**told[id(dtype)], "missing": round(share, 6)}
        for name, dtype, share in zip(value.columns, dtypes, missing, strict=True)
    }
    return {"rows": rows, "columns": columns}


def _missing(frame: Any) -> list[float]:
    """Return the share of missing values of each column, so many columns at once as is no matter.

    frame: a data frame of one row at least
    """
    width = max(1, MOST_CELLS // len(frame))
    return [
        float(share)
        for start in range(0, len(frame.columns), width)
        for share in frame.iloc[:, start : start + width].isna().to_numpy().mean(axis=0)
    ]


def _kind(dtype: Any, pandas: Any) -> str:
    test = pandas.api.types
    if test.is_bool_dtype(dtype):
        return "boolean"
    if test.is_numeric_dtype(dtype):
        return "number"
    if test.is_datetime64_any_dtype(dtype):
        return "time"
    if isinstance(dtype, pandas.CategoricalDtype) or test.is_string_dtype(dtype):
        return "text"
    return "any"


def _number(value: Any) -> float | None:
    if type(value) is bool or type(value).__name__ == "bool_":
        return None
    with contextlib.suppress(Exception):  # the value's own attributes may raise anything
        if hasattr(value, "shape") and value.shape == () and hasattr(value, "item"):
            value = value.item()
        if isinstance(value, numbers.Real):
            return float(value)
    return None


def measure(request: str) -> str:
    """Tell the metrics: those that were named or logged, else every name that holds a number."""
    asked = json.loads(request)
    return json.dumps(_measured(namespace(), asked["names"], set(asked["not"])))


def _measured(space: dict[str, Any], named: Iterable[str], excluded: set[str]) -> dict[str, Any]:
    metrics: dict[str, float] = {}
    slices: dict[str, dict[str, float]] = {}
    logged, run = _logged()
    named = list(named)
    names = named or ([] if logged else [n for n in space if not n.startswith("_")])
    for name in names:
        if name in excluded or name not in space:
            continue
        number = _number(space[name])
        if number is not None:
            metrics[name] = number
    for name in [n for n in space if not n.startswith("_") and "_by_" in n]:
        parts = _slices(space[name])
        if parts and name.partition("_by_")[0] in metrics:
            slices[name] = parts
    metrics |= logged
    return {"metrics": metrics, "slices": slices, "logged_run": run}


def _slices(value: Any) -> dict[str, float]:
    """Numbers by slice, of a dict or a pandas Series."""
    with contextlib.suppress(Exception):  # as above
        if hasattr(value, "to_dict") and getattr(value, "ndim", 0) == 1:
            value = value.to_dict()
    if not isinstance(value, dict):
        return {}
    found = {str(k): _number(v) for k, v in value.items()}
    return {k: v for k, v in found.items() if v is not None}


def _logged() -> tuple[dict[str, float], str]:
    """Metrics that the cells themselves logged to MLflow, and the run they logged to."""
    mlflow = sys.modules.get("mlflow")
    if mlflow is None or not hasattr(mlflow, "last_active_run"):
        return {}, ""
    run = mlflow.active_run() or mlflow.last_active_run()
    if run is None:
        return {}, ""
    run = mlflow.get_run(run.info.run_id)
    return dict(run.data.metrics), str(run.info.run_id)


def modules(_: str) -> str:
    """Tell which top-level modules are loaded, and which files lie outside every environment."""
    owned = tuple(os.path.realpath(p) for p in {sys.prefix, sys.base_prefix, sys.exec_prefix})
    owned += tuple(os.path.realpath(p) for p in sys.path if p.endswith("-packages"))
    names: set[str] = set()
    loose: set[str] = set()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.startswith(("_mlops_", "__")):
            continue
        names.add(name.partition(".")[0])
        if not file or not (os.path.isabs(file) or os.path.isfile(file)):
            continue  # a library may invent a name for what it puts there, as torch does
        if not os.path.realpath(file).startswith(owned):
            loose.add(os.path.realpath(file))
    return json.dumps({"modules": sorted(names), "files": sorted(loose)})


def _pickler() -> Any:
    try:
        import cloudpickle
    except ImportError:
        return pickle
    return cloudpickle


def write_pickle(value: Any, path: str) -> None:
    """Write a value with cloudpickle where the kernel has it, under a temporary name first."""
    with open(path + ".part", "wb") as file:
        _pickler().dump(value, file, protocol=5)
    os.replace(path + ".part", path)


def keep(request: str) -> str:
    """Write one value as a pickle; tell its digest and type."""
    asked = json.loads(request)
    space = namespace()
    if asked["name"] not in space:
        return json.dumps({"error": f"no {asked['name']!r} was made"})
    value = space[asked["name"]]
    if not _predicts(value):
        kind = type(value).__name__
        why = (
            f"{asked['name']!r} is no model: type {kind} predicts nothing; name what does: --model"
        )
        return json.dumps({"error": why})
    try:
        write_pickle(value, asked["path"])
    except Exception as error:  # noqa: BLE001  the value's own pickling code
        return json.dumps({"error": f"{asked['name']!r} cannot be pickled: {error}"})
    return json.dumps(
        {
            "digest": digest_or_unknown(value),
            "type": f"{type(value).__module__}.{type(value).__qualname__}",
        }
    )


def _predicts(value: Any) -> bool:
    """Tell whether a value may be a model: not a number, a text, a table or a module.

    A dict or a list is one where it holds something: it may be what a model learnt.
    """
    if callable(value) or hasattr(type(value), "predict"):
        return not isinstance(value, types.ModuleType)
    plain = (numbers.Number, str, bytes, types.ModuleType, type(None))
    home = type(value).__module__.partition(".")[0]
    if isinstance(value, plain) or home in {"numpy", "pandas", "polars", "pyarrow"}:
        return False
    return not isinstance(value, list | dict | tuple | set) or len(value) > 0


def bind(request: str) -> str:
    """Bind a pickled value to a name."""
    asked = json.loads(request)
    with open(asked["path"], "rb") as file:
        namespace()[asked["name"]] = pickle.load(file)
    return json.dumps({})


def hold(request: str) -> str:
    """Put copies of names aside, for other models to be judged on."""
    names = json.loads(request)["names"]
    space = namespace()
    memo: dict[int, Any] = {}
    for name in names:
        if name not in space:
            continue
        value = space[name]
        try:
            _held[name] = value if _is_code(value) else copy.deepcopy(value, memo)
        except Exception:  # noqa: BLE001  a connection, say: the same one serves again
            _held[name] = value
    return json.dumps({"held": sorted(_held)})


def _is_code(value: Any) -> bool:
    return isinstance(value, types.ModuleType | types.FunctionType | type)


def rescore(request: str) -> str:
    """Run cells again with another model on the names held aside; tell the metrics."""
    asked = json.loads(request)
    space = namespace()
    if "mlflow" in sys.modules and hasattr(sys.modules["mlflow"], "end_run"):
        sys.modules["mlflow"].end_run()  # the champion's numbers get a run of their own
    try:
        with open(asked["path"], "rb") as file:
            champion = pickle.load(file)
    except Exception as error:  # noqa: BLE001  its class may have gone
        return json.dumps({"error": f"the model cannot be loaded: {error}"})
    memo: dict[int, Any] = {}
    for name, value in _held.items():
        with contextlib.suppress(Exception):
            space[name] = value if _is_code(value) else copy.deepcopy(value, memo)
    space[asked["variable"]] = champion
    shell = sys.modules["IPython"].get_ipython()
    silence = io.StringIO()
    for source in asked["cells"]:
        with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
            result = shell.run_cell(source, store_history=False, silent=True)
        raised = result.error_before_exec or result.error_in_exec
        if raised is not None:
            return json.dumps({"error": f"{type(raised).__name__}: {raised}"})
    return json.dumps(_measured(space, asked["names"], set(asked["not"])))
