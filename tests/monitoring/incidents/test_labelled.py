"""Labelled rows have their own answers, inputs and labels, whatever order the labels came in."""

import numpy as np
import pytest
from live_model import LiveModel, binary, labels_of

from mlops_nb.monitoring.incidents import labelled
from mlops_nb.monitoring.live.window import open_model

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
