"""Metrics that functions of the notebook compute are gates, and are watched day by day."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from bank import CELLS, bank
from pyarrow import parquet
from scipy import stats

from mlops_nb.serving import prediction_table
from mlops_nb.storage.predictions_local import LocalPredictions

ROWS, DAYS = 400, 8
FUNCTIONS = """
def business_cost(truth, pred, score, rows):
    wrong = rows["income"].to_numpy() * (truth != pred)
    return float(wrong.mean()) / 1000
def fragile(truth, pred, score, rows):
    if len(rows) < 300:
        raise RuntimeError("too few rows for me")
    return 1.0
"""
MARKS = "".join(
    f"\n# mlops: metric {metric} --from {function}"
    for metric, function in (("cost", "business_cost"), ("frail", "fragile"))
)
JUDGE = CELLS[-1].replace("truth =", "town = test.city\ntruth =") + " --by town" + MARKS
COMPUTED = (*CELLS[:4], FUNCTIONS, *CELLS[4:-1], JUDGE)


def spread(folder):
    """Spread the answers evenly over some days, of which today is the last; return them."""
    place = folder / ".mlops" / "predictions" / "credit"
    files = sorted(place.rglob("*.parquet"))
    table = pa.concat_tables(
        [parquet.read_table(file) for file in files], promote_options="default"
    )
    for file in files:
        file.unlink()
    now = datetime.now(UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    of_day = len(table) // DAYS
    times = [
        today - timedelta(days=DAYS - 1 - n // of_day) + (now - today) * (n % of_day) / of_day
        for n in range(len(table))
    ]
    column = pa.array(times, table.schema.field("time").type)
    table = table.set_column(table.schema.get_field_index("time"), "time", column)
    log = LocalPredictions(place)
    for day, rows in prediction_table.by_day(table):
        log.write(day, rows)
    return table.to_pandas()


@pytest.fixture(scope="module")
def terminal(tmp_path_factory):
    made = bank(tmp_path_factory.mktemp("computed"), "--gate", "cost <= 1000", cells=COMPUTED)
    draw = np.random.default_rng(4)
    rows = pd.DataFrame(
        {
            "age": draw.integers(18, 90, ROWS),
            "income": draw.lognormal(10, 0.5, ROWS),
            "city": draw.choice(["Seoul", "Busan"], ROWS),
        }
    )
    rows.to_csv(made.folder / "rows.csv", index=False)
    assert made.type("predict", "credit", "rows.csv", "-o", "out.csv").status == 0
    answered = spread(made.folder)
    answered["label"] = (answered.in_age + draw.normal(0, 9, ROWS) > 50).astype(int)
    answered[["request_id", "label"]].to_csv(made.folder / "labels.csv", index=False)
    assert made.type("labels", "credit", "labels.csv").status == 0
    made.answered = answered
    return made


def test_the_notebook_is_judged_by_its_functions(terminal):
    (file,) = (terminal.folder / ".mlops/packages/credit/1").glob("package.json")
    about = json.loads(file.read_text())
    assert about["computed"] == {"cost": "business_cost", "frail": "fragile"}
    whole = about["evaluation"]["whole"]
    assert whole["cost"]["value"] > 0
    assert whole["frail"]["value"] == 1.0
    history = terminal.type("history", "credit").json["runs"][-1]
    gate = next(g for g in history["gates"] if g["gate"] == "cost <= 1000")
    assert gate["passed"]
    assert gate["value"] == whole["cost"]["value"]


def test_a_function_is_watched_and_one_that_fails_stops_no_other(terminal):
    found = terminal.type("watch", "credit", "--report", "report.html")
    assert found.status == 0, found.stderr
    rows = terminal.answered
    values = (rows.in_income * (rows.label != rows.prediction.astype(int))) / 1000
    daily = values.groupby(rows.time.dt.date).agg(["mean", "size"])
    metrics = by_metric(found.json)
    assert set(metrics) == {"accuracy", "auc", "log_loss", "brier", "cost"}
    cost = metrics["cost"]
    assert cost["value"] == pytest.approx(values.mean())
    away = (daily["size"] * (daily["mean"] - values.mean())) ** 2
    error = np.sqrt(DAYS / (DAYS - 1) * away.sum()) / ROWS
    half = stats.t.ppf(0.975, DAYS - 1) * error
    assert (cost["low"], cost["high"]) == pytest.approx(
        (values.mean() - half, values.mean() + half)
    )
    assert (cost["labels"], cost["coverage"]) == (ROWS, 1.0)
    (failed,) = found.json["failed"]
    assert (failed["metric"], failed["model_version"], failed["days"]) == ("frail", 1, DAYS)
    assert failed["what"] == "RuntimeError: too few rows for me"
    page = (terminal.folder / "report.html").read_text()
    assert "cost (computed by the notebook)</figcaption>" in page
    assert "failed on 8 of 8 days" in page
    assert "too few rows for me" in page


def test_a_function_is_watched_by_slice_beside_what_was_promised(terminal):
    rows = terminal.answered
    (file,) = (terminal.folder / ".mlops/packages/credit/1").glob("package.json")
    promised = json.loads(file.read_text())["evaluation"]["by"]["cost_by_town"]
    values = (rows.in_income * (rows.label != rows.prediction.astype(int))) / 1000
    here = values.groupby(rows.in_city).mean()
    found = terminal.type("watch", "credit").json["slices"]
    of_cost = {one["slice"]: one for one in found if one["metric"] == "cost"}
    assert set(of_cost) == {"Seoul", "Busan"} == set(promised)
    for city, one in of_cost.items():
        assert one["value"] == pytest.approx(here[city])
        assert one["low"] < one["value"] < one["high"]
        assert (one["labels"], one["coverage"]) == ((rows.in_city == city).sum(), 1.0)
        assert one["promised"] == promised[city]["value"] > 0
        shrunk_towards = sorted([one["value"] - one["promised"], one["change"]], key=abs)
        assert one["change_low"] < shrunk_towards[0] < one["change_high"]
    assert not [one for one in found if one["metric"] == "frail"]


def test_the_same_days_are_not_computed_again(terminal):
    first = terminal.type("watch", "credit").json
    model = terminal.folder / ".mlops/packages/credit/1/model.pickle"
    content = model.read_bytes()
    model.write_bytes(b"damaged")
    again = terminal.type("watch", "credit").json
    assert plain(again["metrics"]) == plain(first["metrics"])
    assert again["failed"] == first["failed"]
    model.write_bytes(content)
    some = terminal.answered[["request_id", "label"]][:1]
    some.assign(label=1 - some.label).to_csv(terminal.folder / "labels.csv", index=False)
    assert terminal.type("labels", "credit", "labels.csv").json["replaced"] == 1
    later = terminal.type("watch", "credit").json
    assert by_metric(later)["cost"]["value"] != by_metric(first)["cost"]["value"]


def by_metric(answer):
    return {m["metric"]: m for m in answer["metrics"] if m["model_version"] is None}


def plain(metrics):
    return [{k: v for k, v in one.items() if k not in {"from", "to"}} for one in metrics]
