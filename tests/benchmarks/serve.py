"""What serving costs: `mlops-nb serve` beside `mlflow models serve`, on one machine, in turns.

    python tests/benchmarks/serve.py [SECONDS] [ROUNDS]

A logistic regression on plain columns, and the same behind a pandas features function, with the
prediction log on; MLflow serves the model alone. 16 connections of wrk send a varied row at a time,
from the same cores. Requests a second, and milliseconds at p50 and p99; medians of the rounds.
Then, of the plain one: ten times the connections for ten seconds; requests at a steady rate, 70 %
of the full one, whether or not the one before is answered, beside the bare predict of a row in one
process; and two workers. And other models behind the features function: boosting of scikit-learn,
XGBoost, and PyTorch where it is installed.
"""

import importlib.util
import json
import os
import random
import re
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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


IMPORTS = """from sklearn.ensemble import HistGradientBoostingClassifier
from xgboost import XGBClassifier"""
TORCH = """import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(3, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1))
    def fit(self, rows, labels):
        x, y = (torch.tensor(np.asarray(v, 'float32')) for v in (rows, labels))
        self.scale = x.std(0)
        adam = torch.optim.Adam(self.layers.parameters(), .01)
        for _ in range(100):
            adam.zero_grad()
            torch.nn.functional.binary_cross_entropy_with_logits(self(x)[:, 0], y).backward()
            adam.step()
        return self.eval()
    def forward(self, x):
        return self.layers(x / self.scale)
    def predict(self, rows):
        with torch.no_grad():
            return (self(torch.tensor(np.asarray(rows, 'float32')))[:, 0] > 0).numpy().astype(int)
"""
OTHERS = {
    "boosting": (IMPORTS, "HistGradientBoostingClassifier(max_iter=100)"),
    "xgboost": (IMPORTS, "XGBClassifier(n_estimators=100, max_depth=4)"),
    "pytorch": (TORCH, "Net()"),
}


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


def measured(
    folder: Path, port: int, path: str, seconds: float, connections: int = CONNECTIONS
) -> list[float]:
    """Return requests a second, and p50 and p99 in ms."""
    lua = folder / f"{port}.lua"
    lua.write_text(script(path))
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", "-s", str(lua)]
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


def steady(port: int, rate: float, seconds: float) -> list[float]:
    """Send requests at a rate, whatever their answers do; return the times to the answers, ms.

    The client is one thread on bare sockets, so that it takes little of the server's cores.
    """
    draw = random.Random(9)
    head = "POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    bodies = [json.dumps({"rows": [row(draw)]}) for _ in range(200)]
    texts = [f"{head}content-length: {len(b)}\r\n\r\n{b}".encode() for b in bodies]
    free = [socket.create_connection(("127.0.0.1", port)) for _ in range(256)]
    opened = {one.fileno(): one for one in free}
    sent: dict[int, float] = {}  # socket → when its request was due
    parts = dict.fromkeys(opened, b"")
    times: list[float] = []
    with select.epoll() as ready:
        for number in opened:
            ready.register(number, select.EPOLLIN)
        began, due, count = time.perf_counter(), 0.0, 0
        while due < seconds or sent:
            now = time.perf_counter() - began
            while due < seconds and due <= now and free:
                one = free.pop()
                one.send(texts[count % len(texts)])
                sent[one.fileno()], count = due, count + 1
                due += draw.expovariate(rate)
            wait = max(0.0, due - now) if due < seconds and free else 1.0
            select.select([ready], [], [], wait)  # its waits are not rounded to milliseconds
            for number, _ in ready.poll(0):
                parts[number] += opened[number].recv(65536)
                length = re.search(rb"content-length: (\d+)", parts[number])
                body = parts[number].partition(b"\r\n\r\n")[2]
                if length and len(body) == int(length[1]):
                    assert b" 200 " in parts[number].split(b"\r\n")[0], parts[number]
                    times.append((time.perf_counter() - began - sent.pop(number)) * 1e3)
                    parts[number] = b""
                    free.append(opened[number])
    for one in opened.values():
        one.close()
    return times


BARE = """import json, pickle, statistics, sys, time, warnings
import pandas as pd
warnings.simplefilter('ignore')
model = pickle.load(open(sys.argv[1], 'rb'))['model']
row = pd.DataFrame([[44, 10.3]], columns=['age', 'income'])
times = []
for _ in range(500):
    began = time.perf_counter()
    model.predict(row)
    times.append((time.perf_counter() - began) * 1e3)
print(statistics.median(times), sorted(times)[495])"""


@contextmanager
def serving(folder: Path, words: list[object], port: int) -> Iterator[None]:
    """Run a server while something is measured."""
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    out = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(words, cwd=folder, env=environment, start_new_session=True, **out)
    try:
        wait(f"http://127.0.0.1:{port}/health")
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)


def ours(model: str, port: int, *more: str) -> list[object]:
    """Return the command that serves a model."""
    return [BIN / "mlops-nb", "serve", model, "--port", str(port), *more]


def line(what: str, rate: float, p50: float, p99: float, rest: str = "") -> None:
    """Print one row of the results."""
    print(f"{what:<30}{rate:>8.0f}/s  p50 {p50:6.1f} ms  p99 {p99:6.1f} ms{rest}", flush=True)


def beside_mlflow(folder: Path, seconds: float, rounds: int) -> float:
    """Print our servers beside MLflow's, in turns; return the full rate of the plain one."""
    peer = folder / "peer"
    subprocess.run([sys.executable, "-c", PEER, peer], check=True, cwd=folder)
    mlflow = [BIN / "mlflow", "models", "serve", "-m", peer, "-p", "5899", "--env-manager", "local"]
    servers = {
        "mlops-nb, plain": (5901, "/predict", ours("plain", 5901)),
        "mlops-nb, features": (5902, "/predict", ours("features", 5902)),
        "mlflow models serve": (5899, "/invocations", mlflow),
    }
    found: dict[str, list[list[float]]] = {what: [] for what in servers}
    with ExitStack() as stack:
        for port, _, words in servers.values():
            stack.enter_context(serving(folder, words, port))
        for number in range(rounds + 1):
            for what, (port, path, _) in servers.items():
                one = measured(folder, port, path, 2.0 if not number else seconds)
                found[what] += [one] if number else []  # the first round warms them up
    medians = {
        what: [statistics.median(v) for v in zip(*m, strict=True)] for what, m in found.items()
    }
    base = medians["mlflow models serve"]
    for what, (rate, p50, p99) in medians.items():
        line(what, rate, p50, p99, f"  {rate / base[0]:5.1f}x, p99 1/{base[2] / p99:.1f}")
    print(BARS)
    return medians["mlops-nb, plain"][0]


def beyond(folder: Path, full: float, seconds: float) -> None:
    """Print what the plain model does in a burst, at a steady rate, and with two workers."""
    with serving(folder, ours("plain", 5901), 5901):
        measured(folder, 5901, "/predict", 2.0)
        rate, p50, p99 = measured(folder, 5901, "/predict", 10.0, 10 * CONNECTIONS)
        line("ten times the connections", rate, p50, p99, "  bar: p99 100 ms")
        times = sorted(steady(5901, 0.7 * full, seconds))
        half, most = times[len(times) // 2], times[int(len(times) * 0.99)]
        model = next(folder.glob(".mlops/packages/plain/*/model.pickle"))
        done = subprocess.run(
            [sys.executable, "-c", BARE, model], capture_output=True, text=True, check=True
        )
        bare = [float(text) for text in done.stdout.split()]
        line("at a steady 70 %", 0.7 * full, half, most)
        print(
            f"  the bare predict: p50 {bare[0]:.1f} ms, p99 {bare[1]:.1f} ms; bars: 2 and 10 more"
        )
    with serving(folder, ours("plain", 5903, "--workers", "2"), 5903):
        measured(folder, 5903, "/predict", 2.0)
        line("two workers", *measured(folder, 5903, "/predict", seconds))


def others(folder: Path, seconds: float) -> None:
    """Print other models behind the features function."""
    for number, (what, (imports, model)) in enumerate(OTHERS.items()):
        if what == "pytorch" and importlib.util.find_spec("torch") is None:
            print("pytorch: not installed")
            continue
        fit = FIT.format(x="features(train)", name=what, option=" --features features")
        fit = fit.replace("make_pipeline(StandardScaler(), LogisticRegression())", model)
        cells = [f"{DATA}\n{imports}", FEATURES, fit, JUDGE.format(x="features(test)")]
        try:
            notebook(folder / f"{what}.ipynb", what, cells)
        except subprocess.CalledProcessError as error:  # such as a build that no index has
            print(f"{what} is not promoted: {error.stderr.decode().splitlines()[-2]}")
            continue
        port = 5910 + number
        with serving(folder, ours(what, port), port):
            measured(folder, port, "/predict", 2.0)
            line(what, *measured(folder, port, "/predict", seconds))


def main(seconds: float, rounds: int) -> None:
    """Print all results."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / ".git").mkdir()
        cells = [DATA, PLAIN, FIT.format(x="train", name="plain", option="")]
        notebook(folder / "a.ipynb", "plain", [*cells, JUDGE.format(x="test")])
        fit = FIT.format(x="features(train)", name="features", option=" --features features")
        cells = [DATA, FEATURES, fit, JUDGE.format(x="features(test)")]
        notebook(folder / "b.ipynb", "features", cells)
        full = beside_mlflow(folder, seconds, rounds)
        beyond(folder, full, seconds)
        others(folder, seconds)


if __name__ == "__main__":
    if shutil.which("wrk") is None:
        raise SystemExit("this benchmark needs wrk: apt install wrk")
    main(*(float(sys.argv[1]) if sys.argv[1:] else 8.0, int(sys.argv[2]) if sys.argv[2:] else 3))
