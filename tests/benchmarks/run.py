"""What recording costs: `mlops-nb run` beside `papermill`, interleaved, medians and ratios.

    python tests/benchmarks/run.py [ROUNDS]

A fresh process each time, on a notebook that imports scikit-learn and fits a small tree. The warm
engine does not exist yet: this run does what papermill does, and records it besides.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from wine import wine

BIN = Path(sys.executable).parent


def timed(words: list[str], folder: Path) -> tuple[float, float]:
    """Return wall seconds and CPU seconds of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(words, cwd=folder, check=True, capture_output=True, env=dict(os.environ))
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(rounds: int) -> None:
    """Print the medians, and what they are to each other."""
    found: dict[str, list[tuple[float, float]]] = {"mlops-nb run": [], "papermill": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wine(folder / "wine.ipynb")
        (folder / ".git").mkdir()
        ways = {
            "mlops-nb run": [
                str(BIN / "mlops-nb"),
                "run",
                "--fresh",
                "wine.ipynb",
                "-o",
                "a.ipynb",
            ],
            "papermill": [str(BIN / "papermill"), "wine.ipynb", "b.ipynb", "--no-progress-bar"],
        }
        for words in ways.values():
            timed(words, folder)  # the first of each fills caches and makes MLflow's tables
        for number in range(rounds):
            for way in list(ways) if number % 2 else list(reversed(ways)):
                found[way].append(timed(ways[way], folder))
    medians = {
        way: [statistics.median(values) for values in zip(*times, strict=True)]
        for way, times in found.items()
    }
    for way, (wall, cpu) in medians.items():
        print(f"{way:<14} {wall:6.2f} s wall  {cpu:6.2f} s CPU  (median of {rounds})")
    ours, theirs = medians["mlops-nb run"], medians["papermill"]
    print(f"ratio          {ours[0] / theirs[0]:6.2f}x wall {ours[1] / theirs[1]:6.2f}x CPU")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4)
