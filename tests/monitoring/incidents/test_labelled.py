"""Labelled rows have their own answers, inputs and labels, whatever order the labels came in."""

import numpy as np
import pandas as pd
import pytest
from live_model import NOW, LiveModel, binary, labels_of
from sklearn.metrics import ndcg_score

from mlops_nb.monitoring.incidents import labelled
from mlops_nb.monitoring.live.window import open_model
from mlops_nb.serving.settings import PredictionSettings

ROWS = binary(300, days=3)


@pytest.mark.parametrize("share", [1.0, 0.6])
@pytest.mark.parametrize("files", [1, 3])
def test_rows_are_those_of_their_labels(tmp_path, share, files):
    live = LiveModel(tmp_path, ROWS[["age", "city"]])
    live.answer(ROWS.drop(columns="label"), files)
    some = ROWS[np.random.default_rng(1).random(len(ROWS)) < share]
    live.label(labels_of(some.sample(frac=1, random_state=2)))
    opened = open_model(live.open().context, "m")
    found = labelled.labelled_rows(opened, opened.look.log.days(), 1, 10_000)
    assert len(found.labels) == len(some)
    by_score = some.set_index("score")
    for number, score in enumerate(found.scores):
        row = by_score.loc[score]
        assert found.labels[number] == str(row.label)
        assert found.predictions[number] == row.prediction
        assert found.inputs[number] == {"age": row.age, "city": row.city}
        assert found.days[number] == str(row.time.date())


def test_whole_queries_have_the_loss_that_scikit_learn_computes(tmp_path):
    draw = np.random.default_rng(3)
    rows = pd.DataFrame(
        {
            "request_id": [f"r{i}" for i in range(300)],
            "time": [NOW - pd.Timedelta(days=1 + i // 100) for i in range(300)],
            "in_session": [f"s{i // 5 % 20}" for i in range(300)],  # the same names every day
            "age": draw.normal(size=300),
            "prediction": draw.normal(size=300),
            "score": np.full(300, np.nan),
            "label": draw.integers(0, 4, 300),
        }
    )
    evaluation = {"whole": {}, "query": "session"}
    settings = PredictionSettings(entity="session")
    live = LiveModel(tmp_path, rows[["age"]], None, predictions=settings, evaluation=evaluation)
    live.answer(rows.drop(columns="label"))
    some = rows.drop(rows.index[::35])  # so that some queries lack a label
    live.label(labels_of(some.sample(frac=1, random_state=2)))
    opened = open_model(live.open().context, "m")
    found = labelled.labelled_rows(opened, opened.look.log.days(), 1, 10_000, ranked=True)
    whole = [q for _, q in some.groupby(["time", "in_session"]) if len(q) == 5 and q.label.any()]
    assert len(found.labels) == 5 * len(whole) < len(some)
    mine = labelled.loss_of_queries(found, found.predictions, None, opened.look.asked.kind)
    theirs = [1 - ndcg_score([q.label], [q.prediction]) for q in whole]
    np.testing.assert_allclose(np.sort(mine), np.sort(theirs))
    few = labelled.labelled_rows(opened, opened.look.log.days(), 1, 60, ranked=True)
    assert 45 <= len(few.labels) <= 60
    assert set(pd.Series(few.queries).value_counts()) == {5}
