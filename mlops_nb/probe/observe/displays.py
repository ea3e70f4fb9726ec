"""Which outputs a cell asks for or updates, and which options decide how its values look."""

import re
import sys
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from ..introspect import is_code, lineage, module_of, name_of, top_of
from .evidence import Evidence
from .global_state import LIMITS, pandas_limits, printers

SHOWN = re.compile(
    r"\b(?:Out|_oh)(?:\[|\.get\()(\d+)\b|(?<![\w.])_(\d+)\b|(?<![\w.])(_{1,3})(?!\w)"
)
ALL_SHOWN = frozenset({"Out", "_oh"})
RESHAPES = frozenset({"T", "transpose", "unstack", "pivot", "pivot_table"})  # rows to columns
# channels of display options, by how they begin → the package whose values they are for
OPTIONS = {
    "pandas.options": "pandas",
    "numpy.print": "numpy",
    "env:POLARS_FMT": "polars",
    "display.precision": "",
}


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


def options_read(
    facts: Evidence, ever_set: AbstractSet[str], limits: set[tuple[Any, ...]]
) -> set[str]:
    """Return the display options that a cell reads: it shows values of their package.

    ever_set: channels that cells have changed
    limits:   of pandas, as they have been; those of now are added
    """
    result = facts.result.result
    limits |= _limits()
    if result is None and not (facts.shows or facts.reach.shows):
        return set()
    values = [result, *dict(facts.named).values()]
    tops = {"", *facts.tops, top_of(result)}
    found = {
        c for c in ever_set for start, top in OPTIONS.items() if c.startswith(start) and top in tops
    }
    turned = "pandas" in tops and RESHAPES & facts.attrs
    if "pandas.limits" in ever_set and (turned or any(_exceeds(v, limits) for v in values)):
        found.add("pandas.limits")
    if "display.formatters" in ever_set and any(map(written_by, values)):
        found.add("display.formatters")
    return found


def _limits() -> set[tuple[Any, ...]]:
    """Return how much of a table pandas shows, by default and now."""
    module: Any = sys.modules.get("pandas._config.config")
    known = getattr(module, "_registered_options", {})
    names = [f"display.{name}" for name in LIMITS]
    defaults = {tuple(known[n].defval for n in names)} if known.keys() >= set(names) else set()
    now = pandas_limits()
    return defaults if now is None else {*defaults, now}


def _exceeds(value: Any, limits: set[tuple[Any, ...]]) -> bool:
    """Return whether a table of pandas is larger than a limit that was changed."""
    if top_of(value) != "pandas" or is_code(value):
        return False
    shape = getattr(value, "shape", None)
    if type(shape) is not tuple:
        return True  # a group, say
    sizes = max(shape, default=0), *shape[1:]  # `df.sum()` shows a row for each column
    return any(
        axis < len(sizes) and sizes[axis] > min(filter(None, values), default=0)
        for axis, values in zip(LIMITS.values(), zip(*limits, strict=True), strict=True)
        if len(set(values)) > 1
    )


def written_by(value: Any) -> list[Any]:
    """Return the notebook's own functions that IPython's formatters call for a value."""
    known = printers()
    lines = {kind: f"{module_of(kind)}.{name_of(kind)}" for kind in lineage(type(value))}
    return [
        function
        for (_, kind), function in known.items()
        if kind in lines or (type(kind) is tuple and ".".join(kind) in lines.values())
    ]


class Displays:
    """Follows what a shell publishes with a display id.

    shown:   ids of outputs that the running cell made
    updated: ids of outputs that it replaced, its own included
    """

    def __init__(self, shell: Any) -> None:
        self.shown: set[str] = set()
        self.updated: set[str] = set()
        publisher: Any = getattr(shell, "display_pub", None)
        if publisher is None:
            return
        publish = publisher.publish

        def noted(*args: Any, **options: Any) -> Any:
            display = (options.get("transient") or {}).get("display_id")
            if display:
                (self.updated if options.get("update") else self.shown).add(str(display))
            return publish(*args, **options)

        publisher.publish = noted

    def take(self) -> tuple[set[str], set[str]]:
        """Return the channels that were read and changed since the last time."""
        changed = {f"display:{one}" for one in self.shown | self.updated}
        read = {f"display:{one}" for one in self.updated - self.shown}
        self.shown, self.updated = set(), set()
        return read, changed
