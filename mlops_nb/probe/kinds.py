"""What kind of value an expression gives, told by its text: a frame, a series, an array.

For what is written out and has no name: `print(df.head())`. What a method gives is told by its name
and by what it is asked of; where that does not tell, nothing is said.
"""

import ast
import types
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .aliases import own
from .outside import top_of

MANY = 10**9  # as many rows as there may be
FEW = 5  # rows that `head()` gives
DESCRIBED = 11  # rows at most of what `describe()` gives

SAME = frozenset({
    "head", "tail", "sample", "describe", "copy", "sort_values", "sort_index", "reset_index",
    "set_index", "drop", "dropna", "fillna", "ffill", "bfill", "rename", "assign", "query", "merge",
    "join", "corr", "cov", "round", "astype", "transpose", "pivot_table", "pivot", "melt",
    "nlargest", "nsmallest", "isnull", "isna", "notnull", "notna", "drop_duplicates", "replace",
    "select_dtypes", "filter", "apply", "map", "applymap", "agg", "aggregate", "transform", "stack",
    "unstack", "where", "mask", "clip", "abs", "cumsum", "cumprod", "diff", "pct_change", "rank",
    "shift", "interpolate", "explode", "value_counts", "mode", "to_frame", "isin", "between", "add",
    "sub", "mul", "div", "reindex", "squeeze", "duplicated", "memory_usage", "convert_dtypes",
    "tz_localize", "tz_convert", "combine_first", "eval", "set_axis", "droplevel", "pipe",
})  # fmt: skip
REDUCES = frozenset({
    "sum", "mean", "median", "std", "var", "sem", "min", "max", "prod", "count", "nunique", "any",
    "all", "idxmin", "idxmax", "quantile", "skew", "kurt", "argmin", "argmax", "ptp", "average",
    "percentile", "linalg.norm", "trace", "size",
})  # fmt: skip
GROUPS = frozenset({"groupby", "rolling", "resample", "expanding", "ewm"})
ARRAY_SAME = frozenset({
    "reshape", "astype", "copy", "round", "flatten", "ravel", "transpose", "cumsum", "cumprod",
    "clip", "repeat", "squeeze", "swapaxes", "argsort", "take", "dot", "conj", "diagonal",
})  # fmt: skip
MADE = frozenset({
    "array", "asarray", "arange", "linspace", "logspace", "zeros", "ones", "full", "eye", "empty",
    "identity", "rand", "randn", "randint", "normal", "uniform", "choice", "permutation", "random",
    "meshgrid", "fromfunction", "loadtxt", "genfromtxt", "random_sample", "standard_normal",
})  # fmt: skip
TABLES = frozenset({"DataFrame", "Series", "concat", "merge", "crosstab", "pivot_table", "cut",
                    "get_dummies", "qcut", "melt", "date_range"})  # fmt: skip
PREDICTS = frozenset({"predict", "predict_proba", "transform", "fit_transform", "fit_predict",
                      "decision_function", "inverse_transform"})  # fmt: skip
ACCESSORS = frozenset({"str", "dt", "cat"})
PLACES = frozenset({"loc", "iloc"})


class Kind(NamedTuple):
    """A kind of value: "frame", "series", "groups" or "array".

    shape: its rows and columns at most; of an array, its real shape or that of what it came from
    """

    name: str
    shape: tuple[int, ...] = (MANY, MANY)


def of_value(value: Any) -> Kind | None:
    """Return the kind of a value itself."""
    kind, top = type(value), top_of(value)
    if issubclass(kind, types.ModuleType | type) or top not in {"pandas", "numpy"}:
        return None
    shape = getattr(value, "shape", None)
    if top == "numpy":
        return Kind("array", tuple(shape)) if shape and hasattr(value, "tobytes") else None
    if "GroupBy" in kind.__name__ or "Rolling" in kind.__name__:
        return Kind("groups")
    if type(shape) is not tuple or not hasattr(value, "iloc"):
        return None
    return Kind("frame" if len(shape) > 1 else "series", (*shape, 1)[:2])


class Kinds:
    """Tells the kinds of expressions of a cell.

    values: what its names stand for
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def of(self, node: ast.expr) -> Kind | None:
        """Return the kind of what an expression gives, None where that is not known."""
        rule = RULES.get(type(node))
        return None if rule is None else rule(self, node)

    def _name(self, node: ast.Name) -> Kind | None:
        return of_value(self.values.get(node.id))

    def _either(self, *nodes: ast.expr) -> Kind | None:
        return next((kind for node in nodes if (kind := self.of(node)) is not None), None)

    def _attribute(self, node: ast.Attribute) -> Kind | None:
        owner = self.of(node.value)
        if owner is None:
            held = own(self.values.get(getattr(node.value, "id", "")), "__dict__")
            return of_value(held.get(node.attr)) if type(held) is dict else None
        rows, columns = (*owner.shape, 1, 1)[:2]
        if node.attr == "T":
            return Kind(owner.name, (columns, rows) if owner.name == "frame" else owner.shape)
        if owner.name == "array":
            return owner if node.attr in {"real", "imag"} else None
        if node.attr == "values":
            return Kind("array", (rows, columns))
        if node.attr == "dtypes":
            return Kind("series", (columns, 1))
        if owner.name == "series":
            return owner if node.attr in ACCESSORS else None
        known = getattr(self.values.get(getattr(node.value, "id", "")), "columns", ())
        return Kind("series", (rows, 1)) if node.attr in known else None

    def _item(self, node: ast.Subscript) -> Kind | None:
        placed = isinstance(node.value, ast.Attribute) and node.value.attr in PLACES
        owner = self.of(node.value.value if placed else node.value)  # type: ignore[attr-defined]
        if owner is None or owner.name == "groups":
            return owner
        asked = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        single = [isinstance(one, ast.Constant | ast.UnaryOp) for one in asked]
        if owner.name == "array":
            left = len(owner.shape) - sum(single)
            return Kind("array", owner.shape[-left:]) if left > 0 else None
        if owner.name == "series":
            return None if all(single) else owner
        if not placed:
            return Kind("series", (owner.shape[0], 1)) if all(single) else owner
        if len(asked) > 1:
            return owner if not any(single) else None if all(single) else Kind("series")
        return Kind("series", (owner.shape[1], 1)) if single[0] else owner

    def _call(self, node: ast.Call) -> Kind | None:
        func = node.func
        if not isinstance(func, ast.Attribute):
            return None
        owner = self.of(func.value)
        axis = bool(node.args) or any(k.arg == "axis" for k in node.keywords)
        if owner is None:
            return self._of_module(node, func)
        if owner.name == "array":
            return _of_array(owner, func.attr, axis=axis)
        if func.attr in GROUPS:
            return Kind("groups", owner.shape)
        if owner.name == "groups":
            return Kind("frame", owner.shape)
        accessed = isinstance(func.value, ast.Attribute) and func.value.attr in ACCESSORS
        return _of_table(owner, node, "map" if accessed else func.attr)

    def _of_module(self, node: ast.Call, func: ast.Attribute) -> Kind | None:
        """Return what a function of numpy or pandas, or a model's prediction, gives."""
        root: ast.expr = func.value
        while isinstance(root, ast.Attribute):
            root = root.value
        value = self.values.get(getattr(root, "id", ""))
        top = top_of(value) if value is not None else ""
        if not issubclass(type(value), types.ModuleType):
            return Kind("array") if top == "sklearn" and func.attr in PREDICTS else None
        if top == "pandas":
            return Kind("frame") if func.attr in TABLES or func.attr.startswith("read_") else None
        if top != "numpy":
            return None
        if func.attr in MADE:
            return Kind("array") if node.args or node.keywords else None
        given = self._either(*node.args)
        axis = len(node.args) > 1 or any(k.arg == "axis" for k in node.keywords)
        if given is None or given.name != "array" or func.attr not in REDUCES:
            return given
        return _of_array(given, func.attr, axis=axis)


def _of_table(owner: Kind, node: ast.Call, method: str) -> Kind | None:
    rows, columns = (*owner.shape, 1)[:2]
    if method in {"unique", "to_numpy"}:
        return Kind("array", (rows,))
    if method in REDUCES:
        return Kind("series", (columns, 1)) if owner.name == "frame" else None
    return Kind(owner.name, (_rows(node, method, rows), columns)) if method in SAME else None


def _of_array(owner: Kind, method: str, *, axis: bool) -> Kind | None:
    if method in ARRAY_SAME:
        return owner
    return owner if method in REDUCES and axis and len(owner.shape) > 1 else None


def _rows(node: ast.Call, method: str, rows: int) -> int:
    """Return how many rows a method leaves at most."""
    if method == "describe":
        return DESCRIBED
    if method not in {"head", "tail", "sample", "nlargest", "nsmallest"}:
        return rows
    asked = getattr(node.args[0], "value", MANY) if node.args else FEW
    return min(rows, asked) if type(asked) is int else rows


Rule = Callable[[Kinds, Any], Kind | None]
RULES: dict[type, Rule] = {
    ast.Name: Kinds._name,
    ast.Attribute: Kinds._attribute,
    ast.Subscript: Kinds._item,
    ast.Call: Kinds._call,
    ast.BinOp: lambda kinds, node: kinds._either(node.left, node.right),
    ast.UnaryOp: lambda kinds, node: kinds.of(node.operand),
    ast.Compare: lambda kinds, node: kinds._either(node.left, *node.comparators),
    ast.NamedExpr: lambda kinds, node: kinds.of(node.value),
    ast.Starred: lambda kinds, node: kinds.of(node.value),
    **dict.fromkeys((ast.List, ast.Tuple), lambda kinds, node: kinds._either(*node.elts)),
}
