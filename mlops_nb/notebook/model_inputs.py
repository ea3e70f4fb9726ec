"""Finds the names that cells pass to a model as its input."""

import ast
from collections.abc import Iterable, Iterator

from mlops_nb.notebook.cells import UNPARSABLE, python_of

METHODS = frozenset(
    {"fit", "partial_fit", "predict", "predict_proba", "decision_function", "score", "transform"}
)


def model_inputs(sources: Iterable[str], variable: str) -> list[str]:
    """Return the names that cells pass to a model, those that it is fitted on first.

    >>> model_inputs(["model = Tree().fit(X, y)", "model.predict(X_test)"], "model")
    ['X', 'X_test']
    """
    fitted: list[str] = []
    others: list[str] = []
    for source in sources:
        try:
            tree = ast.parse(python_of(source))
        except UNPARSABLE:
            continue
        for call in _calls(tree, variable):
            method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            name = _first_name(call)
            if name:
                (fitted if method in {"fit", "partial_fit"} else others).append(name)
    return list(dict.fromkeys([*fitted, *others]))


def given_to(sources: Iterable[str], function: str) -> list[str]:
    """Return the names that cells pass to a function, the last ones first.

    >>> given_to(["X, X_test = features(train), features(test)"], "features")
    ['test', 'train']
    """
    found: dict[str, None] = {}
    for source in sources:
        try:
            tree = ast.parse(python_of(source))
        except SyntaxError:
            continue
        calls = (n for n in ast.walk(tree) if isinstance(n, ast.Call) and _is(n.func, function))
        found |= dict.fromkeys(name for call in calls if (name := _first_name(call)))
    return list(found)[::-1]


def _calls(tree: ast.AST, variable: str) -> Iterator[ast.Call]:
    """Yield the calls of the model and of its methods, and `fit` in what is bound to it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(_is(t, variable) for t in node.targets):
            inner = [n for n in ast.walk(node.value) if isinstance(n, ast.Call)]
            yield from (n for n in inner if getattr(n.func, "attr", "") == "fit")
        elif isinstance(node, ast.Call):
            function = node.func
            if _is(function, variable) or (
                isinstance(function, ast.Attribute)
                and function.attr in METHODS
                and _is(function.value, variable)
            ):
                yield node


def _is(node: ast.AST, variable: str) -> bool:
    return isinstance(node, ast.Name) and node.id == variable


def _first_name(call: ast.Call) -> str:
    """Return the name that is the first argument of a call, "" if it is another expression."""
    argument = call.args[0] if call.args else None
    return argument.id if isinstance(argument, ast.Name) else ""
