"""Verbs that answer with a model: over HTTP, and for a file."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.errors import NotFound
from mlops_nb.project.base import OpenProject

if TYPE_CHECKING:
    from mlops_nb.serving.settings import ServingNotes


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
        from mlops_nb.jobs import predictions
        from mlops_nb.serving.offline import batch

        skip = None if skip_bad is None else Path(skip_bad)
        paths = batch.FilePaths(file=Path(file), out=Path(output), skip=skip)
        settings = predictions.reader(self.context, model)
        return batch.predict(self.context, model, paths, settings, note)

    def attempt(self, model: str, rows: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
        """Answer a few rows with a model's champion, logged as `try`.

        Without rows, return the columns that it takes and an example.
        """
        from mlops_nb.jobs import predictions
        from mlops_nb.serving.offline import attempt

        if not rows:
            return attempt.example(self.context, model)
        settings = predictions.reader(self.context, model)
        return attempt.attempt(self.context, model, rows, settings)

    def predictions(
        self,
        model: str,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
        *,
        labelled: bool = False,
    ) -> Any:
        """Return the answers of a model as a pandas frame: one row a request, sorted by time.

        since, until: rows from `since` on and before `until`; ISO texts or datetimes, in UTC if
                      they have no offset
        labelled:     with the column `label`, missing where none is known

        Inputs have the prefix in_, computed features f_. Shadow rows are no answers. Files that
        are damaged are named in a warning.

        Raises NotFound if there is no such model, JobError for a text that is no time.
        """
        from mlops_nb.jobs.schedule import moment_or_none
        from mlops_nb.serving import prediction_files
        from mlops_nb.storage.predictions import open_predictions

        self._refuse_unknown(model)
        files = open_predictions(self.context.settings, model)
        frame = prediction_files.read(files, moment_or_none(since), moment_or_none(until))
        if not labelled:
            return frame
        from mlops_nb.monitoring.labels import take

        return take.with_labels(self.context, model, frame)

    def skew(
        self,
        model: str,
        frame: Any,
        on: str = "",
        *,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
    ) -> Any:
        """Return how the features that were served differ from those of training, as a frame.

        frame: what the features function computed in training, and a column that names the entity
        on:    that column, which is an input of the model as well; "": `entity` of job.yaml
        since, until: as in `predictions`

        The frame has a row for each feature: column; rows, answers that were compared; differ, the
        share that differs; largest, the largest difference of two numbers.

        Raises NotFound if there is no such model, Refused if the two have nothing in common.
        """
        from mlops_nb.jobs import predictions
        from mlops_nb.monitoring import served_skew

        logged = self.predictions(model, since, until)
        settings = predictions.settings_of(self.context, model)
        folder = self.context.settings.folder
        return served_skew.compared(logged, frame, on or settings.entity or "", settings, folder)

    def serving_notes(self, model: str, draft_of: str = "") -> "ServingNotes":
        """Return what to know of a model that is to be served: what callers send, its log.

        draft_of: the job whose draft made it; "": its newest version
        """
        from mlops_nb.jobs import predictions

        if draft_of:
            return predictions.notes_on_draft(self.context, draft_of, model)
        return predictions.notes_on_newest(self.context, model)

    def _refuse_unknown(self, model: str) -> None:
        from mlops_nb.models.registry import read_models

        known = read_models(self.context)
        if model not in known:
            there = f"the models are {', '.join(known)}" if known else "promote a notebook first"
            raise NotFound(f"there is no model {model!r}", fix=there)
