"""Defines the records that describe a notebook, its pipeline and the job made from it."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal, TypeAlias

from mlops_nb.probe.syntax.functions import Function
from mlops_nb.records import Noun, noun

Value: TypeAlias = (
    Any  # a parameter's value: bool, int, float, str, None, or lists and dicts of them
)
Kind: TypeAlias = Literal["step", "setup", "scratch", "parameters", "empty"]


@noun
class Mark(Noun):
    """One `%mlops WORD …` line or `# mlops: WORD …` comment of a cell.

    word:    step, model, metric, evaluate, …
    args:    its positional arguments
    options: its `--name value` pairs; a switch has the value ""
    """

    word: str
    args: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


@noun
class Cell(Noun):
    """One code cell of a notebook.

    index:    counts code cells from 0
    position: counts all cells of the source notebook from 0 (injected cells are not counted)
    headings: the Markdown headings above it, outermost first: (level, text, ordinal)
    """

    index: int
    position: int
    id: str
    source: str
    tags: frozenset[str] = frozenset()
    headings: tuple[tuple[int, str, int], ...] = ()


@noun
class Notebook(Noun):
    """The code cells of a notebook. `kernel` is the name of its kernelspec."""

    name: str
    cells: tuple[Cell, ...]
    kernel: str = "python3"
    language: str = "python"


@noun
class Parameter(Noun):
    """A value that a run may replace. `type` is the name of a Python type, or "any" if unknown."""

    name: str
    value: Value
    type: str


@noun
class Names(Noun):
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


@noun
class CellFacts(Noun):
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


@noun
class Step(Noun):
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


@noun
class Edge(Noun):
    """The names that the step `target` reads from the step `source`."""

    source: str
    target: str
    names: tuple[str, ...]


@noun
class Warned(Noun):
    """A warning about a notebook, with its remedy."""

    kind: str
    what: str
    fix: str
    cell: int | None = None
    stops: bool = False  # it prevents a promotion


@noun
class Pipeline(Noun):
    """The steps of a notebook, in notebook order."""

    notebook: str
    parameters: tuple[Parameter, ...]
    steps: tuple[Step, ...]
    edges: tuple[Edge, ...]
    cells: tuple[CellFacts, ...]
    warnings: tuple[Warned, ...] = ()
    model: Mapping[str, str] = field(default_factory=dict)  # variable → registered name
    metrics: tuple[str, ...] = ()
    evaluation: Mapping[str, str] = field(default_factory=dict)
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


@noun
class Gate(Noun):
    """A condition that a model must meet to be released.

    metric:  the metric that it compares
    op:      one of >=, >, <=, <, ==
    bound:   a number, or the difference from the champion's value of the metric
    champion: the bound is relative to the champion
    by, gap: the column for the worst slice of the metric, or for the widest gap between slices
    """

    text: str
    metric: str
    op: str
    bound: float
    champion: bool = False
    by: str = ""
    gap: bool = False


@noun
class Verdict(Noun):
    """The result of a gate for a value. `low` and `high`: its 95 % interval, from `n` rows."""

    gate: str
    passed: bool
    value: float | None
    champion: float | None = None
    because: str = ""
    low: float | None = None
    high: float | None = None
    n: int | None = None


@noun
class Difference(Noun):
    """The result of a proof for one step: the names whose values differ, and in which way."""

    step: str
    equal: bool
    differs: tuple[str, ...] = ()
    varying: tuple[str, ...] = ()
    close: tuple[str, ...] = ()


@noun
class Proof(Noun):
    """Whether a bundle computes the same values as its notebook. `equal` is None if not tested."""

    equal: bool | None
    steps: tuple[Difference, ...] = ()
    because: str = ""


@noun
class Schedule(Noun):
    """When a job is due: a 5-field cron line in an IANA time zone."""

    cron: str
    timezone: str
    missed: str = "last"
    overlap: str = "skip"


@noun
class Job(Noun):
    """The content of `job.yaml`."""

    name: str
    notebook: str
    folder: str  # the source notebook's folder, relative to the project: the working folder
    source: str  # the source notebook, relative to the project
    parameters: Mapping[str, Value] = field(default_factory=dict)
    schedule: Schedule | None = None
    gates: tuple[str, ...] = ()
    model_name: str | None = None
    model_variable: str | None = None
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    retries: int = 0
    timeout: float | None = None
    triggers: tuple[Mapping[str, Value], ...] = ()
    approval: str = "none"  # none | required
    notify: tuple[Mapping[str, Value], ...] = ()  # {"webhook": …} or {"command": …}


@noun
class Interval(Noun):
    """The period of data that a run covers: [start, end), aware datetimes in the job's zone."""

    start: Any
    end: Any
    scheduled_at: Any


@noun
class Preload(Noun):
    """The imports that a process may make before a notebook runs.

    modules:   dotted names to import
    variables: environment variables that the notebook sets before the first of these imports
    folder:    working folder during the imports; libraries may look for settings in it
    """

    modules: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"
