"""What deciding "nothing to do" costs: `mlops-nb run` of the flights beside `dvc repro`.

    python tests/benchmarks/reuse.py [ROUNDS]

Both have run their five steps before, on the same files; each is a fresh process, interleaved, CPU
time as the system counts it. dvc is looked for on PATH, or where DVC names it: make it with
`uv venv .dvc-env && uv pip install -p .dvc-env dvc`, then `DVC=$PWD/.dvc-env/bin/dvc`.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from engine import timed

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
BIN = Path(sys.executable).parent
STEPS = ("load", "clean", "features", "split", "train")
STEP = """import pickle, sys, glob
import pandas as pd
name, source, target = sys.argv[1:]
if name == "load":
    value = pd.concat([pd.read_parquet(f) for f in sorted(glob.glob("data/flights-*.parquet"))])
else:
    value = pickle.load(open(source, "rb"))
pickle.dump(value, open(target, "wb"))
"""


def lay_out_dvc(folder: Path, dvc: str) -> None:
    """Write a pipeline of five stages on the same data, and run it once."""
    (folder / "step.py").write_text(STEP)
    lines = ["stages:"]
    for before, name in zip(("", *STEPS), STEPS, strict=False):
        source = f"{before}.pickle" if before else "data"
        lines += [
            f"  {name}:",
            f"    cmd: {sys.executable} step.py {name} {source} {name}.pickle",
            f"    deps: [step.py, {source}]",
            f"    outs: [{name}.pickle]",
        ]
    (folder / "dvc.yaml").write_text("\n".join(lines) + "\n")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    for words in (["init", "-q"], ["config", "core.analytics", "false"], ["repro", "-q"]):
        subprocess.run([dvc, *words], cwd=folder, check=True, capture_output=True)


def main(rounds: int) -> None:
    """Print the medians, and what they are to each other."""
    dvc = os.environ.get("DVC") or shutil.which("dvc") or ""
    found: dict[str, list[tuple[float, float]]] = {"mlops-nb run": [], "dvc repro": []}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:  # MLflow may still sync
        ours, theirs = Path(name) / "ours", Path(name) / "theirs"
        for folder in (ours, theirs):
            shutil.copytree(NOTEBOOKS / "data", folder / "data")
        shutil.copy(NOTEBOOKS / "flights.ipynb", ours)
        (ours / ".git").mkdir()
        command = [str(BIN / "mlops-nb"), "run", "flights.ipynb"]
        whole = timed(command, ours)
        print(f"{'first run':<14} {whole[0]:8.2f} s wall {whole[1]:8.2f} s CPU")
        if dvc:
            lay_out_dvc(theirs, dvc)
        for _ in range(rounds):
            found["mlops-nb run"].append(timed(command, ours))
            if dvc:
                found["dvc repro"].append(timed([dvc, "repro"], theirs))
    for name, times in found.items():
        if times:
            wall, cpu = (statistics.median(column) for column in zip(*times, strict=True))
            print(f"{name:<14} {wall:8.2f} s wall {cpu:8.2f} s CPU")
    if dvc:
        cpus = [statistics.median(t[1] for t in times) for times in found.values()]
        print(f"CPU: {cpus[0] / cpus[1]:.2f} of dvc's (the bar is 0.50)")
    else:
        print("dvc is not here: see the head of this file")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
