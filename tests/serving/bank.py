"""A bank that decides on credits: its notebook, a server of its model, and a caller."""

import json
import random
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import pandas as pd
import psutil
from saved import notebook, project
from typing_in import Terminal

CELLS = (
    "import numpy as np\nimport pandas as pd\nfrom sklearn.linear_model import LogisticRegression",
    "strength = 1.0",
    "# mlops: step load\ndraw = np.random.default_rng(1)\n"
    "df = pd.DataFrame({'age': draw.integers(18, 90, 900), 'income': draw.lognormal(10, .5, 900),"
    " 'city': draw.choice(['Seoul', 'Busan'], 900)})\n"
    "label = (df.age + draw.normal(0, 9, 900) > 50).astype(int)",
    "# mlops: step features\ndef features(rows):\n"
    "    if (rows['age'] == 13).any():\n        raise ValueError('thirteen')\n"
    "    if (rows['age'] == 14).any():\n        import time\n        time.sleep(30)\n"
    "    return pd.DataFrame({'age': rows['age'] / 10, 'rich': np.log(rows['income']),"
    " 'seoul': (rows['city'] == 'Seoul').astype(float)})\n"
    "train, test = df.iloc[:600], df.iloc[600:]",
    "# mlops: step train\n"
    "model = LogisticRegression(C=strength).fit(features(train), label[:600])\n"
    "# mlops: model model --name credit --features features",
    "# mlops: step judge\ntruth = label[600:]\nscore = model.predict_proba(features(test))[:, 1]\n"
    "pred = model.predict(features(test))\naccuracy = float((pred == truth).mean())\n"
    "# mlops: metric accuracy\n# mlops: evaluate --truth truth --pred pred --score score",
)
ROW = {"age": 44, "income": 30000.0, "city": "Seoul"}


def bank(folder: Path, *words: str, cells: tuple[str, ...] = CELLS) -> Terminal:
    """Promote the notebook, with more options."""
    terminal = project(folder, "bank")
    notebook(terminal.folder, cells)
    answer = terminal.type("promote", "n.ipynb", "--name", "credit", "--model", "model", *words)
    assert answer.status == 0, answer.stderr
    return terminal


def retrained(terminal: Terminal, strength: str) -> None:
    """Run the job again with another parameter, so that its model gets another version."""
    answer = terminal.type("trigger", "credit", "-p", "strength", strength)
    assert answer.status == 0, answer.stderr


class Served:
    """A server of the model, and a caller."""

    def __init__(self, terminal: Terminal, *words: str, **extra: str) -> None:
        self.terminal = terminal
        started = ("serve", "credit", "--port", "0", "--json", *words)
        self.process = terminal.start(*started, **extra)
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        self.about = json.loads(line)

    def ask(self, path: str, body=None, *, raw: bytes | None = None, **headers: str):
        data = raw if raw is not None else (None if body is None else json.dumps(body).encode())
        request = urllib.request.Request(self.about["url"] + path, data=data, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text, status = answer.read(), answer.status
        except urllib.error.HTTPError as error:
            text, status = error.read(), error.code
        return status, json.loads(text) if text[:1] in b"{[" else text.decode()

    def predict(self, *rows: dict, **more):
        return self.ask("/predict", {"rows": list(rows), **more})

    @property
    def parts(self) -> list[psutil.Process]:
        """The processes of the fronts and of the versions."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        return [part for part in found if part.status() != psutil.STATUS_ZOMBIE]

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=60)
        return errors


def some_rows(count: int, seed: int = 1) -> list[dict]:
    draw = random.Random(seed)
    return [
        {
            "age": draw.randint(18, 89),
            "income": round(draw.lognormvariate(10, 0.5), 2),
            "city": draw.choice(["Seoul", "Busan", "Daegu"]),
        }
        for _ in range(count)
    ]


def logged(terminal: Terminal) -> pd.DataFrame:
    """Return the prediction log."""
    files = sorted((terminal.folder / ".mlops" / "predictions").glob("*/*/*.parquet"))
    return pd.concat([pd.read_parquet(f) for f in files]) if files else pd.DataFrame()


def until(holds, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
