"""Verbs that answer with a model: over HTTP, and for a file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.project.base import OpenProject

if TYPE_CHECKING:
    from mlops_nb.serving.prediction_log import PredictionLog


class Predictions(OpenProject):
    """Serves the champions of models."""

    def serve(self, model: str, ready: Callable[[Mapping[str, Any]], None], **options: Any) -> None:
        """Serve the champion of a model over HTTP until stopped.

        ready:   called with what `serve --json` prints, when it answers
        options: see `serving.server.ServeOptions`
        """
        from mlops_nb.serving import server

        made = server.ServeOptions(**options)
        server.serve(self.context, model, made, ready, self._log(model))

    def predict(self, model: str, file: str | Path, output: str | Path) -> dict[str, Any]:
        """Write the answers of a model's champion to the rows of a file.

        Return what `predict --json` prints.
        """
        from mlops_nb.serving import batch

        return batch.predict(self.context, model, Path(file), Path(output), self._log(model))

    def _log(self, model: str) -> "PredictionLog":
        from mlops_nb.jobs import predictions
        from mlops_nb.serving import prediction_log

        settings = predictions.reader(self.context, model)
        return prediction_log.open_log(self.context, model, settings)
