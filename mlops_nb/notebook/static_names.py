"""Finds what a cell reads, binds and changes from its text, without running it."""

import ast
import builtins
import re
import warnings
from collections.abc import Mapping

from mlops_nb.notebook import steps
from mlops_nb.notebook.cells import python_of
from mlops_nb.notebook.model import Names
from mlops_nb.probe.syntax.known_calls import USUAL_ALIASES
from mlops_nb.probe.syntax.names import Static
from mlops_nb.probe.syntax.visitor import Visitor

BUILTINS = frozenset(dir(builtins)) | {
    "get_ipython",
    "display",
    "In",
    "Out",
    "_",
    "__",
    "___",
    "_i",
    "_ii",
    "_iii",
    "exit",
    "quit",
    "__name__",
    "__doc__",
    "__file__",
    "__builtins__",
    "__annotations__",
    "__class__",
    "_ih",
    "_oh",
    "_dh",
}
TOO_DEEP = "it is nested too deeply"
HISTORY = re.compile(r"_i?\d+\Z")  # earlier inputs and outputs: `_i3`, `_3`


def is_given(name: str) -> bool:
    """Say whether a name exists in every notebook: a builtin, or a name of IPython.

    >>> is_given("print"), is_given("_12"), is_given("total")
    (True, True, False)
    """
    return name in BUILTINS or bool(HISTORY.match(name))


def names(source: str, imports: Mapping[str, str] | None = None) -> Names:
    """Return what a cell reads, binds and changes.

    imports: names that earlier cells imported → dotted path of what was imported

    >>> found = names("total = price * count")
    >>> found.reads, sorted(found.writes)
    (('price', 'count'), ['total'])
    """
    known = {**USUAL_ALIASES, **(imports or {})}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as "invalid escape sequence" in the cell
            tree = ast.parse(python_of(source))
            found = Visitor(static=Static(imports=known, python_of=python_of))
            found.visit(tree)
    except (RecursionError, MemoryError):  # the parser raises either
        return Names(error=TOO_DEEP, assumed=True, reads_anything=True)
    except (SyntaxError, ValueError) as error:
        return Names(error=f"{type(error).__name__}: {error}", assumed=True, reads_anything=True)
    return _names(found, tree, known)


def _names(found: Visitor, tree: ast.Module, known: Mapping[str, str]) -> Names:
    """Return what a visitor found in a cell.

    known: names that earlier cells imported → dotted path
    """
    writes, channels = frozenset(found.writes), frozenset(found.channels_changed)
    has_effects = channels or found.star or "exec" in found.loads or found.changes - writes
    return Names(
        reads=tuple(found.loads),
        maybe=frozenset(found.maybe),
        writes=writes,
        sure=writes & found.bound,
        first=next((n for n in found.stores if n in writes and n not in found.imports), ""),
        changes=frozenset(found.changes),
        deletes=frozenset(found.deletes.keys() - writes),
        channels_read=frozenset(found.channels_read),
        channels_changed=channels,
        functions=dict(found.functions),
        instances=dict(found.instances),
        aliases=frozenset(found.aliases),
        imports=dict(found.imports),
        calls=tuple(found.called),
        logged=frozenset(found.logged),
        only_sets_up=steps.only_sets_up(tree) and not channels,
        only_shows=steps.only_shows(tree, {**known, **found.imports}) and not has_effects,
        star_import=found.star,
        reads_anything=bool(found.dynamic),
        assumed=found.assumed or found.star or bool(found.dynamic),
    )
