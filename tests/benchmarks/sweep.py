"""What a sweep costs beside its cells' own work: wall time / (sum of the cells' own time / cores).

    python tests/benchmarks/sweep.py [POINTS]

One command, a fresh process, over a notebook whose cell computes about a second of pure Python at
each point; beside it the same with nothing to compute. How much one cell computes is found out
before, in a single process; how long each took is what its own clock says, in CPU seconds.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

BIN = Path(sys.executable).parent
BAR = 1.5
WORK = """# mlops: step work
import time
began = time.process_time()
found = 0
for n in range(rounds):
    found = (found * 31 + n + point) % 1_000_003
own = time.process_time() - began"""


def rounds_of_a_second() -> int:
    """Return how many rounds of the cell's loop take about a second here."""
    values = {"rounds": 1_000_000, "point": 0}
    exec(WORK, values)
    return int(values["rounds"] / values["own"])


def timed(folder: Path, points: int, rounds: int) -> tuple[float, float]:
    """Return a sweep's wall seconds, and the sum of its cells' own."""
    cells = [
        new_code_cell(f"point = 0\nrounds = {rounds}", metadata={"tags": ["parameters"]}),
        new_code_cell(WORK),
    ]
    notebook = new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, folder / f"work-{rounds}.ipynb")
    words = [
        str(BIN / "mlops-nb"),
        "sweep",
        f"work-{rounds}.ipynb",
        "--json",
        "--fresh",
        "-g",
        f"point={','.join(map(str, range(points)))}",
    ]
    began = time.perf_counter()
    done = subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True)
    wall = time.perf_counter() - began
    return wall, sum(run["metrics"]["own"] for run in json.loads(done.stdout)["runs"])


def main(points: int) -> None:
    """Print what both sweeps took."""
    cores = len(os.sched_getaffinity(0))
    rounds = rounds_of_a_second()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / ".git").mkdir()
        timed(folder, 2, 1)  # the first fills caches and makes MLflow's tables
        wall, own = timed(folder, points, rounds)
        tiny, _ = timed(folder, points, 2)
    ratio = wall / (own / cores)
    print(f"{points} points of {own / points:.2f} s on {cores} cores: {wall:6.2f} s wall")
    print(f"{points} points of nothing:          {tiny:6.2f} s wall, {tiny / points:.2f} s each")
    print(f"wall / (own / cores): {ratio:.2f} (the bar is {BAR:.2f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
