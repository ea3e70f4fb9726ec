"""Rules of the house that a linter does not hold: sizes, heavy imports, printing."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mlops_nb

ROOT = Path(mlops_nb.__file__).parent
FILES = sorted(p for p in ROOT.rglob("*.py") if "labextension" not in p.parts)
TREES = {p.relative_to(ROOT).as_posix(): ast.parse(p.read_text("utf-8")) for p in FILES}
DATABASES = {"sqlite3": "storage/sqlite.py", "psycopg": "storage/postgres.py", "sqlalchemy": ""}
HEAVY = {"mlflow", "pandas", "pandera", "sklearn", "papermill", "IPython", "numpy", *DATABASES}
DOORS = ("__main__.py", "cli/", "demo/", "jupyter/")
LONGEST_FILE = 400


def test_no_file_is_longer_than_a_sitting():
    long = {
        name: len(p.read_text("utf-8").splitlines()) for name, p in zip(TREES, FILES, strict=True)
    }
    assert {name: lines for name, lines in long.items() if lines > LONGEST_FILE} == {}


@pytest.mark.parametrize("statement", ["import mlops_nb", "import mlops_nb.project"])
def test_importing_loads_nothing_heavy(statement):
    code = f"{statement}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("COV_", "COVERAGE"))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean
    )
    assert HEAVY & set(json.loads(done.stdout)) == set()


def test_only_doors_print():
    found = [
        f"{name}:{node.lineno}"
        for name, tree in TREES.items()
        if not name.startswith(DOORS)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert found == []
