"""A promoted model that ranks is watched by its queries."""

import numpy as np
import pandas as pd
import pytest
from saved import notebook, project
from sklearn.metrics import ndcg_score

CELLS = (
    "import numpy as np\nimport pandas as pd\nfrom sklearn.linear_model import LinearRegression",
    "# mlops: step load\ndraw = np.random.default_rng(1)\n"
    "df = pd.DataFrame({'session': np.repeat(np.arange(200), 5), 'fit': draw.normal(size=1000)})\n"
    "relevance = np.clip(np.round(df.fit + draw.normal(0, 1, 1000) + 1), 0, 4)",
    "# mlops: step features\ndef features(rows):\n    return rows[['fit']]\n"
    "train, test = df.iloc[:600], df.iloc[600:]",
    "# mlops: step train\nmodel = LinearRegression().fit(features(train), relevance[:600])\n"
    "# mlops: model model --name search --features features",
    "# mlops: step judge\ntruth = relevance[600:]\npred = model.predict(features(test))\n"
    "session = test['session']\n# mlops: evaluate --truth truth --pred pred --query session",
)


def ndcg(rows: pd.DataFrame) -> float:
    """Return the mean over the sessions of scikit-learn's value."""
    by = (
        ndcg_score([q.label], [q.prediction]) for _, q in rows.groupby("session") if q.label.any()
    )
    return float(np.mean([*by]))


@pytest.fixture(scope="module")
def terminal(tmp_path_factory):
    """A search that answered 60 sessions; some have all of their labels, some lack one."""
    made = project(tmp_path_factory.mktemp("ranks"), "shop")
    notebook(made.folder, CELLS)
    answer = made.type(
        *("promote", "n.ipynb", "--name", "search", "--model", "model", "--gate", "ndcg >= 0.7"),
        *("--gate", "ndcg >= baseline + 0.01"),
    )
    assert answer.status == 0, answer.stderr
    assert [gate["passed"] for gate in answer.json["gates"]] == [True, True]
    job = made.folder / "jobs" / "search" / "job.yaml"  # no input of the model, and yet logged
    job.write_text(job.read_text().replace("entity: null", "entity: session"))
    assert made.type("apply", "search").status == 0
    draw = np.random.default_rng(4)
    rows = pd.DataFrame({"session": np.repeat(np.arange(60), 5), "fit": draw.normal(size=300)})
    rows.sample(frac=1, random_state=0).to_csv(made.folder / "rows.csv", index=False)
    assert made.type("predict", "search", "rows.csv", "-o", "out.csv").status == 0
    made.answered = pd.read_csv(made.folder / "out.csv")
    noise = draw.normal(0, 1, 300) + 1
    made.answered["label"] = np.clip(np.round(made.answered.fit + noise), 0, 4)
    return made


def watched(terminal) -> dict:
    """Return what the watch says of the ranking."""
    found = terminal.type("watch", "search", "--report", "report.html").json
    every, version = [m for m in found["metrics"] if m["metric"] == "ndcg"]
    assert (every["model_version"], version["model_version"]) == (None, 1)
    assert every["value"] == version["value"]
    return every


def test_watch_measures_the_queries_that_have_all_their_labels(terminal):
    first = terminal.answered.groupby("session").head(1)
    lacking = first[first.session % 3 == 0].index
    for name, rows in (("most", terminal.answered.drop(lacking)), ("rest", first.loc[lacking])):
        rows[["request_id", "label"]].to_csv(terminal.folder / f"{name}.csv", index=False)
    assert terminal.type("labels", "search", "most.csv").status == 0
    one = watched(terminal)
    whole = terminal.answered[terminal.answered.session % 3 != 0]
    assert one["value"] == pytest.approx(ndcg(whole))
    assert one["low"] < one["value"] < one["high"] <= 1
    assert "(NDCG)" in (terminal.folder / "report.html").read_text()
    assert terminal.type("labels", "search", "rest.csv").status == 0
    assert watched(terminal)["value"] == pytest.approx(ndcg(terminal.answered))
