"""Executes a run of a job: runs its bundle, judges, and releases."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from mlops_nb.context import Context, Notify, ignore
from mlops_nb.engine import run as engine_run
from mlops_nb.engine.replay import Champion, Replay
from mlops_nb.engine.task import Executor, Limits, Task
from mlops_nb.errors import JobError, MlopsError, NotFound
from mlops_nb.events import RunFinished
from mlops_nb.jobs import schedule, secret_values, stored
from mlops_nb.jobs.bundle import job_yaml
from mlops_nb.jobs.bundle.task import bundle_task
from mlops_nb.jobs.cut import measured_metrics
from mlops_nb.jobs.model import Interval, Job
from mlops_nb.jobs.policy import policy_of
from mlops_nb.jobs.registry import JobState, read_jobs
from mlops_nb.models import release
from mlops_nb.models.package import ModelEnvironment
from mlops_nb.models.registry import read_models
from mlops_nb.notebook import cells, parameters
from mlops_nb.notebook import pipeline as notebook_pipeline
from mlops_nb.notebook.model import Notebook, Pipeline, Source, Value
from mlops_nb.reuse.ledger import Ledger
from mlops_nb.reuse.rules import Rules
from mlops_nb.runs import history, process, tracking
from mlops_nb.runs.history import read_run
from mlops_nb.runs.run import ledger_of
from mlops_nb.serving.settings import ServingSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A live bundle, read and verified."""

    job: Job
    folder: Path
    document: Mapping[str, Any]
    notebook: Notebook
    pipeline: Pipeline
    lock: str
    schema: Mapping[str, Any]


def readable(
    states: Mapping[str, JobState], note: Callable[[str], None] = lambda _: None
) -> dict[str, Job]:
    """Return the live jobs whose definition can be read.

    note: called with a message for each of the others
    """
    found: dict[str, Job] = {}
    for name, state in states.items():
        try:
            if state.digest:
                found[name] = job_yaml.of_definition(dict(state.definition))
        except MlopsError as error:
            note(f"{name}: {error}")
    return found


def serving_settings(ctx: Context, model: str) -> ServingSettings:
    """Return how the job of a model wants it to be served, as it is applied now."""
    known = read_models(ctx).get(model)
    states = read_jobs(ctx)
    if known is None or known.job not in states or not states[known.job].digest:
        return ServingSettings()
    return job_yaml.of_definition(dict(states[known.job].definition)).serving


def state_of(ctx: Context, name: str) -> JobState:
    """Return a job's state. Raises NotFound if there is no such job."""
    known = read_jobs(ctx)
    if name not in known:
        hint = f"the jobs are {', '.join(known)}" if known else "promote a notebook first"
        raise NotFound(f"there is no job {name!r}", fix=hint)
    return known[name]


def live(ctx: Context, name: str) -> tuple[JobState, Bundle]:
    """Return a job's state and its live bundle.

    Raises JobError for a draft, and for a stored bundle that differs from the applied one.
    """
    state = state_of(ctx, name)
    if not state.digest:
        raise JobError(f"{name!r} is a draft", fix=f"review it, then: mlops-nb apply {name}")
    folder = ctx.bundle_folder(state.digest)
    found = stored.bundle(ctx, state.digest)
    if not found:
        raise JobError(
            f"the stored bundle of {name!r} differs from the one that was applied",
            fix=f"apply it again from jobs/{name}: mlops-nb apply {name}",
            where=str(folder),
        )
    document = json.loads(found["pipeline.ipynb"])
    notebook = cells.read(document, "pipeline.ipynb")
    return state, Bundle(
        job=job_yaml.of_definition(dict(state.definition)),
        folder=folder,
        document=document,
        notebook=notebook,
        pipeline=notebook_pipeline.pipeline(notebook),
        lock=found["requirements.lock"].decode(),
        schema=json.loads(found["schema.json"]),
    )


def values_of(bundle: Bundle, about: Interval, given: Mapping[str, Value]) -> dict[str, Value]:
    """Return the parameters of a run: given ones, and the job's with templates filled in."""
    known = {p.name: p for p in bundle.pipeline.parameters}
    filled = schedule.filled({**bundle.job.parameters, **given}, about, known)
    return parameters.checked(filled, known.values(), f"job {bundle.job.name}")


def attempt(ctx: Context, run: history.Run, notify: Notify = ignore) -> history.Run:
    """Execute a claimed run, judge its model, and release it if it passes; return the run.

    Raises MlopsError if it cannot begin; the run has ended by then.
    """
    try:
        bundle = live(ctx, run.job)[1]
        values = values_of(bundle, interval_of(run), run.given)
        tracking.prepare(ctx, bundle.notebook, ctx.root / bundle.job.folder)
        _execute(ctx, bundle, run.id, values, notify)
        if read_run(ctx.journal, run.id).status == "finished":
            environment = environment_of(ctx, bundle)
            release.decide(ctx, policy_of(ctx, bundle.job), run.id, environment, notify)
    except MlopsError as error:
        _end(ctx, run, "failed", error.what)
        raise
    except KeyboardInterrupt:
        _end(ctx, run, "stopped", "stopped by hand")
        raise
    return read_run(ctx.journal, run.id)


def environment_of(ctx: Context, bundle: Bundle) -> ModelEnvironment:
    """Return the environment of a bundle's runs."""
    kernel = ctx.environments.interpreter(bundle.notebook.kernel)
    python = ctx.environments.python_for(kernel, bundle.lock, build=False)
    return ModelEnvironment(python=python, lock=bundle.lock)


def interval_of(run: history.Run) -> Interval:
    """Return the interval of a queued run."""
    start, end, at = map(datetime.fromisoformat, (run.data_start, run.data_end, run.scheduled_at))
    return Interval(start=start, end=end, scheduled_at=at)


def _execute(
    ctx: Context, bundle: Bundle, run_id: str, values: Mapping[str, Value], notify: Notify
) -> None:
    task = _task(ctx, bundle, run_id, values)
    shown = {p.name: p.value for p in bundle.pipeline.parameters} | dict(values)
    scratch = ctx.scratch("reuse")
    try:
        task = replace(task, scratch=scratch)
        name = bundle.job.name
        info = engine_run.RunInfo(
            notebook=f"jobs/{name}/pipeline.ipynb", values=shown, process=process.mine(), job=name
        )
        source = Source(
            path=task.folder / "pipeline.ipynb",
            document=bundle.document,
            notebook=bundle.notebook,
            pipeline=bundle.pipeline,
        )
        reuse = _ledger(ctx, bundle, source, shown, scratch, python=task.interpreter)
        executor = _executor(ctx, bundle.job, Replay(source, reuse, _champion(ctx, bundle)), task)
        events = engine_run.run(task, info, executor=executor, reuse=reuse)
        ctx.record(events, notify)
    finally:
        ctx.drop(scratch)


def _executor(ctx: Context, job: Job, replay: Replay, task: Task) -> Executor:
    """Return what executes a run: a replay if everything is up to date, else an engine."""
    if job.reuse:
        try:
            if replay.reuses() and replay.suffices(task):
                return replay
        except NotFound:  # outputs that are gone or damaged: they are made again
            pass
        replay.reuse.reset()
    return ctx.executor


def _champion(ctx: Context, bundle: Bundle) -> Champion | None:
    model = read_models(ctx).get(bundle.job.model_name or "")
    if model is None or model.champion is None:
        return None
    version = model.versions[model.champion]
    return Champion(version=version.version, digest=version.digest, artifact=version.artifact)


def _ledger(
    ctx: Context,
    bundle: Bundle,
    source: Source,
    values: Mapping[str, Value],
    scratch: Path,
    *,
    python: str,
) -> Ledger:
    """Return the ledger of a job's earlier runs; external data is always read again.

    It reuses nothing unless the job says so.
    """
    name = bundle.job.name
    found = ledger_of(
        ctx,
        source,
        values,
        rules=Rules(snapshots=False, fresh=not bundle.job.reuse),
        scratch=scratch,
        python=python,
        notebook=f"jobs/{name}/pipeline.ipynb",
    )
    declared = dict.fromkeys(bundle.job.secrets, "declared")  # instead of their values
    found.variables = {**found.variables, **declared}
    return found


def _end(ctx: Context, run: history.Run, status: str, error: str) -> None:
    ended = RunFinished(run=run.id, job=run.job, status=status, seconds=0.0, error=error)
    ctx.record([ended])


def _task(ctx: Context, bundle: Bundle, run_id: str, values: Mapping[str, Value]) -> Task:
    job = bundle.job
    folder = ctx.run_folder(run_id)
    champion = release.champion_file(ctx, job.model_name or "")
    secret = secret_values.fetch(job.secrets, ctx.environment)
    base = base_task(ctx, bundle, values, secret)
    base = replace(
        checked(base, bundle),
        run=run_id,
        output=folder / "pipeline.ipynb",
    )
    return bundle_task(
        job,
        bundle.pipeline,
        bundle.document,
        base,
        champion=champion,
        model_file=folder / "model.pickle",
    )


def checked(task: Task, bundle: Bundle) -> Task:
    """Return a task that digests the values of steps and checks the data contract."""
    looks = {s.cells[-1]: (s.name, s.makes) for s in bundle.pipeline.steps}
    return replace(task, schema=bundle.schema, looks=looks)


def base_task(
    ctx: Context, bundle: Bundle, values: Mapping[str, Value], secret: Mapping[str, str]
) -> Task:
    """Return the task that runs the cells of a bundle in an environment that equals its lock.

    Raises Refused if its folder or its environment is missing.
    """
    job = bundle.job
    folder = ctx.root / job.folder
    if not folder.is_dir():
        raise JobError(
            f"the working folder {job.folder!r} of job {job.name!r} is gone",
            fix=f"bring {job.folder}/ back, or set `folder` in job.yaml and apply",
        )
    path = f"jobs/{job.name}/pipeline.ipynb"
    environment = tracking.environment(ctx, bundle.notebook, folder=folder, path=path)
    return Task(
        run="",
        document=bundle.document,
        folder=folder,
        output=Path(),
        source=path,
        parameters=values,
        metrics=measured_metrics(bundle.job, bundle.pipeline),
        not_metrics=frozenset(p.name for p in bundle.pipeline.parameters),
        modules=bundle.folder / "modules",
        interpreter=environment_of(ctx, bundle).python,
        environment={**environment, **secret},
        secrets=tuple(secret.values()),
        limits=Limits(timeout=job.timeout, engine="cold"),  # unattended: safety before speed
    )
