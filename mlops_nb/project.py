"""Opens a folder as a project and wires adapters to verbs; one short method a verb."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb import files
from mlops_nb.errors import NotFound
from mlops_nb.events import JobPaused, JobUnpaused
from mlops_nb.model import Value, Warned
from mlops_nb.notebook import render
from mlops_nb.ports import Clock, Limits, Source, Task
from mlops_nb.record import history
from mlops_nb.record.models import Model
from mlops_nb.verbs import capture
from mlops_nb.wiring import runs
from mlops_nb.wiring.ledger import Rules
from mlops_nb.wiring.workshop import Tell, Workshop, real_time, silence

if TYPE_CHECKING:
    from mlops_nb.record.lineage import Graph
    from mlops_nb.record.sweeps import Sweep
    from mlops_nb.verbs.promote.define import Request
    from mlops_nb.wiring.promotion import Ways
    from mlops_nb.wiring.session import Session

__all__ = ["Limits", "Project", "Request", "Rules", "Ways", "open_project"]
Note = Callable[[str], None]
# what a verb needs is imported when it is typed: most are a matter of milliseconds
HOMES = {"Request": "mlops_nb.verbs.promote.define", "Ways": "mlops_nb.wiring.promotion"}


def __getattr__(name: str) -> Any:
    """Import what only promoting needs when it is asked for."""
    import importlib

    if name in HOMES:
        return getattr(importlib.import_module(HOMES[name]), name)
    raise AttributeError(f"module 'mlops_nb.project' has no attribute {name!r}")


class Project:
    """A folder with notebooks, and what was recorded of them."""

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        clock: Clock = real_time,
    ) -> None:
        given = os.environ if environment is None else environment
        self.here = folder.resolve()
        self.workshop = Workshop(self.here, given, clock)

    # notebooks

    def capture(self, notebook: str | Path, content: Mapping[str, Any] | None = None) -> Source:
        """Read a notebook and its pipeline."""
        return capture.capture(self.here / notebook, content)

    def graph(
        self, notebook: str | Path, content: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return a notebook's pipeline as `graph --json` prints it.

        content: the notebook as it stands in an editor, where it is not the saved one
        """
        return render.as_json(self.capture(notebook, content).pipeline)

    def observed(self, notebook: str | Path) -> Source:
        """Run every cell of a notebook in a fresh kernel, past errors too; return what it is."""
        shop, source = self.workshop, self.capture(notebook)
        shop.environments.interpreter(source.notebook.kernel)  # refuses one that is not there
        scratch = shop.scratch("observe")
        try:
            task = Task(
                run=shop.new_run(),
                document=source.document,
                folder=source.path.parent,
                output=scratch / source.path.name,
                source=str(source.path),
                environment=shop.kernel_environment(),
            )
            found, failed = capture.observe(source, task, shop.executor)
        finally:
            shop.drop(scratch)
        warned = (*found.pipeline.warnings, *failed)
        return replace(found, pipeline=replace(found.pipeline, warnings=warned))

    def run(  # noqa: PLR0913  what a person may ask of a run
        self,
        notebook: str | Path,
        parameters: Mapping[str, Value] | None = None,
        *,
        output: str | Path | None = None,
        limits: Limits | None = None,
        rules: Rules | None = None,
        resume: str = "",
        tell: Tell = silence,
    ) -> history.Run:
        """Run a notebook, as far as it does not stand by earlier runs, and record it.

        limits: what it is executed by, and how much time and memory it may take
        rules:  what of it may stand
        resume: a run that did not finish, whose parameters are taken
        tell:   is told of every event, after it was written

        Raises NotebookError or ParameterError before anything ran.
        """
        shop, source = self.workshop, self.capture(notebook)
        target = runs.checked_output(self.here, output, source.path)
        return runs.run(shop, source, parameters or {}, output=target, limits=limits or Limits(),
                        rules=rules or Rules(), resume=resume, tell=tell)  # fmt: skip

    def sweep(  # noqa: PLR0913  what a person may ask of a sweep
        self,
        notebook: str | Path,
        grid: Mapping[str, Sequence[Value]],
        parameters: Mapping[str, Value] | None = None,
        *,
        workers: int | None = None,
        on: str = "processes",
        best: str = "",
        resume: str = "",
        fresh: bool = False,
        watch: "Callable[[Sweep], None]" = lambda _: None,
    ) -> "Sweep":
        """Run a notebook at every point of a grid; return the sweep. See `wiring.sweeps.Wish`.

        Raises Refused before anything ran.
        """
        from mlops_nb.wiring import sweeps

        wish = sweeps.Wish(workers=workers, on=on, best=best, resume=resume, fresh=fresh)
        source = self.capture(notebook)
        return sweeps.sweep(self.workshop, source, grid, parameters or {}, wish=wish, watch=watch)

    def keep(self, run: str, name: str, text: str) -> Path:
        """Keep a text beside what a run or a sweep left; return its file."""
        file = self.workshop.run_folder(run) / name
        files.write_text(file, text)
        return file

    def stop(self, name: str) -> "history.Run | Sweep":
        """Stop a run or a sweep and return how it ended.

        Raises Refused for one that is over or of another machine.
        """
        from mlops_nb.wiring import stopping

        return stopping.stop(self.workshop, name)

    def check(self, notebook: str | Path) -> list[Warned]:
        """Return everything that would stop a promotion of a notebook, each with its mend."""
        from mlops_nb.verbs import check

        shop, source = self.workshop, self.capture(notebook)
        python = shop.environments.interpreter(source.notebook.kernel)
        look = shop.environments.look(python)
        variable = next(iter(source.pipeline.model), None)
        return check.check(
            source, root=shop.root, variable=variable, installed={*look.modules, *look.stdlib}
        )

    def runs(self) -> list[history.Run]:
        """Return every run, oldest first."""
        shop = self.workshop
        shop.bury_dead_runs()
        return list(history.runs(shop.journal.read()).values()) if shop.knows_anything else []

    def show(self, run_id: str) -> history.Run:
        """Return one run. Raises NotFound where there is none."""
        found = [r for r in self.runs() if r.id == run_id]
        if not found:
            raise NotFound(f"there is no run {run_id!r}", fix="list them with: mlops-nb runs")
        return found[0]

    def session(self, shell: Any, path_of: Callable[[], str]) -> "Session":
        """Follow a live notebook's shell. `path_of` tells where the notebook is saved."""
        from mlops_nb.wiring.session import Session

        return Session(shell, self.workshop, path_of)

    def why(self, notebook: str | Path, step: str) -> dict[str, Any]:
        """Return what `why --json` prints: whether a step would run now, and why."""
        return runs.why(self.workshop, self.capture(notebook), step)

    def diff(self, before: str, after: str) -> dict[str, Any]:
        """Return what `diff --json` prints of two runs."""
        from mlops_nb.wiring import provenance

        return provenance.diff(self.workshop, before, after)

    def lineage(self, name: str, *, notebook: str = "", run: str = "") -> "tuple[str, str, Graph]":
        """Return a run, the node of a value that it left, and the graph of all behind it."""
        from mlops_nb.wiring import provenance

        of = self.workshop.relative(self.here / notebook) if notebook else ""
        return provenance.behind(self.workshop, name, notebook=of, run=run)

    # the store

    def store_size(self) -> dict[str, int]:
        """Return what `store --size --json` prints."""
        from mlops_nb.wiring import storekeeping

        return storekeeping.size(self.workshop)

    def store_verify(self) -> dict[str, Any]:
        """Return what `store --verify --json` prints."""
        from mlops_nb.wiring import storekeeping

        return storekeeping.verify(self.workshop)

    def store_prune(self, keep: timedelta) -> dict[str, int]:
        """Return what `store --prune --json` prints."""
        from mlops_nb.wiring import storekeeping

        return storekeeping.prune(self.workshop, keep)

    # jobs

    def promote(
        self, notebook: str | Path, request: "Request", ways: "Ways | None" = None
    ) -> dict[str, Any]:
        """Promote a notebook to a job; return what `promote --json` prints, with `passed`.

        Raises Refused before anything ran, NotProven where the bundle differs.
        """
        from mlops_nb.wiring import promotion
        from mlops_nb.wiring.promotion import Ways

        source = self.capture(notebook)
        return promotion.promote(self.workshop, source, request, ways or Ways())

    def apply(self, job: str, note: Note = lambda _: None) -> dict[str, Any]:
        """Make a draft, or an edited job.yaml, the live one."""
        from mlops_nb.wiring import promotion

        return promotion.apply(self.workshop, job, note)

    def trigger(
        self, job: str, parameters: Mapping[str, Value] | None = None, *, tell: Tell = silence
    ) -> dict[str, Any]:
        """Run a job now, judge it, and return its row of `history --json`."""
        from mlops_nb.wiring import answers, jobs

        self.workshop.bury_dead_runs()
        done = jobs.trigger(self.workshop, job, parameters or {}, tell=tell)
        assert done is not None  # only a scheduled tick can be taken already
        when = answers.schedule_of(jobs.state_of(self.workshop, job))
        return {"version": 1, **answers.history_row(done, when)}

    def schedule_once(self, tell: Tell = silence, note: Note = lambda _: None) -> dict[str, Any]:
        """Run what is due now; return {"version", "runs": rows of `history --json`}."""
        from mlops_nb.wiring import answers, jobs, scheduler

        shop = self.workshop
        if not shop.knows_anything:
            return {"version": 1, "runs": []}
        rows = [
            answers.history_row(run_, answers.schedule_of(jobs.state_of(shop, run_.job)))
            for run_ in scheduler.once(shop, tell, note)
        ]
        return {"version": 1, "runs": rows}

    def schedule(self, tell: Tell, note: Note) -> None:
        """Run what is due until stopped."""
        from mlops_nb.wiring import scheduler

        scheduler.serve(self.workshop, tell, note)

    @property
    def scheduler_runs(self) -> bool:
        """Whether a scheduler was seen within the last two minutes."""
        from mlops_nb.wiring import scheduler

        return scheduler.is_running(self.workshop)

    def jobs(self) -> dict[str, Any]:
        """Return what `jobs --json` prints."""
        from mlops_nb.wiring import answers

        self.workshop.bury_dead_runs()
        return answers.all_jobs(self.workshop)

    def job(self, name: str) -> dict[str, Any]:
        """Return what `job --json` prints."""
        from mlops_nb.wiring import answers

        return answers.one_job(self.workshop, name)

    def history(self, job: str) -> dict[str, Any]:
        """Return what `history --json` prints."""
        from mlops_nb.wiring import answers

        self.workshop.bury_dead_runs()
        return answers.job_history(self.workshop, job)

    def pause(self, job: str) -> None:
        """Let the schedule of a job rest."""
        from mlops_nb.wiring import jobs

        jobs.state_of(self.workshop, job)
        self.workshop.record([JobPaused(job=job)])

    def unpause(self, job: str) -> None:
        """Let the schedule of a job go on; what was missed is caught up by its `missed` policy."""
        from mlops_nb.wiring import jobs

        jobs.state_of(self.workshop, job)
        self.workshop.record([JobUnpaused(job=job)])

    # models

    def models(self) -> dict[str, Any]:
        """Return what `models --json` prints."""
        from mlops_nb.wiring import answers

        return answers.all_models(self.workshop)

    def rollback(self, model: str, to: int | None = None) -> dict[str, Any]:
        """Put the version released before back, or the version `to`."""
        from mlops_nb.verbs import release

        shop = self.workshop
        known = shop.models()
        if model not in known:
            hint = f"the models are {', '.join(known)}" if known else "promote a notebook first"
            raise NotFound(f"there is no model {model!r}", fix=hint)
        with shop.deciding():
            now = shop.models()[model]
            released = release.rollback(now, to)
            _refuse_gone(shop, now, released.version)
            shop.record([released])
        shop.mirror_now()
        return {
            "version": 1,
            "model": model,
            "champion": released.version,
            "previous": released.previous,
            "because": released.because,
        }

    def score(self, job: str, version: int, at: datetime | None = None) -> dict[str, float]:
        """Return what a version of a job's model scores on the data as of a time, untrained."""
        from mlops_nb.wiring import jobs

        return jobs.score(self.workshop, job, version, at)


def _refuse_gone(shop: Workshop, model: Model, version: int) -> None:
    """Refuse to release a version whose model is no longer kept."""
    if not shop.store.holds(model.versions[version].artifact):
        kept = [v.version for v in model.versions.values() if shop.store.holds(v.artifact)]
        raise NotFound(
            f"version {version} of {model.name!r} is no longer in the store",
            fix=f"give one that is: --to {' or '.join(map(str, kept)) or 'none is'}",
        )


def open_project(folder: str | Path = ".") -> Project:
    """Open the project that a folder belongs to."""
    return Project(Path(folder))
