"""A model that answered: its job, its package and its prediction log, without a notebook."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from mlops_nb.events import JobApplied, Registered, Released
from mlops_nb.jobs.bundle import job_yaml
from mlops_nb.jobs.model import Job
from mlops_nb.models import package
from mlops_nb.monitoring.incidents import check
from mlops_nb.monitoring.report import view
from mlops_nb.probe.answer import reference
from mlops_nb.project import Project, open_project
from mlops_nb.serving import prediction_table
from mlops_nb.serving.settings import LabelSettings, PredictionSettings, ServingSettings
from mlops_nb.storage.predictions_local import LocalPredictions

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RELEASED = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = {"i": "int", "f": "float", "O": "text", "b": "bool"}


class LiveModel:
    """A project with one model `m`, of one job, whose clock stands at NOW.

    evaluated:  a frame of inputs; the reference describes it
    evaluation: metric → value that the evaluation of version 1 promised, of 4000 rows; or a whole
                evaluation, with slices
    job:        settings of the job
    """

    def __init__(
        self,
        folder: Path,
        evaluated: pd.DataFrame,
        classes=(0, 1),
        labels: LabelSettings | None = None,
        predictions: PredictionSettings | None = None,
        evaluation: dict | None = None,
        **job: object,
    ) -> None:
        (folder / ".git").mkdir(parents=True, exist_ok=True)
        self.folder, self.classes = folder, classes
        self.evaluation = evaluation or {}
        serving = ServingSettings(
            labels=labels or LabelSettings(), predictions=predictions or PredictionSettings()
        )
        job = Job(
            name="m",
            notebook="pipeline.ipynb",
            folder=".",
            source="n.ipynb",
            model_name="m",
            model_variable="model",
            serving=serving,
            **job,
        )
        project = self.open(RELEASED)
        project.context.prepare_folder()
        project.context.record(
            [JobApplied(job="m", digest="d", bundle="b", definition=job_yaml.definition(job))]
        )
        self.columns = [
            {"name": str(n), "kind": kind_of(evaluated[n]), "dtype": "", "missing": True}
            for n in evaluated
        ]
        self.log = LocalPredictions(folder / ".mlops" / "predictions" / "m")
        self.release(1, evaluated)

    def open(self, now: datetime = NOW) -> Project:
        return open_project_at(self.folder, now)

    def release(
        self, version: int, evaluated: pd.DataFrame, at: datetime | None = None, **answers
    ) -> None:
        """Register and release a version; answers: its predictions and scores at evaluation."""
        at = at or RELEASED
        ctx = self.open(at).context
        ctx.record(
            [
                Registered(
                    run=f"r{version}", job="m", model="m", version=version, artifact="a", digest="d"
                ),
                Released(
                    run=f"r{version}",
                    job="m",
                    model="m",
                    version=version,
                    previous=version - 1 or None,
                ),
            ]
        )
        place = package.folder(ctx, "m", version)
        place.mkdir(parents=True)
        kind = "number" if self.classes is None else "label"
        classes = None if self.classes is None else list(self.classes)
        signature = {"columns": self.columns, "answer": {"kind": kind, "classes": classes}}
        columns = {str(n): plain(evaluated[n]) for n in evaluated}
        contents = {
            "package.json": {"signature": signature, "evaluation": evaluated_as(self.evaluation)},
            "reference.json": reference.describe(columns, signature),
            "reference_answers.json": {
                name: reference.describe_column(plain(pd.Series(values)), of)
                for name, (values, of) in answers.items()
            },
            "MANIFEST.json": {},
        }
        for name, content in contents.items():
            (place / name).write_text(json.dumps(content))

    def answer(self, frame: pd.DataFrame, files: int = 1) -> None:
        """Write rows into the log: request_id, time, prediction, score, and inputs.

        model_version is 1 and source live, unless the frame says otherwise.
        """
        made = frame.rename(columns={c["name"]: f"in_{c['name']}" for c in self.columns})
        for name, value in (("model_version", 1), ("source", "live"), ("seconds", 0.01)):
            if name not in made:
                made[name] = value
        times = pd.to_datetime(made.pop("time"), utc=True).dt.tz_convert(None)
        times = pa.array(times.to_numpy().astype("datetime64[us]"), pa.timestamp("us"))
        whole = pa.Table.from_pandas(made, preserve_index=False)
        whole = whole.append_column("time", times.cast(pa.timestamp("us", tz="UTC")))
        for part in np.array_split(np.arange(len(made)), files):
            for day, rows in prediction_table.by_day(whole.take(part)):
                self.log.write(day, rows)

    def watch(self, since=None, until=None, now: datetime = NOW) -> dict:
        """Return what `watch --json` prints."""
        return view.as_json(self.open(now).watch("m", since, until))

    def look(self, now: datetime = NOW):
        """Look at the model as the scheduler does; return what was found."""
        return check.check(self.open(now).context, "m")

    def label(self, frame: pd.DataFrame, name: str = "labels.csv", now: datetime = NOW) -> dict:
        """Take labels: request_id and label."""
        path = self.folder / name
        frame.to_parquet(path) if name.endswith(".parquet") else frame.to_csv(path, index=False)
        return self.open(now).labels("m", name)


def evaluated_as(promised: dict) -> dict:
    """Return an evaluation as a package has it."""
    if "whole" in promised:
        return promised
    score = {"low": None, "high": None, "n": 4000}
    return {"whole": {name: {"value": value, **score} for name, value in promised.items()}}


def open_project_at(folder: Path, now: datetime) -> Project:
    project = open_project(folder)
    project.context.clock = lambda: now
    return project


def kind_of(column: pd.Series) -> str:
    return KINDS.get(getattr(column.dtype, "kind", "O"), "text")


def plain(column: pd.Series) -> list:
    return [None if pd.isna(value) else value for value in column.tolist()]


def binary(count: int, seed: int = 0, days: int = 10, before: datetime = NOW) -> pd.DataFrame:
    """Return answers with their true class, evenly over the days before a time."""
    draw = np.random.default_rng(seed)
    score = draw.beta(2, 2, count)
    start = (before - timedelta(days=days)).replace(hour=0)
    seconds = np.sort(draw.uniform(0, days * 86400, count))
    return pd.DataFrame(
        {
            "request_id": [f"r{seed}-{i}" for i in range(count)],
            "time": [start + timedelta(seconds=float(s)) for s in seconds],
            "age": draw.integers(18, 90, count),
            "city": draw.choice(["Seoul", "Busan", "Daegu"], count, p=[0.6, 0.3, 0.1]),
            "score": score,
            "prediction": (score > 0.5).astype(int),
            "label": (draw.random(count) < score).astype(int),
        }
    )


def labels_of(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["request_id", "label"]]
