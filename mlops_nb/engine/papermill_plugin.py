"""The papermill engine `mlops-nb`, as its entry point finds it: heavy only when it is used."""

from typing import Any


class Engine:
    """`papermill in.ipynb out.ipynb --engine mlops-nb`; the real engine is fetched when used."""

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, **options: Any) -> Any:
        """Execute a notebook document; papermill's own signature.

        It runs in a fork of a warm process where that is safe, else in a kernel.
        """
        from mlops_nb.engine.papermill_engine import DoorEngine

        return DoorEngine.execute_notebook(nb, kernel_name, **options)

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        """Return the kernel's name that a notebook asks for."""
        from papermill.utils import nb_kernel_name

        return str(nb_kernel_name(nb, name))

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:
        """Return the language that a notebook is written in."""
        from papermill.utils import nb_language

        return str(nb_language(nb, language))
