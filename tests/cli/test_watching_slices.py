"""A promoted model is watched by the slices that its notebook was evaluated by."""

import numpy as np
import pandas as pd
import pytest
from bank import CELLS, bank
from sklearn.metrics import accuracy_score, roc_auc_score

ROWS = 400
SLICED = (
    *CELLS[:-1],
    CELLS[-1].replace(
        "accuracy =", "town = test['city'].to_numpy()\nyoung = test['age'] < 40\naccuracy ="
    )
    + " --by town,young",
)


@pytest.fixture(scope="module")
def terminal(tmp_path_factory):
    """A bank that answered the rows of a file, half of which have a label by now."""
    made = bank(tmp_path_factory.mktemp("sliced"), cells=SLICED)
    draw = np.random.default_rng(4)
    rows = pd.DataFrame(
        {
            "age": draw.integers(18, 90, ROWS),
            "income": draw.lognormal(10, 0.5, ROWS),
            "city": draw.choice(["Seoul", "Busan", "Jeju"], ROWS),
        }
    )
    rows.to_csv(made.folder / "rows.csv", index=False)
    assert made.type("predict", "credit", "rows.csv", "-o", "out.csv").status == 0
    answered = pd.read_csv(made.folder / "out.csv")
    answered["label"] = (answered.age + draw.normal(0, 9, ROWS) > 50).astype(int)
    answered[["request_id", "label"]][::2].to_csv(made.folder / "labels.csv", index=False)
    assert made.type("labels", "credit", "labels.csv").status == 0
    made.answered = answered
    return made


def test_watch_measures_the_slices_of_the_notebook(terminal):
    found = terminal.type("watch", "credit", "--report", "report.html")
    assert found.status == 0, found.stderr
    by = {(s["metric"], s["slice"]): s for s in found.json["slices"] if s["by"] == "town"}
    labelled = terminal.answered[::2]
    for city, evaluated in (("Seoul", True), ("Busan", True), (None, False)):
        mine = labelled[labelled.city == (city or "Jeju")]
        one, area = by["accuracy", city], by["auc", city]
        assert one["value"] == pytest.approx(accuracy_score(mine.label, mine.prediction))
        exact = roc_auc_score(mine.label, mine.score)
        assert area["value"] == pytest.approx(exact, abs=2e-3)
        assert one["labels"] == len(mine)
        every = (terminal.answered.city == (city or "Jeju")).sum()
        assert one["coverage"] == pytest.approx(len(mine) / every, abs=1e-6)
        assert (one["promised"] is not None) == evaluated
    page = (terminal.folder / "report.html").read_text()
    assert "<h2>Worst slices</h2>" in page
    assert "young is neither an input of the model nor a feature" in page
