"""What serving costs: `mlops-nb serve` beside `mlflow models serve`, on one machine, in turns.

    python tests/benchmarks/serve.py [SECONDS] [ROUNDS]

A logistic regression on plain columns, and the same behind a pandas features function, with the
prediction log on; MLflow serves the model alone. 16 connections of wrk send a varied row at a time,
from the same cores. Requests a second, and milliseconds at p50 and p99; medians of the rounds.
"""

import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

BIN = Path(sys.executable).parent
CONNECTIONS = 16
BARS = "bars: plain 25x MLflow's requests a second, features 12x, p99 under a tenth"
DATA = """import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
draw = np.random.default_rng(1)
df = pd.DataFrame({'age': draw.integers(18, 90, 6000), 'income': draw.lognormal(10, .5, 6000),
                   'city': draw.choice(['Seoul', 'Busan', 'Daegu'], 6000)})
label = (df.age + draw.normal(0, 9, 6000) > 50).astype(int)"""
FEATURES = """def features(rows):
    return pd.DataFrame({'age': rows['age'].astype(float), 'rich': np.log(rows['income']),
                         'seoul': (rows['city'] == 'Seoul').astype(float)})
train, test = df.iloc[:4000], df.iloc[4000:]"""
PLAIN = "train, test = (df[['age', 'income']].iloc[p] for p in (slice(4000), slice(4000, None)))"
FIT = """model = make_pipeline(StandardScaler(), LogisticRegression()).fit({x}, label[:4000])
# mlops: model model --name {name}{option}"""
JUDGE = """truth, pred = label[4000:], model.predict({x})
# mlops: evaluate --truth truth --pred pred"""
PEER = """import sys, warnings, pandas as pd, mlflow
warnings.simplefilter('ignore')
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
X = pd.DataFrame([[44.0, 10.3], [30.0, 9.0]], columns=['age', 'income'])
mlflow.sklearn.save_model(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, [1, 0]),
    sys.argv[1], serialization_format='cloudpickle', pip_requirements=['scikit-learn'])"""


def notebook(path: Path, name: str, cells: list[str]) -> None:
    """Write and promote a notebook."""
    book = new_notebook(cells=[new_code_cell(text) for text in cells])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, path)
    words = [BIN / "mlops-nb", "promote", path.name, "--name", name, "--model", "model"]
    subprocess.run([*words, "--proof", "quick"], cwd=path.parent, check=True, capture_output=True)


def row(draw: random.Random) -> dict[str, object]:
    """Return a row as callers send it."""
    income, city = round(draw.lognormvariate(10, 0.5), 2), draw.choice(["Seoul", "Busan", "Daegu"])
    return {"age": draw.randint(18, 89), "income": income, "city": city}


def script(path: str) -> str:
    """Return what wrk runs: it sends some rows in turns."""
    draw = random.Random(7)
    rows = [row(draw) for _ in range(200)]
    if path == "/invocations":
        bodies = [
            {"dataframe_split": {"columns": ["age", "income"], "data": [[r["age"], r["income"]]]}}
            for r in rows
        ]
    else:
        bodies = [{"rows": [r]} for r in rows]
    texts = ", ".join(f"'{json.dumps(body)}'" for body in bodies)
    return (
        f"bodies = {{{texts}}}\nnumber = 0\nhead = {{['Content-Type'] = 'application/json'}}\n"
        "function request()\n  number = number % #bodies + 1\n"
        f"  return wrk.format('POST', '{path}', head, bodies[number])\nend\n"
    )


def measured(folder: Path, port: int, path: str, seconds: float) -> list[float]:
    """Return requests a second, and p50 and p99 in ms."""
    lua = folder / f"{port}.lua"
    lua.write_text(script(path))
    words = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--latency", "-s", str(lua)]
    done = subprocess.run(
        [*words, f"http://127.0.0.1:{port}"], capture_output=True, text=True, check=True
    )
    assert "Non-2xx" not in done.stdout, done.stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1])
    times = [re.search(rf"{q}%\s+([\d.]+)(us|ms|s)", done.stdout) for q in (50, 99)]
    return [rate, *(float(t[1]) * {"us": 1e-3, "ms": 1, "s": 1e3}[t[2]] for t in times)]


def wait(url: str) -> None:
    """Wait until a server answers."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{url} does not answer")


def main(seconds: float, rounds: int) -> None:
    """Print the medians, and what they are to each other."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / ".git").mkdir()
        cells = [DATA, PLAIN, FIT.format(x="train", name="plain", option="")]
        notebook(folder / "a.ipynb", "plain", [*cells, JUDGE.format(x="test")])
        fit = FIT.format(x="features(train)", name="features", option=" --features features")
        cells = [DATA, FEATURES, fit, JUDGE.format(x="features(test)")]
        notebook(folder / "b.ipynb", "features", cells)
        peer = folder / "peer"
        subprocess.run([sys.executable, "-c", PEER, peer], check=True, cwd=folder)
        mlflow = [BIN / "mlflow", "models", "serve", "-m", peer, "-p", "5899"]
        servers = {
            "mlops-nb, plain": (5901, "/predict", [BIN / "mlops-nb", "serve", "plain"]),
            "mlops-nb, features": (5902, "/predict", [BIN / "mlops-nb", "serve", "features"]),
            "mlflow models serve": (5899, "/invocations", [*mlflow, "--env-manager", "local"]),
        }
        running = []
        environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        for what, (port, _, words) in servers.items():
            ports = [] if "mlflow" in what else ["--port", str(port)]
            out = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            running.append(
                subprocess.Popen(
                    [*words, *ports], cwd=folder, env=environment, start_new_session=True, **out
                )
            )
            wait(f"http://127.0.0.1:{port}/health")
        try:
            found: dict[str, list[list[float]]] = {what: [] for what in servers}
            for number in range(rounds + 1):
                for what, (port, path, _) in servers.items():
                    told = measured(folder, port, path, 2.0 if not number else seconds)
                    found[what] += [told] if number else []  # the first round warms them up
        finally:
            for process in running:
                os.killpg(process.pid, signal.SIGKILL)
        medians = {
            what: [statistics.median(v) for v in zip(*m, strict=True)] for what, m in found.items()
        }
        base = medians["mlflow models serve"]
        for what, (rate, p50, p99) in medians.items():
            print(
                f"{what:<22}{rate:>8.0f}/s  p50 {p50:6.1f} ms  p99 {p99:6.1f} ms"
                f"  {rate / base[0]:5.1f}x, p99 1/{base[2] / p99:.1f}"
            )
        print(BARS)


if __name__ == "__main__":
    if shutil.which("wrk") is None:
        raise SystemExit("this benchmark needs wrk: apt install wrk")
    main(*(float(sys.argv[1]) if sys.argv[1:] else 8.0, int(sys.argv[2]) if sys.argv[2:] else 3))
