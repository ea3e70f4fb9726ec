"""What the text of a cell says: its meaning, its words."""

import ast
import builtins
import re
from functools import lru_cache

from mlops_nb.notebook.cells import UNPARSABLE
from mlops_nb.notebook.markers import frozen

WORD = re.compile(r"[^\W\d]\w*")
# what may look up any name of the notebook
ANY_NAME = re.compile(
    r"\b(?:eval|exec|globals|user_ns|user_global_ns|f_globals|f_locals|__main__|run_cell|push|ev|ex"
    r"|query)\b|\b(?:locals|vars|dir)\(\s*\)"
)
BUILTINS = frozenset(dir(builtins))


def builtins_in(source: str) -> frozenset[str]:
    """Return the names of Python's builtins in a text, which a notebook may bind anew."""
    return BUILTINS.intersection(WORD.findall(source))


@lru_cache(maxsize=4096)
def meaning(source: str) -> str:
    """Return what a cell's text means: comments, layout and marks left out.

    >>> meaning("x = 1  # one") == meaning("%mlops step a\\nx=1")
    True
    """
    text = frozen(source)
    try:
        return ast.dump(ast.parse(text))
    except UNPARSABLE:
        return text.strip()
