"""The log and the features of training are compared by the entity, masked or not."""

import pandas as pd
import pytest

from mlops_nb.errors import Refused
from mlops_nb.monitoring.served_skew import compared
from mlops_nb.serving.pseudonyms import Pseudonyms
from mlops_nb.serving.settings import PredictionSettings

PLAIN = PredictionSettings()
FRAME = pd.DataFrame({"flight": [7, 8, 9], "age": [0.7, 0.8, 0.9], "extra": 0})


def log(flights, ages):
    return pd.DataFrame({"request_id": map(str, flights), "in_flight": flights, "f_age": ages})


@pytest.mark.parametrize("flights", [[7, 8, 5], [7.0, 8.0, None], ["7", "8", "x"]])
def test_entities_are_the_same_whatever_their_type(tmp_path, flights):
    found = compared(log(flights, [0.7, 0.9, 1.0]), FRAME, "flight", PLAIN, tmp_path)
    assert found.to_dict("records") == [
        {"column": "age", "rows": 2, "differ": 0.5, "largest": pytest.approx(0.1)}
    ]


def test_hashed_entities_are_found_by_their_pseudonyms(tmp_path):
    hashed = [Pseudonyms(tmp_path).of(flight) for flight in (7, 8)]
    settings = PredictionSettings(hash=("flight",))
    found = compared(log(hashed, [0.7, 0.8]), FRAME, "flight", settings, tmp_path)
    assert found["rows"].tolist() == [2]
    assert found["differ"].tolist() == [0.0]


@pytest.mark.parametrize(
    ("on", "frame", "says"),
    [
        ("", FRAME, "no column names the entity"),
        ("nowhere", FRAME, "the frame has no column 'nowhere'"),
        ("extra", FRAME, "the log has no input 'extra'"),
        ("flight", FRAME[["flight", "extra"]], "no feature that is logged"),
    ],
)
def test_frames_without_anything_in_common_are_refused(tmp_path, on, frame, says):
    with pytest.raises(Refused, match=says):
        compared(log([7], [0.7]), frame, on, PLAIN, tmp_path)


def test_an_empty_log_has_no_skew(tmp_path):
    empty = pd.DataFrame({"request_id": []})
    found = compared(empty, FRAME, "flight", PLAIN, tmp_path)
    assert list(found) == ["column", "rows", "differ", "largest"]
    assert len(found) == 0
