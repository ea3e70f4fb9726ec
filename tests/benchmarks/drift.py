"""What the thresholds of movement are worth on real days: false incidents, and known shifts found.

    python tests/benchmarks/drift.py [--evidently]

The flights of 2013 out of New York with their weather, 15 columns. One quarter is the evaluation,
with its days; each other quarter is watched on each of its days, by the rows of the week before, as
`watch.cron` does. A year has each season once: whatever moves on these days counts as false, the
season, the holidays, and the days whose weather is not on record. `left out` are thresholds from
days that are left out, `by chance` those of independent rows, which a package without days has.

Power: a week of the evaluation's quarter, of each day of which so many rows are drawn anew, is
shifted; told is the share of weeks in which the column is found. Without a shift, it is the share
of false alarms.

--evidently installs Evidently into an environment of its own, and lets it judge some weeks of the
held-out quarters by its defaults (a data set drifted if half of its columns did); if it cannot be
installed, what uv said is printed.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[2] / "notebooks"))
import flights_data

from mlops_nb.events import ModelWatched
from mlops_nb.monitoring.incidents import moving
from mlops_nb.monitoring.live import reference
from mlops_nb.monitoring.live.count import counts
from mlops_nb.monitoring.live.movement import Movement, movement
from mlops_nb.monitoring.live.reference import ReferenceColumn, ReferenceDays
from mlops_nb.monitoring.live.sums import ColumnCounts
from mlops_nb.probe.answer import days as probe_days
from mlops_nb.probe.answer import reference as probe_reference

KINDS = {
    "sched_dep_time": "int",
    "sched_arr_time": "int",
    "distance": "int",
    "hour": "int",
    "dep_delay": "float",
    "air_time": "float",
    "carrier": "text",
    "origin": "text",
    "dest": "text",
    "weekday": "text",
    "temp": "float",
    "humid": "float",
    "wind_speed": "float",
    "precip": "float",
    "visib": "float",
}
WEATHER = ["temp", "humid", "wind_speed", "precip", "visib"]
WEEK, QUARTERS = 7, (1, 2, 3, 4)
SIZES = {200: 40, 2_000: 40, 50_000: 12}  # rows a day → weeks that are shifted
SHIFTS = (0.1, 0.25, 0.5)  # standard deviations of numbers
SHARES = (0.01, 0.03, 0.1)  # of rows with another category, or a missing value
PACKAGES = ("evidently", "pandas<3", "pyarrow")
EVIDENTLY = """
import json, sys, pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
was = pd.read_parquet(sys.argv[1])
for path in sys.argv[2:]:
    found = Report([DataDriftPreset()]).run(pd.read_parquet(path), was).dict()
    counted = found["metrics"][0]["value"]
    print(json.dumps({"count": counted["count"], "share": counted["share"]}), flush=True)
"""


def flights() -> pd.DataFrame:
    """Return the flights of the year with their weather, each with its day and quarter."""
    year = flights_data.read_year()
    weather = year["weather"].drop_duplicates(["origin", "time_hour"])
    weather = weather[["origin", "time_hour", *WEATHER]]
    found = year["flights"].merge(weather, on=["origin", "time_hour"], how="left")
    date = pd.to_datetime(found[["year", "month", "day"]])
    return found.assign(
        date=date, weekday=date.dt.day_of_week.astype(str), quarter=(found.month + 2) // 3
    )


class Watched:
    """An evaluation on some rows, and what later rows are compared with."""

    def __init__(self, rows: pd.DataFrame) -> None:
        values = {f"in_{name}": plain(rows[name]) for name in KINDS}
        described = {
            f"in_{n}": probe_reference.describe_column(values[f"in_{n}"], k)
            for n, k in KINDS.items()
        }
        self.columns: Mapping[str, ReferenceColumn] = {
            n: reference.column(n, f"in_{n}", described[f"in_{n}"]) for n in KINDS
        }
        made = probe_days.describe({}, rows[["date"]], values, described)
        self.own: ReferenceDays = reference.days_from(made)

    def counted(self, rows: pd.DataFrame) -> dict[str, ColumnCounts]:
        """Return the counts of a day's rows."""
        return {name: counts(arrow(rows[name]), one) for name, one in self.columns.items()}

    def moved(
        self, days: Sequence[tuple[str, Mapping[str, ColumnCounts]]], own: ReferenceDays
    ) -> list[Movement]:
        """Return the movement of each column on some days."""
        names = [day for day, _ in days]
        found = []
        for name, was in self.columns.items():
            of = own.of(was.log, names, len(self.columns))
            one = movement(was, [counted[name] for _, counted in days], of)
            assert one is not None
            found.append(one)
        return found


def plain(values: pd.Series) -> list:
    return [None if pd.isna(value) else value for value in values.tolist()]


def arrow(values: pd.Series) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values.tolist(), from_pandas=True)])


def weeks(days: Mapping[str, Mapping[str, ColumnCounts]]) -> Iterator[list]:
    """Yield the days of each week, from each day on."""
    names = sorted(days)
    for at in range(len(names) - WEEK + 1):
        yield [(name, days[name]) for name in names[at : at + WEEK]]


def false_incidents(rows: pd.DataFrame) -> None:
    """Print the incidents of each held-out quarter, by each kind of threshold."""
    most = []
    for quarter in QUARTERS:
        watched = Watched(rows[rows.quarter == quarter])
        for held in QUARTERS:
            some = rows[rows.quarter == held]
            days = {f"{d:%Y-%m-%d}": watched.counted(r) for d, r in some.groupby("date")}
            words = []
            for name, own in (("left out", watched.own), ("by chance", ReferenceDays())):
                looks = [watched.moved(week, own) for week in weeks(days)]
                words.append(f"{name}: {told(looks)}")
                if held != quarter and own.days:
                    most.append(incidents(looks))
            kind = "itself" if held == quarter else "held out"
            print(f"evaluation Q{quarter}, Q{held} {kind:8}  {';  '.join(words)}", flush=True)
    few = sum(number <= 1 for number in most)
    print(f"at most one incident in {few} of {len(most)} held-out quarters (bar: all)", flush=True)


def told(looks: Sequence[Sequence[Movement]]) -> str:
    """Return, in words, the incidents of daily looks and what moved."""
    moved = [[one.column for one in look if one.drifted] for look in looks]
    share = sum(bool(look) for look in moved) / len(moved)
    names = sorted({name for look in moved for name in look})
    return f"{incidents(looks)} incidents, {share:4.0%} of days, {len(names):2d} columns"


def incidents(looks: Sequence[Sequence[Movement]]) -> int:
    """Return how many incidents daily looks make."""
    before: ModelWatched | None = None
    found = set()
    for number, look in enumerate(looks):
        today = (pd.Timestamp("2013-01-01") + pd.Timedelta(days=number)).date().isoformat()
        signals = tuple(moving.of_movement(look, (today, today), 0, before))
        before = ModelWatched(job="m", model="m", version=1, signals=signals)
        found |= {one["incident"] for one in signals}
    return len(found)


def power(rows: pd.DataFrame) -> None:
    """Print the share of shifted weeks of one quarter that are found, by rows a day."""
    evaluated = rows[rows.quarter == 1]
    watched = Watched(evaluated)
    days = [frame for _, frame in evaluated.groupby("date")]
    print(f"{'power: column and shift':36} {' '.join(f'{size:>8,}' for size in SIZES)}")
    for column, shifted, size_of_shift in shifts(evaluated):
        found = []
        for size, number in SIZES.items():
            hits = 0
            for seed in range(number):
                draw = np.random.default_rng([size, seed])
                hits += is_found(watched, days, column, size, (draw, shifted))
            found.append(f"{hits / number:8.0%}")
        print(f"{column + size_of_shift:36} {' '.join(found)}", flush=True)


def shifts(rows: pd.DataFrame) -> Iterator[tuple]:
    """Yield columns, functions that shift their values, and what the shift is in words."""
    for column in ("distance", "dep_delay", "temp"):
        yield column, lambda values, _: values, ", none"
        deviation = rows[column].std()
        for shift in SHIFTS:
            by = shift * deviation
            yield column, lambda values, _, by=by: values + by, f", mean + {shift:g} sd"
    for column, value in (("carrier", "UA"), ("dest", "XYZ"), ("distance", None)):
        yield column, lambda values, _: values, ", none"
        for share in SHARES:

            def shifted(values, draw, share=share, value=value):
                kept = draw.random(len(values)) >= share
                return pd.Series(values, dtype=object).where(kept, value).to_numpy()

            what = "missing" if value is None else f"become {value}"
            yield column, shifted, f", {share:.0%} {what}"


def is_found(watched: Watched, days: Sequence[pd.DataFrame], column: str, size: int, how) -> bool:
    """Return whether a shifted week is found, of days from which so many rows are drawn."""
    draw, shifted = how
    start = int(draw.integers(0, len(days) - WEEK + 1))
    was, made, names = watched.columns[column], [], []
    for frame in days[start : start + WEEK]:
        values = frame[column].to_numpy()
        drawn = shifted(values[draw.integers(0, len(values), size)], draw)
        column_of = pa.chunked_array([pa.array(drawn, from_pandas=True)])
        made.append(counts(column_of, was))
        names.append(f"{frame['date'].iloc[0]:%Y-%m-%d}")
    one = movement(was, made, watched.own.of(was.log, names, len(watched.columns)))
    return one is not None and one.drifted


def evidently(rows: pd.DataFrame) -> None:
    """Print what Evidently's defaults say of weeks of held-out quarters, and ours of the same."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        python = folder / "env" / "bin" / "python"
        uv = Path(sys.executable).with_name("uv")
        for words in (
            (uv, "venv", "--quiet", "--python", sys.executable, folder / "env"),
            (uv, "pip", "install", "--quiet", "--python", python, *PACKAGES),
        ):
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"Evidently cannot be installed: {done.stderr.strip()}")
                return
        for quarter in QUARTERS:
            _beside(rows, quarter, folder, python)


def _beside(rows: pd.DataFrame, quarter: int, folder: Path, python: Path) -> None:
    evaluated, columns = rows[rows.quarter == quarter], list(KINDS)
    watched, path = Watched(evaluated), folder / "was.parquet"
    evaluated[columns].to_parquet(path)
    files, ours = [], []
    for held in QUARTERS:
        dates = sorted(rows.date[rows.quarter == held].unique())
        for start in dates[WEEK : len(dates) - WEEK : 4 * WEEK] if held != quarter else ():
            week = rows[(rows.date >= start) & (rows.date < start + pd.Timedelta(days=WEEK))]
            files.append(folder / f"week{len(files)}.parquet")
            week[columns].to_parquet(files[-1])
            days = [(f"{d:%Y-%m-%d}", watched.counted(r)) for d, r in week.groupby("date")]
            ours.append(sum(one.drifted for one in watched.moved(days, watched.own)))
    done = subprocess.run(
        [python, "-W", "ignore", "-c", EVIDENTLY, path, *files],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"Evidently does not run: {done.stderr.strip().splitlines()[-1]}")
        return
    theirs = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    print(
        f"evaluation Q{quarter}, {len(files)} held-out weeks: columns a week that drifted, "
        f"Evidently {np.mean([one['count'] for one in theirs]):.1f} of {len(columns)}, "
        f"ours {np.mean(ours):.1f}; weeks with any, Evidently "
        f"{np.mean([one['count'] > 0 for one in theirs]):.0%}, ours "
        f"{np.mean([one > 0 for one in ours]):.0%}",
        flush=True,
    )


if __name__ == "__main__":
    year = flights()
    false_incidents(year)
    power(year)
    if "--evidently" in sys.argv:
        evidently(year)
