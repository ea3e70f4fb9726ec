"""Writes what serves a model, in the kernel that made it, and proves that its answers are right.

The answers of the package to some evaluation rows must equal what the notebook's evaluation had for
them, and must not depend on which other rows are asked with them.
"""

import json
import types
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from ..fingerprint.digest import digest_or_unknown
from ..inspect.values import write_pickle
from ..introspect import namespace
from ..values.pickling import one_line
from . import days, frames, reference, slices
from .answers import Answers, equal
from .tables import first_of, is_table

ROWS = 200  # evaluation rows that the answers are compared on
ALONE = 20  # of them, which are asked one by one as well


class Unservable(Exception):
    """A model cannot be served; `fix` says what to do."""

    refused = False

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.fix = fix


class Otherwise(Unservable):
    """A model would answer otherwise than it was judged."""

    refused = True


def write(request: str) -> str:
    """Write model, features and decide as one pickle; answer what package.json holds, or "error".

    model, features, decide: names, "" without
    lookups: the tables that the features join → how old they may be, s
    rows:    names that may hold raw rows, the likeliest first
    pred, score: names of the evaluation, "" without
    by:      names of the evaluation that cut its rows into slices
    functions: metric → the function that computes it
    path:    the file of the pickle
    """
    asked = json.loads(request)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they came when the notebook ran
            return json.dumps(_written(namespace(), asked), allow_nan=False)
    except Unservable as error:
        told = {"error": str(error), "fix": error.fix, "refused": error.refused}
    except Exception as error:  # noqa: BLE001  the notebook's own functions and values
        what = f"the answers cannot be made: {one_line(error)}"
        own = [name for name in (asked["features"], asked["decide"]) if name]
        calls = " and ".join(own or [f"{asked['model']}.predict"])
        fix = f"call {calls} on rows of the evaluation in a cell, and correct what they raise"
        told = {"error": what, "fix": fix, "refused": bool(own)}
    return json.dumps(told)


def _written(space: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    parts = {"model": space[asked["model"]]}
    for part in ("features", "decide"):
        parts[part] = _function(space, asked[part]) if asked[part] else None
    if not hasattr(parts["model"], "predict"):
        kind = type(parts["model"]).__name__
        raise Unservable(f"{asked['model']!r}, a {kind}, has no `predict` to answer with")
    _refuse_tables(space, parts, asked["lookups"])
    functions = asked.get("functions", {})
    parts["metrics"] = {metric: _function(space, one) for metric, one in functions.items()}
    name, raw = _raw_rows(space, asked)
    places = _places(len(raw), ROWS)
    rows = _at(raw, places)
    signature = _signature(rows, parts)
    _note_missing(signature, [raw, *(space[n] for n in asked["rows"] if n in space)])
    columns = _columns(rows, signature)
    golden = Answers(parts, signature).answer(columns)
    signature["arrays"] = _takes_arrays(parts, signature, columns, golden)
    answers = Answers(parts, signature)
    independent = _refuse_dependent(answers, columns, golden, asked["features"])
    _refuse_unequal(space, asked, golden, places, len(raw), of=name)
    write_pickle(parts, asked["path"])
    return {
        "signature": signature,
        "independent": independent,
        "golden": {"rows": _dicts(columns, len(rows)), **golden},
        "answers": _digest(parts, space),
        "lookups": asked["lookups"],
        "computed": functions,
        "slices": slices.columns_of(space, asked.get("by", ()), raw, signature),
        "rows_of": name,
        "compared": [n for n in (asked["pred"], asked["score"]) if n in space],
        **_described(space, asked, signature, raw),
    }


def _described(
    space: dict[str, Any], asked: dict[str, Any], signature: dict[str, Any], raw: Any
) -> dict[str, Any]:
    """Describe the rows of the evaluation and its answers: as a whole, and day by day."""
    inputs, judged = _columns(raw, signature), _judged_answers(space, asked, signature, len(raw))
    of_inputs = reference.describe(inputs, signature)
    of_answers = {n: reference.describe_column(v, kind) for n, (v, kind) in judged.items()}
    values = {reference.INPUT + n: v for n, v in inputs.items()}
    values |= {n: v for n, (v, _) in judged.items()}
    described = {reference.INPUT + n: d for n, d in of_inputs.items()} | of_answers
    return {
        "reference": of_inputs,
        "reference_answers": of_answers,
        "reference_days": days.describe(space, raw, values, described),
    }


def _function(space: dict[str, Any], name: str) -> Any:
    found = space.get(name)
    if not callable(found):
        raise Otherwise(f"there is no function {name!r}", "name one that the notebook defines")
    return found


def _raw_rows(space: dict[str, Any], asked: dict[str, Any]) -> tuple[str, Any]:
    """Return rows of the evaluation as callers bring them, with the name that holds them."""
    judged = [len(space[n]) for n in (asked["pred"], asked["score"]) if n in space]
    found = first_of(space, asked["rows"], judged[0] if judged else None)
    if found is not None:
        return found
    given = asked["features"] or asked["model"]
    raise Unservable(
        f"no rows that {given!r} takes are at hand"
        + (f", as many as {asked['pred'] or asked['score']} has" if judged else ""),
        f"call {given} with the rows of the evaluation by a name, such as {given}(test)",
    )


def _places(count: int, most: int) -> list[int]:
    """Return the places of some rows, evenly apart."""
    wanted = min(count, most)
    return [i * count // wanted for i in range(wanted)]


def _at(values: Any, places: Sequence[int]) -> Any:
    if hasattr(values, "iloc"):
        return values.iloc[places].reset_index(drop=True)
    return values[places]


# signature


def _signature(rows: Any, parts: dict[str, Any]) -> dict[str, Any]:
    """Return the signature: the columns that the answers need, and the computed features."""
    kind = "frame" if getattr(rows, "ndim", 2) == 2 and hasattr(rows, "iloc") else "array"  # noqa: PLR2004
    kind = "series" if getattr(rows, "ndim", 2) == 1 else kind
    if kind == "frame":
        rows = rows[_needed(rows, parts)]
        names = [str(name) for name in rows.columns]
    else:
        names = [str(getattr(rows, "name", None) or "text")] if kind == "series" else []
        names = names or [str(place) for place in range(rows.shape[1])]
    made: dict[str, Any] = {
        "input": kind,
        "columns": frames.description(rows, names),
        "features": [],
    }
    if parts["features"] is not None:
        made["features"] = _feature_names(parts["features"](rows))
    model = parts["model"]
    classes = getattr(model, "classes_", None)
    regressor = type(model).__name__.endswith("Regressor") or classes is None
    made["answer"] = {
        "kind": "number" if regressor else "label",
        "classes": None if classes is None else frames.plain(classes),
    }
    return made


def _note_missing(signature: dict[str, Any], tables: Sequence[Any]) -> None:
    """Note in which columns any rows at hand lack a value: some rows alone may lack none."""
    frames_at_hand = [t for t in tables if hasattr(t, "columns") and is_table(t)]
    for column in signature["columns"]:
        for table in frames_at_hand:
            found = table.get(column["name"])
            if getattr(found, "ndim", 0) == 1 and str(found.dtype) == column["dtype"]:
                column["missing"] = column["missing"] or bool(found.isna().any())


def _feature_names(computed: Any) -> list[str]:
    if hasattr(computed, "columns"):
        return [str(name) for name in computed.columns]
    if getattr(computed, "ndim", 0) == 2:  # noqa: PLR2004
        return [str(place) for place in range(computed.shape[1])]
    return [str(getattr(computed, "name", None) or "0")]


def _needed(rows: Any, parts: dict[str, Any]) -> list[Any]:
    """Return the columns without which the model answers otherwise, or not at all."""
    known = getattr(parts["model"], "feature_names_in_", None)
    if parts["features"] is None:
        return [n for n in rows.columns if known is None or n in set(known)]
    few = rows.head(ALONE)
    whole = _shown(parts["features"](few))
    return [name for name in rows.columns if _shown_without(few, name, parts) != whole]


def _shown_without(rows: Any, name: Any, parts: dict[str, Any]) -> Any:
    try:
        return _shown(parts["features"](rows.drop(columns=[name])))
    except Exception:  # noqa: BLE001  it needs the column
        return None


def _shown(computed: Any) -> dict[str, list[Any]]:
    return frames.to_columns(computed, _feature_names(computed))


def _columns(rows: Any, signature: dict[str, Any]) -> dict[str, list[Any]]:
    """Return rows as callers send them: the columns of the signature as JSON values."""
    names = [c["name"] for c in signature["columns"]]
    if signature["input"] == "frame":
        return {str(name): frames.plain(rows[name]) for name in rows.columns if str(name) in names}
    return frames.to_columns(rows, names)


def _dicts(columns: frames.Columns, count: int) -> list[dict[str, Any]]:
    return [{name: values[i] for name, values in columns.items()} for i in range(count)]


# proofs


def _takes_arrays(
    parts: dict[str, Any],
    signature: dict[str, Any],
    columns: frames.Columns,
    golden: dict[str, Any],
) -> bool:
    """Return whether the model answers arrays exactly as frames, which cost it more to check."""
    try:
        return Answers(parts, {**signature, "arrays": True}).answer(columns) == golden
    except Exception:  # noqa: BLE001  the model needs the names of columns
        return False


def _refuse_dependent(
    answers: Answers, columns: frames.Columns, golden: dict[str, Any], features: str
) -> bool:
    """Refuse answers that depend on the other rows of a request; return True if none does."""
    count = len(golden["predictions"])
    for place in _places(count, ALONE):
        try:
            alone = answers.answer({name: [values[place]] for name, values in columns.items()})
        except Exception as error:  # noqa: BLE001  the notebook's own function
            what = f"a row alone cannot be answered: {one_line(error)}"
            raise Otherwise(what, _independent_fix(features)) from None
        for part in ("predictions", "scores"):
            if golden[part] is not None and not equal(alone[part][0], golden[part][place]):
                raise Otherwise(
                    f"the answer to a row depends on the rows that are asked with it: row {place} "
                    f"alone has {part[:-1]} {alone[part][0]!r}, among {count} rows "
                    f"{golden[part][place]!r}",
                    _independent_fix(features),
                )
    return True


def _independent_fix(features: str) -> str:
    given = features or "the features"
    return (
        f"let {given} compute each row by itself; join what it counts or averages from a table of "
        "the training data, and name that table: %mlops model … --lookup NAME:max_age=1d"
    )


def _refuse_unequal(
    space: dict[str, Any],
    asked: dict[str, Any],
    golden: dict[str, Any],
    places: Sequence[int],
    count: int,
    *,
    of: str,
) -> None:
    """Refuse answers that differ from those that the notebook was judged on."""
    for name, part in ((asked["score"], "scores"), (asked["pred"], "predictions")):
        judged = _judged(space.get(name), part)
        if judged is None or len(judged) != count or golden[part] is None:
            continue
        wrong = [
            (place, golden[part][i], judged[place])
            for i, place in enumerate(places)
            if not _as_judged(golden[part][i], judged[place])
        ]
        if wrong:
            place, answer, was = wrong[0]
            raise Otherwise(
                f"the model answers otherwise than the evaluation: {len(wrong)} of {len(places)} "
                f"{part} differ from {name!r} (row {place} of {of}: {answer!r}, judged on {was!r})",
                _unequal_fix(asked, part),
            )


def _unequal_fix(asked: dict[str, Any], part: str) -> str:
    if part == "predictions" and not asked["decide"]:
        return (
            "if a threshold makes the decision, put it into a function of the scores and name it: "
            "%mlops model … --decide FUNCTION"
        )
    if not asked["features"]:
        return "name the function that makes the model's input: %mlops model … --features FUNCTION"
    return f"let the evaluation go through {asked['features']}() as well"


def _judged_answers(
    space: dict[str, Any], asked: dict[str, Any], signature: dict[str, Any], count: int
) -> dict[str, Any]:
    """Return the predictions and scores that the notebook was judged on: column → values, kind."""
    found = {}
    kind = "float" if signature["answer"]["kind"] == "number" else "text"
    for name, part, log, of in (
        (asked["pred"], "predictions", "prediction", kind),
        (asked["score"], "scores", "score", "float"),
    ):
        values = _judged(space.get(name), part)
        if values is not None and len(values) == count and not isinstance(values[0], list):
            found[log] = values, of
    return found


def _judged(value: Any, part: str) -> list[Any] | None:
    """Return what an evaluation was judged on, one value a row; None for another shape."""
    if value is None:
        return None
    if part == "scores" and getattr(value, "ndim", 1) == 2:  # noqa: PLR2004
        value = value[:, 1] if value.shape[1] == 2 else value  # noqa: PLR2004
    if getattr(value, "ndim", 1) == 2 and value.shape[1] == 1:  # noqa: PLR2004
        value = value[:, 0]
    return frames.plain(value)


def _as_judged(one: Any, other: Any) -> bool:
    """Return whether an answer is what was judged; a label of another type has the same text."""
    return equal(one, other) or str(one) == str(other)


# tables


def _refuse_tables(space: dict[str, Any], parts: dict[str, Any], lookups: Iterable[str]) -> None:
    """Refuse functions that read a table of the notebook which no option names as a lookup."""
    reached = _reached(parts, space)
    found = {name for name, value in reached.items() if is_table(value) and len(value)}
    unnamed = sorted(found - set(lookups))
    if unnamed:
        table = unnamed[0]
        raise Otherwise(
            f"the features join the table {table!r}, which would never be renewed where it serves",
            f"say how old it may be: %mlops model … --lookup {table}:max_age=1d",
        )
    if unread := sorted(set(lookups) - found):
        raise Otherwise(
            f"--lookup names {unread[0]!r}, which is no table that the features read",
            f"it is one of {', '.join(sorted(found))}" if found else "leave the option out",
        )


def _digest(parts: dict[str, Any], space: dict[str, Any]) -> str:
    """Return the digest of what answers beside the model; "unknown" where it cannot be told."""
    functions = [parts["features"], parts["decide"]]
    values = {n: v for n, v in _reached(parts, space).items() if v is not parts["model"]}
    return digest_or_unknown([functions, sorted(values.items(), key=lambda item: item[0])])


def _reached(parts: dict[str, Any], space: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the notebook that the functions, and those they call, read by name."""
    found: dict[str, Any] = {}
    queue = [parts[part] for part in ("features", "decide") if parts[part] is not None]
    while queue:
        code = getattr(queue.pop(), "__code__", None)
        for name in _names(code) if code is not None else ():
            if name in found or isinstance(space.get(name, types), types.ModuleType):
                continue
            found[name] = space[name]
            if isinstance(space[name], types.FunctionType):
                queue.append(space[name])
    return found


def _names(code: Any) -> set[str]:
    """Return the global names that code may read, inner functions included."""
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return set(code.co_names).union(*map(_names, inner))
