"""Verbs that answer with a model: over HTTP, and for a file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlops_nb.project.base import OpenProject


class Predictions(OpenProject):
    """Serves the champions of models."""

    def serve(self, model: str, ready: Callable[[Mapping[str, Any]], None], **options: Any) -> None:
        """Serve the champion of a model over HTTP until stopped.

        ready:   called with what `serve --json` prints, when it answers
        options: see `serving.workers.ServeOptions`
        """
        from mlops_nb.context import ignore
        from mlops_nb.jobs.execute import serving_settings
        from mlops_nb.serving import server, workers

        ctx, asked = self.context, workers.ServeOptions(**options)
        server.serve(ctx, model, asked, lambda: serving_settings(ctx, model), ready, ignore)

    def predict(self, model: str, file: str | Path, output: str | Path) -> dict[str, Any]:
        """Write the answers of a model's champion to the rows of a file.

        Return what `predict --json` prints.
        """
        from mlops_nb.serving import batch

        return batch.predict(self.context, model, Path(file), Path(output))
