"""Finds which names a cell reads through texts: `exec`, `globals()["x"]`, shell lines, queries."""

import ast
import re
import types

from ..introspect import words
from ..syntax.calls import AT_NAME
from ..syntax.names import shell_names, words_in
from . import external
from .evidence import Evidence

ASKS_AT = words("query eval")  # df.query("age > @limit")
SQL = re.compile(r"\b(?:from|join|into|update|table)\s+([A-Za-z_]\w*)", re.IGNORECASE)
FORMULA = re.compile(r"\w\s*~\s*[\w(]")  # smf.ols("y ~ scaled(x)", df)
SELECT = re.compile(r"\bselect\b", re.IGNORECASE)
PARAMETER = re.compile(r"(?<![:\w]):([A-Za-z_]\w*)|\{\{\s*([A-Za-z_]\w*)")  # of `%%sql`
EVALUATES = words("eval evaluate")  # pd.eval("a + b"), numexpr.evaluate("a + b")
# attributes that lead to the namespace of the notebook
NAMESPACE = words("user_ns user_global_ns ev ex run_cell push")
FRAMES = words("f_globals f_locals")
NAMED = words("%store %xdel %reset_selective")  # magics that are given names
RUN_TEXTS = words("eval exec")
ANY_NAME = RUN_TEXTS | {"globals"}  # builtins by which a function may read any name
OWN_NAMES = words("locals vars dir")  # without arguments, outside of functions


def may_read_any(facts: Evidence) -> bool:
    """Say whether a cell, or code that it reaches, may read any name, by a text nobody knows."""
    doors = facts.reach.builtins & ANY_NAME or facts.attrs & (NAMESPACE | FRAMES)
    runs_script = "%run -i" in facts.dynamic
    return bool(doors or runs_script or _finds_main(facts)) or any(
        _is_door(node) for tree, _ in facts.cell.trees for node in ast.walk(tree)
    )


def _finds_main(facts: Evidence) -> bool:
    """Say whether a cell looks for the module of the notebook."""
    return "__main__" in {*facts.imports, *facts.texts} or "__name__" in facts.used


def _is_door(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id == "globals"
    if not isinstance(node, ast.Call):
        return False
    known = bool(node.args) and isinstance(node.args[0], ast.Constant)
    if isinstance(node.func, ast.Name):
        name = node.func.id
        return (name in RUN_TEXTS and not known) or (name in OWN_NAMES and not node.args)
    queries = isinstance(node.func, ast.Attribute) and node.func.attr in ASKS_AT
    return queries and bool(node.args) and not known


def names_in_texts(facts: Evidence) -> set[str]:
    """Return the names that texts name; what runs texts and names none may read any name."""
    found = {n for t in facts.expanded for n in shell_names(t)}
    found |= {n for t in facts.magic_texts for one in PARAMETER.findall(t) for n in one}
    if facts.attrs & NAMED:
        found |= words_in([text for text in facts.magic_texts if not text.startswith("-r")])
    found = (found & facts.before.keys()) | _from_queries(facts)
    facts.dynamic |= facts.attrs & FRAMES
    if "%run" in facts.attrs and any("-i" in text.split() for text in facts.shell_texts):
        facts.dynamic.add("%run -i")
    by_shell = "get_ipython" in facts.used and facts.attrs & NAMESPACE
    if not (facts.dynamic or by_shell or _finds_main(facts)):
        return found
    named = words_in(facts.known_texts)
    named |= facts.attrs if _finds_main(facts) else set()
    read = named & facts.before.keys() - facts.stores.keys()
    binds_anew = not words_in(facts.texts).isdisjoint(facts.now.keys() - facts.before.keys())
    if read or not facts.dynamic or (named and binds_anew):
        return found | read
    facts.assumed.append(f"{' and '.join(sorted(facts.dynamic))} may read any name")
    return found | facts.before.keys()


def _from_queries(facts: Evidence) -> set[str]:
    """Return names in the text of `df.query("a > @b")`, of SQL, of `pd.eval("a + b")`."""
    found: set[str] = set()
    for text in facts.known_texts:
        if facts.attrs & ASKS_AT:
            found |= set(AT_NAME.findall(text))
        if " " in text and SELECT.search(text):  # duckdb finds frames by their names
            tables = SQL.findall(text)
            found |= {n for n in tables if external.is_table(facts.before.get(n))}
        if FORMULA.search(text):
            found |= words_in([text])
    calls = facts.calls("pandas", "numexpr")
    if any(path[-1] in EVALUATES and type(v) is types.ModuleType for v, path in calls):
        found |= words_in(facts.known_texts)
    return found & facts.before.keys() - facts.stores.keys()
