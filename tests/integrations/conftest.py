"""A project in a folder, with a journal in memory that tells of runs of one small notebook."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import nbformat
import pytest

from mlops_nb import events as ev
from mlops_nb.integrations.mlflow.mirror import MlflowMirror
from mlops_nb.storage.memory import MemoryJournal, MemoryStore

CELLS = (
    "import pandas as pd",
    "rate = 2",
    "%mlops step load\ndf = pd.read_csv('data.csv')",
    "%mlops step train\nmodel = df.sum() * rate",
    "%mlops step judge\naccuracy = float(model.size + len(df))",
)
FRAME = {
    "digest": "d" * 64,
    "type": "pandas.DataFrame",
    "schema": {
        "rows": 3,
        "columns": {
            "x": {"kind": "number", "dtype": "float64", "missing": 0.0},
            "when": {"kind": "time", "dtype": "datetime64[ns]", "missing": 0.5},
        },
    },
}
TABLE = {
    "digest": "9" * 64,
    "type": "pandas.DataFrame",
    "schema": {
        "rows": 3,
        "columns": {
            "x": {"kind": "number", "dtype": "float64", "missing": 0.0},
            "y": {"kind": "number", "dtype": "float64", "missing": 0.0},
        },
    },
    "from": {"x": [["df", "x"], ["unread", "x"]], "y": [["unread", "z"]]},
}
MODEL = {"digest": "e" * 64, "type": "sklearn.Tree"}
ACCURACY = {"digest": "f" * 64, "type": "builtins.float", "number": 2.0}
MADE = {
    "load": {"df": FRAME},
    "train": {"model": MODEL, "table": TABLE},
    "judge": {"accuracy": ACCURACY},
}
READ = {
    "load": {},
    "train": {"df": FRAME["digest"]},
    "judge": {"model": MODEL["digest"], "df": FRAME["digest"]},
}
CSV = {"stat": [120, 1, 1, 1], "sha256": "a" * 64, "at": 1}


def record(step: str, parameters: dict) -> dict:
    """Return what is recorded of a step."""
    return {
        "version": 1,
        "notebook": "wine.ipynb",
        "unit": step,
        "step": step,
        "names": ["pd"],
        "code": "c" * 64,
        "environment": "b" * 64,
        "channels": {},
        "generators": {},
        "drawn": {},
        "parameters": parameters if step == "train" else {},
        "inputs": READ[step],
        "files": {"data.csv": CSV} if step == "load" else {},
        "modules": {},
        "folders": {},
        "written": {"model.bin": CSV} if step == "train" else {},
        "variables": {},
        "values": MADE[step],
        "changed": [],
        "deletes": [],
        "unstored": [],
        "seconds": 0.1,
        "artifacts": [
            {"names": [n], "format": "pickle", "bytes": 7, "sha256": "0" * 64} for n in MADE[step]
        ],
        "never": "",
        "external": False,
    }


class Story:
    """Writes what happens in runs of the notebook."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.at = datetime(2026, 1, 1, tzinfo=UTC)
        self.journal = MemoryJournal(self.tick)
        self.parameters = {"rate": 2}

    def tick(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at

    def tell(self, *found: ev.Event) -> None:
        for event in found:
            self.journal.append(event)

    def start(self, run: str, job: str = "") -> None:
        output = self.root / ".mlops" / "runs" / run / "wine.ipynb"
        output.parent.mkdir(parents=True)
        cells = [
            nbformat.v4.new_code_cell(
                text, id=f"c{i}", metadata={"tags": ["parameters"]} if i == 1 else {}
            )
            for i, text in enumerate(CELLS)
        ]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), output)
        self.tell(
            ev.RunStarted(
                run=run,
                job=job,
                notebook="wine.ipynb",
                output=str(output),
                parameters=self.parameters,
                steps=tuple(MADE),
            )
        )

    def step(self, run: str, step: str, job: str = "") -> None:
        self.tell(
            ev.StepStarted(run=run, job=job, step=step),
            ev.StepFinished(run=run, job=job, step=step, seconds=0.1),
            ev.StepObserved(run=run, job=job, step=step, values=MADE[step]),
        )
        if not job:  # the runs of jobs are not recorded
            told = record(step, self.parameters)
            self.tell(ev.StepRecorded(run=run, step=step, unit=step, record=told))

    def reuse(self, run: str, step: str) -> None:
        self.tell(
            ev.StepReused(run=run, step=step, because=f"`{step}` stands", cells=(1,)),
            ev.StepObserved(run=run, step=step, values=MADE[step]),
        )

    def fail(self, run: str, step: str) -> None:
        self.tell(
            ev.StepStarted(run=run, step=step),
            ev.CellFailed(
                run=run,
                cell=4,
                seconds=0.1,
                error="1/0",
                traceback="\x1b[31mZeroDivisionError\x1b[0m",
            ),
            ev.StepFailed(run=run, step=step, seconds=0.1, error=f"step {step!r} failed", cell=4),
        )

    def end(self, run: str, status: str = "finished", job: str = "", error: str = "") -> None:
        if status == "finished":
            self.tell(ev.Measured(run=run, job=job, metrics={"accuracy": 2.0}))
        self.tell(ev.RunFinished(run=run, job=job, status=status, seconds=1.0, error=error))

    def whole(self, run: str) -> None:
        self.start(run)
        for step in MADE:
            self.step(run, step)
        self.end(run)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of a database for all tests: MLflow's migrations take seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def mirror(story: Story, database: str) -> MlflowMirror:
    """Return a mirror with a new experiment."""
    return MlflowMirror(
        uri=database,
        experiment=story.root.name,
        artifacts=(story.root / "artifacts").as_uri(),
        runs=story.root / ".mlops" / "runs",
        journal=story.journal,
        store=MemoryStore(),
    )
