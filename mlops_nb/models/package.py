"""Model packages: folders that hold all that serves a version, written when it is registered."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from mlops_nb import files
from mlops_nb.context import Context
from mlops_nb.errors import MlopsError, NotFound
from mlops_nb.evaluation import metrics as evaluation_metrics
from mlops_nb.events import Event, Registered
from mlops_nb.runs.history import Run, read_run

ABOUT, GOLDEN, REFERENCE = "package.json", "golden.json", "reference.json"
ANSWERS = "reference_answers.json"  # packages of before have none
DAYS = "reference_days.json"  # packages of before have none
MODEL, LOCK, MANIFEST = "model.pickle", "requirements.lock", "MANIFEST.json"


class ModelEnvironment(Struct, frozen=True, kw_only=True):
    """The interpreter that runs a model, and the lock that it equals."""

    python: str
    lock: str


class Lookup(Struct, frozen=True, kw_only=True):
    """A table that the features join: when it was made, and how old it may be, s."""

    table: str
    made: datetime
    max_age: float

    def age(self, now: datetime) -> float:
        """Return its age, s."""
        return (now - self.made).total_seconds()


class Package(Struct, frozen=True, kw_only=True):
    """A package that was read and verified.

    about: signature, metrics and origin, as in package.json
    """

    folder: Path
    model: str
    version: int
    python: str
    signature: Mapping[str, Any]
    independent: bool
    golden: Mapping[str, Any]
    about: Mapping[str, Any]

    @property
    def lookups(self) -> list[Lookup]:
        """The tables that its features join, which are as old as the version."""
        made = datetime.fromisoformat(self.about["created"])
        return [
            Lookup(table=table, made=made, max_age=age)
            for table, age in self.about["lookups"].items()
        ]


def folder(ctx: Context, model: str, version: int) -> Path:
    """Return the folder of a version's package."""
    return ctx.settings.folder / "packages" / model / str(version)


def exists(ctx: Context, model: str, version: int) -> bool:
    """Return whether a version has a package."""
    return (folder(ctx, model, version) / MANIFEST).is_file()


def prepare(ctx: Context, events: Iterable[Event], environment: ModelEnvironment) -> None:
    """Write the package of each version that events register, before they are recorded.

    A model that cannot be served has none.
    """
    for event in events:
        if not isinstance(event, Registered):
            continue
        run = read_run(ctx.journal, event.run)
        if run.package is not None and run.package.artifact:
            place = folder(ctx, event.model, event.version)
            files.write_folder(place, _contents(ctx, event, run, environment))


def _contents(
    ctx: Context, event: Registered, run: Run, environment: ModelEnvironment
) -> dict[str, bytes]:
    """Return the files of a package."""
    assert run.package is not None
    made = json.loads(ctx.store.path(run.package.about).read_bytes())
    about = {
        "version": 1,
        "model": event.model,
        "model_version": event.version,
        "run": event.run,
        "job": event.job,
        "created": ctx.now().isoformat(timespec="seconds"),
        "interpreter": environment.python,
        "independent": made["independent"],
        "signature": made["signature"],
        "lookups": made["lookups"],
        "slices": made.get("slices", {}),
        "computed": made.get("computed", {}),
        "metrics": dict(event.metrics),
        "evaluation": {**run.evaluation, "metrics": _metrics(event.metrics, run)},
    }
    contents = {
        MODEL: ctx.store.path(run.package.artifact).read_bytes(),
        ABOUT: _json(about),
        GOLDEN: _json(made["golden"]),
        REFERENCE: _json(made["reference"]),
        LOCK: environment.lock.encode(),
    }
    if "reference_answers" in made:
        contents[ANSWERS] = _json(made["reference_answers"])
    if "reference_days" in made:
        contents[DAYS] = json.dumps(made["reference_days"], separators=(",", ":")).encode()
    listed = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    return {**contents, MANIFEST: _json({"version": 1, "files": listed})}


def _metrics(metrics: Mapping[str, float], run: Run) -> dict[str, Any]:
    """Return the metrics of the evaluation, each {"value", "low", "high", "rows"}.

    The interval, 95 %, and the rows are null for a number that the notebook computed itself.
    """
    known = {name: value for name, value in metrics.items() if math.isfinite(value)}
    scores = evaluation_metrics.all_scores(known, run.evaluation.get("whole", {}))
    return {
        name: {"value": s["value"], "low": s["low"], "high": s["high"], "rows": s["n"]}
        for name, s in scores.items()
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode()


def read(place: Path) -> Package:
    """Read the package of a folder, verified.

    Raises NotFound if there is none, MlopsError if it is damaged.
    """
    if not (place / MANIFEST).is_file():
        raise NotFound(
            "this version has no package, and cannot be served",
            fix="promote the notebook again; mlops-nb check says what its model lacks",
            where=str(place),
        )
    try:
        listed = json.loads((place / MANIFEST).read_bytes())["files"]
        contents = {name: (place / name).read_bytes() for name in listed}
        wrong = [n for n, d in contents.items() if hashlib.sha256(d).hexdigest() != listed[n]]
        about = json.loads(contents[ABOUT])
        golden = json.loads(contents[GOLDEN])
    except (OSError, ValueError, LookupError, TypeError) as error:
        wrong = [f"{type(error).__name__}: {error}"]
    if wrong:
        raise MlopsError(
            f"the package is damaged: {', '.join(wrong)}",
            fix="bring it back from a copy, or release another version: mlops-nb rollback",
            where=str(place),
        )
    return Package(
        folder=place,
        model=about["model"],
        version=about["model_version"],
        python=about["interpreter"],
        signature=about["signature"],
        independent=about["independent"],
        golden=golden,
        about=about,
    )
