"""The house rules that a machine can hold: imports go down, files and functions stay small."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlops_nb

ROOT = Path(mlops_nb.__file__).parent
FILES = sorted(p for p in ROOT.rglob("*.py") if "labextension" not in p.parts)
# lowest first; what shares a floor knows nothing of its neighbours
FLOORS = (
    {"noun"},
    {"errors", "model", "probe", "warm"},
    {"events"},
    {"ports", "settings", "files", "secrets"},
    {"notebook"},
    {"record"},
    {"bundle"},
    {"stores", "executors", "listeners", "pools", "sensors"},
    {"verbs"},
    {"wiring"},
    {"project"},
    {"faces"},
)
RANKS = {name: rank for rank, floor in enumerate(FLOORS) for name in floor}
DOORS = {"__init__", "__main__"}  # what Python, IPython and Jupyter call: they open the faces
DATABASES = ("psycopg", "sqlalchemy")
HEAVY = ("mlflow", "pandas", "pandera", "sklearn", "papermill", "IPython", "numpy", *DATABASES)
DRIVERS = {"sqlite3": {"stores/sqlite.py"}, "psycopg": {"stores/postgres.py"}, "sqlalchemy": set()}
LONGEST_FILE, LONGEST_FUNCTION = 400, 40
LONG = {
    "bundle/documents.py:review": "a page, line by line",
    "bundle/script.py:_head": "the generated module's head, line by line",
    "bundle/script.py:_tail": "the generated module's end, line by line",
    "notebook/render.py:as_json": "what `graph --json` prints, field by field",
}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parts_of(path: Path) -> tuple[str, ...]:
    """Return a file's module path below the package: ("verbs", "promote", "proof")."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts


MODULES = {parts_of(path) for path in FILES}


def unit(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return what may import itself freely: a floor's folder or file, or one verb."""
    return parts[:2] if parts[0] == "verbs" else parts[:1]


def imported(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    """Yield the modules of this package that a file imports, its functions' imports included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("mlops_nb."):
                    yield tuple(alias.name.split(".")[1:])
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                continue  # only what runs in other interpreters has them, within its own folder
            names = (node.module or "").split(".")
            if names[0] == "mlops_nb":
                for alias in node.names:
                    whole = (*names[1:], alias.name)
                    if whole in MODULES:
                        yield whole
                    elif names[1:]:
                        yield tuple(names[1:])


def objection(parts: tuple[str, ...], target: tuple[str, ...]) -> str:
    """Return why a module may not import another, "" where it may."""
    if unit(parts) == unit(target):
        return ""
    here, there = RANKS[parts[0]], RANKS[target[0]]
    if there < here:
        return ""
    return "it lies above" if there > here else "it lies beside"


def test_every_file_and_folder_has_a_floor():
    assert {parts_of(p)[0] for p in FILES} - DOORS == set(RANKS)


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_imports_only_go_down(path):
    parts = parts_of(path)
    if parts[0] in DOORS:
        return
    found = {t: objection(parts, t) for t in imported(ast.parse(path.read_text("utf-8")))}
    assert {".".join(t): why for t, why in found.items() if why} == {}


def test_only_what_runs_in_other_interpreters_imports_relatively():
    for path in FILES:
        tree = ast.parse(path.read_text("utf-8"))
        relative_ones = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level]
        assert not relative_ones or parts_of(path)[0] in {"probe", "warm"}, relative(path)


def test_the_walk_sees_imports_inside_functions():
    text = "def f():\n    from mlops_nb.faces import widgets\n    import mlops_nb.project\n"
    assert set(imported(ast.parse(text))) == {("faces", "widgets"), ("project",)}
    assert objection(("project",), ("faces", "widgets")) == "it lies above"
    assert objection(("stores", "local"), ("executors", "kernel")) == "it lies beside"
    assert objection(("verbs", "run"), ("verbs", "judge")) == "it lies beside"
    assert objection(("verbs", "promote", "prove"), ("verbs", "promote", "proof")) == ""


def test_a_driver_of_a_database_is_imported_by_one_file():
    found = {driver: set() for driver in DRIVERS}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for driver in {name.split(".")[0] for name in names} & set(DRIVERS):
                found[driver].add(relative(path))
    assert found == DRIVERS


def test_a_face_calls_the_project_alone():
    floors = {"bundle", "stores", "executors", "listeners", "sensors", "verbs", "wiring"}
    for path in FILES:
        if parts_of(path)[0] == "faces":
            used = {t[0] for t in imported(ast.parse(path.read_text("utf-8")))}
            assert used.isdisjoint(floors), relative(path)


def test_the_package_opens_its_doors_only_when_asked():
    for node in ast.parse((ROOT / "__init__.py").read_text("utf-8")).body:
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            assert list(imported(node)) == [] or isinstance(node, ast.FunctionDef)


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_a_file_begins_with_a_sentence_and_stays_short(path):
    text = path.read_text("utf-8")
    lines = text.splitlines()
    assert re.match(r'r?"""\S.*[.:,;\w]', lines[0]), "the first line is no docstring"
    first = (ast.get_docstring(ast.parse(text)) or "").split("\n\n")[0]
    assert first.rstrip().endswith((".", ":")), "the first sentence has no end"
    assert len(lines) < LONGEST_FILE


def lengths(path: Path) -> dict[str, int]:
    """Return the lines of a file's functions, docstrings left out."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            text = node.body[0] if ast.get_docstring(node) else None
            said = text.end_lineno - text.lineno + 1 if text else 0
            length = node.end_lineno - node.lineno + 1 - said
            found[f"{relative(path)}:{node.name}"] = length
    return found


def test_functions_stay_short_and_the_long_ones_are_listed():
    everything = {name: size for path in FILES for name, size in lengths(path).items()}
    assert {n for n, size in everything.items() if size >= LONGEST_FUNCTION} == set(LONG)


@pytest.mark.parametrize("statement", ["import mlops_nb", "import mlops_nb.project"])
def test_importing_loads_nothing_heavy(statement):
    code = f"{statement}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("COV_", "COVERAGE"))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean
    )
    assert set(HEAVY) & set(json.loads(done.stdout)) == set()


def test_only_faces_print():
    for path in FILES:
        if parts_of(path)[0] == "faces":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            assert not (isinstance(called, ast.Name) and called.id == "print"), (
                f"{relative(path)}:{node.lineno}"
            )


def test_whoever_catches_everything_says_why_or_raises_again():
    for path in FILES:
        text = path.read_text("utf-8")
        lines = text.splitlines()
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = "everything" if node.type is None else ast.unparse(node.type)
            if caught not in {"everything", "Exception", "BaseException"}:
                continue
            again = any(isinstance(n, ast.Raise) and n.exc is None for n in ast.walk(node))
            reason = re.search(r"# noqa: BLE001  \S+", lines[node.lineno - 1])
            assert again or reason, f"{relative(path)}:{node.lineno}"


def test_the_pure_floors_ask_neither_clock_nor_disk_nor_environment():
    banned = re.compile(
        r"\b(?:open|input)\(|\bos\.|\btime\.(?:time|monotonic|sleep)\(|datetime\.now\(|\bPath\(|"
        r"\bsubprocess\b|\brandom\.|\buuid\b"
    )
    for path in FILES:
        floor, text = parts_of(path)[0], path.read_text("utf-8")
        if floor not in {"model", "events", "notebook", "record"}:
            continue
        tree = ast.parse(text)
        calls = [ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Call)]
        assert [c for c in calls if banned.match(c)] == [], relative(path)
