"""Which names a cell reads through texts: `exec`, `globals()["x"]`, shell lines, queries."""

import ast
import contextlib
import re
import types

from ..introspect import is_own_code, lineage, name_of
from ..syntax.names import shell_names, words_in
from ..syntax.visitor import Visitor
from . import external
from .aliasing import own
from .evidence import Evidence

AT_NAME = re.compile(r"@([A-Za-z_]\w*)")
ASKS_AT = frozenset({"query", "eval"})  # df.query("age > @limit")
SQL = re.compile(r"\b(?:from|join|into|update|table)\s+([A-Za-z_]\w*)", re.IGNORECASE)
FORMULA = re.compile(r"\w\s*~\s*[\w(]")  # smf.ols("y ~ scaled(x)", df)
SELECT = re.compile(r"\bselect\b", re.IGNORECASE)
PARAMETER = re.compile(r"(?<![:\w]):([A-Za-z_]\w*)|\{\{\s*([A-Za-z_]\w*)")
NAMESPACE = frozenset({"user_ns", "user_global_ns", "ev", "ex"})
NAMED = frozenset({"%store", "%xdel", "%reset_selective"})  # magics that are given names
LISTS_NAMES = frozenset({"%who", "%whos", "%who_ls"})
FINDS_MODULES = frozenset({"modules", "import_module", "__import__"})
FRAMES = frozenset({"f_globals", "f_locals"})
EVALUATES = frozenset({"eval", "evaluate"})  # pd.eval("a + b"), numexpr.evaluate("a + b")

RUN_TEXTS = frozenset({"eval", "exec"})
ANY_NAME = RUN_TEXTS | {"globals"}  # builtins by which a function may read any name
OWN_NAMES = frozenset({"locals", "vars", "dir"})  # without arguments, outside of functions
QUERIES = frozenset({"query", "eval"})


def may_read_any(facts: Evidence) -> bool:
    """Say whether a cell, or code that it reaches, may read any name, by a text nobody knows."""
    if facts.reach.builtins & ANY_NAME or facts.attrs & (FRAMES | {"run_cell", "push"}):
        return True
    asks_shell = "get_ipython" in {*facts.used, *facts.loads} and facts.attrs & NAMESPACE
    finds_main = "__main__" in facts.imports or Texts(facts).finds_main()
    return bool(asks_shell or finds_main) or any(
        _is_door(node) for tree, _ in facts.cell.trees for node in ast.walk(tree)
    )


def _is_door(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id == "globals"
    if not isinstance(node, ast.Call):
        return False
    known = bool(node.args) and isinstance(node.args[0], ast.Constant)
    if isinstance(node.func, ast.Name):
        name = node.func.id
        return (name in RUN_TEXTS and not known) or (name in OWN_NAMES and not node.args)
    queries = isinstance(node.func, ast.Attribute) and node.func.attr in QUERIES
    return queries and bool(node.args) and not known


class Texts:
    """The names behind the texts of one cell."""

    def __init__(self, facts: Evidence) -> None:
        self.facts, self.before = facts, facts.before

    def names(self) -> set[str]:
        """Return all of them; what runs texts and names none is assumed to read any name."""
        found = self._from_magics() | self._from_queries() | self._from_scripts()
        found |= self._from_tests()
        facts = self.facts
        facts.dynamic |= facts.attrs & FRAMES
        asks_shell = "get_ipython" in facts.used and facts.attrs & NAMESPACE
        by_name = self.finds_main()
        if not (facts.dynamic or asks_shell or by_name or "__main__" in facts.imports):
            return found
        words = words_in([*facts.known_texts, *self._of_main()])
        words |= facts.attrs if by_name else set()
        named = words & self.before.keys() - facts.stores.keys()
        if named or not facts.dynamic or (words and self._only_writes()):
            return found | named
        facts.assumed.append(f"{'()/'.join(sorted(facts.dynamic))}() may read any name")
        return found | self.before.keys()

    def _from_magics(self) -> set[str]:
        """Names in shell lines and in what magics are given; a macro that is run by its name."""
        facts = self.facts
        if facts.attrs & LISTS_NAMES:
            return set(self.before)
        found = {n for t in facts.expanded for n in shell_names(t)}
        found |= {n for t in facts.magic_texts for one in PARAMETER.findall(t) for n in one}
        if facts.attrs & NAMED:
            kept = [text for text in facts.magic_texts if not text.startswith("-r")]
            found |= words_in(kept) - facts.stores.keys()
        macro = facts.cell.info.raw_cell.strip()
        if name_of(type(self.before.get(macro))) == "Macro":
            found.add(macro)
        return found & self.before.keys()

    def _of_main(self) -> set[str]:
        """Names that are looked up on the notebook itself: `import __main__; __main__.x`."""
        both, space = self.facts.both, self.facts.shell.user_ns
        return {
            path[0]
            for _, reads in self.facts.cell.trees
            for _, root, path in reads.paths
            if root == "__main__" or own(both.get(root), "__dict__") is space
        }

    def finds_main(self) -> bool:
        """Say whether the notebook itself is looked for: `sys.modules["__main__"]`."""
        facts = self.facts
        words = {*facts.attrs, *facts.used}
        return bool(words & FINDS_MODULES) and (
            "__main__" in facts.texts or "__name__" in facts.used
        )

    def _from_tests(self) -> set[str]:
        """Names of the tests that `unittest.main()` and `doctest.testmod()` find, and in those."""
        facts, found = self.facts, set()
        if "unittest" in facts.tops and "main" in {*facts.attrs, *facts.used}:
            kinds = {n: v for n, v in self.before.items() if issubclass(type(v), type)}
            found |= {
                n
                for n, kind in kinds.items()
                if is_own_code(kind) and any(name_of(o) == "TestCase" for o in lineage(kind))
            }
        if "doctest" in facts.tops and "testmod" in {*facts.attrs, *facts.used}:
            texts = {n: own(v, "__doc__") for n, v in self.before.items() if is_own_code(v)}
            tested = {n: t for n, t in texts.items() if type(t) is str and ">>>" in t}
            found |= tested.keys() | (words_in([*tested.values()]) & self.before.keys())
        return found

    def _from_queries(self) -> set[str]:
        """Names in the text of `df.query("a > @b")`, of SQL, of `pd.eval("a + b")`."""
        facts = self.facts
        found: set[str] = set()
        if facts.attrs & ASKS_AT:
            found |= {n for text in facts.known_texts for n in AT_NAME.findall(text)}
        for text in facts.known_texts:
            if " " in text and SELECT.search(text):  # duckdb finds frames by their names
                found |= {n for n in SQL.findall(text) if external.is_table(self.before.get(n))}
            if FORMULA.search(text):
                found |= words_in([text])
        if any(
            path[-1] in EVALUATES and type(value) is types.ModuleType
            for value, path in facts.calls("pandas", "numexpr")
        ):
            found |= words_in(facts.known_texts)
        return found & self.before.keys() - facts.stores.keys()

    def _from_scripts(self) -> set[str]:
        """Names that a script reads which `%run -i` runs among the notebook's own."""
        reads = Visitor()
        if any("-i" in text.split() for text in self.facts.shell_texts):
            for path in self.facts.touched.code:
                with (
                    contextlib.suppress(OSError, SyntaxError, ValueError),
                    open(path, encoding="utf-8") as file,
                ):
                    reads.visit(ast.parse(file.read()))
        return reads.loads.keys() & self.before.keys()

    def _only_writes(self) -> bool:
        """Say whether texts name what is bound anew: `globals()["x"] = 1`, `exec("x = 1")`."""
        return not words_in(self.facts.texts).isdisjoint(self.facts.now.keys() - self.before.keys())
