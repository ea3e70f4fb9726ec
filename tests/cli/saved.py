"""A project that is made once, and put back to what it was before each test that uses it."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
import psutil
from nbformat.v4 import new_code_cell, new_notebook
from typing_in import Terminal

PATIENCE = 60.0  # s


def project(parent: Path, name: str) -> Terminal:
    """Return a terminal in a new project."""
    (parent / name / ".git").mkdir(parents=True)
    return Terminal(parent / name)


def notebook(folder: Path, cells: Sequence[str]) -> None:
    """Write the code cells as n.ipynb; the second one holds the parameters."""
    book = new_notebook(cells=[new_code_cell(text) for text in cells])
    book.cells[1].metadata["tags"] = ["parameters"]
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, folder / "n.ipynb")


def working_in(folder: Path) -> Iterator[psutil.Process]:
    """Yield the processes that work in a folder or below it, but for the tests' own."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and Path(process.cwd()).is_relative_to(folder):
                yield process


class Saved:
    """The state of a project's folder, taken when nothing works in it any more.

    The project stays where it is: its MLflow holds absolute paths.

    state: what to call this state, where a project has more than one
    """

    def __init__(self, terminal: Terminal, state: str = "saved") -> None:
        self.terminal = terminal
        self.copy = terminal.folder.with_name(f"{terminal.folder.name}-{state}")
        end = time.monotonic() + PATIENCE
        while any(working_in(terminal.folder)):  # MLflow is synced in the background
            assert time.monotonic() < end, list(working_in(terminal.folder))
            time.sleep(0.05)
        shutil.copytree(terminal.folder, self.copy, symlinks=True)

    def put_back(self) -> Terminal:
        """End what works in the project, and make its files what they were."""
        for process in working_in(self.terminal.folder):
            with contextlib.suppress(psutil.Error):
                process.kill()
                process.wait(PATIENCE)
        for path in self.terminal.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        shutil.copytree(self.copy, self.terminal.folder, symlinks=True, dirs_exist_ok=True)
        return self.terminal
