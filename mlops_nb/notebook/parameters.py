"""Reads the parameters cell of a notebook, and checks the values given for a run."""

import ast
import difflib
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping

from mlops_nb.errors import ParameterError
from mlops_nb.notebook.cells import UNPARSABLE, python_of
from mlops_nb.notebook.model import Parameter, Value

FITS = {"float": {"float", "int"}, "any": set()}


def parameters(source: str) -> tuple[Parameter, ...]:
    """Return the parameters that a cell tagged `parameters` assigns.

    >>> parameters("depth = 3\\nrate: float = 1")
    (Parameter(name='depth', value=3, type='int'), Parameter(name='rate', value=1, type='float'))
    """
    found: dict[str, Parameter] = {}
    try:
        body = ast.parse(python_of(source)).body
    except UNPARSABLE:
        return ()  # the pipeline contains a warning about it
    for node in body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                found |= {n: _parameter(n, value, None) for n, value in _bound(target, node.value)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = _parameter(node.target.id, node.value, node.annotation)
    return tuple(found.values())


def _bound(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that an assignment binds, each with its value: `lo, hi = 1, 10` binds two."""
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple | ast.List):
        several = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts)
        parts = value.elts if several else [ast.Name("unknown")] * len(target.elts)  # type: ignore[attr-defined]
        for one, part in zip(target.elts, parts, strict=True):
            yield from _bound(one, part)


def _parameter(name: str, value: ast.expr | None, annotation: ast.expr | None) -> Parameter:
    try:
        literal = None if value is None else ast.literal_eval(value)
        json.dumps(literal if not isinstance(literal, set) else list(literal))
    except (*UNPARSABLE, TypeError):  # not a literal, or not JSON
        return Parameter(name=name, value=None, type="any")
    if isinstance(literal, tuple | set):
        literal = list(literal)
    kind = _annotated(annotation) or type(literal).__name__
    return Parameter(name=name, value=literal, type="any" if literal is None else kind)


def _annotated(annotation: ast.expr | None) -> str:
    """Return the type that an annotation names, "any" for one of several, "" for none known."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            return _annotated(ast.parse(annotation.value, mode="eval").body)
        except UNPARSABLE:
            return ""
    if isinstance(annotation, ast.BinOp):  # `float | None`
        return "any"
    if isinstance(annotation, ast.Subscript):
        name = ast.unparse(annotation.value).rpartition(".")[2]
        return "any" if name in {"Optional", "Union"} else ""
    known = isinstance(annotation, ast.Name) and annotation.id in {"int", "float", "str", "bool"}
    return annotation.id if known else ""  # type: ignore[union-attr]


class Word(str):
    """A value typed by the user, whose type depends on its parameter."""

    __slots__ = ()


def typed(text: str) -> Value:
    """Convert a word of the command line to the type that papermill gives it.

    Lists and dicts are read as Python or as YAML.

    >>> typed("3"), typed("0.5"), typed("True"), typed("None"), typed("x")
    (3, 0.5, True, None, 'x')
    >>> typed("[1, None]"), typed("[a, b]"), typed("{rate: 0.1}")
    ([1, None], ['a', 'b'], {'rate': 0.1})
    """
    if text[:1] in {"[", "{"}:
        return _collection(text)
    if text in {"True", "False", "None"}:
        return {"True": True, "False": False, "None": None}[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return str(text)


def _collection(text: str) -> Value:
    import yaml

    for read, errors in (
        (ast.literal_eval, (*UNPARSABLE, TypeError)),
        (yaml.safe_load, (yaml.YAMLError,)),
    ):
        try:
            found = read(text)
            json.dumps(found)
        except (*errors, TypeError):
            continue
        return found
    return text


def checked(given: Mapping[str, Value], known: Iterable[Parameter], where: str) -> dict[str, Value]:
    """Return the given values, converted to the types of their parameters' defaults.

    Raises ParameterError for an unknown name or a value of another type.

    >>> checked({"rate": 1}, parameters("rate = 0.5"), "a.ipynb")
    {'rate': 1}
    """
    by_name = {p.name: p for p in known}
    fitted: dict[str, Value] = {}
    for name, value in given.items():
        parameter = by_name.get(name)
        if parameter is None:
            raise _unknown(name, by_name, where)
        if isinstance(value, Word):  # a string parameter takes the text itself
            value = str(value) if parameter.type == "str" else typed(value)  # noqa: PLW2901
        kind = type(value).__name__
        if parameter.type == "str" and not isinstance(value, str):
            value = str(value)  # noqa: PLW2901  a string parameter takes `-p name 3` as text
        elif parameter.type != "any" and kind not in FITS.get(parameter.type, {parameter.type}):
            raise ParameterError(
                f"parameter {name!r} takes {parameter.type}, as its default {parameter.value!r} "
                f"is; {value!r} is {kind}",
                fix=f"give it as -p {name} {_as_typed(parameter.value)}, say; {_list(by_name)}",
                where=where,
            )
        fitted[name] = value
    return fitted


def _as_typed(value: Value) -> str:
    """Return a value as a user types it in a shell."""
    return shlex.quote(json.dumps(value)) if isinstance(value, list | dict) else repr(value)


def _unknown(name: str, known: Mapping[str, Parameter], where: str) -> ParameterError:
    if not known:
        return ParameterError(
            f"there is no parameter {name!r}: the notebook has no cell tagged 'parameters'",
            fix=f"tag the cell that holds `{name} = …` with `parameters`",
            where=where,
        )
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return ParameterError(
        f"there is no parameter {name!r}", fix=f"{hint}{_list(known)}", where=where
    )


def _list(known: Mapping[str, Parameter]) -> str:
    return "the parameters are " + ", ".join(f"{p.name} ({p.type})" for p in known.values())
