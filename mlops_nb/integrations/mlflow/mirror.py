"""Writes runs, versions and champions to MLflow; the journal decides, MLflow follows."""

import itertools
import json
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from mlops_nb import config
from mlops_nb.errors import MlopsError, NotFound, Unreachable
from mlops_nb.events import (
    AliasMoved,
    Event,
    Mirrored,
    Registered,
    Released,
    RunFinished,
    SweepFinished,
)
from mlops_nb.integrations.mlflow import limits, lineage, models, settings
from mlops_nb.integrations.mlflow.sweeps import PARENT_TAG, SWEEP_TAG, Parents
from mlops_nb.lineage.read import traced
from mlops_nb.models import registry
from mlops_nb.runs import history
from mlops_nb.runs.tracking import source_tags
from mlops_nb.storage.ports import MLFLOW_PLACE, Journal, Store, number_of

FOLLOWED = (RunFinished, Registered, Released, SweepFinished)
DATABASE = "mlflow-database"  # the place of the id of the database that was synced
DATABASE_TAG = "mlops-nb.database"
RUN_TAG = "mlops-nb.run"
VERSION_TAG = "mlops-nb.version"
LOGGED_TAG = "mlops-nb.logged-run"  # of a run that cells started in another store
STATUS = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}


class MlflowMirror:
    """Follows the journal from the place that it notes there."""

    def __init__(
        self,
        *,
        uri: str,
        experiment: str,
        artifacts: str,
        runs: Path,
        journal: Journal,
        store: Store,
    ) -> None:
        self.uri, self.experiment, self.artifacts = uri, experiment, artifacts
        self.runs, self.journal, self.store = runs, journal, store
        self.root = runs.parent.parent  # runs/ lies in the project's .mlops/

    def client(self) -> Any:
        """Return the MLflow client of this project; this imports MLflow."""
        import mlflow

        return mlflow.MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def experiment_id(self, client: Any, name: str = "") -> str:
        """Return the id of an experiment, by default the project's; make it if it is missing."""
        name = name or self.experiment
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        local = self.uri.startswith(("sqlite:", "file:"))
        location = self.artifacts if local else None
        return str(client.create_experiment(name, artifact_location=location))

    def prepare(self, experiments: Iterable[str] = ()) -> None:
        """Make the project's experiment and others, for cells that log to MLflow themselves.

        This may be the process of a live notebook, whose MLflow keeps its own settings.

        Raises Unreachable if MLflow does not answer.
        """
        try:
            with settings.quiet():
                client = self.client()
                for name in (self.experiment, *experiments):
                    self.experiment_id(client, name)
        except Exception as error:  # noqa: BLE001  MLflow raises many kinds
            raise unreachable(self.uri, error) from None

    def catch_up(self) -> Iterator[Event]:
        """Sync MLflow with the journal; yield events for the journal.

        Raises Unreachable if MLflow does not answer; the next call continues.
        """
        fresh = self.journal.read(after=self._place(), kinds=FOLLOWED)
        first = next(fresh, None)
        if first is None:
            return
        try:
            with settings.quiet(), settings.tracking_at(self.uri):
                client = self.client()
                if self._is_another(client):
                    fresh = self.journal.read(kinds=FOLLOWED)
                    first = next(fresh)
                for event in itertools.chain([first], fresh):
                    yield from self._take(client, event)
                    self.journal.place(MLFLOW_PLACE, str(event.id))
        except MlopsError:
            raise
        except Exception as error:  # noqa: BLE001  MLflow raises many kinds
            raise unreachable(self.uri, error) from None

    def aliases(self) -> Iterator[Event]:
        """Yield events for aliases that were moved in MLflow.

        Raises Unreachable if MLflow does not answer.
        """
        known = registry.models(self.journal.read(kinds=registry.KINDS))
        if not known or self._is_behind():
            return
        try:
            with settings.quiet():
                client = self.client()
                if self._is_another(client):
                    return  # the next sync writes the aliases
                for model in known.values():
                    found = self._alias(client, model.name)
                    expected = str(model.champion or "none")
                    if found not in {expected, model.moved}:
                        yield AliasMoved(
                            job=model.job, model=model.name, found=found, expected=expected
                        )
        except Exception as error:  # noqa: BLE001  MLflow raises many kinds
            raise unreachable(self.uri, error) from None

    def _place(self) -> int:
        """Return the last event that this database has, 0 if it is gone."""
        file = config.sqlite_file(self.uri)
        if file is not None and not file.exists():
            self.journal.place(MLFLOW_PLACE, "0")
        return number_of(self.journal.place(MLFLOW_PLACE))

    def _is_another(self, client: Any) -> bool:
        """Return whether this is not the database that was synced before; if so, begin anew.

        Its id is a tag of the project's experiment.
        """
        experiment = client.get_experiment(self.experiment_id(client))
        known, found = self.journal.place(DATABASE), experiment.tags.get(DATABASE_TAG, "")
        if not found:
            found = uuid.uuid4().hex
            client.set_experiment_tag(experiment.experiment_id, DATABASE_TAG, found)
        if known == found:
            return False
        self.journal.place(DATABASE, found)
        if known:  # none: synced by a version without ids
            self.journal.place(MLFLOW_PLACE, "0")
        return bool(known)

    def _is_behind(self) -> bool:
        behind = self.journal.read(after=self._place(), kinds=(Registered, Released))
        return any(True for _ in behind)

    def _alias(self, client: Any, model: str) -> str:
        """Return the number of MLflow's champion version, or a description of a foreign one."""
        from mlflow.exceptions import MlflowException

        try:
            found = client.get_model_version_by_alias(model, "champion")
        except MlflowException as error:
            if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                raise
            return "none"
        return str(found.tags.get(VERSION_TAG) or f"MLflow's own {found.version}")

    def _take(self, client: Any, event: Event) -> Iterator[Event]:
        if isinstance(event, RunFinished):
            if known := self._run(client, event.run):
                yield Mirrored(run=event.run, job=event.job, mlflow_run=known)
        elif isinstance(event, SweepFinished):
            parents = Parents(client, self.experiment_id(client), self.journal)
            parents.end(event)
        elif isinstance(event, Registered):
            self._register(client, event)
        elif isinstance(event, Released):
            number = self._number(client, event.model, event.version)
            client.set_registered_model_alias(event.model, "champion", number)

    # runs

    def _find_run(self, client: Any, run: str) -> str:
        found = client.search_runs(
            [self.experiment_id(client)], f"tags.`{RUN_TAG}` = '{run}'", max_results=1
        )
        return str(found[0].info.run_id) if found else ""

    def _create_run(self, client: Any, run: history.Run) -> str:
        made = client.create_run(
            self.experiment_id(client),
            start_time=_ms(run.started),
            tags={RUN_TAG: run.id},
            run_name=f"{run.job or Path(run.notebook).stem} {run.id}",
        )
        return str(made.info.run_id)

    def _run(self, client: Any, run_id: str) -> str:
        run = history.runs(self.journal.read(run=run_id)).get(run_id)
        if run is None or run.shared:  # the shared steps of a sweep: its points log them
            return ""
        ended = _ms(run.finished)
        known = self._find_run(client, run_id) or self._create_run(client, run)
        seconds = {
            f"seconds/{name}": step["seconds"]
            for name, step in run.steps.items()
            if step["seconds"] is not None
        }
        numbers = {**run.metrics, **seconds, "seconds/total": run.seconds or 0.0}
        tags = {
            "notebook": run.notebook,
            "status": run.status,
            "job": run.job,
            "error": run.error,
            **source_tags(run.notebook),
        }
        if run.sweep:
            parents = Parents(client, self.experiment_id(client), self.journal)
            tags |= {PARENT_TAG: parents.of(run.sweep), SWEEP_TAG: run.sweep}
        if run.logged_run and not self._adopt(client, run, known):
            tags[LOGGED_TAG] = f"{run.logged_run}, in the store of the notebook's tracking URI"
        limits.log(client, known, metrics=numbers, params=run.parameters, tags=tags, at=ended)
        lineage.log_run(client, known, run, traced(self.journal, run), self.root)
        folder = self.runs / run_id
        for file in (Path(run.output), folder / "graph.json", folder / "graph.mmd"):
            if file.is_file():
                client.log_artifact(known, str(file))
        client.set_terminated(known, STATUS.get(run.status, "FINISHED"), end_time=ended)
        return str(known)

    def _adopt(self, client: Any, run: history.Run, parent: str) -> bool:
        """Make the MLflow run that cells started a child; return False if it is elsewhere."""
        from mlflow.exceptions import MlflowException

        try:
            client.get_run(run.logged_run)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        for name, value in {PARENT_TAG: parent, **source_tags(run.notebook)}.items():
            client.set_tag(run.logged_run, name, value)
        return True

    # versions

    def _number(self, client: Any, model: str, version: int) -> str:
        for found in client.search_model_versions(f"name = '{model}'"):
            if found.tags.get(VERSION_TAG) == str(version):
                return str(found.version)
        raise NotFound(
            f"MLflow has no version {version} of {model!r}",
            fix="delete the registered model's foreign versions, or choose another model name",
        )

    def _register(self, client: Any, event: Registered) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._number(client, event.model, event.version)
        except NotFound:
            pass  # it does not exist yet: make it
        else:
            return
        try:
            client.create_registered_model(event.model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        run = self._find_run(client, event.run)
        logged = self._log_model(client, run, event)
        tags = {VERSION_TAG: str(event.version), "digest": event.digest, **logged.tags}
        client.create_model_version(
            event.model, logged.source, run_id=run or None, tags=tags, model_id=logged.id or None
        )

    def _example(self, run: history.Run) -> tuple[Path | None, str]:
        """Return the file of some rows that a run's model takes, and their description."""
        kept = run.model
        if kept is None or not kept.example_of:  # a run of an earlier version
            return None, "none: the run kept no rows"
        try:
            return self.store.path(kept.example) if kept.example else None, kept.example_of
        except NotFound as error:
            return None, f"none: {error.what}"

    def _log_model(self, client: Any, run: str, event: Registered) -> models.Logged:
        """Log a model to its run, with its signature and an example of its input."""
        of = history.runs(self.journal.read(run=event.run))[event.run]
        example, example_of = self._example(of)
        try:
            file = self.store.path(event.artifact)
        except NotFound as error:  # pruned: an old version, synced to a new database
            source = f"{client.get_run(run).info.artifact_uri}/model"
            tags = {models.LOADS_TAG: f"no: {error.what}"}
            return models.Logged(source=source, id="", tags=tags)
        logged = models.log(
            client,
            run,
            name=event.model,
            file=file,
            example=example,
            example_of=example_of,
        )
        if logged.id:
            lineage.log_model(client, run, logged.id, of, traced(self.journal, of))
            client.set_terminated(run, "FINISHED")
        return logged


def _ms(at: str) -> int:
    return int(datetime.fromisoformat(at).timestamp() * 1000) if at else 0


def unreachable(uri: str, error: Exception) -> Unreachable:
    """Return the error for an unreachable MLflow."""
    return Unreachable(
        f"MLflow does not answer: {str(error).splitlines()[0] if str(error) else error!r}",
        fix="check MLFLOW_TRACKING_URI; the journal has everything, and the next command syncs it",
        where=uri.rsplit("@", maxsplit=1)[-1],
    )


def as_artifact(graph: dict[str, Any]) -> str:
    """Return the JSON text of a graph for the log."""
    return json.dumps(graph, indent=1, ensure_ascii=False)
