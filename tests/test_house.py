"""Rules of the house that no linter holds: sizes, names, heavy imports, printing."""

import ast
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlops_nb

ROOT = Path(mlops_nb.__file__).parent
FILES = sorted(p for p in ROOT.rglob("*.py") if "labextension" not in p.parts)
TEXTS = {p.relative_to(ROOT).as_posix(): p.read_text("utf-8") for p in FILES}
TREES = {name: ast.parse(text) for name, text in TEXTS.items()}
HEAVY = {"mlflow", "pandas", "pandera", "sklearn", "papermill", "IPython", "numpy"}
DATABASES = {"sqlite3", "psycopg", "sqlalchemy"}
DOORS = ("__main__.py", "cli/", "demo/", "jupyter/")


def nodes(kind: type | tuple[type, ...]) -> Iterator[tuple[str, ast.AST]]:
    """Yield the nodes of some kinds, each with its file."""
    for name, tree in TREES.items():
        yield from ((name, node) for node in ast.walk(tree) if isinstance(node, kind))


def length(function: ast.AST) -> int:
    """Return the lines of a function without its docstring."""
    first = function.body[0]
    text = 0 if ast.get_docstring(function) is None else first.end_lineno - first.lineno + 1
    return function.end_lineno - function.lineno + 1 - text


def test_files_functions_and_folders_stay_small():
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert [name for name, text in TEXTS.items() if len(text.splitlines()) > 400] == []
    assert [f"{f}:{n.name}" for f, n in nodes(functions) if length(n) > 40] == []
    assert [d for d, n in Counter(p.parent for p in FILES).items() if n > 24] == []


def test_the_formatter_has_the_last_word():
    assert [name for name, text in TEXTS.items() if "# fmt: " in text] == []


def test_no_class_name_is_used_twice():
    names = Counter(node.name for _, node in nodes(ast.ClassDef))
    assert [name for name, times in names.items() if times > 1] == []


def test_only_doors_print():
    calls = ((f, n.lineno) for f, n in nodes(ast.Call) if getattr(n.func, "id", "") == "print")
    assert [place for place in calls if not place[0].startswith(DOORS)] == []


@pytest.mark.parametrize("module", ["mlops_nb", "mlops_nb.project"])
def test_importing_loads_nothing_heavy(module):
    code = f"import {module}, sys, json; print(json.dumps(sorted(sys.modules)))"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("COV_", "COVERAGE"))}
    found = subprocess.check_output([sys.executable, "-c", code], text=True, env=clean)
    assert (HEAVY | DATABASES) & set(json.loads(found)) == set()
