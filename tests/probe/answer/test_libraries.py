"""Models of other libraries are packaged, loaded in their process, and answer as judged."""

import asyncio
import json
import sys

import pytest

from mlops_nb.models.package import Package
from mlops_nb.probe.answer import frames, package
from mlops_nb.probe.answer.answers import equal
from mlops_nb.serving.model_process import ModelProcess

START = """
import numpy as np, pandas as pd
draw = np.random.default_rng(1)
df = pd.DataFrame({'age': draw.integers(18, 90, 400), 'income': draw.normal(5, 1, 400)})
number = df.age * 1.5 + draw.normal(0, 1, 400)
binary = (df.age > 50).astype(int)
three = np.digitize(df.age, [40, 60])
words = np.where(df.age > 50, 'old', 'young')
train, test = df.iloc[:300], df.iloc[300:]
"""
PREDICT = "pred = model.predict(test)\n"
PROBA = PREDICT + "score = model.predict_proba(test)\n"
TORCH = """
import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU())
    def forward(self, x):
        return self.layers(x)
    def predict(self, rows):
        with torch.no_grad():
            return self(torch.tensor(np.asarray(rows, 'float32'))).sum(dim=1{keep})
model = Net().eval()
pred = model.predict(test)
"""
XGB, LGBM, CAT = "import xgboost\n", "import lightgbm\n", "import catboost\n"
QUIET = "iterations=9, random_seed=0, verbose=False, allow_writing_files=False"
CASES = {
    "linear": (
        "sklearn",
        "from sklearn.linear_model import LinearRegression\n"
        "model = LinearRegression().fit(train, number[:300])\n" + PREDICT,
    ),
    "linear of one column": (
        "sklearn",
        "from sklearn.linear_model import LinearRegression\n"
        "model = LinearRegression().fit(train, np.asarray(number[:300])[:, None])\n" + PREDICT,
    ),
    "labels without scores": (
        "sklearn",
        "from sklearn.svm import LinearSVC\n"
        "model = LinearSVC(random_state=0, dual=False).fit(train, words[:300])\n" + PREDICT,
    ),
    "three classes": (
        "sklearn",
        "from sklearn.tree import DecisionTreeClassifier\n"
        "model = DecisionTreeClassifier(max_depth=3).fit(train, three[:300])\n" + PROBA,
    ),
    "xgboost": (
        "xgboost",
        XGB + "model = xgboost.XGBClassifier(n_estimators=9).fit(train, binary[:300])\n" + PROBA,
    ),
    "xgboost of three": (
        "xgboost",
        XGB + "model = xgboost.XGBClassifier(n_estimators=9).fit(train, three[:300])\n" + PROBA,
    ),
    "xgboost of numbers": (
        "xgboost",
        XGB + "model = xgboost.XGBRegressor(n_estimators=9).fit(train, number[:300])\n" + PREDICT,
    ),
    "lightgbm": (
        "lightgbm",
        LGBM
        + "model = lightgbm.LGBMClassifier(n_estimators=9, verbose=-1).fit(train, words[:300])\n"
        + PROBA,
    ),
    "lightgbm booster": (
        "lightgbm",
        LGBM + "model = lightgbm.train({'objective': 'binary', 'verbose': -1},"
        " lightgbm.Dataset(train, binary[:300]), 9)\n" + PREDICT,
    ),
    "catboost": (
        "catboost",
        CAT + f"model = catboost.CatBoostClassifier({QUIET}).fit(train, words[:300])\n" + PROBA,
    ),
    "catboost of three": (
        "catboost",
        CAT + f"model = catboost.CatBoostClassifier({QUIET}).fit(train, three[:300])\n" + PROBA,
    ),
    "torch": ("torch", TORCH.replace("{keep}", "")),
    "torch of one column": ("torch", TORCH.replace("{keep}", ", keepdim=True")),
}


async def answered(found: Package, columns: dict) -> dict:
    process = ModelProcess(found)
    try:
        golden = await process.start(threads=1)
        answer = await process.ask(columns, 60.0)
    finally:
        process.end()
    assert "error" not in answer, answer
    assert golden is not None
    return answer


@pytest.mark.parametrize("case", CASES)
def test_a_model_answers_in_its_process_as_it_was_judged(case, tmp_path, monkeypatch):
    library, code = CASES[case]
    pytest.importorskip(library, reason=f"{library} is not installed")
    space: dict = {"__name__": "__main__"}
    exec(START + code, space)
    monkeypatch.setattr(package, "namespace", lambda: space)
    asked = {"model": "model", "features": "", "decide": "", "lookups": [], "rows": ["test"]}
    asked |= {"pred": "pred", "score": "score", "path": str(tmp_path / "model.pickle")}
    told = json.loads(package.write(json.dumps(asked)))
    assert "error" not in told, told
    assert told["compared"]
    (tmp_path / "package.json").write_text(json.dumps({"signature": told["signature"]}))
    (tmp_path / "golden.json").write_text(json.dumps(told["golden"]))
    found = Package(
        folder=tmp_path,
        model="m",
        version=1,
        python=sys.executable,
        signature=told["signature"],
        independent=True,
        golden=told["golden"],
        about={},
    )
    test = space["test"]
    answer = asyncio.run(answered(found, {n: frames.plain(test[n]) for n in test.columns}))
    judged = space["pred"]
    judged = judged.reshape(-1) if hasattr(judged, "reshape") else judged
    assert equal(answer["predictions"], frames.plain(judged))
    if "score" in space:
        score = space["score"]
        wanted = score[:, 1] if score.shape[1] == 2 else score
        assert equal(answer["scores"], frames.plain(wanted))
    else:
        assert answer["scores"] is None
