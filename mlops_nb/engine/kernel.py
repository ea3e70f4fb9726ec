"""A papermill engine that reports dead kernels and notifies a watcher of each cell."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import from_dict
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine
from papermill.log import logger

from mlops_nb.engine.runner import PARENT_GONE, CellError, Died, Stopped, Walker, Watcher, how
from mlops_nb.engine.warm.executor import preload_of

PROBE = Path(__file__).parent.parent / "probe" / "__init__.py"
BOOT = """
import importlib, importlib.util, sys
if "_mlops_probe" not in sys.modules:
    spec = importlib.util.spec_from_file_location("_mlops_probe", {path!r})
    sys.modules["_mlops_probe"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
importlib.import_module("_mlops_probe.{part}")
"""
# a kernel's threads may find each other's sockets closed at shutdown, which is harmless
QUIET = "__import__('logging').getLogger('tornado.general').setLevel('CRITICAL')"


LONGEST = 100  # characters: the path of a socket may have 107, and the kernel adds its number


class KernelClient(Walker, PapermillNotebookClient):  # type: ignore[misc]
    """Executes cells one by one in a kernel, and notes a dead kernel in the notebook.

    sockets: a private folder for the kernel's sockets; without one it listens on TCP ports, which
             another process may take between their choice and their use
    """

    def __init__(
        self,
        nb_man: Any,
        *,
        watcher: Watcher | None = None,
        python: str = "",
        forked: bool = False,
        sockets: str = "",
        **options: Any,
    ) -> None:
        super().__init__(nb_man, **options)
        self.watcher = watcher
        self.python, self.forked = python, forked
        self.sockets = sockets if len(sockets) < LONGEST - len("/kernel-ipc-1") else ""

    def create_kernel_manager(self) -> Any:
        """Return a kernel manager; its kernel runs with `python` if that is given."""
        manager = super().create_kernel_manager()
        if self.sockets and manager.kernel_spec.language == "python":
            manager.transport = "ipc"
            manager.connection_file = f"{self.sockets}/kernel.json"
        if self.python:
            manager.kernel_spec.argv = [self.python, *manager.kernel_spec.argv[1:]]
        if self.forked:
            ready = preload_of(self.nb, os.getcwd())
            config = {
                "modules": list(ready.modules),
                "variables": dict(ready.variables),
                "folder": ready.folder,
            }
            manager.kernel_spec.metadata["kernel_provisioner"] = {
                "provisioner_name": "mlops-nb-warm",
                "config": config,
            }
        return manager

    def execute(self, **options: Any) -> Any:
        """Start a kernel, run every cell, and return the notebook, however it ended."""
        self.reset_execution_trackers()
        with self.setup_kernel(**options):
            self.walk()
            if not self.dead:
                if self.km.kernel_spec.language == "python":
                    self.kc.execute(QUIET, silent=True, store_history=False)
                info = self.wait_for_reply(self.kc.kernel_info())
                self.nb.metadata["language_info"] = info["content"]["language_info"]
                self.set_widgets_metadata()
        return self.nb

    def run_cell(self, cell: Any, place: int) -> None:
        """Run one cell in the kernel. Raises CellError."""
        try:
            self.execute_cell(cell, place)
        except CellExecutionError as error:
            raise CellError(error.ename, error.evalue, str(error.traceback)) from None
        except DeadKernelError:
            raise Died(f"{self._death()} while this cell ran") from None
        except CellTimeoutError as error:
            self.dead = True  # it was shut down
            what = str(error).splitlines()[0]
            raise CellError("CellTimeoutError", what, what, shown=False) from None

    def nodes(self, outputs: list[Any]) -> list[Any]:
        """Return outputs in the form of the notebook."""
        return [from_dict(output) for output in outputs]

    def _death(self) -> str:
        """Return how the kernel's process ended, as far as that is known."""
        process = getattr(getattr(self.km, "provisioner", None), "process", None)
        code = getattr(process, "returncode", None)
        if getattr(process, "parent_is_gone", False):
            return f"{PARENT_GONE}, and the kernel with it"
        return f"the kernel died{how(code)}"

    def ask(self, question: str, **request: Any) -> dict[str, Any]:
        """Ask the probe in the kernel, as in "inspect.values.measure"; return its answer.

        Raises Died if the kernel dies meanwhile, Stopped if the probe fails.
        """
        part, _, function = question.rpartition(".")
        boot = BOOT.format(path=str(PROBE), part=part)
        argument = json.dumps(request)
        call = f"__import__('sys').modules['_mlops_probe.{part}'].{function}({argument!r})"
        expressions = {"boot": f"exec({boot!r}, {{}})", "answer": call}
        message = self.kc.execute("", silent=True, user_expressions=expressions)
        try:
            reply = self.wait_for_reply(message)
        except DeadKernelError:
            reply = None
        if reply is None:
            raise Died(self._death())
        answer = reply["content"].get("user_expressions", {}).get("answer", {})
        if answer.get("status") != "ok":
            why = answer.get("evalue") or reply["content"].get("evalue") or "no answer"
            raise Stopped(f"the values could not be read: {why}")
        text = answer["data"]["text/plain"]
        found: dict[str, Any] = json.loads(_unquoted(text))
        return found


def _unquoted(text: str) -> str:
    import ast

    return str(ast.literal_eval(text))


class KernelEngine(NBClientEngine):  # type: ignore[misc]
    """Passes a notebook to `KernelClient`."""

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
        forked: bool = False,
        **_: Any,
    ) -> Any:
        """Execute a notebook in a new kernel.

        Outside papermill's own options:

        watcher:     is notified of each cell
        python:      the interpreter to run the kernel under
        folder:      the kernel's working folder
        environment: the kernel's environment variables
        forked:      make the kernel a fork of a warm process if possible
        """
        with tempfile.TemporaryDirectory(prefix="mlops-nb-", ignore_cleanup_errors=True) as sockets:
            client = KernelClient(
                nb_man,
                watcher=watcher,
                python=python,
                forked=forked,
                sockets=sockets,
                kernel_name=kernel_name,
                timeout=execution_timeout,
                startup_timeout=start_timeout,
                log=logger,
                log_output=log_output,
                stdout_file=stdout_file,
                stderr_file=stderr_file,
                extra_arguments=["--IPKernelApp.log_level=50"],  # its log is no output of a cell
            )
            if folder:
                client.resources["metadata"] = {"path": folder}
            return client.execute(**({"env": environment} if environment is not None else {}))
