"""Prints what watching a notebook costs: tiny cells, pandas and scikit-learn cells, hot loops.

    python tests/benchmarks/observe.py [ROUNDS]

Every figure is the median over rounds of fresh processes, taken in turns: the plain shell, the
shell with our observer, and ipyflow where it can be imported. To measure that one, too, make an
environment of its own and let it see this package:

    uv venv .flow && uv pip install -p .flow ipyflow pandas pyarrow scikit-learn xxhash
    .flow/bin/python tests/benchmarks/observe.py
"""

import contextlib
import importlib.util
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = str(Path(__file__).parents[2])  # where the package lies
WAYS = ("plain", "observed", "ipyflow")
KINDS = (
    "x{i} = x{j} + 1",
    "y{i} = [x{j}]; x{i} = len(y{i})",
    "x{i} = x{j} * 2; s{i} = str(x{i})",
    "def f{i}(v): return v + x{j}\nx{i} = f{i}(1)",
)
TINY = ["x0 = 1", *(KINDS[i % 4].format(i=i, j=i - 1) for i in range(1, 200))]
FRAMES = [
    "import numpy as np, pandas as pd",
    "from sklearn.ensemble import RandomForestClassifier\n"
    "from sklearn.linear_model import LogisticRegression\n"
    "from sklearn.model_selection import cross_val_score, train_test_split",
    "rng = np.random.default_rng(0); n = 60_000\n"
    "df = pd.DataFrame({f'c{i}': rng.normal(size=n) for i in range(8)})\n"
    "df['g'] = rng.integers(0, 50, n).astype(str)",
    "df['target'] = (df.c0 + df.c1 * df.c2 + rng.normal(size=n) > 0).astype(int)",
    "df.describe()",
    "means = df.groupby('g').mean(numeric_only=True)",
    "df['ratio'] = df.c3 / (df.c4.abs() + 1)",
    "df = df.merge(means.add_suffix('_m'), left_on='g', right_index=True)",
    "df.sort_values('c0').head()",
    "X = df.drop(columns=['target', 'g']); y = df.target",
    "X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)",
    "lr = LogisticRegression(max_iter=200).fit(X_train, y_train)",
    "lr.score(X_test, y_test)",
    "forest = RandomForestClassifier(8, max_depth=8, random_state=0)\n"
    "forest.fit(X_train[:15000], y_train[:15000])",
    "p = forest.predict_proba(X_test)[:, 1]",
    "scores = cross_val_score(LogisticRegression(max_iter=100), X[:8000], y[:8000], cv=3)",
    "corr = df.corr(numeric_only=True)",
]
LOOPS = [
    "total = 0\nfor i in range(3_000_000): total += i % 7",
    "def step(n):\n    return n * 3 + 1 if n % 2 else n // 2",
    "longest = 0\nfor n in range(1, 25_000):\n    length = 0\n    while n > 1:\n"
    "        n = step(n); length += 1\n    longest = max(longest, length)",
    "words = {}\nfor i in range(1_500_000):\n    words[i % 1000] = words.get(i % 1000, 0) + 1",
    "found = [i for i in range(2_000_000) if i % 3 == 0]",
    "total = sum(found)",
]
WORK = {"tiny": TINY, "frames": FRAMES, "loops": LOOPS}


def measure(way: str, work: str) -> None:
    """Run the cells of one work one way; print seconds of the clock and of the processor."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.user_ns["__name__"] = "__main__"
    if way == "observed":
        from mlops_nb.probe.observe.observer import Observer

        Observer(shell).install()
    elif way == "ipyflow":
        shell.run_line_magic("load_ext", "ipyflow")
    with contextlib.redirect_stdout(io.StringIO()):
        shell.run_cell("warm = 1", store_history=True)
        walls, cpu = [], time.process_time()
        for cell in WORK[work]:
            start = time.perf_counter()
            result = shell.run_cell(cell, store_history=True)
            walls.append(time.perf_counter() - start)
            result.raise_error()
        cpu = time.process_time() - cpu
    print(json.dumps({"cell": statistics.median(walls), "wall": sum(walls), "cpu": cpu}))


def rounds_of(work: str, ways: list[str], rounds: int) -> dict[str, dict[str, float]]:
    """Return the medians of some rounds, the ways in turns."""
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for way in ways:
                words = [sys.executable, "-W", "ignore", __file__, "--measure", way, work]
                done = subprocess.run(
                    words,
                    capture_output=True,
                    text=True,
                    check=True,
                    cwd=folder,
                    env={**os.environ, "PYTHONPATH": HERE},
                )
                found[way].append(json.loads(done.stdout.splitlines()[-1]))
    return {
        way: {key: statistics.median(one[key] for one in got) for key in got[0]}
        for way, got in found.items()
    }


def main() -> None:
    """Print a table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    ways = [way for way in WAYS if way != "ipyflow" or importlib.util.find_spec("ipyflow")]
    for work, cells in WORK.items():
        told = rounds_of(work, ways, rounds)
        plain = told["plain"]
        print(f"{work}: {len(cells)} cells, median of {rounds} rounds")
        for way, one in told.items():
            added = 1000 * (one["cell"] - plain["cell"])
            whole = 1000 * (one["wall"] - plain["wall"]) / len(cells)
            print(
                f"  {way:<9} cpu {one['cpu']:7.3f} s  ratio {one['cpu'] / plain['cpu']:5.2f}"
                f"  median cell {added:+6.2f} ms  mean cell {whole:+6.2f} ms"
            )
    if "ipyflow" not in ways:
        print("ipyflow is not installed here: see the head of this file")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(*sys.argv[2:])
    else:
        main()
