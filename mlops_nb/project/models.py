"""Verbs on models and on the store of artifacts."""

from datetime import datetime, timedelta
from typing import Any

from mlops_nb.events import Released
from mlops_nb.project.base import OpenProject


class Models(OpenProject):
    """Releases models, explains them, and keeps the store in order."""

    def models(self) -> dict[str, Any]:
        """Return what `models --json` prints."""
        from mlops_nb.models import views

        return views.all_models(self.context)

    def rollback(self, model: str, to: int | None = None) -> dict[str, Any]:
        """Make the version released before, or the version `to`, the champion."""
        from mlops_nb.models import release

        return self._released(release.rollback(self.context, model, to))

    def approve(self, model: str, version: int) -> dict[str, Any]:
        """Release a version that waits for approval."""
        from mlops_nb.models import release

        return self._released(release.approve(self.context, model, version))

    def _released(self, event: Released) -> dict[str, Any]:
        from mlops_nb.integrations import catch_up
        from mlops_nb.models import views

        self._follow()
        return views.release_answer(event, synced=catch_up.agrees(self.context, event.id))

    def why_model(self, model: str, at: datetime) -> dict[str, Any]:
        """Return what `why MODEL --at --json` prints: which version served, and what made it."""
        from mlops_nb.lineage import queries

        return queries.why_model(self.context, model, at)

    def store_size(self) -> dict[str, Any]:
        """Return what `store --size --json` prints."""
        from mlops_nb.governance import housekeeping, prune

        return {**prune.size(self.context), "housekeeping": housekeeping.size(self.context)}

    def store_verify(self) -> dict[str, Any]:
        """Return what `store --verify --json` prints."""
        from mlops_nb.governance import prune

        return prune.verify(self.context)

    def store_prune(self, keep: timedelta, runs: timedelta | None = None) -> dict[str, Any]:
        """Return what `store --prune --json` prints.

        keep: age up to which models and artifacts of runs stay
        runs: age up to which the folders of runs stay; None: by the setting `retention`
        """
        from mlops_nb.governance import housekeeping, prune
        from mlops_nb.jobs import predictions
        from mlops_nb.runs import history

        ctx = self.context
        freed = housekeeping.tidy(ctx)  # before anything that may need space
        answer = prune.prune(ctx, keep)
        if ctx.knows_anything:
            known, logs = history.KnownRuns(ctx.journal), predictions.kept(ctx)
            freed |= housekeeping.prune(ctx, known, runs, logs=logs)
        return {**answer, "housekeeping": freed}
