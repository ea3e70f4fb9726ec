"""A project's adapters: journal, store, executor, environments, clock, folders."""

import contextlib
import copy
import json
import os
import shutil
import uuid
from collections.abc import Callable, Generator, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from mlops_nb import config, files, trust
from mlops_nb.engine.task import Executor
from mlops_nb.errors import MlopsError
from mlops_nb.events import Event, RunFinished
from mlops_nb.storage.ports import Clock, Journal, Store

Notify = Callable[[Event], None]


HOME_FOLDERS = {
    "IPYTHONDIR": "ipython",
    "JUPYTER_CONFIG_DIR": "jupyter",
    "JUPYTER_RUNTIME_DIR": "jupyter/runtime",
    "MPLCONFIGDIR": "matplotlib",
    "XDG_CACHE_HOME": "cache",
}


def real_time() -> datetime:
    """Return the time now, aware."""
    return datetime.now(UTC)


def ignore(_: Event) -> None:
    """Do nothing with an event."""


def log_nothing(_: Iterable[str]) -> None:
    """Prepare no tracking: the cells of the notebook log nowhere."""


@lru_cache(maxsize=1)
def of_process(root: Path, settings: tuple[tuple[str, str], ...]) -> "Context":
    """Return the context of a pool's process, which keeps it from one task to the next.

    settings: variables of the environment that the settings of the project come from
    """
    return Context(root, {**os.environ, **dict(settings)}, real_time)


class Context:
    """A project's adapters, each made when it is first used."""

    def __init__(self, folder: Path, environment: Mapping[str, str], clock: Clock) -> None:
        self.environment = dict(environment)
        root = config.find_root(folder)
        trust.refuse_foreign(root, self.environment)
        self.settings = config.load(root, self.environment)
        self.clock = clock
        self.late = timedelta()  # how far the clock was set forward
        self.warnings: list[MlopsError] = []
        self._locks: dict[Path, int | None] = {}  # of the scratch folders of this process
        # before cells that log by themselves, with the experiments that they name
        self.prepare_tracking: Callable[[Iterable[str]], None] = log_nothing

    def set_time(self, at: datetime) -> None:
        """Set the clock to a time, from which it continues."""
        self.late = at - real_time()
        self.clock = lambda: real_time() + self.late

    def set_late(self, seconds: float) -> None:
        """Set the clock forward, s, like that of the parent process."""
        if seconds:
            self.set_time(real_time() + timedelta(seconds=seconds))

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.settings.root

    @cached_property
    def journal(self) -> Journal:
        """The journal of events."""
        from mlops_nb.storage.journal import open_journal

        return open_journal(self.settings.journal, self.now, self._make_folder)

    @cached_property
    def store(self) -> Store:
        """The store of artifacts."""
        from mlops_nb.storage.artifacts_local import LocalStore

        return LocalStore(self.settings.folder / "store")

    @cached_property
    def executor(self) -> Executor:
        """The executor of notebooks."""
        from mlops_nb.engine.choose import Engines

        return Engines(self.environment, self._keep)

    def _keep(self, file: Path) -> str:
        """Move a file into the store; return the digest of its content."""
        return self.store.put(file, move=True)

    @cached_property
    def environments(self) -> Any:
        """The Python environments of this machine."""
        from mlops_nb.engine.environments import Environments

        return Environments(self.settings.folder)

    @property
    def knows_anything(self) -> bool:
        """Whether a journal exists: queries must not make one."""
        default = self.settings.folder / "journal.db"
        return not self.settings.journal.endswith(str(default)) or default.exists()

    def now(self) -> datetime:
        """Return the time by the current clock."""
        return self.clock()

    def deciding(self) -> contextlib.AbstractContextManager[bool]:
        """Hold the lock under which one process at a time judges and releases."""
        return self.journal.holding("decide")

    def to_look(self) -> "Context":
        """Return a copy whose journal takes new events into memory alone."""
        from mlops_nb.storage.memory import OverlayJournal

        made = copy.copy(self)
        made.journal = OverlayJournal(self.journal, self.now)
        return made

    def prepare_folder(self) -> None:
        """Make the .mlops folder, and the journal before any other file of a run."""
        self.journal.prepare()

    def _make_folder(self) -> None:
        """Make the .mlops folder, with a .gitignore for all of it."""
        folder = self.settings.folder
        trust.make_private(folder, self.settings.group)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            files.write_text(ignore, "*\n")

    def relative(self, path: Path) -> str:
        """Return a path relative to the project's folder if it is inside, else absolute."""
        resolved = path.resolve()
        return str(resolved.relative_to(self.root) if self.holds(resolved) else resolved)

    def holds(self, path: Path) -> bool:
        """Return whether a path lies in the project."""
        return path.resolve().is_relative_to(self.root)

    def new_run(self) -> str:
        """Return a new run id: unique, and sortable by time."""
        return f"{self.clock().astimezone(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"

    def run_folder(self, run: str) -> Path:
        """Return the folder of a run's own files."""
        self.prepare_folder()
        folder = self.settings.folder / "runs" / run
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def bundle_folder(self, digest: str) -> Path:
        """Return the folder of the stored bundle with this digest."""
        return self.settings.folder / "bundles" / digest[:32]

    def interpreter_of(self, bundle: Mapping[str, bytes]) -> str:
        """Return the interpreter of a bundle's kernelspec, "" if there is none."""
        spec = json.loads(bundle["pipeline.ipynb"])["metadata"]["kernelspec"]["name"]
        try:
            return str(self.environments.interpreter(spec))
        except MlopsError:
            return ""

    def scratch(self, name: str) -> Path:
        """Return a new temporary folder, which the caller removes with `drop`."""
        from mlops_nb.storage import scratch

        self.prepare_folder()
        folder, lock = scratch.make(self.settings.folder / "tmp", name)
        self._locks[folder] = lock
        return folder

    def drop(self, folder: Path) -> None:
        """Remove a scratch folder."""
        from mlops_nb.storage import scratch

        shutil.rmtree(folder, ignore_errors=True)
        scratch.release(self._locks.pop(folder, None))

    def kernel_environment(self) -> dict[str, str]:
        """Return the variables that every kernel gets in addition."""
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
        return {**self._home_environment(), **self.tracking_environment(), **quiet}

    def _home_environment(self) -> dict[str, str]:
        """Return the variables that give a user without a home folders under .mlops/."""
        if files.has_home(self.environment):
            return {}
        home = self.settings.folder / "home"
        given = {name: str(home / part) for name, part in HOME_FOLDERS.items()}
        return {name: path for name, path in given.items() if name not in self.environment}

    def tracking_environment(self) -> dict[str, str]:
        """Return the variables by which MLflow finds the project's store and experiment."""
        return {
            "MLFLOW_TRACKING_URI": self.settings.mlflow,
            "MLFLOW_EXPERIMENT_NAME": self.settings.experiment,
        }

    def record(self, events: Iterable[Event], notify: Notify = ignore) -> list[Event]:
        """Write events to the journal one by one, and notify after each write."""
        kept: list[Event] = []
        for event in events:
            written = self.journal.append(event)
            if written is not None:
                kept.append(written)
                notify(written)
        return kept

    def record_until_stopped(
        self, events: Generator[Event, None, None], run: str, notify: Notify = ignore
    ) -> None:
        """Record a run's events; if the user interrupts it, record that it was stopped."""
        try:
            self.record(events, notify)
        except KeyboardInterrupt:
            events.close()
            stop = RunFinished(run=run, status="stopped", seconds=0.0, error="stopped by hand")
            self.record([stop], notify)

    def write_graph(self, run: str, graph: dict[str, Any], mermaid: str) -> None:
        """Write a run's graph to the folder of the run."""
        folder = self.run_folder(run)
        files.write_text(folder / "graph.json", json.dumps(graph, indent=1, ensure_ascii=False))
        files.write_text(folder / "graph.mmd", mermaid + "\n")
