"""Jobs at work: run a bundle, judge, release; what jobs, runs and models look like."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from mlops_nb import files
from mlops_nb import secrets as secret_values
from mlops_nb.bundle import freeze, jobfile, manifest
from mlops_nb.bundle.task import bundle_task
from mlops_nb.errors import JobError, MlopsError, NotFound
from mlops_nb.events import Event, Measured, RunFinished, RunQueued
from mlops_nb.model import Interval, Job, Notebook, Pipeline, Value
from mlops_nb.notebook import cells, graph, parameters, plan
from mlops_nb.ports import Limits, Source, Task
from mlops_nb.record import cron, history, schema
from mlops_nb.record.jobs import JobState
from mlops_nb.verbs import capture, judge, run
from mlops_nb.verbs.promote.draft import cut_out
from mlops_nb.wiring.ledger import Ledger, Rules
from mlops_nb.wiring.runs import ledger_of
from mlops_nb.wiring.workshop import Tell, Workshop, silence


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


def state_of(shop: Workshop, name: str) -> JobState:
    """Return a job's state. Raises NotFound where there is no such job."""
    known = shop.jobs()
    if name not in known:
        hint = f"the jobs are {', '.join(known)}" if known else "promote a notebook first"
        raise NotFound(f"there is no job {name!r}", fix=hint)
    return known[name]


def live(shop: Workshop, name: str) -> tuple[JobState, Bundle]:
    """Return a job's state and its live bundle.

    Raises JobError for a draft, and for a kept bundle that is not what was applied.
    """
    state = state_of(shop, name)
    if not state.digest:
        raise JobError(f"{name!r} is a draft", fix=f"review it, then: mlops-nb apply {name}")
    folder = shop.bundle_folder(state.digest)
    found = files.read_folder(folder) if folder.is_dir() else {}
    if not found or manifest.verify(found, name) != state.digest:
        raise JobError(
            f"the kept bundle of {name!r} is not what was applied",
            fix=f"apply it again from jobs/{name}: mlops-nb apply {name}",
            where=str(folder),
        )
    document = json.loads(found["pipeline.ipynb"])
    notebook = cells.read(document, "pipeline.ipynb")
    return state, Bundle(
        job=jobfile.of_definition(dict(state.definition)),
        folder=folder,
        document=document,
        notebook=notebook,
        pipeline=graph.pipeline(notebook),
        lock=found["requirements.lock"].decode(),
        schema=json.loads(found["schema.json"]),
    )


def trigger(
    shop: Workshop,
    name: str,
    given: Mapping[str, Value],
    *,
    kind: str = "hand",
    at: datetime | None = None,
    tell: Tell = silence,
) -> history.Run | None:
    """Run a job now, with retries, judge it, and release what passes.

    kind: hand or schedule
    at:   the tick that it is due for; a tick that was taken already returns None
    """
    state = state_of(shop, name)
    if not state.digest:
        live(shop, name)  # a draft: it says what to do
    job = jobfile.of_definition(dict(state.definition))
    about = cron.interval(job.schedule, at or shop.clock())
    if kind == "hand":
        values_of(live(shop, name)[1], about, given)  # refused before anything is written
    done: history.Run | None = None
    for attempt in range(1, job.retries + 2):
        run_id = shop.new_run()
        once = f"{name}@{about.end.isoformat()}" if kind == "schedule" and attempt == 1 else ""
        queued = RunQueued(
            run=run_id, job=name, trigger=kind, scheduled_at=(at or about.scheduled_at).isoformat(),
            data_start=about.start.isoformat(), data_end=about.end.isoformat(), attempt=attempt,
            because="its schedule" if kind == "schedule" else "by hand",
        )  # fmt: skip
        if shop.journal.append(queued, once=once) is None:
            return None
        done = _attempt(shop, job, run_id, about, given, tell)
        if done.status != "failed":
            break
    return done


def values_of(bundle: Bundle, about: Interval, given: Mapping[str, Value]) -> dict[str, Value]:
    """Return a run's parameters: the job's own, filled in, and those given by hand."""
    known = {p.name: p for p in bundle.pipeline.parameters}
    filled = cron.filled({**bundle.job.parameters, **given}, about, known)
    return parameters.checked(filled, known.values(), f"job {bundle.job.name}")


def _attempt(
    shop: Workshop,
    job: Job,
    run_id: str,
    about: Interval,
    given: Mapping[str, Value],
    tell: Tell,
) -> history.Run:
    try:
        bundle = live(shop, job.name)[1]
        values = values_of(bundle, about, given)
        task = _task(shop, bundle, run_id, values)
        shown = {p.name: p.value for p in bundle.pipeline.parameters} | dict(values)
        scratch = shop.scratch("reuse")
        try:
            task = replace(task, reuse=_ledger(shop, bundle, task, shown, scratch))
            shop.record(
                run.run(task, executor=shop.executor, notebook=f"jobs/{job.name}/pipeline.ipynb",
                        values=shown, process=shop.process(), job=job.name),
                tell,
            )  # fmt: skip
        finally:
            shop.drop(scratch)
        done = shop.run_of(run_id)
        if done.status == "finished":
            with shop.deciding():
                model = shop.models().get(job.model_name or "")
                shop.record(judge.judge(job, done, model, done.champion_error), tell)
    except MlopsError as error:
        _end(shop, job, run_id, "failed", error.what)
        raise
    except KeyboardInterrupt:
        _end(shop, job, run_id, "stopped", "stopped by hand")
        raise
    finally:
        shop.mirror_now()
    return shop.run_of(run_id)


def _ledger(
    shop: Workshop, bundle: Bundle, task: Task, values: Mapping[str, Value], scratch: Path
) -> Ledger:
    """Return what stands of a job's earlier runs; what comes from outside is read anew."""
    name = bundle.job.name
    source = Source(path=task.folder / "pipeline.ipynb", document=bundle.document,
                    notebook=bundle.notebook, pipeline=bundle.pipeline)  # fmt: skip
    found = ledger_of(shop, source, values, rules=Rules(snapshots=False), scratch=scratch,
                      python=task.interpreter, notebook=f"jobs/{name}/pipeline.ipynb")  # fmt: skip
    declared = dict.fromkeys(bundle.job.secrets, "declared")  # their values are told to nobody
    found.variables = {**found.variables, **declared}
    return found


def _end(shop: Workshop, job: Job, run_id: str, status: str, error: str) -> None:
    ended = RunFinished(run=run_id, job=job.name, status=status, seconds=0.0, error=error)
    shop.record([ended])


def _task(shop: Workshop, bundle: Bundle, run_id: str, values: Mapping[str, Value]) -> Task:
    job = bundle.job
    folder = shop.run_folder(run_id)
    champion = champion_file(shop, job)
    secret = secret_values.fetch(job.secrets, shop.environment)
    base = _base(shop, bundle, values, secret)
    base = replace(
        base,
        run=run_id,
        output=folder / "pipeline.ipynb",
        inspect=lambda step, seen: schema.objection(bundle.schema, step, seen),
        looks={s.cells[-1]: (s.name, s.makes) for s in bundle.pipeline.steps},
    )
    return bundle_task(
        job, bundle.pipeline, bundle.document, base, champion=champion,
        model_file=folder / "model.pickle",
    )  # fmt: skip


def _base(
    shop: Workshop, bundle: Bundle, values: Mapping[str, Value], secret: Mapping[str, str]
) -> Task:
    job = bundle.job
    kernel = shop.environments.interpreter(bundle.notebook.kernel)
    folder = shop.root / job.folder
    if not folder.is_dir():
        raise JobError(
            f"the working folder {job.folder!r} of job {job.name!r} is gone",
            fix=f"bring {job.folder}/ back, or set `folder` in job.yaml and apply",
        )
    return Task(
        run="",
        document=bundle.document,
        folder=folder,
        output=Path(),
        source=f"jobs/{job.name}/pipeline.ipynb",
        parameters=values,
        metrics=bundle.pipeline.metrics,
        not_metrics=frozenset(p.name for p in bundle.pipeline.parameters),
        modules=bundle.folder / "modules",
        interpreter=shop.environments.python_for(kernel, bundle.lock, build=False),
        environment={**shop.kernel_environment(), **secret},
        secrets=tuple(secret.values()),
        limits=Limits(timeout=job.timeout, engine="cold"),  # at three in the morning nobody waits
    )


def champion_file(shop: Workshop, job: Job) -> tuple[int, Path] | None:
    """Return the champion's version and file, None where there is no champion yet."""
    model = shop.models().get(job.model_name or "")
    if model is None or model.champion is None:
        return None
    try:
        return model.champion, shop.store.path(model.versions[model.champion].artifact)
    except NotFound as error:
        raise JobError(
            f"the champion, version {model.champion}, cannot be judged: {error.what}",
            fix=f"mlops-nb rollback {model.name}, or bring the store back from a copy",
            where=error.where,
        ) from None


def score(shop: Workshop, name: str, version: int, at: datetime | None = None) -> dict[str, float]:
    """Return what a version of a job's model scores on the data as of a time; nothing is trained.

    The model's own step is left out and the version stands in for what it makes.
    """
    _, bundle = live(shop, name)
    job = bundle.job
    model = shop.models().get(job.model_name or "")
    if model is None or version not in model.versions:
        raise NotFound(f"{name!r} has no model version {version}", fix="mlops-nb models")
    file = shop.store.path(model.versions[version].artifact)
    values = values_of(bundle, cron.interval(job.schedule, at or shop.clock()), {})
    cut = plan.cut(bundle.pipeline, variable=job.model_variable, wanted=bundle.pipeline.metrics)
    left_out = bundle.pipeline.step(cut.model_step).cells
    document = json.loads(json.dumps(bundle.document))
    code = [c for c in document["cells"] if c["cell_type"] == "code"]
    for index in left_out:
        code[index]["source"] = ""
    scratch = shop.scratch("score")
    try:
        task = replace(
            _base(shop, bundle, values, secret_values.fetch(job.secrets, shop.environment)),
            run=shop.new_run(),
            document=document,
            output=scratch / "scored.ipynb",
            bind={left_out[-1]: (job.model_variable or "", file)},
        )
        events = list(run.run(task, executor=shop.executor, notebook=task.source))
    finally:
        shop.drop(scratch)
    return _measured(events)


def _measured(events: list[Event]) -> dict[str, float]:
    end = next(e for e in events if isinstance(e, RunFinished))
    if end.status != "finished":
        raise JobError(f"the version could not be scored: {end.error}", fix="run the job by hand")
    return dict(next(e for e in events if isinstance(e, Measured)).metrics)


def differing_steps(shop: Workshop, state: JobState) -> list[str] | None:
    """Return the steps whose code in the notebook is no longer the job's, None where it is gone."""
    job = jobfile.of_definition(dict(state.definition))
    path = shop.root / job.source
    folder = shop.bundle_folder(state.digest)
    if not path.is_file() or not folder.is_dir():
        return None
    if files.sha256(path) == state.source_digest:
        return []
    try:
        source = capture.capture(path)
        now = freeze.freeze(source.document, source.pipeline, cut_out(job, source).kept)
    except MlopsError:
        return ["the notebook cannot be promoted as it is"]
    was = json.loads((folder / "pipeline.ipynb").read_text(encoding="utf-8"))
    return [s for s, text in _code(now).items() if _code(was).get(s) != text] + [
        s for s in _code(was) if s not in _code(now)
    ]


def _code(document: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for cell in document["cells"]:
        if cell["cell_type"] != "code":
            continue
        tags = cell["metadata"].get("tags", [])
        step = next((t[5:] for t in tags if t.startswith("step:")), "set-up")
        found[step] = found.get(step, "") + cells.source_of(cell).strip() + "\n"
    return found
