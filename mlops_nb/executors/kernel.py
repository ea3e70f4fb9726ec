"""A papermill engine that tells the truth about dead kernels and lets others watch each cell."""

import json
import time
from pathlib import Path
from typing import Any, Protocol

from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine
from papermill.exceptions import PapermillException
from papermill.log import logger

PROBE = Path(__file__).parent.parent / "probe" / "__init__.py"
BOOT = """
import importlib, importlib.util, sys
if "_mlops_probe" not in sys.modules:
    spec = importlib.util.spec_from_file_location("_mlops_probe", {path!r})
    sys.modules["_mlops_probe"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
importlib.import_module("_mlops_probe.{part}")
"""


class Stopped(PapermillException):  # type: ignore[misc]
    """The watcher stopped the run: its data did not fit, or it was asked to."""


class Watcher(Protocol):
    """Sees each code cell go by. `index` counts the code cells of the source notebook."""

    def kernel_ready(self, client: "Client") -> None:
        """The kernel is up; nothing has run."""
        ...

    def stands(self, index: int, cell: Any) -> bool:
        """Say whether a cell need not run; its outputs are put in place then."""
        ...

    def cell_started(self, client: "Client", index: int) -> None:
        """A cell is about to run."""
        ...

    def cell_ended(self, client: "Client", index: int, seconds: float) -> None:
        """A cell ran to its end. Raises Stopped to end the run here."""
        ...

    def cell_failed(
        self, client: "Client", index: int, seconds: float, error: str, traceback: str
    ) -> bool:
        """A cell raised, timed out, or its kernel died. Returns whether to go on all the same."""
        ...

    def notebook_ended(self, client: "Client") -> None:
        """Every cell ran."""
        ...


class Client(PapermillNotebookClient):  # type: ignore[misc]
    """Executes cells one by one; after a dead kernel the notebook says so."""

    def __init__(self, nb_man: Any, *, watcher: Watcher | None = None, python: str = "",
                 **options: Any) -> None:  # fmt: skip
        super().__init__(nb_man, **options)
        self.watcher = watcher
        self.python = python
        self.dead = False

    def create_kernel_manager(self) -> Any:
        """Return a kernel manager; its kernel runs under `python` where one is given."""
        manager = super().create_kernel_manager()
        if self.python:
            manager.kernel_spec.argv = [self.python, *manager.kernel_spec.argv[1:]]
        return manager

    def execute(self, **options: Any) -> Any:
        """Start a kernel, run every cell, and return the notebook, however it ended."""
        self.reset_execution_trackers()
        with self.setup_kernel(**options):
            self.papermill_execute_cells()
            if not self.dead:
                info = self.wait_for_reply(self.kc.kernel_info())
                self.nb.metadata["language_info"] = info["content"]["language_info"]
                self.set_widgets_metadata()
        return self.nb

    def papermill_execute_cells(self) -> None:
        """Run every cell; end at the first that fails."""
        if self.watcher is not None:
            self.watcher.kernel_ready(self)
        index = -1
        for place, cell in enumerate(self.nb.cells):
            counted = cell.cell_type == "code" and not _injected(cell)
            index += counted
            if not self._run(place, index if counted else None):
                return
        if self.watcher is not None:
            self.watcher.notebook_ended(self)

    def _run(self, place: int, index: int | None) -> bool:
        cell = self.nb.cells[place]
        began = time.monotonic()
        watcher = self.watcher if index is not None else None
        if watcher is not None and index is not None:
            if watcher.stands(index, cell):
                return True
            watcher.cell_started(self, index)
        try:
            self.nb_man.cell_start(cell, place)
            self.execute_cell(cell, place)
            if watcher is not None and index is not None:
                watcher.cell_ended(self, index, time.monotonic() - began)
        except (CellExecutionError, DeadKernelError, CellTimeoutError, Stopped) as error:
            said, trace = self._mark_failed(place, error)
            spent = time.monotonic() - began
            place_of_it = -1 if index is None else index
            return self.watcher is not None and self.watcher.cell_failed(
                self, place_of_it, spent, said, trace
            )
        finally:
            self.nb_man.cell_complete(self.nb.cells[place], cell_index=place)
        return True

    def _mark_failed(self, place: int, error: Exception) -> tuple[str, str]:
        cell = self.nb.cells[place]
        self.nb_man.cell_exception(cell, cell_index=place, exception=error)
        if isinstance(error, CellExecutionError):
            return f"{error.ename}: {error.evalue}".strip(": "), str(error.traceback)
        if isinstance(error, Stopped):
            name, said = "Stopped", str(error)
        elif isinstance(error, DeadKernelError):
            self.dead = True
            name, said = "DeadKernelError", f"the kernel died{self._how()} while this cell ran"
        else:
            name, said = "CellTimeoutError", str(error).splitlines()[0]
        cell.outputs.append(new_output("error", ename=name, evalue=said, traceback=[said]))
        return f"{name}: {said}", said

    def _how(self) -> str:
        """Tell how the kernel's process ended, where its exit code is known."""
        provisioner = getattr(self.km, "provisioner", None)
        code = getattr(getattr(provisioner, "process", None), "returncode", None)
        if code is None:
            return ""
        return f" (killed by signal {-code})" if code < 0 else f" (exit status {code})"

    def ask(self, question: str, **request: Any) -> dict[str, Any]:
        """Put a question, such as "look.measure", to the probe in the kernel; return its answer.

        Raises DeadKernelError where the kernel dies meanwhile, Stopped where the probe fails.
        """
        part, _, function = question.partition(".")
        boot = BOOT.format(path=str(PROBE), part=part)
        asked = json.dumps(request)
        call = f"__import__('sys').modules['_mlops_probe.{part}'].{function}({asked!r})"
        expressions = {"boot": f"exec({boot!r}, {{}})", "answer": call}
        message = self.kc.execute("", silent=True, user_expressions=expressions)
        reply = self.wait_for_reply(message)
        if reply is None:
            raise DeadKernelError("no reply")
        answer = reply["content"].get("user_expressions", {}).get("answer", {})
        if answer.get("status") != "ok":
            said = answer.get("evalue") or reply["content"].get("evalue") or "no answer"
            raise Stopped(f"the values could not be looked at: {said}")
        text = answer["data"]["text/plain"]
        found: dict[str, Any] = json.loads(_unquoted(text))
        return found


def _unquoted(text: str) -> str:
    import ast

    return str(ast.literal_eval(text))


def _injected(cell: NotebookNode) -> bool:
    return "injected-parameters" in cell.metadata.get("tags", [])


class KernelEngine(NBClientEngine):  # type: ignore[misc]
    """Hands a notebook to `Client`."""

    @classmethod
    def execute_managed_notebook(  # noqa: PLR0913  papermill's own signature
        cls,
        nb_man: Any,
        kernel_name: str,
        log_output: bool = False,  # noqa: FBT001, FBT002
        stdout_file: Any = None,
        stderr_file: Any = None,
        start_timeout: int = 60,
        execution_timeout: int | None = None,
        *,
        watcher: Watcher | None = None,
        python: str = "",
        folder: str = "",
        environment: dict[str, str] | None = None,
        **_: Any,
    ) -> Any:
        """Execute a notebook in a new kernel.

        Outside papermill's own options:

        watcher:     sees each cell go by
        python:      the interpreter to run the kernel under
        folder:      the kernel's working folder
        environment: the kernel's environment variables
        """
        client = Client(
            nb_man,
            watcher=watcher,
            python=python,
            kernel_name=kernel_name,
            timeout=execution_timeout,
            startup_timeout=start_timeout,
            log=logger,
            log_output=log_output,
            stdout_file=stdout_file,
            stderr_file=stderr_file,
            extra_arguments=["--IPKernelApp.log_level=50"],  # its chatter is no output of a cell
        )
        if folder:
            client.resources["metadata"] = {"path": folder}
        return client.execute(**({"env": environment} if environment is not None else {}))
