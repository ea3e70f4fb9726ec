"""Writes flights as the rows of requests in the current folder, in a process of its own."""

import importlib.util
import json
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from mlops_nb.demo.commands import MODEL, first_day_after
from mlops_nb.demo.results import YEAR

REQUESTS = "requests"  # the folder of the rows


def path_of(folder: Path, month: int) -> Path:
    """Return the file with the rows of a month."""
    return folder / REQUESTS / f"{YEAR}-{month:02d}.parquet"


def main() -> None:
    """Write the flights from February to a month, one file a month, and print how many there are.

    The job's own steps make the rows; they have the columns that the server asks for.
    """
    url, last = sys.argv[1], int(sys.argv[2])
    folder, columns = Path.cwd(), columns_of(url)
    table = features_of(folder, last)
    (folder / REQUESTS).mkdir(exist_ok=True)
    counts = {}
    for month in range(2, last + 1):
        rows = table.loc[table["date"].dt.month == month, columns]
        rows.to_parquet(path_of(folder, month), index=False)  # missing values become null
        counts[month] = len(rows)
    json.dump({"rows": counts}, sys.stdout)


def columns_of(url: str) -> list[str]:
    """Return the columns that a server asks for."""
    with urllib.request.urlopen(f"{url}/openapi.json", timeout=30) as answer:  # noqa: S310
        about = json.load(answer)
    content = about["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    names: list[str] = content["schema"]["properties"]["rows"]["items"]["required"]
    return names


def features_of(folder: Path, last: int) -> Any:
    """Return the flights up to a month with the job's features, in the order of departure."""
    table = job_with_features(folder, last).table
    return table.sort_values(["date", "hour", "minute"], kind="stable")


def job_with_features(folder: Path, last: int) -> Any:
    """Return the job's module, whose steps up to the features have run on months up to one.

    The job's folder stays as it is: nothing is compiled into it.
    """
    sys.dont_write_bytecode = True
    job: Any = load(folder / "jobs" / MODEL / "pipeline.py")
    source: Any = load(folder / "notebooks" / "flights_data.py")
    with tempfile.TemporaryDirectory() as data:
        source.lay_out(Path(data), range(1, last + 1))
        job.data, job.until = data, first_day_after(last)
        job.load()
        job.clean()
        job.features()
    return job


def load(path: Path) -> Any:
    """Return a file of Python as a module."""
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
