"""Rows, packages and logs for the tests of the prediction log."""

import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from mlops_nb.models.package import Package
from mlops_nb.serving.prediction_log import PredictionLog, Rows
from mlops_nb.serving.pseudonyms import Pseudonyms
from mlops_nb.serving.settings import PredictionSettings
from mlops_nb.storage.predictions_local import LocalPredictions

SIGNATURE = {
    "columns": [
        {"name": "age", "kind": "int", "dtype": "int64", "missing": False},
        {"name": "city", "kind": "text", "dtype": "str", "missing": False},
    ],
    "features": ["old"],
    "answer": {"kind": "label", "classes": [0, 1]},
}


def package_of(version: int = 3, **signature: Any) -> Package:
    return Package(
        folder=Path(),
        model="m",
        version=version,
        python="",
        signature={**SIGNATURE, **signature},
        independent=True,
        golden={},
        about={},
    )


def log_in(folder: Path, **settings: Any) -> PredictionLog:
    """Return a log of version 3 below a project's folder, not started."""
    (folder / ".mlops").mkdir(mode=0o700, exist_ok=True)
    files = LocalPredictions(folder / ".mlops" / "predictions" / "m")
    pseudonyms = Pseudonyms(folder / ".mlops")
    made = PredictionLog(files, pseudonyms.of, lambda: PredictionSettings(**settings))
    made.packages[3] = package_of()
    return made


def rows(*ids: str, at: float | None = None, source: str = "live", **asked: Any) -> Rows:
    count = len(ids)
    answer = {"predictions": [1] * count, "scores": [0.5] * count, "features": {"old": [0] * count}}
    given = {"age": list(range(count)), "city": ["a"] * count}
    return Rows(
        version=3,
        ids=ids,
        times=[at or time.time()] * count,
        seconds=[0.01] * count,
        answers=[(answer, given | {name: [value] * count for name, value in asked.items()})],
        source=source,
    )


def logged(folder: Path) -> list[dict]:
    files = sorted(folder.glob("day=*/*.parquet"))
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]
