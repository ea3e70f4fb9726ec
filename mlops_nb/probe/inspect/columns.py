"""Writes columns of a data frame to a file, for a process that has other packages to look at.

The file is Arrow where the kernel has loaded it, else a pickle of plain arrays. Columns are brought
to plain kinds on the way: numbers, truth values and texts as they are, times as numbers; of any
other kind only which values are missing is told, and so it is of columns that are only asked for
that.
"""

import json
import os
import pickle
import sys
from typing import Any

from ..introspect import namespace
from ..values.pickling import one_line
from .values import _kind, _marks


def write(request: str) -> str:
    """Write columns of a frame; answer {"file", "format", "rows"}, or {"error"}.

    columns: name → "values", or "missing" where that is all that matters; none given: all values
    """
    asked = json.loads(request)
    frame = namespace()[asked["name"]]
    pandas = sys.modules["pandas"]
    wanted = asked["columns"]
    arrays: dict[str, Any] = {}
    kinds: dict[str, str] = {}
    try:
        for label in frame.columns:
            how = "values" if wanted is None else wanted.get(str(label))
            if how is not None:
                kinds[str(label)], arrays[str(label)] = _plain(frame[label], how, pandas)
        return json.dumps({**save(arrays, kinds, asked["file"]), "rows": len(frame)})
    except Exception as error:  # noqa: BLE001  a column's own code, or a full disk
        return json.dumps({"error": one_line(error)})


def _plain(column: Any, how: str, pandas: Any) -> tuple[str, Any]:
    """Return a column as a plain array, and what it holds: its kind, or "missing"."""
    import numpy

    gone = column.isna().to_numpy(dtype=bool)
    kind = _kind(column, pandas)
    if how == "missing" or kind not in {"number", "boolean", "text"}:
        return "missing", gone
    if kind == "text":
        texts = column.astype(object).to_numpy(dtype=object, copy=True)
        texts[gone] = None
        if type(column.dtype).__name__ != "StringDtype":  # it may hold anything
            texts[:] = [text if text is None else str(text) for text in texts]
        return kind, texts
    if isinstance(column.dtype, numpy.dtype) and column.dtype.kind in "biuf":
        if column.dtype.itemsize > 8 or column.dtype == numpy.float16:  # noqa: PLR2004  bytes
            return kind, column.to_numpy(dtype="float64")
        return kind, column.to_numpy()
    if isinstance(column.dtype, numpy.dtype):  # complex numbers have no order
        return "missing", gone
    return kind, column.to_numpy(dtype="float64", na_value=float("nan"))


def save(arrays: dict[str, Any], kinds: dict[str, str], file: str) -> dict[str, Any]:
    """Write plain arrays by their names; tell how, and of what kinds they are."""
    # one that we import would end up in the lock of a notebook that does not need it
    pyarrow = sys.modules.get("pyarrow")
    part = file + ".part"
    if pyarrow is None:
        with open(part, "wb") as opened:
            pickle.dump(arrays, opened, protocol=4)
    else:
        columns = [
            pyarrow.array(array, type=pyarrow.large_string() if kinds[name] == "text" else None)
            for name, array in arrays.items()
        ]
        table = pyarrow.Table.from_arrays(columns, names=list(arrays))
        with pyarrow.OSFile(part, "wb") as sink, pyarrow.ipc.new_file(sink, table.schema) as to:
            to.write_table(table)
    os.replace(part, file)
    return {"file": file, "format": "pickle" if pyarrow is None else "arrow", "kinds": kinds}


def labels(request: str) -> str:
    """Tell the labels of some rows of a frame, by their places."""
    asked = json.loads(request)
    index = namespace()[asked["name"]].index
    found = []
    for place in asked["rows"]:
        label = index[place]
        label = tuple(map(_bare, label)) if isinstance(label, tuple) else _bare(label)
        found.append(label if isinstance(label, int | float | str) else str(label))
    return json.dumps({"labels": found})


def _bare(label: Any) -> Any:
    """Return a label as Python's own kind."""
    return label.item() if hasattr(label, "item") else label


def mark(request: str) -> str:
    """Note that content fits a schema: whoever looks at it from now on is told so."""
    asked = json.loads(request)
    _marks[asked["digest"]] = asked["mark"]
    return json.dumps({})
