"""Finds which outputs a cell asks for or updates, and whether it shows values."""

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

SHOWN = re.compile(
    r"\b(?:Out|_oh)(?:\[|\.get\()(\d+)\b|(?<![\w.])_(\d+)\b|(?<![\w.])(_{1,3})(?!\w)"
)


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
    for out, numbered, last in SHOWN.findall(text):
        if out or (numbered and f"_{numbered}" in asked):
            count = int(out or numbered)
        elif last and last in asked and len(last) <= len(counts):
            count = counts[-len(last)]
        else:
            continue
        if count in shown:
            yield count, shown[count]


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
