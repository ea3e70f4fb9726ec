"""Sweeps in MLflow: one run for each, the parent of the runs of its points."""

from datetime import datetime
from pathlib import Path
from typing import Any

from mlops_nb.events import SweepFinished, SweepStarted
from mlops_nb.integrations.mlflow import limits
from mlops_nb.runs import sweep_history
from mlops_nb.runs.sweep_history import Sweep
from mlops_nb.runs.tracking import source_tags
from mlops_nb.storage.ports import Journal

PARENT_TAG = "mlflow.parentRunId"
SWEEP_TAG = "mlops-nb.sweep"
PARENT_OF = "mlops-nb.parent-of"
STATUS = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}


class Parents:
    """Finds or makes the MLflow runs of sweeps."""

    def __init__(self, client: Any, experiment: str, journal: Journal) -> None:
        self.client, self.experiment, self.journal = client, experiment, journal

    def of(self, sweep: str) -> str:
        """Return the MLflow run of a sweep, which is made if it does not exist."""
        query = f"tags.`{PARENT_OF}` = '{sweep}'"
        found = self.client.search_runs([self.experiment], query, max_results=1)
        if found:
            return str(found[0].info.run_id)
        known = sweep_history.Fold(self.journal.read(kinds=(SweepStarted,)), only=sweep).sweeps[
            sweep
        ]
        return self._made(known)

    def _made(self, sweep: Sweep) -> str:
        made = self.client.create_run(
            self.experiment,
            start_time=_ms(sweep.started),
            run_name=f"sweep {Path(sweep.notebook).stem} {sweep.id}",
            tags={PARENT_OF: sweep.id},
        ).info.run_id
        given = {**sweep.parameters, **{n: ",".join(map(str, v)) for n, v in sweep.grid.items()}}
        tags = {SWEEP_TAG: sweep.id, "notebook": sweep.notebook, **source_tags(sweep.notebook)}
        limits.log(self.client, made, params=given, tags=tags)
        return str(made)

    def end(self, event: SweepFinished) -> None:
        """Log the end of a sweep, and the metrics of its best point."""
        known = self.of(event.sweep)
        sweep = sweep_history.Fold(self.journal.read(), only=event.sweep).sweeps[event.sweep]
        chosen = next((r for r in sweep.runs if r.id == event.best), None)
        at = _ms(event.at)
        metrics = {f"best/{n}": v for n, v in chosen.metrics.items()} if chosen else {}
        tags = {"status": event.status, "best": event.best, "error": event.error}
        limits.log(self.client, known, metrics=metrics, tags=tags, at=at)
        self.client.set_terminated(known, STATUS.get(event.status, "FINISHED"), end_time=at)


def _ms(at: str) -> int:
    return int(datetime.fromisoformat(at).timestamp() * 1000) if at else 0
