"""The engines beside papermill: whole processes, interleaved, medians and ratios.

    python tests/benchmarks/engine.py [ROUNDS [SECONDS]]

Every round runs `mlops-nb run --fresh` and `papermill` once each on every notebook, in turns
(A B, B A). `mlops-nb` writes its journal and looks at what each step left; MLflow catches up behind
it, which is waited for before papermill's turn. CPU seconds are those of the command and what it
waited for: of ours not the fork's own, which is its warm parent's child. SECONDS: how long the
notebook of pure compute works (60; its gain must be small). Says whether jupyter_server is
installed, which makes papermill's imports slower. What misses its bar is marked.
"""

import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import psutil
from nbformat.v4 import new_code_cell as code
from nbformat.v4 import new_notebook

BIN = Path(sys.executable).parent
TRAIN = (
    "import pandas as pd, mlflow\nfrom sklearn.datasets import load_breast_cancer\n"
    "from sklearn.tree import DecisionTreeClassifier\n"
    "from sklearn.model_selection import train_test_split",
    "d = load_breast_cancer(as_frame=True)\n"
    "A, B, a, b = train_test_split(d.data, d.target, random_state=0)",
    "m = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(A, a)",
    "acc = m.score(B, b)\nprint(acc)",
)
BARS = {"train": 15.0}
CELL, CHILD = 2.0, 60.0  # ms a cell, MiB of an idle child
BEHIND = 4.0  # s after a run in which MLflow catches up, and would be in the next one's way


def notebooks(seconds: float) -> dict[str, tuple[str, ...]]:
    """Name → the cells after the one with the parameters."""
    compute = f"import time\nend = time.process_time() + {seconds}\nn = 0\n"
    return {
        "empty": ("1",),
        "imports": TRAIN[:1],
        "train": TRAIN,
        "200 cells": tuple(f"x{i} = {i}" for i in range(200)),
        "heavy output": (
            "for i in range(20000): print('line', i)",
            "import pandas as pd\npd.DataFrame({'a': range(5000)}).to_html()",
        ),
        f"{seconds:g} s of compute": (compute + "while time.process_time() < end: n += 1",),
    }


def write(folder: Path, cells: tuple[str, ...]) -> None:
    """Write the notebook n.ipynb."""
    made = [code("depth = 3", metadata={"tags": ["parameters"]}), *map(code, cells)]
    book = new_notebook(cells=made)
    book.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    nbformat.write(book, folder / "n.ipynb")


def timed(words: list[str], folder: Path) -> tuple[float, float]:
    """Return wall seconds of a command, and CPU seconds of it and whatever it waited for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ours(depth: int) -> list[str]:
    """Return our command; every round has another parameter."""
    return [
        str(BIN / "mlops-nb"),
        "run",
        "n.ipynb",
        "-p",
        "depth",
        str(depth),
        "-o",
        "a.ipynb",
        "--fresh",
    ]


def theirs(depth: int) -> list[str]:
    """Return papermill's command."""
    return [
        str(BIN / "papermill"),
        "n.ipynb",
        "b.ipynb",
        "-p",
        "depth",
        str(depth),
        "--no-progress-bar",
    ]


def compared(folder: Path, cells: tuple[str, ...], rounds: int) -> dict[str, list[float]]:
    """Return the medians (wall, CPU) of both, after one round that warms caches up."""
    write(folder, cells)
    found: dict[str, list[tuple[float, float]]] = {"ours": [], "papermill": []}
    for number in range(rounds + 1):
        ways = {"ours": ours(3 + number), "papermill": theirs(3 + number)}
        for way in list(ways) if number % 2 else reversed(list(ways)):
            took = timed(ways[way], folder)
            time.sleep(BEHIND if way == "ours" else 0)
            if number:
                found[way].append(took)
    return {w: [statistics.median(v) for v in zip(*t, strict=True)] for w, t in found.items()}


def cold_start(folder: Path, rounds: int) -> tuple[float, float]:
    """Return seconds of a run that has to start its warm parent, and of papermill; medians."""
    write(folder, TRAIN)
    mine, papermills = [], []
    for number in range(rounds):
        with tempfile.TemporaryDirectory(prefix="m") as runtime:
            os.environ |= {"XDG_RUNTIME_DIR": runtime, "MLOPS_NB_WARM_IDLE": "3"}
            mine.append(timed(ours(30 + number), folder)[0])
            time.sleep(2 * BEHIND)  # its parent has to start
        papermills.append(timed(theirs(30 + number), folder)[0])
    del os.environ["XDG_RUNTIME_DIR"], os.environ["MLOPS_NB_WARM_IDLE"]
    return statistics.median(mine), statistics.median(papermills)


def idle_child(folder: Path) -> float:
    """Return MiB of memory that a child has to itself after its imports, before it works."""
    write(
        folder,
        (
            TRAIN[0],
            "open('pid', 'w').write(str(__import__('os').getpid()))\nimport time; time.sleep(4)",
        ),
    )
    with subprocess.Popen(ours(99), cwd=folder, stdout=-3, stderr=-3) as process:
        while not (folder / "pid").exists() or not (folder / "pid").read_text():
            time.sleep(0.05)
        time.sleep(1)
        used = psutil.Process(int((folder / "pid").read_text())).memory_full_info().uss
        process.wait()
    return float(used) / 2**20


def cell_cost(folder: Path) -> float:
    """Return ms that a cell costs beside its own work: a run of 200 less a run of one, by cell."""
    found = []
    for cells in (200, 1):
        write(folder, tuple(f"x{i} = {i}" for i in range(cells)))
        seconds = []
        for number in range(8):
            said = subprocess.run(
                [*ours(50 + number), "--json"], cwd=folder, check=True, capture_output=True
            ).stdout
            seconds.append(json.loads(said)["seconds"])
            time.sleep(BEHIND)
        found.append(statistics.median(seconds[1:]))
    return float(found[0] - found[1]) / 199 * 1000


def verdict(good: bool, bar: str) -> str:
    """Return a bar, and that it was missed where it was."""
    return f"(bar {bar}{'' if good else ': MISSED'})"


def main(rounds: int, seconds: float) -> None:
    """Print a line for each notebook, and the bars."""
    server = importlib.util.find_spec("jupyter_server") is not None
    print(
        f"jupyter_server is {'' if server else 'not '}installed; {os.cpu_count()} cores; "
        f"{rounds} rounds, medians"
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:  # mirrors may be at work
        folder = Path(name)
        (folder / ".git").mkdir()
        for what, cells in notebooks(seconds).items():
            few = min(rounds, 2) if "compute" in what else rounds
            m = compared(folder, cells, few)
            ratio = m["papermill"][0] / m["ours"][0]
            bar = verdict(ratio >= BARS[what], f"{BARS[what]:g}x") if what in BARS else ""
            print(
                f"{what:<18} ours {m['ours'][0]:6.2f} s wall {m['ours'][1]:5.2f} s CPU   "
                f"papermill {m['papermill'][0]:6.2f} s {m['papermill'][1]:5.2f} s   "
                f"{ratio:5.1f}x  {bar}",
                flush=True,
            )
        mine, papermills = cold_start(folder, 2)
        print(
            f"train, the parent's start counted in: ours {mine:.2f} s, papermill "
            f"{papermills:.2f} s: {papermills / mine:.2f}x  "
            f"{verdict(papermills >= 1.2 * mine, '1.2x')}"
        )
        cost, size = cell_cost(folder), idle_child(folder)
        print(f"a cell: {cost:.2f} ms  {verdict(cost < CELL, f'{CELL:g} ms')}")
        print(f"an idle child: {size:.0f} MiB of its own  {verdict(size <= CHILD, f'{CHILD:g}')}")


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 4,
        float(sys.argv[2]) if len(sys.argv) > 2 else 60.0,
    )
