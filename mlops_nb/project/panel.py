"""What the panel shows of a project: its runs, jobs, models and alerts, and the log of a run."""

import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from mlops_nb import files
from mlops_nb.errors import Refused
from mlops_nb.notebook.printed import printed
from mlops_nb.project.jobs import Jobs
from mlops_nb.project.models import Models
from mlops_nb.project.notebooks import Notebooks
from mlops_nb.runs import history

MOST_LOGGED = 50_000_000  # bytes of an executed notebook whose output is shown


class Panel(Notebooks, Jobs, Models):
    """Lists a project for the panel."""

    def mark(self) -> str:
        """Return a text that changes when the journal grows, or a scheduler comes or goes."""
        if not self.context.knows_anything:
            return ""
        last = [event.id for event in islice(self.context.journal.read_back(), 1)]
        return f"{last} {self.scheduler_runs}"

    def overview(self, count: int) -> dict[str, Any]:
        """Return what the panel lists.

        count: how many runs; those that began last come first
        """
        found = self.runs(count + 1)[::-1]
        return {
            "version": 1,
            "mark": self.mark(),
            "scheduler_runs": self.scheduler_runs,
            "runs": [_run_row(one) for one in found[:count]],
            "more_runs": len(found) > count,
            "jobs": self._job_rows(),
            "models": self.models()["models"],
            "alerts": self.alerts()["alerts"],
        }

    def _job_rows(self) -> list[dict[str, Any]]:
        """Return the rows of `jobs --json`, each with the path of its notebook."""
        from mlops_nb.jobs import views
        from mlops_nb.jobs.registry import read_jobs
        from mlops_nb.runs import reap

        known = read_jobs(self.context)
        return [
            {**row, "notebook": self._notebook_of(known[row["job"]].definition)}
            for row in views.all_jobs(reap.reaped(self.context), known)["jobs"]
        ]

    def _notebook_of(self, definition: Mapping[str, Any]) -> str:
        source = str(definition.get("source", ""))
        return str(self.context.root / source) if source else ""

    def log_of_run(self, run: str) -> tuple[str, Path, bool]:
        """Return what a run has printed, the executed notebook that has it, and if the run goes on.

        Raises NotFound if there is no such run, Refused if its notebook is too large.
        """
        found = self.show(run)
        output, goes_on = Path(found.output), found.status in {"queued", "running"}
        if not output.is_file():  # it has printed nothing yet, or its notebook was removed
            return "", output, goes_on
        if output.stat().st_size > MOST_LOGGED:
            size = f"{output.stat().st_size / 1e6:.0f} MB"
            raise Refused(f"the notebook of run {run} has {size}", fix="open a copy of it instead")
        return printed(json.loads(output.read_text(encoding="utf-8"))), output, goes_on

    def copy_of_run(self, run: str, beside: Path) -> Path:
        """Copy the executed notebook of a run beside a notebook; return the file, made once.

        Raises NotFound if there is no such run, Refused if its notebook was removed.
        """
        output = Path(self.show(run).output)
        copy = beside.with_name(f"{output.stem}-{run}.ipynb")
        if not copy.exists():
            try:
                files.write_text(copy, output.read_text(encoding="utf-8"))
            except OSError as error:
                raise Refused(
                    f"the notebook of run {run} cannot be copied: {error.strerror}",
                    fix="it may have been removed: run the notebook again",
                ) from None
        return copy


def _run_row(run: history.Run) -> dict[str, Any]:
    """Return a run as the panel lists it."""
    return {
        "run": run.id,
        "job": run.job,
        "sweep": run.sweep,
        "notebook": run.notebook,
        "has_notebook": bool(run.output),
        "trigger": run.trigger,
        "status": run.status,
        "started": run.started,
        "seconds": run.seconds,
        "parameters": dict(run.parameters),
        "metrics": run.metrics,
        "because": run.error or run.because,
        "gates": [
            {"gate": g.get("gate"), "passed": g.get("passed"), "because": g.get("because")}
            for g in run.gates
        ],
        "model_version": run.model_version,
    }
