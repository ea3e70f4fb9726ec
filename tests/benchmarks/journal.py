"""What ten years of runs cost: the commands that look, beside the length of the journal.

    python tests/benchmarks/journal.py [ROUNDS] [EVENTS ...]

A small notebook is promoted and triggered; the events of these runs are then written again and
again, with other ids and times, until the journal has as many events. Each command is a fresh
process; wall time and peak memory, medians of the rounds. `scheduler` is `scheduler --once` with
nothing due. `trigger` is what a run by hand takes longer than in a short journal.
"""

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

MLOPS_NB = Path(sys.executable).with_name("mlops-nb")
CELLS = (
    "# mlops: step load\nimport random\ndraw = random.Random(1)\n"
    "rows = [(draw.gauss(label, 1), label) for label in (0, 1) * 100]",
    "# mlops: step train\nmodel = {'middle': sum(x for x, _ in rows[40:]) / 160}",
    "# mlops: step judge\nright = [(x > model['middle']) == bool(y) for x, y in rows[:40]]\n"
    "accuracy = sum(right) / 40",
)
BARS = "bars at 1,000,000 events: 0.3 s and 150 MB"
LOOKS = {
    "jobs": ["jobs"],
    "runs": ["runs"],
    "history": ["history", "small"],
    "models": ["models"],
    "scheduler": ["scheduler", "--once"],
    "trigger": ["trigger", "small"],
}
FINE = {0, 1}  # 1: the challenger is no better
COLUMNS = "at, run, job, kind, data"


def typed(folder: Path, *words: str, fine: set[int] = FINE) -> tuple[float, float]:
    """Run a command in a project; return its wall time, s, and its peak memory, MB."""
    began = time.perf_counter()
    with subprocess.Popen(
        [MLOPS_NB, *words],
        cwd=folder,
        env={**os.environ, "HOME": str(folder / "home")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        error = process.stderr.read() if process.stderr else b""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in fine, error.decode()
    return time.perf_counter() - began, used.ru_maxrss / 1024


def make(folder: Path) -> None:
    """Promote the notebook, and trigger the job once."""
    (folder / ".git").mkdir()
    (folder / "home").mkdir()
    book = new_notebook(cells=[new_code_cell(text) for text in CELLS])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, folder / "n.ipynb")
    words = ("--name", "small", "--model", "model", "--schedule", "0 3 1 1 *")
    typed(folder, "promote", "n.ipynb", *words, fine={0})
    typed(folder, "trigger", "small")


def lengthen(folder: Path, events: int) -> None:
    """Repeat the runs of the journal before its first event, until it has as many events."""
    with sqlite3.connect(folder / ".mlops" / "journal.db") as journal:
        (known,) = journal.execute("SELECT count(*) FROM events").fetchone()
        template = journal.execute(
            f"SELECT {COLUMNS} FROM events WHERE run IN (SELECT run FROM events WHERE kind = "
            "'RunQueued' AND data LIKE '%by hand%' ORDER BY id LIMIT 1) ORDER BY id"
        ).fetchall()
        count = (events - known) // len(template) + 1
        rows = (row for number in range(count) for row in moved(template, known + number))
        journal.executemany(f"INSERT INTO events ({COLUMNS}) VALUES (?, ?, ?, ?, ?)", rows)


def moved(template: list[tuple[str, ...]], number: int) -> Iterator[tuple[str, ...]]:
    """Yield the rows of one more run, ten years ago and some seconds later than the one before."""
    name, other = template[0][1], f"20200101-000000-{number:08x}"
    later = timedelta(seconds=number) - timedelta(days=3650)
    for at, run, job, kind, data in template:
        time_ = (datetime.fromisoformat(at) + later).isoformat(timespec="milliseconds")
        yield time_, run.replace(name, other), job, kind, data.replace(name, other)


def main(rounds: int, lengths: list[int]) -> None:
    """Print what each command takes, and how that grows."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:  # MLflow may still sync
        folder = Path(name)
        make(folder)
        found: dict[str, list[tuple[float, float]]] = {look: [] for look in LOOKS}
        first: list[tuple[float, float]] = []
        for length in (0, *lengths):
            lengthen(folder, length)
            first.append(typed(folder, "jobs"))  # it folds the new events
            for words in LOOKS.values():
                typed(folder, *words)
            for look, words in LOOKS.items():
                times = [typed(folder, *words) for _ in range(rounds)]
                found[look].append(tuple(map(statistics.median, zip(*times, strict=True))))
        heads = ["as made", *(f"{length:,} events" for length in lengths)]
        print(f"{'':<12}" + "".join(f"{head:>24}" for head in heads))
        for look, medians in {"first look": first, **found}.items():
            print(f"{look:<12}" + "".join(f"{s:>12.2f} s {mb:>6.0f} MB" for s, mb in medians))
        own = [s - found["trigger"][0][0] for s, _ in found["trigger"]]
        print("trigger's own part grew by " + ", ".join(f"{s:.2f} s" for s in own[1:]))
        size = (folder / ".mlops" / "journal.db").stat().st_size / 1e6
        print(json.dumps({"journal MB": round(size)}), BARS)


if __name__ == "__main__":
    given = [int(word.replace(",", "")) for word in sys.argv[1:]]
    main(given[0] if given else 3, given[1:] or [10_000, 100_000, 1_000_000])
