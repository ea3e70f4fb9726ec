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
        options: see `serving.server.ServeOptions`
        """
        from mlops_nb.context import ignore
        from mlops_nb.serving import server

        server.serve(self.context, model, server.ServeOptions(**options), ready, ignore)

    def predict(
        self,
        model: str,
        file: str | Path,
        output: str | Path,
        *,
        skip_bad: str | Path | None = None,
        note: Callable[[int, int | None], None] = lambda *_: None,
    ) -> dict[str, Any]:
        """Write the answers of a model's champion to the rows of a file.

        Return what `predict --json` prints.

        skip_bad: where rows that cannot be answered go, each with its error
        note:     called with the rows answered so far, and the number of all rows if it is known
        """
        from mlops_nb.serving import batch

        skip = None if skip_bad is None else Path(skip_bad)
        return batch.predict(self.context, model, Path(file), Path(output), skip=skip, note=note)
