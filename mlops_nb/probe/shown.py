"""Which options of pandas and numpy decide how what a cell shows is written out."""

import os
import re
import sys
import types
from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from .channels import ALL_DIGITS, precision, printers
from .kinds import Kind
from .outside import lineage, module_of, name_of, top_of

SHOWN = re.compile(
    r"\b(?:Out|_oh)(?:\[|\.get\()(\d+)\b|(?<![\w.])_(\d+)\b|(?<![\w.])(_{1,3})(?!\w)"
)
ALL_SHOWN = frozenset({"Out", "_oh"})
MOST_ITEMS = 100  # of a container that is shown
# options that show only where there are more rows, or more columns, than they say
LIMITS = {"max_rows": 0, "min_rows": 0, "max_columns": 1}
Options = Mapping[str, Any]


def shown_before(
    text: str, space: Mapping[str, Any], asked: AbstractSet[str]
) -> Iterator[tuple[int, Any]]:
    """Yield what earlier cells showed and a cell asks for: `Out[1]`, `_1`, `_`, `__`.

    asked: names that the cell reads and does not bind: `_` is often a name like any other
    """
    shown = space.get("_oh")
    if type(shown) is not dict:
        return
    counts = list(shown)
    if not asked.isdisjoint(ALL_SHOWN) and not any(out for out, _, _ in SHOWN.findall(text)):
        yield from shown.items()  # `len(Out)`
    for out, numbered, last in SHOWN.findall(text):
        if out or (numbered and f"_{numbered}" in asked):
            count = int(out or numbered)
        elif last and last in asked and len(last) <= len(counts):
            count = counts[-len(last)]
        else:
            continue
        if count in shown:
            yield count, shown[count]


def display_options() -> dict[str, Any]:
    """Return pandas' present options of display."""
    module = sys.modules.get("pandas._config.config")
    held = getattr(module, "_global_config", None)
    return dict(held["display"]) if type(held) is dict and "display" in held else {}


def default_options() -> dict[str, Any]:
    """Return pandas' options of display as they are when nobody has set them."""
    module = sys.modules.get("pandas._config.config")
    known = getattr(module, "_registered_options", None)
    if type(known) is not dict:
        return {}
    names = [name for name in known if name.count(".") == 1 and name.startswith("display.")]
    return {name.partition(".")[2]: known[name].defval for name in names}


def channels(
    values: Iterable[Any], known: Iterable[Options], kinds: Collection[Kind] = ()
) -> set[str]:
    """Return the channels that the look of values hangs on.

    known: pandas' options of display as they were at one time or another
    kinds: what is known of values that have no name
    """
    shown = list(values)
    for value in shown[:]:
        if type(value) in (list, tuple, dict):
            shown += list(value.values() if type(value) is dict else value)[:MOST_ITEMS]
    found = set()
    tops = {top_of(value) for value in shown}
    if precision() != ALL_DIGITS and any(type(value) is float for value in shown):
        found.add("display.precision")
    if "polars" in tops:
        found |= {f"env:{name}" for name in os.environ if name.startswith("POLARS_FMT")}
    if any(_is_array(value) for value in shown):
        found.add("numpy.print")
    if "pandas" in tops:
        differ = _differing(known)
        if any(_matters(differ, value) for value in shown if top_of(value) == "pandas"):
            found.add("pandas.options")
    if any(kind.name == "array" for kind in kinds):
        found.add("numpy.print")
    tables = [kind.shape for kind in kinds if kind.name in {"frame", "series"}]
    differ = _differing(known) if tables else {}
    if any(_reaches(differ, shape) for shape in tables):
        found.add("pandas.options")
    return found


def written_by(value: Any) -> list[Any]:
    """Return the notebook's own functions that IPython's formatters call for a value."""
    known = printers()
    lines = {kind: f"{module_of(kind)}.{name_of(kind)}" for kind in lineage(type(value))}
    return [
        function
        for (_, kind), function in known.items()
        if kind in lines or (type(kind) is tuple and ".".join(kind) in lines.values())
    ]


def _is_array(value: Any) -> bool:
    """Say whether a value is an array of numpy, or one of its inexact numbers."""
    kind = type(value)
    if top_of(value) != "numpy" or issubclass(kind, types.ModuleType | type):
        return False
    return (
        hasattr(value, "tobytes")
        and getattr(value, "dtype", None) is not None
        and (value.ndim > 0 or value.dtype.kind in "fc")
    )


def _differing(known: Iterable[Options]) -> dict[str, list[Any]]:
    """Return the options that were not always the same, with their values."""
    values: dict[str, list[Any]] = {}
    for options in known:
        for name, value in options.items():
            values.setdefault(name, []).append(value)
    return {name: v for name, v in values.items() if any(one != v[0] for one in v)}


def _matters(differ: Mapping[str, list[Any]], value: Any) -> bool:
    """Say whether one of the options may show in what is written of a value."""
    exact = module_of(type(value)) in {"pandas", "pandas.core.frame", "pandas.core.series"}
    return not exact or _reaches(differ, getattr(value, "shape", ()))


def _reaches(differ: Mapping[str, list[Any]], shape: tuple[int, ...]) -> bool:
    """Say whether one of the options may show in what is written of a table of such a shape."""
    for name, values in differ.items():
        axis = LIMITS.get(name)
        if axis is None:
            return True
        # 0 is for terminals, whose width decides; what is shown in a notebook has none
        limits = [limit for limit in values if isinstance(limit, int) and limit > 0]
        if axis < len(shape) and limits and shape[axis] > min(limits):
            return True
    return False
