"""Records the state of a shell before a cell runs."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ..syntax.visitor import Visitor
from . import paths
from .closure import Reach

Target: TypeAlias = tuple[str, tuple[str, ...]]  # a global name and the attributes looked up on it


@dataclass(slots=True)
class CellStart:
    """The state before a cell, and what is recorded while it runs.

    typed:   the number of its input, as in `In[1]`
    tasks:   asyncio tasks that continue whenever the cell awaits something
    writing: files that may still be open → time of the last write, and size
    """

    info: Any
    count: int
    typed: int
    folder: str
    space: dict[str, Any]
    state: dict[str, Any]
    stats: paths.Stats | None
    modules: int
    writing: dict[str, Any]
    start: int
    tasks: list[Any]
    shown: list[int]
    trees: list[tuple[Any, Visitor]] = field(default_factory=list)
    lost: str = ""
    timed: set[str] | None = None  # names bound by the set-up of the running `%timeit`
    existing: set[Target] = field(default_factory=set)  # attributes it sets that existed before
    early: list[tuple[int, set[str]]] = field(default_factory=list)  # (line, names that it reads)
    reaches: list[Reach] = field(default_factory=list)  # that found these names
    outs: dict[int, tuple[Any, Any]] = field(default_factory=dict)  # earlier outputs that it reads
    contents: dict[tuple[str, str], tuple[Any, Any]] = field(default_factory=dict)  # of modules
