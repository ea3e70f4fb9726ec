"""The entry point of the papermill engine `mlops-nb`; heavy imports wait until it is used."""

from typing import Any


class Engine:
    """`papermill in.ipynb out.ipynb --engine mlops-nb`; the real engine is imported when used."""

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, **options: Any) -> Any:
        """Execute a notebook document, with the signature of papermill.

        It runs in a fork of a warm process if that is safe, else in a kernel.
        """
        from mlops_nb.engine.papermill_engine import WarmPapermillEngine

        return WarmPapermillEngine.execute_notebook(nb, kernel_name, **options)

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        """Return the kernel name of a notebook."""
        from papermill.utils import nb_kernel_name

        return str(nb_kernel_name(nb, name))

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:
        """Return the language of a notebook."""
        from papermill.utils import nb_language

        return str(nb_language(nb, language))
