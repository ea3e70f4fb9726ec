"""Runs versions of a notebook with reuse and without, and compares everything that they show.

A run happens in a fork of the process that calls, with the real project, journal and ledger; only
the warm process and its socket are left out. So hundreds of runs take a minute.
"""

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from mlops_nb import files
from mlops_nb.engine.background import Background
from mlops_nb.engine.notebook_output import Outputs, Page
from mlops_nb.engine.runner import CellError, Walker
from mlops_nb.engine.task import Task
from mlops_nb.notebook import document
from mlops_nb.project import Rules, open_project

ADDRESS = re.compile(r"0x[0-9a-f]+")


class Printed:
    """Standard output or error of the cells."""

    encoding = "utf-8"

    def __init__(self, name: str, outputs: Outputs) -> None:
        self.name, self.outputs = name, outputs

    def write(self, text: str) -> int:
        self.outputs.text(self.name, text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: every text is written at once."""


class Inside(Walker):
    """Runs cells in a shell of this very process."""

    def __init__(self, nb: Any, page: Page, watcher: Any) -> None:
        from mlops_nb.engine.warm import shell

        self.nb, self.nb_man, self.watcher = nb, page, watcher
        self.outputs = Outputs()
        self.shell = shell.make()
        shell.Wire.say = staticmethod(self.outputs.message)
        sys.stdout, sys.stderr = (Printed(name, self.outputs) for name in ("stdout", "stderr"))

    def ask(self, question: str, **request: Any) -> dict[str, Any]:
        part, _, function = question.rpartition(".")
        module = __import__(f"_mlops_probe.{part}", fromlist=[function])
        answer: dict[str, Any] = json.loads(getattr(module, function)(json.dumps(request)))
        if "pid" in answer:
            answer["pid"] = 0  # a run that is stopped ends its kernel, which is this very process
        return answer

    def run_cell(self, cell: Any, _: int) -> None:
        self.outputs.begin(cell)
        result = self.shell.run_cell(cell["source"], store_history=True)
        self.outputs.settle()
        error = result.error_before_exec or result.error_in_exec
        if error is not None:
            raise CellError(type(error).__name__, str(error))


class Executor(Background):
    """Executes a task in this very process."""

    def _execute(self, task: Task, watch: Any) -> None:
        os.chdir(task.folder)
        nb = document.ready(task.document)
        document.inject(nb, task.parameters)
        page = Page(nb, task.source, str(task.output), save=watch.save)
        watch.notebook = nb
        try:
            Inside(nb, page, watch).walk()
        finally:
            page.complete()
            watch.save()


def preload() -> None:
    """Import what the runs need, before they are forked."""
    import faulthandler
    import importlib.util

    import numpy  # noqa: F401
    import pandas  # noqa: F401

    from mlops_nb.engine.warm import shell  # noqa: F401
    from mlops_nb.runs import run  # noqa: F401

    faulthandler.enable()
    path = Path(files.__file__).parent / "probe" / "__init__.py"
    spec = importlib.util.spec_from_file_location("_mlops_probe", path)
    sys.modules["_mlops_probe"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for part in ("observe.observer", "inspect.values", "values.groups", "values.random_state"):
        __import__(f"_mlops_probe.{part}")


def write(path: Path, cells: Iterable[str | Mapping[str, Any]]) -> None:
    """Write a notebook of cells: code, {"markdown"}, or {"code", "tags"}."""
    made = []
    for number, given in enumerate(cells):
        cell = {"code": given} if isinstance(given, str) else given
        if "markdown" in cell:
            made.append(new_markdown_cell(cell["markdown"], id=f"c{number}"))
        else:
            tags = {"tags": cell["tags"]} if cell.get("tags") else {}
            made.append(new_code_cell(cell["code"], metadata=tags, id=f"c{number}"))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=made, metadata={"kernelspec": kernel}), path)


def run(folder: Path, cells: Iterable[Any], parameters: Mapping[str, Any], *, fresh: bool) -> dict:
    """Run a notebook in a fork; return its {"status", "shown", "reused", "steps"}."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            found = _run(folder, cells, parameters, fresh=fresh)
            with os.fdopen(writing, "w") as pipe:
                json.dump(found, pipe)
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            raise
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    assert text, f"the run's process ended without a word: wait status {status}"
    found: dict = json.loads(text)
    return found


def _run(folder: Path, cells: Iterable[Any], parameters: Mapping[str, Any], *, fresh: bool) -> dict:
    write(folder / "n.ipynb", cells)
    os.environ["HOME"] = str(folder)
    project = open_project(folder)
    project.context.executor = Executor(project.context._keep)
    from mlops_nb.notebook import load
    from mlops_nb.runs import run as runs

    source = load.capture(folder / "n.ipynb")
    options = runs.RunOptions(rules=Rules(fresh=fresh))
    done = runs.run(project.context, source, parameters, options)
    statuses = [s["status"] for s in done.steps.values()]
    return {
        "status": done.status,
        "shown": shown(done.output),
        "reused": statuses.count("reused"),
        "steps": len(statuses),
    }


def shown(output: str) -> list[Any]:
    """Return what the cells of an executed notebook show."""
    return [_shown(cell) for cell in nbformat.read(output, 4).cells if _counts(cell)]


def _counts(cell: Any) -> bool:
    injected = "injected-parameters" in cell.metadata.get("tags", [])
    return cell.cell_type == "code" and not injected


def _shown(cell: Any) -> list[Any]:
    found = []
    for output in cell.outputs:
        text = output.get("text") or output.get("evalue") or json.dumps(output.get("data", {}))
        found.append([cell.source, ADDRESS.sub("0x", text)])
    return found


def place_files(folder: Path, found: Mapping[str, str | None]) -> None:
    """Write the files beside a notebook, and remove those whose text is None."""
    for name, text in found.items():
        if text is None:
            (folder / name).unlink(missing_ok=True)
        elif not (folder / name).exists() or (folder / name).read_text() != text:
            (folder / name).write_text(text)


def compare(versions: Iterable[tuple[Any, ...]]) -> dict:
    """Run every version with reuse in one project, and fresh in a new one; return what differs.

    versions: (cells, parameters), or (cells, parameters, files beside the notebook)

    Return {"wrong": [(version, reused run, fresh run)], "failed": fresh runs that failed, "reused",
    "steps"}, the last two of later versions.
    """
    found: dict = {"wrong": [], "failed": 0, "reused": 0, "steps": 0}
    with tempfile.TemporaryDirectory() as place:
        for number, (cells, parameters, *beside) in enumerate(versions):
            runs = []
            for name, fresh in (("kept", False), (f"new{number}", True)):
                folder = Path(place) / name
                (folder / ".git").mkdir(parents=True, exist_ok=True)
                place_files(folder, beside[0] if beside else {})
                runs.append(run(folder, cells, parameters, fresh=fresh))
            one, two = runs
            found["failed"] += two["status"] == "failed"
            if (one["status"], one["shown"]) != (two["status"], two["shown"]):
                found["wrong"].append((number, one, two))
            if number:
                found["reused"] += one["reused"]
                found["steps"] += one["steps"]
    return found


def main() -> None:
    """Compare the notebooks that standard input lists, each as its versions; print what differs."""
    preload()
    print(json.dumps([compare(versions) for versions in json.load(sys.stdin)]))


if __name__ == "__main__":
    main()
