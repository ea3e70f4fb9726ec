"""What the verbs work with in one project: journal, store, executor, mirror, clock."""

import contextlib
import itertools
import json
import os
import shutil
import uuid
from collections.abc import Callable, Generator, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from mlops_nb import config, files
from mlops_nb.engine.task import Clock, Executor, Journal, Store
from mlops_nb.errors import MlopsError, NotFound, Unreachable
from mlops_nb.events import Event, ModelKept, RunFinished, StepRecorded
from mlops_nb.jobs import registry as job_registry
from mlops_nb.jobs.registry import JobState
from mlops_nb.models import registry as model_registry
from mlops_nb.models.registry import Model
from mlops_nb.runs import history

Notify = Callable[[Event], None]


def real_time() -> datetime:
    """Return the time now, aware."""
    return datetime.now(UTC)


def ignore(_: Event) -> None:
    """Tell nobody."""


class Context:
    """A project's adapters, each made when it is first used."""

    def __init__(self, folder: Path, environment: Mapping[str, str], clock: Clock) -> None:
        self.environment = dict(environment)
        self.settings = config.load(config.find_root(folder), self.environment)
        self.clock = clock
        self.late = timedelta()  # by how much that clock was set forward
        self.warnings: list[MlopsError] = []

    def set_time(self, at: datetime) -> None:
        """Take a time for the one it is now; the clock goes on from there."""
        self.late = at - real_time()
        self.clock = lambda: real_time() + self.late

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.settings.root

    @cached_property
    def journal(self) -> Journal:
        """Where every event goes first."""
        from mlops_nb.storage.journal import open_journal

        self.prepare_folder()
        return open_journal(self.settings.journal, self.now)

    @cached_property
    def store(self) -> Store:
        """Where artifacts are kept."""
        from mlops_nb.storage.artifacts_local import LocalStore

        return LocalStore(self.settings.folder / "store")

    @cached_property
    def executor(self) -> Executor:
        """What executes notebooks."""
        from mlops_nb.engine.choose import Engines

        return Engines(self.environment)

    @cached_property
    def environments(self) -> Any:
        """What knows and builds Python environments."""
        from mlops_nb.engine.environments import Environments

        return Environments(self.settings.folder)

    @cached_property
    def mirror(self) -> Any:
        """What keeps MLflow up to date."""
        from mlops_nb.integrations.mlflow.mirror import MlflowMirror

        return MlflowMirror(
            uri=self.settings.mlflow,
            experiment=self.settings.experiment,
            artifacts=self.settings.artifacts,
            runs=self.settings.folder / "runs",
            journal=self.journal,
            store=self.store,
        )

    @cached_property
    def lineage(self) -> Any:
        """What tells OpenLineage of runs."""
        from mlops_nb.integrations.openlineage.events import OpenLineageLog

        return OpenLineageLog(
            file=self.settings.folder / "lineage.jsonl", root=self.root, journal=self.journal
        )

    @property
    def knows_anything(self) -> bool:
        """Whether anything was ever recorded here: looking must not write."""
        default = self.settings.folder / "journal.db"
        return not self.settings.journal.endswith(str(default)) or default.exists()

    def now(self) -> datetime:
        """Return the time, by whatever clock is set now."""
        return self.clock()

    def deciding(self) -> contextlib.AbstractContextManager[bool]:
        """Let one process at a time judge and release, on what is true at that moment."""
        return self.journal.holding("decide")

    def jobs(self) -> dict[str, JobState]:
        """Return every job by its name."""
        return (
            job_registry.jobs(self.journal.read(kinds=job_registry.KINDS))
            if self.knows_anything
            else {}
        )

    def models(self) -> dict[str, Model]:
        """Return every model by its name."""
        return (
            model_registry.models(self.journal.read(kinds=model_registry.KINDS))
            if self.knows_anything
            else {}
        )

    def prepare_folder(self) -> None:
        """Make the project's own folder, which keeps itself out of git."""
        folder = self.settings.folder
        folder.mkdir(parents=True, exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            files.write_text(ignore, "*\n")

    def relative(self, path: Path) -> str:
        """Return a path as it is written down: from the project's folder, where it is inside."""
        resolved = path.resolve()
        return str(resolved.relative_to(self.root) if self.holds(resolved) else resolved)

    def holds(self, path: Path) -> bool:
        """Say whether a path lies in the project."""
        return path.resolve().is_relative_to(self.root)

    def new_run(self) -> str:
        """Return a fresh run id: sortable by time, and unique."""
        return f"{self.clock().astimezone(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"

    def run_folder(self, run: str) -> Path:
        """Return the folder of a run's own files."""
        folder = self.settings.folder / "runs" / run
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def bundle_folder(self, digest: str) -> Path:
        """Return where the bundle of this digest is kept."""
        return self.settings.folder / "bundles" / digest[:32]

    def interpreter_of(self, bundle: Mapping[str, bytes]) -> str:
        """Return the interpreter of a bundle's kernelspec, "" where there is none here."""
        spec = json.loads(bundle["pipeline.ipynb"])["metadata"]["kernelspec"]["name"]
        try:
            return str(self.environments.interpreter(spec))
        except MlopsError:
            return ""

    def scratch(self, name: str) -> Path:
        """Return an empty folder for passing things on; whoever asks removes it."""
        folder = self.settings.folder / "tmp" / f"{name}-{uuid.uuid4().hex[:8]}"
        folder.mkdir(parents=True)
        return folder

    def drop(self, folder: Path) -> None:
        """Remove a scratch folder."""
        shutil.rmtree(folder, ignore_errors=True)

    def kernel_environment(self) -> dict[str, str]:
        """Return what every kernel's environment adds to ours."""
        return {
            "MLFLOW_TRACKING_URI": self.settings.mlflow,
            "MLFLOW_EXPERIMENT_NAME": self.settings.experiment,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
        }

    def record(self, events: Iterable[Event], notify: Notify = ignore) -> list[Event]:
        """Write events to the journal, one by one, each before anybody is told of it."""
        kept: list[Event] = []
        for event in events:
            if isinstance(event, ModelKept) and os.sep in event.artifact:
                event = self._stored(event)  # noqa: PLW2901  its bytes go to the store first
            elif isinstance(event, StepRecorded):
                event = self._record_stored(event)  # noqa: PLW2901
            written = self.journal.append(event)
            if written is not None:
                kept.append(written)
                notify(written)
        return kept

    def record_until_stopped(
        self, events: Generator[Event, None, None], run: str, notify: Notify = ignore
    ) -> None:
        """Record a run's events; where a person stops it, end it and say so."""
        try:
            self.record(events, notify)
        except KeyboardInterrupt:
            events.close()
            stop = RunFinished(run=run, status="stopped", seconds=0.0, error="stopped by hand")
            self.record([stop], notify)

    def _stored(self, event: ModelKept) -> ModelKept:
        from dataclasses import replace

        file = Path(event.artifact)
        digest = self.store.put(file)
        file.unlink(missing_ok=True)
        return replace(event, artifact=digest)

    def _record_stored(self, event: StepRecorded) -> StepRecorded:
        """Take a unit's values and outputs into the store; without them, it will run again."""
        from dataclasses import replace

        record = dict(event.record)
        shown = Path(record.pop("shown_file", ""))
        kept = []
        try:
            for entry in record["artifacts"]:
                found = self.store.put(Path(entry["file"]), move=True, durable=False)
                if found != entry["sha256"]:
                    raise Unreachable(
                        f"the bytes of {entry['names'][0]!r} changed on their way", fix="run again"
                    )
                kept.append({k: v for k, v in entry.items() if k != "file"})
            record["shown"] = self.store.put(shown, move=True, durable=False)
        except MlopsError as error:
            record |= {"never": f"it could not be stored ({error.what})", "external": False}
            self.warnings.append(error)
            kept = []
        record["artifacts"] = kept
        return replace(event, record=record)

    def mirror_now(self) -> None:
        """Let OpenLineage's log and MLflow catch up; an error is kept to be shown."""
        try:
            self.lineage.catch_up()
        except MlopsError as error:
            self.warnings.append(error)
        with self.journal.holding("mirror"):
            try:
                for event in itertools.chain(self.mirror.catch_up(), self.mirror.aliases()):
                    self.journal.append(event)
            except MlopsError as error:
                self.warnings.append(error)

    def run_of(self, run: str) -> history.Run:
        """Return a run as far as it is known. Raises NotFound where there is none."""
        found = history.runs(self.journal.read(run=run)).get(run)
        if found is None:
            raise NotFound(f"there is no run {run!r}", fix="list them with: mlops-nb runs")
        return found

    def write_graph(self, run: str, graph: dict[str, Any], mermaid: str) -> None:
        """Keep a run's graph beside its notebook."""
        folder = self.run_folder(run)
        files.write_text(folder / "graph.json", json.dumps(graph, indent=1, ensure_ascii=False))
        files.write_text(folder / "graph.mmd", mermaid + "\n")
