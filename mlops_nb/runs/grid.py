"""The points of a sweep: every combination of the values of some parameters."""

import itertools
from collections.abc import Iterable, Mapping, Sequence

from mlops_nb.errors import ParameterError
from mlops_nb.notebook import parameters
from mlops_nb.notebook.model import Parameter, Pipeline, Value
from mlops_nb.notebook.parameters import Word

Grid = Mapping[str, Sequence[Value]]
EXAMPLE = "give a parameter and its values: -g depth=2,4,8"


def read(texts: Iterable[str]) -> dict[str, tuple[Word, ...]]:
    """Parse `NAME=V1,V2,...` texts into a grid, whose values stay texts.

    Raises ParameterError for a text of another form and for a name given twice.

    >>> read(["depth=2,4", "kind=gini"])
    {'depth': ('2', '4'), 'kind': ('gini',)}
    """
    found: dict[str, tuple[Word, ...]] = {}
    for text in texts:
        name, sign, values = (part.strip() for part in text.partition("="))
        if not sign or not name:
            raise ParameterError(f"{text!r} is no NAME=V1,V2,...", fix=EXAMPLE)
        if name in found:
            raise ParameterError(f"{name!r} is given twice", fix=f"give it once: -g {text}")
        found[name] = tuple(Word(v.strip()) for v in values.split(",")) if values else ()
    return found


def checked(
    grid: Grid, fixed: Mapping[str, Value], known: Iterable[Parameter], where: str
) -> dict[str, tuple[Value, ...]]:
    """Check a grid against the parameters and return it with typed values, as for `-p`.

    fixed: the parameters that have one value at every point

    Raises ParameterError for a grid without points, a name that is not known or fixed as well, a
    value of another type, and a value given twice.

    >>> checked({"rate": [1, 0.5]}, {}, parameters.parameters("rate = 0.1"), "a.ipynb")
    {'rate': (1, 0.5)}
    """
    if not grid:
        raise ParameterError("there is nothing to sweep over", fix=EXAMPLE, where=where)
    named, found = list(known), {}
    for name, values in grid.items():
        if name in fixed:
            raise ParameterError(
                f"{name!r} is given twice: by -g and by -p", fix="give it once", where=where
            )
        if not values:
            raise ParameterError(f"{name!r} has no values", fix=EXAMPLE, where=where)
        fitted = [parameters.checked({name: value}, named, where)[name] for value in values]
        for place, value in enumerate(fitted):
            if any(_same(value, other) for other in fitted[:place]):
                raise ParameterError(
                    f"{name!r} has the value {value!r} twice",
                    fix="give each value once",
                    where=where,
                )
        found[name] = tuple(fitted)
    return found


def _same(one: Value, other: Value) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def points(grid: Grid) -> tuple[dict[str, Value], ...]:
    """Return every combination, in the order given: the last name changes fastest.

    >>> points({"a": [1, 2], "b": ["x", "y"]})[:2]
    ({'a': 1, 'b': 'x'}, {'a': 1, 'b': 'y'})
    """
    return tuple(
        dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())
    )


def shared(pipeline: Pipeline, names: Iterable[str]) -> tuple[str, ...]:
    """Return the steps whose results do not depend on some parameters."""
    swept = set(names)
    touched: set[int] = set()
    for step in pipeline.steps:
        if swept & set(step.parameters):
            touched |= set(step.cells)
    for cell in pipeline.cells:  # set-up that a step carries along may read them, too
        if cell.kind != "parameters" and swept & set(cell.reads):
            touched.add(cell.index)
    while True:
        more = {c.index for c in pipeline.cells if touched & set(c.depends_on)}
        more |= {i for s in pipeline.steps if touched & set(s.cells) for i in s.cells}
        more |= {
            i
            for e in pipeline.edges
            for i in pipeline.step(e.target).cells
            if touched & set(pipeline.step(e.source).cells)
        }
        if more <= touched:
            break
        touched |= more
    return tuple(s.name for s in pipeline.steps if touched.isdisjoint(s.cells))
