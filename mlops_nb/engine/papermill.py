"""Executes a notebook in a clean kernel through papermill."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mlops_nb.engine.background import Background, unwritable
from mlops_nb.engine.kernel import KernelEngine
from mlops_nb.engine.recorder import Recorder
from mlops_nb.engine.task import Task
from mlops_nb.errors import NotebookError, RunFailed, Unreachable
from mlops_nb.notebook import document

ENGINE = "mlops-nb-kernel"


class Papermill(Background):
    """Runs a task in a clean kernel, through papermill.

    environment: the environment variables of kernels
    forked:      make the kernel a fork of a warm process if possible
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        store: Callable[[Path], str] = str,
        *,
        forked: bool = False,
    ) -> None:
        super().__init__(store)
        self.environment, self.forked = environment, forked

    def _execute(self, task: Task, watch: Recorder) -> None:
        import logging

        import nbformat
        from papermill import execute_notebook
        from papermill.engines import papermill_engines

        logging.getLogger("papermill").setLevel(logging.CRITICAL)
        logging.getLogger("traitlets").setLevel(logging.CRITICAL)
        papermill_engines.register(ENGINE, KernelEngine)
        node = nbformat.from_dict(document.ready(task.document))
        watch.notebook = node
        try:
            with _readable_errors(task, watch):
                execute_notebook(
                    node,
                    None,
                    dict(task.parameters),
                    engine_name=ENGINE,
                    progress_bar=False,
                    watcher=watch,
                    python=task.interpreter,
                    folder=str(task.folder),
                    environment={**self.environment, **task.environment},
                    forked=self.forked,
                    execution_timeout=task.limits.cell_timeout,
                )
        finally:
            _close_loop()
            try:
                watch.save()
            except OSError as error:
                raise unwritable(task.output, error) from None


@contextlib.contextmanager
def _readable_errors(task: Task, watch: Recorder) -> Iterator[None]:
    """Turn exceptions of papermill and Jupyter into errors with a fix."""
    from jupyter_client.kernelspec import NoSuchKernel
    from papermill.exceptions import PapermillExecutionError

    try:
        yield
    except PapermillExecutionError as error:
        if not watch.failed and not watch.ended:  # a cell may be tagged `raises-exception`
            raise RunFailed(f"{error.ename}: {error.evalue}", fix="see the notebook") from None
    except NoSuchKernel as error:
        raise NotebookError(
            f"there is no kernel {error.name!r} on this machine",
            fix="run it in one of `jupyter kernelspec list`: -k KERNEL, or install this one",
        ) from None
    except OSError as error:
        raise unwritable(task.output, error) from None
    except RuntimeError as error:
        raise Unreachable(
            f"the kernel did not start: {error}", fix="run the kernel by hand: jupyter console"
        ) from None


def _close_loop() -> None:
    """Close the event loop that nbclient made for this thread."""
    from jupyter_core.utils import ensure_event_loop

    loop = ensure_event_loop()
    if not loop.is_running():
        loop.close()
