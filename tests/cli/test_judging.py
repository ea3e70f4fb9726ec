"""Judging from end to end: intervals, slices of enough rows, and a champion on the same data."""

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from saved import Saved, project
from typing_in import Terminal

CELLS = (
    "import pandas as pd\nfrom sklearn.linear_model import LogisticRegression\n"
    "from sklearn.metrics import roc_auc_score",
    '# mlops: step load\nvisits = pd.read_csv("visits.csv")',
    """# mlops: step split
train, test = visits.iloc[::2], visits.iloc[1::2]
X_train, y_train = train[["pages", "noise"]], train["bought"]
X_test, y_test = test[["pages", "noise"]], test["bought"]""",
    """# mlops: step train
model = LogisticRegression().fit(X_train, y_train)""",
    """# mlops: step judge
# mlops: metric auc
# mlops: evaluate --truth y_test --pred predicted --score score --by town --min-n 40
score = model.predict_proba(X_test)
predicted = model.predict(X_test)
auc = float(roc_auc_score(y_test, score[:, 1]))
town = test["town"]""",
)
GATES = ("auc >= 0.6", "recall >= 0.1", "auc by town >= 0.55", "auc by town >= champion - 0.05")


def visits(terminal: Terminal, skill: dict[str, float], n: int = 900, seed: int = 0) -> None:
    """Let visits arrive; `skill` says by town how well pages tell who will buy."""
    chance = np.random.default_rng(seed)
    town = chance.choice(["Busan", "Seoul"], n).astype(object)
    town[:20] = "Jeju"
    bought = chance.random(n) < 0.5
    lift = np.array([skill.get(name, 0.0) for name in town])
    pages = np.where(bought, lift, 0) + chance.normal(size=n)
    table = pd.DataFrame(
        {"pages": pages, "noise": chance.normal(size=n), "town": town, "bought": bought.astype(int)}
    )
    table.to_csv(terminal.folder / "visits.csv", index=False)


@pytest.fixture(scope="module")
def promoted(tmp_path_factory) -> Saved:
    """Promote a job that tells who will buy."""
    terminal = project(tmp_path_factory.mktemp("judging"), "shop")
    notebook = new_notebook(cells=[new_code_cell(text) for text in CELLS])
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    nbformat.write(notebook, terminal.folder / "visits.ipynb")
    visits(terminal, {"Busan": 1.5, "Seoul": 1.5})
    words = [word for gate in GATES for word in ("--gate", gate)]
    answer = terminal.type(
        "promote", "visits.ipynb", "--name", "visits", "--model", "model", *words
    )
    assert answer.status == 0, answer.stderr
    return Saved(terminal)


@pytest.fixture
def shop(promoted) -> Terminal:
    """Open the project of the promoted job."""
    return promoted.put_back()


def gates(terminal: Terminal) -> dict[str, dict]:
    """Return what each gate said of the last run."""
    return {g["gate"]: g for g in terminal.type("history", "visits").json["runs"][-1]["gates"]}


def test_a_gate_says_its_interval_and_its_rows(shop):
    found = gates(shop)
    whole = found["auc >= 0.6"]
    assert whole["low"] < whole["value"] < whole["high"]
    assert whole["n"] == 450
    assert f"(95 % {whole['low']:.4g}-{whole['high']:.4g}, n 450)" in whole["because"]


def test_a_metric_that_the_notebook_does_not_make_is_judged_by_the_evaluation(shop):
    assert 0.5 < gates(shop)["recall >= 0.1"]["value"] < 1


def test_a_slice_of_too_few_rows_is_shown_and_not_judged(shop):
    worst = gates(shop)["auc by town >= 0.55"]
    assert "Jeju" not in worst["because"]
    assert worst["n"] > 40
    card = (shop.folder / "jobs/visits/MODEL_CARD.md").read_text()
    assert "| auc by town | Jeju |" in card
    assert "Slices of fewer than 40 rows" in card


def test_a_champion_is_held_against_its_own_slices_on_the_same_rows(shop):
    visits(shop, {"Busan": 1.5, "Seoul": 1.5}, seed=1)
    answer = shop.type("trigger", "visits")
    assert answer.status == 0, answer.stderr
    found = gates(shop)["auc by town >= champion - 0.05"]
    assert found["champion"] == pytest.approx(found["value"], abs=0.05)
    assert found["champion"] != found["value"]
    assert "(champion" in found["because"]


def test_a_refusal_names_gate_slice_value_and_threshold(shop):
    visits(shop, {"Busan": 2.5, "Seoul": 0.0}, seed=2)
    answer = shop.type("trigger", "visits")
    assert (answer.status, answer.json["status"]) == (1, "refused")
    said = answer.json["because"]
    assert "gate 'auc by town >= 0.55': auc by town: worst Seoul 0." in said
    assert "is not >= 0.55" in said
    assert gates(shop)["auc >= 0.6"]["passed"]  # as a whole it is good enough


def test_an_unknown_metric_is_still_refused(shop):
    error = shop.refused("promote", "visits.ipynb", "--name", "other", "--gate", "f2 >= 0.1")
    assert "'f2', which the notebook does not make" in error
    assert "auc_by_town" in error
