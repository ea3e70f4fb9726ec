"""Reads the parameters cell of a notebook, and checks the values given for a run."""

import ast
import difflib
import json
from collections.abc import Iterable, Mapping

from mlops_nb.errors import ParameterError
from mlops_nb.notebook.cells import python_of
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
    except SyntaxError:
        return ()  # the pipeline contains a warning about it
    for node in body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found[target.id] = _parameter(target.id, node.value, None)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = _parameter(node.target.id, node.value, node.annotation)
    return tuple(found.values())


def _parameter(name: str, value: ast.expr | None, annotation: ast.expr | None) -> Parameter:
    try:
        literal = None if value is None else ast.literal_eval(value)
        json.dumps(literal if not isinstance(literal, set) else list(literal))
    except (ValueError, TypeError, SyntaxError):  # not a literal, or not JSON
        return Parameter(name=name, value=None, type="any")
    if isinstance(literal, tuple | set):
        literal = list(literal)
    kind = type(literal).__name__
    if isinstance(annotation, ast.Name) and annotation.id in {"int", "float", "str", "bool"}:
        kind = annotation.id
    elif isinstance(annotation, ast.BinOp):  # `float | None`
        kind = "any"
    return Parameter(name=name, value=literal, type="any" if literal is None else kind)


class Word(str):
    """A value typed by the user, whose type depends on its parameter."""

    __slots__ = ()


def typed(text: str) -> Value:
    """Convert a word of the command line to the type that papermill gives it.

    >>> typed("3"), typed("0.5"), typed("True"), typed("None"), typed("x")
    (3, 0.5, True, None, 'x')
    """
    if text in {"True", "False", "None"}:
        return {"True": True, "False": False, "None": None}[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return str(text)


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
                fix=f"give it as -p {name} {parameter.value!r}, say; {_list(by_name)}",
                where=where,
            )
        fitted[name] = value
    return fitted


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
