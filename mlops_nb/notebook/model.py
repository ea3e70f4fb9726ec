"""The nouns: frozen, comparable, made of plain values; nothing here does anything."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from msgspec import Struct, field

Value: TypeAlias = (
    Any  # a parameter's value: bool, int, float, str, None, or lists and dicts of them
)
Kind: TypeAlias = Literal["step", "setup", "scratch", "parameters", "empty"]


class Mark(Struct, frozen=True, kw_only=True):
    """One `%mlops WORD …` line or `# mlops: WORD …` comment of a cell.

    word:    what it says: step, model, metric, evaluate, …
    args:    its plain words
    options: its `--name value` pairs; a switch has the value ""
    """

    word: str
    args: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


class Cell(Struct, frozen=True, kw_only=True):
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


class Notebook(Struct, frozen=True, kw_only=True):
    """A notebook's code, as read. `kernel` is the kernelspec's name."""

    name: str
    cells: tuple[Cell, ...]
    kernel: str = "python3"
    language: str = "python"


class Parameter(Struct, frozen=True, kw_only=True):
    """A value that a run may replace. `type` is a Python type's name, or "any" where unknown."""

    name: str
    value: Value
    type: str


class Function(Struct, frozen=True, kw_only=True):
    """What calling a function (or making and using a class) of the notebook touches.

    reads:   global names its code may read
    writes:  global names it binds (`global` statements)
    changes: global names whose object it changes in place
    mutates: its parameters that it changes in place, as (position, name)
    """

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()
    mutates: frozenset[tuple[int, str]] = frozenset()
    is_class: bool = False


class Names(Struct, frozen=True, kw_only=True):
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


class CellFacts(Struct, frozen=True, kw_only=True):
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


class Step(Struct, frozen=True, kw_only=True):
    """A named piece of a notebook.

    cells:      indexes of its code cells
    uses:       names it reads from other steps
    makes:      names that it binds or changes
    parameters: parameters that its cells read
    after:      steps that were named as going first
    reuse:      False where it is to run every time
    snapshot:   how old what it loads from outside may be, s; None if that is not said
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
    """`target` reads `names` as `source` left them."""

    source: str
    target: str
    names: tuple[str, ...]


class Warned(Struct, frozen=True, kw_only=True):
    """Something a reader of the graph should know, with its mend."""

    kind: str
    what: str
    fix: str
    cell: int | None = None
    stops: bool = False  # a promotion is refused while it stands


class Pipeline(Struct, frozen=True, kw_only=True):
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
        """Return the step called `name`. Raises KeyError if there is none."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    def step_of(self, cell: int) -> str | None:
        """Return the step of the code cell with this index."""
        return self.cells[cell].step


class Preload(Struct, frozen=True, kw_only=True):
    """What a process may have ready for a notebook before it runs.

    modules:   dotted names to import
    variables: of the environment, which the notebook sets before the first of these imports
    folder:    the one to be in meanwhile; it matters where a library looks for settings there
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
