"""Walks through a notebook's cells and lets a watcher see each one go by, whatever runs them."""

import time
from collections.abc import Mapping
from typing import Any, Protocol

from mlops_nb.notebook.cells import is_injected


class CellError(Exception):
    """A cell did not run to its end.

    ename, evalue: what was raised, or what happened to its process
    traceback:     the same at length
    shown:         the notebook shows it already
    """

    def __init__(self, ename: str, evalue: str, traceback: str = "", *, shown: bool = True) -> None:
        self.ename, self.evalue, self.shown = ename, evalue, shown
        self.said = f"{ename}: {evalue}".strip(": ")
        self.traceback = traceback or self.said
        super().__init__(self.said)


class Stopped(CellError):
    """The watcher stopped the run: its data did not fit, or it was asked to."""

    def __init__(self, why: str) -> None:
        super().__init__("Stopped", why, why, shown=False)


class Died(CellError):
    """The process that ran the cells ended."""

    def __init__(self, why: str) -> None:
        super().__init__("DeadKernelError", why, why, shown=False)


class Client(Protocol):
    """What a watcher may ask of whatever runs the cells.

    follow: a question that a watcher asks after every cell: it may be put together with the cell
    """

    nb: Any
    dead: bool
    follow: str

    def nodes(self, outputs: list[Any]) -> list[Any]:
        """Return outputs as the notebook holds them."""
        ...

    def ask(self, question: str, **request: Any) -> dict[str, Any]:
        """Put a question, such as "inspect.values.measure", to the probe; return its answer.

        Raises Died where the process dies meanwhile, Stopped where the probe fails.
        """
        ...


class Watcher(Protocol):
    """Sees each code cell go by. `index` counts the code cells of the source notebook."""

    def kernel_ready(self, client: Client) -> None:
        """The process is up; nothing has run."""
        ...

    def stands(self, index: int, cell: Any) -> bool:
        """Say whether a cell need not run; its outputs are put in place then."""
        ...

    def cell_started(self, client: Client, index: int) -> None:
        """A cell is about to run."""
        ...

    def cell_ended(self, client: Client, index: int, seconds: float) -> None:
        """A cell ran to its end. Raises Stopped to end the run here."""
        ...

    def cell_failed(
        self, client: Client, index: int, seconds: float, error: str, traceback: str
    ) -> bool:
        """A cell raised, timed out, or its process died. Returns whether to go on all the same."""
        ...

    def notebook_ended(self, client: Client) -> None:
        """Every cell ran."""
        ...


class Walker:
    """Runs cells one by one, by `run_cell`; after a dead process the notebook says so.

    nb:      the notebook, whose cells are filled in
    nb_man:  notes when cells start and end, as papermill's manager does
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
            if watcher.stands(index, cell):
                return True
            watcher.cell_started(client, index)
        try:
            self.nb_man.cell_start(cell, place)
            self.run_cell(cell, place)
            if watcher is not None and index is not None:
                watcher.cell_ended(client, index, time.monotonic() - began)
        except CellError as error:
            self._mark_failed(place, error)
            spent = time.monotonic() - began
            failed = -1 if index is None else index
            return self.watcher is not None and self.watcher.cell_failed(
                client, failed, spent, error.said, error.traceback
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
        """Return outputs as the notebook holds them."""
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
    """Say whether a cell is not run at all: it is no code, empty, or tagged so."""
    tags = cell["metadata"].get("tags", [])
    return cell["cell_type"] != "code" or not cell["source"].strip() or "skip-execution" in tags


def how(code: int | None) -> str:
    """Say how a process ended, "" where that is not known."""
    if code is None:
        return ""
    return f" (killed by signal {-code})" if code < 0 else f" (exit status {code})"
