"""The estimate of a log's size is near the size that the log has."""

import random
import uuid

import pytest
from logging_rows import SIGNATURE, package_of
from msgspec.structs import replace

from mlops_nb.serving import log_size
from mlops_nb.serving.log_size import bytes_of_row, sentence
from mlops_nb.serving.prediction_log import Rows
from mlops_nb.serving.prediction_table import table_of
from mlops_nb.serving.settings import PredictionSettings

CITIES = ("Seoul", "Busan", "Daegu", "Incheon")


def answers(count: int, seed: int):
    draw = random.Random(seed)
    rows = [{"age": draw.randint(18, 90), "city": draw.choice(CITIES)} for _ in range(count)]
    return {
        "rows": rows,
        "predictions": [draw.randint(0, 1) for _ in rows],
        "scores": [draw.random() for _ in rows],
        "features": {"old": [draw.random() for _ in rows]},
    }


def test_the_estimate_is_near_the_size_of_a_merged_file():
    estimate = bytes_of_row(SIGNATURE, answers(200, 1), PredictionSettings())
    many = answers(20_000, 2)
    asked = {name: [row[name] for row in many["rows"]] for name in ("age", "city")}
    made = Rows(
        version=3,
        ids=[uuid.uuid4().hex for _ in many["rows"]],
        times=[1.7e9 + n * random.Random(n).random() for n in range(20_000)],
        seconds=[random.Random(n).random() for n in range(20_000)],
        answers=[(many, asked)],
    )
    real = log_size._size(table_of(package_of(), [made])) / 20_000
    assert real * 0.8 < estimate < real * 1.6


def test_what_is_dropped_hashed_and_sampled_changes_the_estimate():
    golden = answers(200, 1)
    plain = bytes_of_row(SIGNATURE, golden, PredictionSettings())
    assert bytes_of_row(SIGNATURE, golden, PredictionSettings(drop=("age", "old"))) < plain
    assert bytes_of_row(SIGNATURE, golden, PredictionSettings(hash=("age",))) > plain
    about = {"signature": SIGNATURE, "golden": golden}
    assert sentence(about, PredictionSettings()) == sentence(about, PredictionSettings())
    told = sentence(about, replace(PredictionSettings(), sample=0.1, keep="30d"))
    assert "of which 0.1 are logged" in told
    assert told.endswith("kept for 30d")


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_few_rows_are_enough(rows):
    assert 30 < bytes_of_row(SIGNATURE, answers(rows, 1), PredictionSettings()) < 5000


def test_without_rows_nothing_is_told():
    assert sentence({"signature": SIGNATURE, "golden": {"rows": []}}, PredictionSettings()) == ""
