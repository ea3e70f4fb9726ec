"""What one cell reads, binds and changes, told from its text alone."""

import ast
import builtins
import re
import warnings
from collections.abc import Mapping

from mlops_nb.notebook import setup
from mlops_nb.notebook.cells import python_of
from mlops_nb.notebook.model import Names
from mlops_nb.notebook.scan import Scan
from mlops_nb.probe.syntax.known_calls import USUAL_ALIASES

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
HISTORY = re.compile(r"_i?\d+\Z")  # what was typed or shown: `_i3`, `_3`


def is_given(name: str) -> bool:
    """Say whether a name is there in every notebook: Python's own, and IPython's.

    >>> is_given("print"), is_given("_12"), is_given("total")
    (True, True, False)
    """
    return name in BUILTINS or bool(HISTORY.match(name))


def names(source: str, imports: Mapping[str, str] | None = None) -> Names:
    """Tell what a cell reads, binds and changes.

    imports: names that earlier cells imported → dotted path of what they stand for

    >>> found = names("total = price * count")
    >>> found.reads, sorted(found.writes)
    (('price', 'count'), ['total'])
    """
    known = {**USUAL_ALIASES, **(imports or {})}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "invalid escape sequence" is the author's own affair
            tree = ast.parse(python_of(source))
            scan = Scan(known)
            scan.run(tree)
    except (SyntaxError, ValueError, RecursionError) as error:
        return Names(error=f"{type(error).__name__}: {error}", assumed=True, reads_anything=True)
    return Names(
        reads=tuple(scan.reads),
        maybe=frozenset(scan.maybe),
        writes=frozenset(scan.writes),
        sure=frozenset(scan.writes & scan.bound),
        first=next((n for n in scan.order if n in scan.writes and n not in scan.imports), ""),
        changes=frozenset(scan.changes),
        deletes=frozenset(scan.deletes),
        channels_read=frozenset(scan.channels_read),
        channels_changed=frozenset(scan.channels_changed),
        functions=dict(scan.functions),
        instances=dict(scan.instances),
        aliases=frozenset(scan.aliases),
        imports=dict(scan.imports),
        calls=tuple(scan.called),
        logged=frozenset(scan.logged),
        only_sets_up=setup.only_sets_up(tree) and not scan.channels_changed,
        only_shows=setup.only_shows(tree, known | scan.imports)
        and not (scan.channels_changed or scan.star_import or "exec" in scan.reads)
        and not (scan.changes - scan.writes),
        star_import=scan.star_import,
        reads_anything=scan.reads_anything,
        assumed=scan.assumed or scan.reads_anything,
    )
