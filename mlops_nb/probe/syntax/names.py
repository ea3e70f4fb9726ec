"""How names are used in a cell: loaded, called, handed on, bound on every way or on one."""

import ast
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

ARITHMETIC = "+-*/"  # stands among attributes for an operator between two values
TIMED_SCOPE = "timed"  # like a function's, but that its names are known by no other
# what writes out what it is given, and methods that write out what they are asked of
SHOWING = frozenset(
    {
        "print",
        "display",
        "repr",
        "str",
        "format",
        "pprint",
        "display_html",
        "display_latex",
        "display_markdown",
        "display_pretty",
    }
)
WRITES = frozenset(
    {"to_string", "to_html", "to_latex", "_repr_html_", "info", "__repr__", "__str__"}
)
DYNAMIC = frozenset({"exec", "eval", "globals", "locals", "vars", "dir"})
SHELL_NAME = re.compile(r"(?<!\$)\$([A-Za-z_]\w*)|(?<!\{)\{([^{}]+)\}(?!\})")


class Use:
    """How a name is used in a cell.

    attrs:    attributes looked up on it
    called:   it is called itself
    escapes:  it is handed on, so that anybody may do anything with it
    given:    names of the functions and classes that it is handed to, "" where that is no name
    around:   names of those that are called with what that call gives
    line:     of its first load
    maybe:    every load comes after a store on one way of a branch
    passed:   what a call of it gave was used at once, rather than bound to a name
    """

    __slots__ = ("around", "attrs", "called", "escapes", "given", "line", "maybe", "passed")

    def __init__(self, line: int, *, maybe: bool) -> None:
        self.attrs: set[str] = set()
        self.given: set[str] = set()
        self.around: set[str] = set()
        self.called = self.escapes = self.passed = False
        self.line, self.maybe = line, maybe

    @property
    def is_shown(self) -> bool:
        """Whether it is handed to what writes it out, and to nothing else."""
        return bool(self.given) and SHOWING.issuperset(self.given | self.around)

    def is_kept(self, keeps: Callable[[str], bool]) -> bool:
        """Say whether all that it is handed to keeps it, without calling it."""
        return all(keeps(callee) for callee in self.given | self.around)


class Uses:
    """What one tree uses. Line numbers let what was never reached be left out after an error.

    bound: names that the cell has bound by the time that the tree runs
    local: names of the function that the tree is a part of, as with `%timeit`
    at:    the line that it all counts to, where a line of the cell runs the tree
    values: names and values that the tree finds
    """

    def __init__(
        self,
        bound: Iterable[str] = (),
        local: set[str] | None = None,
        at: int | None = None,
        values: Mapping[str, Any] = types.MappingProxyType({}),
    ) -> None:
        self.loads: dict[str, Use] = {}  # what is read before the cell itself has bound it
        self.used: dict[str, Use] = {}  # everything that is loaded at all
        self.stores: dict[str, tuple[int, bool]] = {}  # name → (line, only on one way)
        self.deletes: dict[str, int] = {}
        self.attrs: set[str] = set()
        self.attr_stores: list[tuple[int, str, tuple[str, ...]]] = []
        self.paths: list[tuple[int, str, tuple[str, ...]]] = []  # (line, root, attributes)
        self.texts: list[str] = []
        self.shell: list[str] = []
        self.magics: list[str] = []
        self.expanded: list[str] = []  # of both, those that IPython puts values into
        self.shows = False  # it writes out values
        self.imports: set[str] = set()
        self.dynamic: set[str] = set()
        self.star = False
        self.dicts: set[str] = set()  # names that the cell binds to dicts of its own
        self.bound: set[str] = set(bound)
        self.local, self.at, self.values = local, at, values
        self.tree: ast.AST | None = None  # the whole of it
        self.timed: dict[int, frozenset[str]] = {}  # line of a `%time` → names bound before it
        self.scopes: list[tuple[str, set[str]]] = []
        if local is not None:
            self.scopes.append((TIMED_SCOPE, local))
        self.caught: list[str] = []  # names of exceptions, gone at the end of their handlers
        self.callees: list[str] = []  # the calls that the walk is inside of, innermost last
        self.branches = self.loops = 0

    # names

    def _hidden(self, name: str) -> bool:
        if name in self.caught:
            return True
        inner = bool(self.scopes) and self.scopes[-1][0] == "function"
        for depth, (kind, known) in enumerate(reversed(self.scopes)):
            if name in known and not (kind == "class" and inner and depth):
                return True
        return False

    def load(self, name: str, line: int) -> Use | None:
        """Note that a name is read; return how it is used so far."""
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
        return use

    def store(self, name: str, line: int) -> None:
        """Note that a name is bound."""
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


def shell_names(text: str) -> Iterator[str]:
    """Yield the names that `$name` and `{name}` stand for in a shell line or a line magic.

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
