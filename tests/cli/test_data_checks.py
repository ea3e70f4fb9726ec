"""Data that does not fit is stopped before training, from the command line on."""

import importlib.util
import json
import shutil
import sqlite3
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from saved import Saved, project
from typing_in import Terminal

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LOAD = '# mlops: step load\norders = pd.read_csv("orders.csv", index_col="order")'
MODEL = """# mlops: step train
slope, level = np.polyfit(orders["weight"], orders["price"], 1)
model = {"slope": float(slope), "level": float(level)}"""
JUDGE = """# mlops: step judge
guess = model["slope"] * orders["weight"] + model["level"]
error = float((guess - orders["price"]).abs().mean())"""


def orders(terminal: Terminal, rows: int = 400, **other) -> pd.DataFrame:
    """Let orders arrive; any of their columns may be another."""
    chance = np.random.default_rng(1)
    table = pd.DataFrame(
        {
            "weight": chance.uniform(1, 9, rows).round(2),
            "price": chance.uniform(10, 90, rows).round(2),
            "city": chance.choice(["Busan", "Seoul"], rows),
        },
        index=pd.Index(range(5000, 5000 + rows), name="order"),
    )
    table = table.assign(**other)
    table.to_csv(terminal.folder / "orders.csv")
    return table


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Saved:
    """Open a project with a promoted job that learns from orders."""
    terminal = project(tmp_path_factory.mktemp("shop"), "shop")
    imports = "import numpy as np\nimport pandas as pd"
    cells = [new_code_cell(text) for text in (imports, LOAD, MODEL, JUDGE)]
    notebook = new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    nbformat.write(notebook, terminal.folder / "prices.ipynb")
    orders(terminal)
    answer = terminal.type(
        "promote", "prices.ipynb", "--name", "prices", "--model", "model", "--proof", "quick"
    )
    assert answer.status == 0, answer.stderr
    return Saved(terminal)


@pytest.fixture
def shop(opened) -> Terminal:
    return opened.put_back()


def schema_of(terminal: Terminal, job: str = "prices") -> dict:
    return json.loads((terminal.folder / "jobs" / job / "schema.json").read_text())


def edit(terminal: Terminal, text: str) -> None:
    (terminal.folder / "jobs/prices/schema.json").write_text(text)


def events(terminal: Terminal, kind: str) -> list[dict]:
    """Return what the journal holds of one kind."""
    with sqlite3.connect(terminal.folder / ".mlops/journal.db") as journal:
        columns = [row[1] for row in journal.execute("pragma table_info(events)")]
        body = next(c for c in columns if c in {"record", "body", "data", "payload"})
        rows = journal.execute(f"select {body} from events where kind = ? order by id", [kind])
        return [json.loads(row[0]) for row in rows]


def test_promote_writes_what_the_data_looked_like(shop):
    found = schema_of(shop)
    frame = found["frames"]["load"]["orders"]
    assert frame["rows"] == 400
    weight = frame["columns"]["weight"]
    assert (weight["kind"], weight["missing"]) == ("number", "allowed")
    assert -10 < weight["min"] < 1
    assert 9 < weight["max"] < 20
    assert frame["columns"]["city"]["categories"] == ["Busan", "Seoul"]
    assert found["profile"]["load"]["orders"]["city"]["shares"].keys() == {"Busan", "Seoul"}


def test_data_that_fits_is_checked_and_trained_on(shop):
    orders(shop, 410)
    answer = shop.type("trigger", "prices")
    assert answer.status == 0, answer.stderr
    checked = events(shop, "DataChecked")[-1]
    assert (checked["step"], checked["name"], checked["rows"]) == ("load", "orders", 410)
    assert checked["failures"] == []
    assert {d["column"] for d in checked["drift"]} == {"weight", "price", "city"}


def test_the_same_bad_file_is_refused_twice_with_column_rows_and_value(shop):
    table = orders(shop, 420)
    heavy = table["weight"].where(table.index < 5300, table["weight"] * 1000)
    orders(shop, 420, weight=heavy)
    for _ in range(2):
        answer = shop.type("trigger", "prices")
        assert (answer.status, answer.json["status"]) == (1, "failed")
        most = schema_of(shop)["frames"]["load"]["orders"]["columns"]["weight"]["max"]
        assert (
            f"the data does not fit schema.json: column 'weight' of 'orders' (step 'load') is "
            f"above {most} in 120 of 420 rows, first at row 5300: {float(heavy[5300])!r}"
        ) in answer.json["because"]
        steps = shop.type("show", answer.json["run"]).json["steps"]
        assert {s["name"]: s["status"] for s in steps} == {
            "load": "failed",
            "train": "not-run",
            "judge": "not-run",
        }
    assert len([e for e in events(shop, "DataChecked") if e["failures"]]) == 2
    assert not list((shop.folder / ".mlops").rglob("columns-*"))


def test_values_that_moved_are_reported_and_stop_nothing(shop):
    orders(shop, 430, city="Daegu")
    answer = shop.type("trigger", "prices")
    assert answer.status == 0, answer.stderr
    moved = {d["column"]: d for d in events(shop, "DataChecked")[-1]["drift"]}
    assert [column for column, told in moved.items() if told["drifted"]] == ["city"]
    assert (moved["city"]["statistic"], moved["city"]["value"]) == ("tv", 1.0)
    assert moved["city"]["unseen"] == ["Daegu"]


def test_a_schema_that_was_edited_counts_once_it_is_applied(shop):
    found = schema_of(shop)
    found["frames"]["load"]["orders"]["columns"]["city"]["new"] = "refused"
    edit(shop, json.dumps(found))
    orders(shop, 441, city="Daegu")
    assert shop.type("trigger", "prices").status == 0
    applied = shop.type("apply", "prices")
    assert applied.status == 0, applied.stderr
    answer = shop.type("trigger", "prices")  # the very file that was let through before
    assert (answer.status, answer.json["status"]) == (1, "failed")
    assert "is none of its categories in 441 of 441 rows" in answer.json["because"]
    assert "first at row 5000: 'Daegu'" in answer.json["because"]


def test_a_schema_that_cannot_be_read_is_refused_with_its_mend(shop):
    found = schema_of(shop)
    found["frames"]["load"]["orders"]["columns"]["city"]["new"] = "refused"
    good = json.dumps(found)
    for text, said in (
        ("{", "no JSON"),
        (good.replace('"refused"', '"burnt"'), "'burnt'"),
        (good.replace('"min"', '"mim"'), "'mim'"),
    ):
        edit(shop, text)
        error = shop.refused("apply", "prices")
        assert said in error
        assert "jobs/prices/schema.json" in error
    edit(shop, good)
    assert shop.type("apply", "prices").status == 0


def test_a_column_that_lost_its_values_is_stopped(shop):
    orders(shop, 450, price=None)
    answer = shop.type("trigger", "prices")
    assert answer.status == 1
    assert "column 'price'" in answer.json["because"]
    assert "450 of 450 rows" in answer.json["because"]


def test_a_column_that_is_gone_is_noted_as_a_failure_of_the_data(shop):
    orders(shop, 460).drop(columns="city").to_csv(shop.folder / "orders.csv")
    answer = shop.type("trigger", "prices")
    assert (answer.status, answer.json["status"]) == (1, "failed")
    assert "'orders' of step 'load' has no column 'city'" in answer.json["because"]
    steps = shop.type("show", answer.json["run"]).json["steps"]
    assert {s["name"]: s["status"] for s in steps}["train"] == "not-run"
    assert shop.type("models").json["models"][0]["champion"] == 1
    last = events(shop, "DataChecked")[-1]
    assert (last["rows"], last["failures"][0]["column"]) == (460, "city")


# the flights


@pytest.fixture
def lay_out():
    """Return the script that lets months arrive."""
    spec = importlib.util.spec_from_file_location("flights_data", NOTEBOOKS / "flights_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.lay_out


@pytest.fixture
def hangar(tmp_path, lay_out) -> Terminal:
    """Open a project whose flights job was promoted on a tenth of January."""
    terminal = project(tmp_path, "hangar")
    (terminal.folder / "notebooks").mkdir()
    shutil.copy(NOTEBOOKS / "flights.ipynb", terminal.folder / "notebooks")
    arrive(terminal, lay_out, 1)
    promoted = terminal.type(
        *("promote", "notebooks/flights.ipynb", "--name", "flights", "--model", "model"),
        *("-p", "until", "{data_end:%Y-%m-%d}", "--schedule", "0 3 1 * *"),
        *("--proof", "quick", "--at", "2013-02-01T09:00"),
    )
    assert promoted.status == 0, promoted.stderr
    return terminal


def arrive(terminal: Terminal, lay_out, month: int, **options) -> None:
    written = lay_out(terminal.folder / "notebooks" / "data", [month], **options)
    flights = next(p for p in written if p.name.startswith("flights"))
    pd.read_parquet(flights).iloc[::10].reset_index(drop=True).to_parquet(flights)


def test_every_real_month_passes_and_the_one_in_seconds_is_stopped(hangar, lay_out):
    for month in (2, 3):
        arrive(hangar, lay_out, month)
    arrive(hangar, lay_out, 4, spoil=[4])
    answer = hangar.type("trigger", "flights", "--at", "2013-05-01T04:00")
    assert (answer.status, answer.json["status"]) == (1, "failed")
    assert "column 'arr_delay' of 'flights' (step 'load') is" in answer.json["because"]
    for month in (4, 5, 6):
        arrive(hangar, lay_out, month)
    answer = hangar.type("trigger", "flights", "--at", "2013-07-01T04:00")  # all six months
    assert answer.status == 0, answer.stderr
    checked = events(hangar, "DataChecked")
    assert [bool(e["failures"]) for e in checked if e["name"] == "flights"] == [True, False]
