"""Runs the cells of a notebook in order and notifies a watcher, for every engine."""

import time
from collections.abc import Mapping
from typing import Any, Protocol

from mlops_nb.notebook.cells import is_injected


class CellError(Exception):
    """A cell failed.

    ename, evalue: the exception, or what happened to the process
    traceback:     its traceback
    shown:         the notebook shows it already
    """

    def __init__(self, ename: str, evalue: str, traceback: str = "", *, shown: bool = True) -> None:
        self.ename, self.evalue, self.shown = ename, evalue, shown
        self.message = f"{ename}: {evalue}".strip(": ")
        self.traceback = traceback or self.message
        super().__init__(self.message)

    @property
    def ends_well(self) -> bool:
        """Return whether the cell ended the notebook on purpose: `sys.exit(0)`."""
        return self.ename == "SystemExit" and self.evalue in {"", "0", "None"}


class Stopped(CellError):
    """The watcher stopped the run."""

    def __init__(self, why: str) -> None:
        super().__init__("Stopped", why, why, shown=False)


PARENT_GONE = "the warm parent was killed"


class Died(CellError):
    """The process that ran the cells ended."""

    def __init__(self, why: str) -> None:
        super().__init__("DeadKernelError", why, why, shown=False)


class Client(Protocol):
    """The methods of an engine that a watcher calls.

    follow: a question that follows every cell, which may be sent together with the cell
    """

    nb: Any
    dead: bool
    follow: str

    def nodes(self, outputs: list[Any]) -> list[Any]:
        """Return outputs in the form of the notebook."""
        ...

    def ask(self, question: str, **request: Any) -> dict[str, Any]:
        """Ask the probe, as in "inspect.values.measure", and return its answer.

        Raises Died if the process dies meanwhile, Stopped if the probe fails.
        """
        ...


class Watcher(Protocol):
    """Is notified of each code cell. `index` counts the code cells of the source notebook."""

    def kernel_ready(self, client: Client) -> None:
        """Handle the start of the process, before any cell."""
        ...

    def reuses(self, index: int, cell: Any) -> bool:
        """Return whether a cell is reused; if so, fill its outputs in."""
        ...

    def cell_started(self, client: Client, index: int) -> None:
        """Handle the start of a cell."""
        ...

    def cell_ended(self, client: Client, index: int, seconds: float) -> None:
        """Handle the end of a cell. Raises Stopped to end the run."""
        ...

    def cell_failed(
        self, client: Client, index: int, seconds: float, error: str, traceback: str
    ) -> bool:
        """Handle a failed cell; return whether to run the following ones."""
        ...

    def notebook_ended(self, client: Client) -> None:
        """Handle the end of the notebook."""
        ...


class Walker:
    """Runs cells one by one, by `run_cell`; a dead process is noted in the notebook.

    nb:      the notebook, whose outputs are filled in
    nb_man:  records when cells start and end, as papermill's manager does
    """

    nb: Any
    nb_man: Any
    watcher: Watcher | None = None
    dead = False
    follow = ""

    def run_cell(self, cell: Any, place: int) -> None:
        """Run one cell. Raises CellError."""
        raise NotImplementedError

    def walk(self) -> None:
        """Run every cell; end at the first that fails."""
        if self.watcher is not None:
            self.watcher.kernel_ready(self)  # type: ignore[arg-type]
        index = -1
        for place, cell in enumerate(self.nb["cells"]):
            counted = cell["cell_type"] == "code" and not is_injected(cell)
            index += counted
            if not self._one(place, index if counted else None):
                return
        if self.watcher is not None:
            self.watcher.notebook_ended(self)  # type: ignore[arg-type]

    def _one(self, place: int, index: int | None) -> bool:
        cell = self.nb["cells"][place]
        began = time.monotonic()
        watcher = self.watcher if index is not None else None
        client: Any = self
        if watcher is not None and index is not None:
            if watcher.reuses(index, cell):
                return True
            watcher.cell_started(client, index)
        try:
            self.nb_man.cell_start(cell, place)
            self.run_cell(cell, place)
            if watcher is not None and index is not None:
                watcher.cell_ended(client, index, time.monotonic() - began)
        except CellError as error:
            if error.ends_well and watcher is not None and index is not None:
                watcher.cell_ended(client, index, time.monotonic() - began)
                watcher.notebook_ended(client)
                return False
            self._mark_failed(place, error)
            spent = time.monotonic() - began
            failed = -1 if index is None else index
            return self.watcher is not None and self.watcher.cell_failed(
                client, failed, spent, error.message, error.traceback
            )
        finally:
            self.nb_man.cell_complete(self.nb["cells"][place], cell_index=place)
        return True

    def _mark_failed(self, place: int, error: CellError) -> None:
        cell = self.nb["cells"][place]
        self.nb_man.cell_exception(cell, cell_index=place, exception=error)
        self.dead = self.dead or isinstance(error, Died)
        if not error.shown:
            cell["outputs"] += self.nodes([error_output(error)])

    def nodes(self, outputs: list[Any]) -> list[Any]:
        """Return outputs in the form of the notebook."""
        return outputs


def error_output(error: CellError) -> dict[str, Any]:
    """Return an error as an output of a cell."""
    return {
        "output_type": "error",
        "ename": error.ename,
        "evalue": error.evalue,
        "traceback": [error.traceback],
    }


def is_skipped(cell: Mapping[str, Any]) -> bool:
    """Return whether a cell is skipped: it contains no code, or a tag excludes it."""
    tags = cell["metadata"].get("tags", [])
    return cell["cell_type"] != "code" or not cell["source"].strip() or "skip-execution" in tags


def fix_of(error: str) -> str:
    """Return how to fix what ended the process of a cell, "" for an error of the cell itself.

    >>> fix_of("DeadKernelError: the kernel died (killed by signal 9) while this cell ran")[:16]
    'run it again: it'
    """
    if PARENT_GONE in error:
        return "run it again: a new warm parent takes over"
    if error.startswith("DeadKernelError: ") and "(killed by signal 9)" in error:
        return "run it again: its process was killed, by a user or for lack of memory"
    if error.startswith(("the run's time-out", "the run used more memory")):
        return "allow it more: --timeout S, --memory GIB"
    return ""


def how(code: int | None) -> str:
    """Return how a process ended, "" if that is not known."""
    if code is None:
        return ""
    return f" (killed by signal {-code})" if code < 0 else f" (exit status {code})"
