"""What it costs to watch a model, and which small shifts are found.

    python tests/benchmarks/watch.py [MILLIONS] [--power]

10 million predictions of 20 columns on 60 days, of 63 slices, then 9 million labels. `first` is the
first look, which reads every day; `again` is the next one, which reads the day that has not ended.
Each command is a fresh process: wall time, time of the cores, and peak memory. --power prints the
share of seeds in which a small shift is found: 100, of 50,000 rows 20.
"""

import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[1] / "monitoring"))
sys.path.insert(0, str(Path(__file__).parents[1] / "monitoring" / "live"))
from live_model import LiveModel

MLOPS_NB = Path(sys.executable).with_name("mlops-nb")
DAYS = 60
NUMBERS, WHOLES, TEXTS = 11, 4, 5
NOW = datetime.now(UTC)
BARS = "bars: first 15 s and 1000 MB"


def inputs(draw: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    made = {f"n{i}": draw.normal(i, 1, rows) for i in range(NUMBERS)}
    made |= {f"i{i}": draw.integers(0, 10 ** (i + 1), rows) for i in range(WHOLES)}
    for i in range(TEXTS):
        names = np.array([f"value {k}" for k in range(3 * 4**i)])
        made[f"t{i}"] = names[np.minimum(draw.geometric(2 / len(names), rows) - 1, len(names) - 1)]
    return made


def sliced(reference: pd.DataFrame) -> dict:
    """Return an evaluation by three columns: of 3, 12 and 48 slices."""
    score = {"value": 0.7, "low": 0.69, "high": 0.71, "n": len(reference)}
    metrics, found = ("accuracy", "auc", "log_loss", "brier"), {"by": {}, "rows": {}}
    for name in ("t0", "t1", "t2"):
        found["rows"][name] = reference[name].value_counts().to_dict()
        found["by"] |= {
            f"{m}_by_{name}": dict.fromkeys(found["rows"][name], score) for m in metrics
        }
    return {"whole": dict.fromkeys(metrics, score), **found}


def write(live: LiveModel, rows: int) -> list[pa.Table]:
    """Write the log; return the labels of each day, of nine rows in ten."""
    each, labels = rows // DAYS, []
    for number in range(DAYS):
        draw = np.random.default_rng(number)
        start = (NOW - timedelta(days=DAYS - 1 - number)).replace(hour=0, minute=0, second=0)
        span = min(86400.0, (NOW - start).total_seconds())
        seconds = np.sort(draw.uniform(0, span, each))
        times = (int(start.timestamp() * 1e6) + (seconds * 1e6)).astype("int64")
        score = draw.beta(2, 2, each)
        ids = pa.array(draw.integers(0, 2**62, each)).cast(pa.string())
        table = pa.table(
            {
                "request_id": ids,
                "time": pa.array(times, pa.timestamp("us", tz="UTC")),
                "model_version": pa.array(np.full(each, 1)),
                "source": pa.repeat("live", each),
                "prediction": (score > 0.5).astype("int64"),
                "score": score,
                "seconds": draw.lognormal(-6, 0.5, each),
                **{f"in_{n}": pa.array(v) for n, v in inputs(draw, each).items()},
            }
        )
        for part in np.array_split(np.arange(each), 2):
            live.log.write(start.date().isoformat(), table.slice(part[0], len(part)))
        some = np.flatnonzero(draw.random(each) < 0.9)
        truth = (draw.random(each) < score).astype("int64")
        labels.append(pa.table({"request_id": ids.take(some), "label": truth[some]}))
    return labels


def typed(folder: Path, *words: str) -> None:
    began = time.perf_counter()
    with subprocess.Popen(
        [MLOPS_NB, *words, "--json"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        out, error = process.stdout.read(), process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, (out[-500:], error.decode())
    took, peak = time.perf_counter() - began, used.ru_maxrss / 1024
    busy = used.ru_utime + used.ru_stime
    print(f"{words[0]:8} {took:7.2f} s {busy:7.2f} s of a core {peak:7.0f} MB", flush=True)


def cost(millions: float) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        reference = pd.DataFrame(inputs(np.random.default_rng(10**6), 20_000))
        live = LiveModel(folder, reference, evaluation=sliced(reference))
        labels = write(live, int(millions * 1e6))
        whole = pa.concat_tables(labels)
        pq.write_table(whole, folder / "labels.parquet")
        print(f"{millions:g}M predictions, {len(whole) / 1e6:.1f}M labels, {DAYS} days; {BARS}")
        since = ["--since", (NOW - timedelta(days=DAYS + 1)).isoformat()]
        typed(folder, "labels", "m", "labels.parquet")
        print("first:")
        typed(folder, "watch", "m", *since)
        print("again:")
        typed(folder, "watch", "m", *since)


def power() -> None:
    from test_movement import moved, people, references

    was = references(people(np.random.default_rng(0), 20_000))
    shifts = {
        "age + 1": lambda f: f.assign(age=f.age + 1),
        "age + 5": lambda f: f.assign(age=f.age + 5),
        "income x 1.1": lambda f: f.assign(income=f.income * 1.1),
        "gap: 2 % more missing": lambda f: f.assign(gap=f.gap.where(np.arange(len(f)) % 50 != 0)),
        "city: 2 % unseen": lambda f: f.assign(
            city=f.city.where(np.arange(len(f)) % 50 != 0, "Gwangju")
        ),
    }
    print(f"{'shift':24} {'200':>6} {'2,000':>6} {'50,000':>6}")
    for name, shift in shifts.items():
        found = []
        for rows in (200, 2_000, 50_000):
            seeds = 100 if rows < 50_000 else 20
            frames = (shift(people(np.random.default_rng(s + 1), rows)) for s in range(seeds))
            column = name.split()[0].rstrip(":")
            hits = sum(moved({column: was[column]}, frame)[column].drifted for frame in frames)
            found.append(f"{hits / seeds:6.0%}")
        print(f"{name:24} {' '.join(found)}", flush=True)


if __name__ == "__main__":
    given = [word for word in sys.argv[1:] if word != "--power"]
    cost(float(given[0]) if given else 10)
    if "--power" in sys.argv:
        power()
