"""Defines the records that describe a notebook, its pipeline and the job made from it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from msgspec import Struct, field

from mlops_nb.markup import visible
from mlops_nb.probe.syntax.functions import Function

Value: TypeAlias = (
    Any  # a parameter's value: bool, int, float, str, None, or lists and dicts of them
)
Kind: TypeAlias = Literal["step", "setup", "scratch", "parameters", "empty"]


LABEL_WIDTH = 32  # characters of a cell's first line in its name


class Mark(Struct, frozen=True, kw_only=True):
    """One `%mlops WORD …` line or `# mlops: WORD …` comment of a cell.

    word:    step, model, metric, evaluate, …
    args:    its positional arguments
    options: its `--name value` pairs; a switch has the value ""
    """

    word: str
    args: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


class Cell(Struct, frozen=True, kw_only=True):
    """One code cell of a notebook.

    index:    counts code cells from 0
    position: counts all cells of the source notebook from 0 (injected cells are not counted)
    headings: the Markdown headings above it, outermost first: (level, text, ordinal)
    count:    its execution count, as JupyterLab shows it; None if it has none
    """

    index: int
    position: int
    id: str
    source: str
    tags: frozenset[str] = frozenset()
    headings: tuple[tuple[int, str, int], ...] = ()
    count: int | None = None

    @property
    def label(self) -> str:
        """The name of the cell to people: `In [7]`, or its place among all cells and its text."""
        if self.count is not None:
            return f"In [{self.count}]"
        line = visible(next((t.strip() for t in self.source.splitlines() if t.strip()), ""))
        line = line if len(line) <= LABEL_WIDTH else f"{line[: LABEL_WIDTH - 1]}…"
        return f"cell {self.position + 1} (`{line}`)" if line else f"cell {self.position + 1}"


class Notebook(Struct, frozen=True, kw_only=True):
    """The code cells of a notebook. `kernel` is the name of its kernelspec."""

    name: str
    cells: tuple[Cell, ...]
    kernel: str = "python3"
    language: str = "python"


class Parameter(Struct, frozen=True, kw_only=True):
    """A value that a run may replace. `type` is the name of a Python type, or "any" if unknown."""

    name: str
    value: Value
    type: str


class Names(Struct, frozen=True, kw_only=True):
    """The names and channels that one cell reads, binds and changes.

    reads:     names that must be bound before it runs, in order of first use
    maybe:     those of `reads` that it needs only if a branch of its own did not bind them
    writes:    names that it binds; `sure` are those that it binds on every branch
    first:     the first name that it binds, imports excluded
    changes:   names whose object it changes in place
    channels_read, channels_changed: state without a name: "rng:numpy", "file:a.csv", "env", …
    instances: names bound to an object of a class that the notebook defines
    aliases:   pairs of names bound to one object
    imports:   names bound to a module or to a part of one → its dotted path
    calls:     (function, names passed to it by position; "key=name" by keyword)
    logged:    metrics logged to MLflow under a literal name
    only_sets_up, only_shows: whether the cell does nothing else
    assumed:   parts of this record are guesses, on the safe side
    error:     why the text is not Python, or ""
    """

    reads: tuple[str, ...] = ()
    maybe: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    sure: frozenset[str] = frozenset()
    first: str = ""
    changes: frozenset[str] = frozenset()
    deletes: frozenset[str] = frozenset()
    channels_read: frozenset[str] = frozenset()
    channels_changed: frozenset[str] = frozenset()
    functions: Mapping[str, Function] = field(default_factory=dict)
    instances: Mapping[str, str] = field(default_factory=dict)
    aliases: frozenset[tuple[str, str]] = frozenset()
    imports: Mapping[str, str] = field(default_factory=dict)
    calls: tuple[tuple[str, tuple[str, ...]], ...] = ()
    logged: frozenset[str] = frozenset()
    only_sets_up: bool = False
    only_shows: bool = False
    star_import: bool = False
    reads_anything: bool = False
    assumed: bool = False
    error: str = ""


class CellFacts(Struct, frozen=True, kw_only=True):
    """The kind of a cell in a pipeline, and the cells that it depends on."""

    index: int
    position: int
    id: str
    kind: Kind
    step: str | None = None
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    depends_on: tuple[int, ...] = ()
    assumed: bool = False


class Step(Struct, frozen=True, kw_only=True):
    """A named piece of a notebook.

    cells:      indexes of its code cells
    uses:       names that it reads from other steps
    makes:      names that it binds or changes
    parameters: parameters that its cells read
    after:      steps that must run before it, as its marker says
    reuse:      False if it must run every time
    snapshot:   maximum age of data that it loads from outside, s; None for no limit
    """

    name: str
    title: str
    cells: tuple[int, ...]
    uses: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    retries: int = 0
    timeout: float | None = None
    reuse: bool = True
    snapshot: float | None = None


class Edge(Struct, frozen=True, kw_only=True):
    """The names that the step `target` reads from the step `source`."""

    source: str
    target: str
    names: tuple[str, ...]


class Warned(Struct, frozen=True, kw_only=True):
    """A warning about a notebook, with its remedy."""

    kind: str
    what: str
    fix: str
    cell: int | None = None
    stops: bool = False  # it prevents a promotion


class HowServed(Struct, frozen=True, kw_only=True):
    """What a mark says of how a model answers.

    features: the function that turns raw rows into the model's input, "" if they are its input
    decide:   the function that turns scores into predictions, "" for the model's own
    lookups:  tables that the features join → how old they may be, s
    """

    features: str = ""
    decide: str = ""
    lookups: Mapping[str, float] = field(default_factory=dict)


class Pipeline(Struct, frozen=True, kw_only=True):
    """The steps of a notebook, in notebook order."""

    notebook: str
    parameters: tuple[Parameter, ...]
    steps: tuple[Step, ...]
    edges: tuple[Edge, ...]
    cells: tuple[CellFacts, ...]
    warnings: tuple[Warned, ...] = ()
    model: Mapping[str, str] = field(default_factory=dict)  # variable → registered name
    served: Mapping[str, HowServed] = field(default_factory=dict)  # variable → how it answers
    metrics: tuple[str, ...] = ()
    evaluations: tuple[Mapping[str, str], ...] = ()
    logged: tuple[str, ...] = ()

    def step(self, name: str) -> Step:
        """Return the step called `name`. Raises KeyError if there is none."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    def step_of(self, cell: int) -> str | None:
        """Return the step of the code cell with this index."""
        return self.cells[cell].step


class Preload(Struct, frozen=True, kw_only=True):
    """The imports that a process may make before a notebook runs.

    modules:   dotted names to import
    variables: environment variables that the notebook sets before the first of these imports
    folder:    working folder during the imports; libraries may look for settings in it
    """

    modules: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"


class Source(Struct, frozen=True, kw_only=True):
    """A notebook's file, read: its document, its code and its pipeline."""

    path: Path
    document: Mapping[str, Any]
    notebook: Notebook
    pipeline: Pipeline
