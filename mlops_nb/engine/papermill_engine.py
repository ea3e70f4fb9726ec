"""Runs notebooks that papermill manages in a fork of a warm process."""

import os
from typing import Any

from nbformat import from_dict
from papermill.log import logger

from mlops_nb.engine import environments
from mlops_nb.engine.choose import unsafe_notebook
from mlops_nb.engine.kernel import KernelEngine
from mlops_nb.engine.runner import CellError
from mlops_nb.engine.warm.client import Unwarm, Wanted
from mlops_nb.engine.warm.executor import WarmClient, preload_of

# options that need a real kernel
KERNEL_OPTIONS = ("log_output", "stdout_file", "stderr_file", "kernel_manager_class")


class PapermillClient(WarmClient):
    """Keeps outputs in the form of papermill's notebooks."""

    look_every = 0.5  # s; papermill's manager decides when to save

    def run_cell(self, cell: Any, place: int) -> None:
        """Run one cell. Raises CellError."""
        try:
            super().run_cell(cell, place)
        finally:
            if cell["cell_type"] == "code":
                cell.outputs = self.nodes(cell["outputs"])

    def nodes(self, outputs: list[Any]) -> list[Any]:
        """Return outputs in the form of the notebook."""
        return [from_dict(output) for output in outputs]


class WarmPapermillEngine(KernelEngine):
    """The papermill engine `mlops-nb`: a warm fork if that is safe, else a kernel."""

    @classmethod
    def execute_managed_notebook(  # type: ignore[override]  # unknown options are passed on
        cls, nb_man: Any, kernel_name: str, **options: Any
    ) -> Any:
        """Execute a notebook that papermill manages; `execution_timeout` is per cell, s."""
        spec = environments.kernelspec(kernel_name)
        why = unsafe_notebook(spec, nb_man.nb)
        asked = [name for name in KERNEL_OPTIONS if options.get(name)]
        if why or asked:
            logger.info("a kernel runs this notebook: %s", why or f"{asked[0]} was asked for")
            return super().execute_managed_notebook(nb_man, kernel_name, **options)
        timeout = options.get("execution_timeout")
        client = PapermillClient(nb_man.nb, nb_man, cell_timeout=timeout)
        python = environments.program_of(spec)
        environment = {**os.environ, **spec.get("env", {})}
        ready = preload_of(nb_man.nb, os.getcwd())
        wanted = Wanted(
            python=python,
            modules=ready.modules,
            variables=ready.variables,
            folder=ready.folder,
            environment=environment,
            packages=environments.packages_digest(python),
        )
        try:
            client.start(wanted, {"environment": environment, "folder": os.getcwd()})
            client.walk()
        except Unwarm as error:
            logger.info("a kernel runs this notebook: %s", error)
            return super().execute_managed_notebook(nb_man, kernel_name, **options)
        except CellError as error:
            raise RuntimeError(str(error)) from None
        finally:
            client.end()
        return nb_man.nb
