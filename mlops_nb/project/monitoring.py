"""Verbs that watch a live model: labels, watch."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb import files
from mlops_nb.errors import NotFound
from mlops_nb.project.base import OpenProject

if TYPE_CHECKING:
    from mlops_nb.monitoring.live.window import WatchedWindow


class Monitoring(OpenProject):
    """Takes labels, and watches the live models."""

    def labels(self, model: str, file: str | Path) -> dict[str, Any]:
        """Take the labels of a file; return what `labels --json` prints.

        Raises NotFound if there is no such model, Refused for a file that cannot be used.
        """
        from mlops_nb.models.registry import read_models
        from mlops_nb.monitoring.labels import take

        known = read_models(self.context)
        if model not in known:
            there = f"the models are {', '.join(known)}" if known else "promote a notebook first"
            raise NotFound(f"there is no model {model!r}", fix=there)
        return dict(take.answer(take.take(self.context, model, self.here / file)))

    def sample(
        self,
        model: str,
        size: int,
        out: str | Path,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
    ) -> dict[str, Any]:
        """Draw answers for labelling, and write them; return what `labels --sample --json` prints.

        size: rows; since, until: as of `watch`

        Raises NotFound if there is no such model or no row to draw, Refused for a file or a size
        that cannot be used.
        """
        from mlops_nb.jobs.schedule import moment_or_none
        from mlops_nb.monitoring.live import sample as live_sample

        ctx = self.context
        asked = live_sample.window(ctx, moment_or_none(since), moment_or_none(until))
        drawn = live_sample.draw(ctx, model, size, self.here / out, asked)
        return {
            "version": 1,
            "model": model,
            "rows": drawn.rows,
            "of": drawn.of,
            "output": str(out),
        }

    def watch(
        self,
        model: str,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
    ) -> "WatchedWindow":
        """Look at the answers of a model from `since` on and before `until`.

        since, until: ISO texts or datetimes, in UTC if they have no offset; by default the last
                      30 days

        Raises NotFound if there is no such model, or no row until then.
        """
        from mlops_nb.jobs.schedule import moment_or_none
        from mlops_nb.monitoring.incidents import current
        from mlops_nb.monitoring.live import compute, window

        ctx = self.context
        found = window.look(
            ctx,
            model,
            moment_or_none(since),
            moment_or_none(until),
            lambda job: current.alerts(ctx, job, model),
        )
        return compute.with_computed(ctx, found)

    def charts(self, model: str, width: int, theme: str) -> dict[str, Any]:
        """Return the charts of `watch --report` as images: {"charts": [{"title", "svg"}]}.

        width: px; theme: light or dark

        Raises NotFound as `watch` does.
        """
        from mlops_nb.monitoring.report import images, page

        found = self.watch(model)
        drawn = page.drawings(found, width)
        return {
            "version": 1,
            "model": model,
            "charts": [
                {"title": c.title, "svg": images.image(str(c.drawing), theme)} for c in drawn
            ],
        }

    def why_request(self, model: str, request: str) -> dict[str, Any]:
        """Return what `why MODEL --request ID --json` prints: its answer, and what is behind it.

        Raises NotFound if there is no such model, or no such request on record.
        """
        from mlops_nb.monitoring.live import request as live_request

        return live_request.why_request(self.context, model, request)

    def watch_job(self, job: str, late: float = 0.0) -> None:
        """Look at the live models of a job as its `watch` wants it, and act on harm.

        late: how far the clock is set forward, s
        """
        from mlops_nb.models.registry import read_models
        from mlops_nb.monitoring.incidents import check

        self.context.set_late(late)
        for model in read_models(self.context).values():
            if model.job == job:
                check.check(self.context, model.name)

    def write_report(self, found: "WatchedWindow", file: str | Path) -> Path:
        """Write what `watch` found as an HTML page that needs no other file; return its path."""
        from mlops_nb.monitoring.report import page

        path = self.here / file
        files.write_text(path, page.render(found))
        return path
