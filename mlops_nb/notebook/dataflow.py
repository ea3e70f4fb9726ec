"""Traces each name that a cell reads to the cells that last bound or changed it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mlops_nb.notebook.model import Cell, Names, Notebook, Warned
from mlops_nb.notebook.static_names import BUILTINS, is_given
from mlops_nb.probe.syntax.functions import Function

LONE_MAGICS = frozenset({"history", "ll", "ls", "lsmagic", "pwd", "who", "whos"})


@dataclass(slots=True)
class Flow:
    """The data that one cell takes from others and leaves for others.

    reads:      names that it reads, including those that its functions read
    binds:      names that it binds, including those that its functions bind
    sources:    name or channel → cells that last bound or changed it
    depends_on: all of those cells
    """

    reads: tuple[str, ...] = ()
    binds: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()
    sources: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def depends_on(self) -> tuple[int, ...]:
        """Indexes of the cells whose values this one reads."""
        return tuple(sorted({cell for cells in self.sources.values() for cell in cells}))


class Tracer:
    """Walks cells in order and keeps the cells that last wrote each name."""

    def __init__(self) -> None:
        self.writers: dict[str, tuple[int, ...]] = {}
        self.functions: dict[str, Function] = {}
        self.instances: dict[str, str] = {}
        self.same: dict[str, set[str]] = {}
        self.anything_goes = False
        self.star: int | None = None  # the last cell that bound names its text does not show

    def step(self, cell: int, names: Names) -> Flow:
        """Add the next cell and return its flow."""
        reads = self._read_names(names)
        changes = self._changes(names)
        for changed in sorted(changes - set(reads) - names.writes):
            reads.append(changed)
        sources: dict[str, tuple[int, ...]] = {}
        missing = []
        for read in reads:
            if read in self.writers:
                sources[read] = self.writers[read]
            elif read in names.reads and read not in names.maybe and not is_given(read):
                missing.append(read)
            if self.star is not None and read not in BUILTINS:
                known = sources.get(read, ())
                if all(writer < self.star for writer in known):  # that cell may have bound it
                    sources[read] = (*known, self.star)
        if names.reads_anything and not names.error:
            sources |= {n: w for n, w in self.writers.items() if n not in sources and ":" not in n}
        for channel in names.channels_read:
            for writer in (channel, "file:*") if channel.startswith("file:") else (channel,):
                if writer in self.writers:
                    sources[writer] = self.writers[writer]
        binds = self._binds(names)
        self._write(cell, names, binds, changes)
        if names.star_import:
            self.star = cell
        self.anything_goes |= names.star_import or bool(names.error)
        unknown = () if self.anything_goes else tuple(missing)
        kept = tuple(r for r in reads if r in sources or r in missing)
        return Flow(
            reads=kept,
            binds=binds,
            changes=frozenset(changes),
            sources=sources,
            missing=unknown,
        )

    def _read_names(self, names: Names) -> list[str]:
        """Return the names read by the cell and by the functions that it may call."""
        found: dict[str, None] = {}
        local = {n: f for n, f in names.functions.items() if n not in names.reads}
        queue = [*names.reads, *(f for f, _ in names.calls if f in local)]
        seen: set[str] = set()
        while queue:
            name = queue.pop(0)
            if name in seen:
                continue
            seen.add(name)
            if name not in names.sure or name in names.reads:
                found.setdefault(name)
            function = local.get(name) or self.functions.get(self.instances.get(name, name))
            if function is not None:
                queue.extend(sorted(function.reads - names.sure))
        return list(found)

    def _changes(self, names: Names) -> set[str]:
        changes = set(names.changes).union(*(f.changes for f in self._reached(names)))
        for called, given in names.calls:
            function = names.functions.get(called) or self.functions.get(called)
            if function is None:
                continue
            for place, parameter in function.mutates:
                by_key = [g.split("=", 1)[1] for g in given if g.startswith(f"{parameter}=")]
                by_place = [given[place]] if place < len(given) and "=" not in given[place] else []
                changes |= {name for name in by_key + by_place if name}
        pairs: dict[str, set[str]] = {}
        for left, right in names.aliases:
            pairs.setdefault(left, set()).add(right)
        for name in list(changes):
            changes |= self.same.get(name, set()) | pairs.get(name, set())
        return {name for name in changes if name in self.writers or name in names.writes}

    def _reached(self, names: Names) -> list[Function]:
        """Return the functions that the cell calls, and those that they may call."""
        known = {**self.functions, **names.functions}
        queue = [called for called, _ in names.calls if called in known]
        seen: dict[str, Function] = {}
        while queue:
            name = queue.pop()
            if name not in seen:
                seen[name] = known[name]
                queue += [read for read in known[name].reads if read in known]
        return list(seen.values())

    def _binds(self, names: Names) -> frozenset[str]:
        return names.writes.union(*(function.writes for function in self._reached(names)))

    def _write(self, cell: int, names: Names, binds: frozenset[str], changes: set[str]) -> None:
        for name in names.deletes:
            if name in names.maybe or name not in self.writers:
                continue
            self.writers.pop(name)
        for name in binds:
            before = () if name in names.sure else self.writers.get(name, ())
            self.writers[name] = (*(w for w in before if w != cell), cell)
            self.functions.pop(name, None)
            self.instances.pop(name, None)
            for other in self.same.pop(name, set()):
                self.same.get(other, set()).discard(name)
        for name in changes:
            self.writers[name] = (cell,)
        for channel in names.channels_changed:
            self.writers[channel] = (cell,)
        self.functions |= names.functions
        self.instances |= {
            name: made
            for name, made in names.instances.items()
            if made in self.functions and self.functions[made].is_class
        }
        for left, right in names.aliases:
            group = {left, right} | self.same.get(right, set())
            for name in group:
                self.same[name] = self.same.get(name, set()) | (group - {name})
            if right in self.functions:
                self.functions[left] = self.functions[right]
            if right in self.instances:
                self.instances[left] = self.instances[right]


def trace(cells: Sequence[Names]) -> list[Flow]:
    """Return the flow of every cell, in notebook order.

    >>> from mlops_nb.notebook.static_names import names
    >>> [f.depends_on for f in trace([names("x = 1"), names("x = 2"), names("y = x")])]
    [(), (), (1,)]
    """
    tracer = Tracer()
    return [tracer.step(index, names) for index, names in enumerate(cells)]


def missing_names(
    notebook: Notebook, asked: Iterable[Cell], flows: Sequence[Flow], cells: Sequence[Names]
) -> list[Warned]:
    """Return a warning for each name that a cell of `asked` reads and no cell above it binds."""
    found = []
    for cell in asked:
        index, here = cell.index, cell.label
        for name in flows[index].missing:
            if name in LONE_MAGICS and set(cells[index].reads) == {name}:
                continue  # IPython runs it as a magic
            later = [i for i, n in enumerate(cells) if name in n.writes and i > index]
            if later:
                maker = notebook.cells[later[0]].label
                what = f"{name!r} is read in {here} and made only below it, in {maker}"
                fix = f"move {maker} above {here}"
            else:
                what = f"{name!r} is read in {here} and no cell makes it"
                fix = f"add a cell above that makes {name!r}, or correct its spelling"
            found.append(Warned(kind="undefined-name", what=what, fix=fix, cell=index, stops=True))
    return found
