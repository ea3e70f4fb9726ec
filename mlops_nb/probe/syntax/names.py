"""Records how a cell uses names: which it loads, calls, passes on, binds, deletes and changes."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from .functions import Function
from .known_calls import DYNAMIC

TIMED_SCOPE = "timed"  # a scope as of a function; no name bound in it is visible outside
SHELL_NAME = re.compile(r"(?<!\$)\$([A-Za-z_]\w*)|(?<!\{)\{([^{}]+)\}(?!\})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Static:
    """The settings of a static reading: the cell has not run, and no value is known.

    A static reading adds the effects of calls (channels, files, changed objects) and of the
    cell's own functions, and walks code that may run later. An observed reading leaves these
    out, because the observer finds them in the values.

    imports:     names that earlier cells imported → dotted path
    python_of:   turns a cell's text into Python
    in_function: the statements are the body of a function
    """

    imports: Mapping[str, str]
    python_of: Callable[[str], str]
    in_function: bool = False


class Use:
    """How a cell uses one name.

    attrs:    attributes looked up on it
    called:   it is called itself
    escapes:  it is passed to a call, which may do anything with it
    line:     line of its first load
    maybe:    every load follows a store on only one branch
    """

    __slots__ = ("attrs", "called", "escapes", "line", "maybe")

    def __init__(self, line: int, *, maybe: bool) -> None:
        self.attrs: set[str] = set()
        self.called = self.escapes = False
        self.line, self.maybe = line, maybe


class NameUses:
    """The names that one syntax tree uses, with lines, so that code after an error can be ignored.

    static:    the settings of a static reading; None if the cell is being observed
    python_of: turns a cell's text into Python, in an observed reading
    """

    def __init__(
        self, static: Static | None = None, python_of: Callable[[str], str] | None = None
    ) -> None:
        self.static = static
        self.python_of = static.python_of if static is not None else python_of or str
        self.at: int | None = None  # the line to record, for statements that a magic runs
        self.loads: dict[str, Use] = {}  # names that are loaded before the cell binds them
        self.used: dict[str, Use] = {}  # all names that are loaded
        self.maybe: set[str] = set()  # names loaded after a store on one branch, or named in a text
        self.stores: dict[str, tuple[int, bool]] = {}  # name → (line, on one branch only)
        self.writes: set[str] = set()  # names that are bound at the end, or may be
        self.deletes: dict[str, int] = {}
        self.changes: set[str] = set()  # static: names whose object is changed in place
        self.attrs: set[str] = set()
        self.attr_stores: list[tuple[int, str, tuple[str, ...]]] = []
        self.paths: list[tuple[int, str, tuple[str, ...]]] = []  # (line, root, attributes)
        self.texts: list[str] = []
        self.shell: list[str] = []
        self.magics: list[str] = []
        self.expanded: list[str] = []  # texts of both in which IPython replaces `$name`, `{name}`
        self.shows = False  # it prints or displays values
        self.modules: set[str] = set()  # modules that it imports
        self.imports: dict[str, str] = {}  # name → dotted path of what was imported under it
        self.functions: dict[str, Function] = {}  # static: defined by the cell
        self.instances: dict[str, str] = {}  # name → name of the class that was called
        self.aliases: set[tuple[str, str]] = set()
        self.dynamic: set[str] = set()  # what it calls that may read any name
        self.star = False
        self.dicts: set[str] = set()  # names that the cell binds to new dicts
        self.bound: set[str] = set()
        self.tree: ast.AST | None = None  # the whole tree
        # inner scopes, outermost first: (class, function or TIMED_SCOPE; its names)
        self.scopes: list[tuple[str, set[str]]] = []
        self.caught: list[str] = []  # names of exceptions, which their handlers delete
        self.calls = 0  # calls around the current node
        self.branches = self.loops = self.tries = 0

    def _hidden(self, name: str) -> bool:
        if name in self.caught:
            return True
        inner = bool(self.scopes) and self.scopes[-1][0] == "function"
        for depth, (kind, known) in enumerate(reversed(self.scopes)):
            if name in known and not (kind == "class" and inner and depth):
                return True
        return False

    def load(self, name: str, line: int) -> Use | None:
        """Record that a name is read; return its use so far, or None for a local name."""
        line = self.at or line
        if self._hidden(name):
            return None
        if name in DYNAMIC and name not in self.stores:
            self.dynamic.add(name)
        use = self.used.get(name)
        if use is None:
            use = self.used[name] = Use(line, maybe=False)
        if name not in self.bound:
            maybe = name in self.stores and not self.loops
            first = self.loads.setdefault(name, use)
            if first.line == line and maybe:
                first.maybe = True
            elif not maybe:
                first.maybe = False
            if name in self.writes:
                self.maybe.add(name)
        if name in self.functions:
            self._load_function(name, self.functions[name], line)
        return use

    def _load_function(self, name: str, function: Function, line: int) -> None:
        """Merge the names that a function of the cell uses into those of the cell."""
        for read in sorted(function.reads - {name}):
            if read not in self.bound:
                self.loads.setdefault(read, Use(line, maybe=False))
        self.writes |= function.writes
        self.changes |= function.changes

    def mention(self, name: str, line: int) -> None:
        """Record, in a static reading, that a text contains the name and may read it."""
        if self.static is not None and name not in self.bound and not self._hidden(name):
            self.loads.setdefault(name, Use(line, maybe=True))
            self.maybe.add(name)

    def store(self, name: str, line: int) -> None:
        """Record that a name is bound."""
        line = self.at or line
        if self.scopes:
            self.scopes[-1][1].add(name)
            return
        conditional = self.branches > 0
        before = self.stores.get(name)
        self.stores[name] = (
            before[0] if before else line,
            conditional and (before is None or before[1]),
        )
        self.bound.add(name)
        self.writes.add(name)
        for known in (self.functions, self.instances, self.imports):
            known.pop(name, None)

    def delete(self, name: str, line: int) -> None:
        """Record that a name is deleted."""
        self.load(name, line)
        self.deletes[name] = line
        self.bound.discard(name)
        if self.branches or self.loops or self.tries:
            self.writes.add(name)  # it may still be bound afterwards
        else:
            self.writes.discard(name)


def shell_names(text: str) -> Iterator[str]:
    """Yield the names that `$name` and `{name}` refer to in a shell line or a line magic.

    >>> list(shell_names("echo {nm} $other"))
    ['nm', 'other']
    """
    for match in SHELL_NAME.finditer(text):
        if match[1]:
            yield match[1]
        else:
            yield from re.findall(r"(?<![.\w'\"])[A-Za-z_]\w*", match[2])


def words_in(texts: list[str]) -> set[str]:
    """Return the identifiers that occur in texts.

    >>> sorted(words_in(["x+1", "a.b"]))
    ['a', 'b', 'x']
    """
    return {word for text in texts for word in re.findall(r"[A-Za-z_]\w*", text)}
