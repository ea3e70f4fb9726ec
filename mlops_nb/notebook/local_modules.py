"""Finds the local modules that a notebook imports, whose files a job must contain."""

import ast
from collections.abc import Callable, Iterable, Iterator

from mlops_nb.notebook.cells import UNPARSABLE

Find = Callable[[str], "dict[str, str] | None"]


def imported(source: str) -> set[str]:
    """Return the dotted names of the absolute imports in Python source text.

    >>> sorted(imported("import a.b\\nfrom c import d"))
    ['a.b', 'c', 'c.d']
    """
    found: set[str] = set()
    try:
        tree = ast.parse(source)
    except UNPARSABLE:
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def surely_imported(source: str) -> set[str]:
    """Return the top-level modules without which a cell of Python source text fails.

    An import in a function or a branch may not run, and one in a `try` may be allowed to fail.

    >>> surely_imported("import a\\ntry:\\n    import b\\nexcept ImportError:\\n    b = None")
    {'a'}
    """
    try:
        tree = ast.parse(source)
    except UNPARSABLE:
        return set()
    plain = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return roots(imported("\n".join(ast.unparse(node) for node in plain)))


def roots(names: Iterable[str]) -> set[str]:
    """Return the top-level modules of dotted names.

    >>> roots(["a.b", "c"]) == {"a", "c"}
    True
    """
    return {name.partition(".")[0] for name in names}


def carried(sources: Iterable[str], find: Find) -> dict[str, str]:
    """Return the local files that sources import, directly or not: relative path → text.

    find: returns the files of a top-level module, or None if it is not local
    """
    files: dict[str, str] = {}
    done: set[str] = set()
    queue = list(roots(name for source in sources for name in imported(source)))
    while queue:
        name = queue.pop()
        if name in done:
            continue
        done.add(name)
        local = find(name)
        if local is None:
            continue
        files |= local
        queue += list(_imports_of(local))
    return files


def _imports_of(files: dict[str, str]) -> Iterator[str]:
    for path, text in files.items():
        if path.endswith(".py"):
            yield from roots(imported(text))
