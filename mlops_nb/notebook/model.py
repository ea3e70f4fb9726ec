"""The nouns: frozen, comparable, made of plain values; nothing here does anything."""

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

    word:    what it says: step, model, metric, evaluate, …
    args:    its plain words
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
    headings: the Markdown headings it stands under, outermost first: (level, text, ordinal)
    """

    index: int
    position: int
    id: str
    source: str
    tags: frozenset[str] = frozenset()
    headings: tuple[tuple[int, str, int], ...] = ()


@noun
class Notebook(Noun):
    """A notebook's code, as read. `kernel` is the kernelspec's name."""

    name: str
    cells: tuple[Cell, ...]
    kernel: str = "python3"
    language: str = "python"


@noun
class Parameter(Noun):
    """A value that a run may replace. `type` is a Python type's name, or "any" where unknown."""

    name: str
    value: Value
    type: str


@noun
class Names(Noun):
    """What one cell reads, binds and changes, as far as its text tells.

    reads:     names it needs from before, in order of first use
    maybe:     names it needs only where it did not bind them itself on the way (a branch)
    writes:    names it binds; `sure` are those that it binds on every way
    first:     the first name it binds that is no import
    changes:   names whose object it changes in place
    channels_read, channels_changed: what is no name: "rng:numpy", "file:a.csv", "env", …
    instances: names bound to an object of a class that the notebook defines
    aliases:   pairs of names bound to one object
    imports:   names bound to a module or to something of one → its dotted path
    calls:     (function, names given to it by position; "key=name" by keyword)
    logged:    metrics logged to MLflow under a literal name
    only_sets_up, only_shows: whether that is all the cell does
    assumed:   some of this is a guess that errs on the safe side
    error:     why the text is no Python, if it is none
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
    """A cell in its pipeline: what kind it is, and which cells it depends on."""

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
    uses:       names it reads from other steps
    makes:      names that it binds or changes
    parameters: parameters that its cells read
    after:      steps that were named as going first
    reuse:      False where it is to run every time
    snapshot:   how old what it loads from outside may be, s; None where that is not said
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
    """`target` reads `names` as `source` left them."""

    source: str
    target: str
    names: tuple[str, ...]


@noun
class Warned(Noun):
    """Something a reader of the graph should know, with its mend."""

    kind: str
    what: str
    fix: str
    cell: int | None = None
    stops: bool = False  # a promotion is refused while it stands


@noun
class Pipeline(Noun):
    """A notebook seen as steps, in notebook order."""

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
        """Return the step called `name`. Raises KeyError where there is none."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    def step_of(self, cell: int) -> str | None:
        """Return the step of the code cell with this index."""
        return self.cells[cell].step


@noun
class Gate(Noun):
    """A sentence that a model must make true to be released.

    metric:  its left side
    op:      one of >=, >, <=, <, ==
    bound:   a number, or the distance to the champion's value of the metric
    champion: the bound is relative to the champion
    by, gap: the metric's worst slice, or its widest difference between slices
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
    """What a gate said of a value. `low` and `high`: its 95 % interval, of `n` rows."""

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
    """How one step of a proof came out: the names whose values differ, each with a reason."""

    step: str
    equal: bool
    differs: tuple[str, ...] = ()
    varying: tuple[str, ...] = ()
    close: tuple[str, ...] = ()


@noun
class Proof(Noun):
    """Whether the bundle does what the notebook does. `equal` is None where it was not asked."""

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
    """What `job.yaml` says."""

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
    """The stretch of time a run is about: [start, end), aware datetimes in the job's zone."""

    start: Any
    end: Any
    scheduled_at: Any


@noun
class Preload(Noun):
    """What a process may have ready for a notebook before it runs.

    modules:   dotted names to import
    variables: of the environment, which the notebook sets before the first of these imports
    folder:    the one to be in meanwhile; it matters where a library looks for settings there
    """

    modules: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"
