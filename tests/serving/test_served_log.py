"""What a served model leaves on record: masked, sampled, read back, compared with training."""

import subprocess
from contextlib import closing

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from bank import CELLS, Served, some_rows, until
from nbformat.v4 import new_code_cell, new_notebook
from saved import project
from typing_in import MLOPS_NB, Terminal

from mlops_nb.project import open_project


@pytest.fixture(scope="module")
def bank(tmp_path_factory) -> Terminal:
    terminal = project(tmp_path_factory.mktemp("served"), "bank")
    cells = [new_code_cell(text) for text in CELLS]
    cells[1].metadata["tags"] = ["parameters"]
    book = new_notebook(cells=cells)
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, terminal.folder / "n.ipynb")
    words = [str(MLOPS_NB), "promote", "n.ipynb", "--name", "credit", "--model", "model"]
    done = subprocess.run(
        words,
        cwd=terminal.folder,
        env=terminal.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (terminal.folder / "promoted.txt").write_text(done.stdout)
    return terminal


def settings(bank: Terminal, **given) -> None:
    file = bank.folder / "jobs" / "credit" / "job.yaml"
    found = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(found | {"predictions": given}))


def applied(bank: Terminal, **given):
    settings(bank, **given)
    answer = bank.type("apply", "credit")
    assert answer.status == 0, answer.stderr
    return answer


@pytest.fixture
def served(bank):
    made = Served(bank)
    yield made
    if made.process.poll() is None:
        made.stop()


def answers(bank: Terminal, **given) -> pd.DataFrame:
    opened = open_project(bank.folder)
    with closing(opened.context.journal):
        return opened.predictions("credit", **given)


def test_promote_tells_how_large_the_log_becomes(bank):
    told = (bank.folder / "promoted.txt").read_text()
    (line,) = [one for one in told.splitlines() if one.startswith("log:   ")]
    assert "GB a month at 1 million answers a day" in line
    assert line.endswith("kept for 180d")
    review = (bank.folder / "jobs" / "credit" / "REVIEW.md").read_text()
    assert f"- **Prediction log**: {line.removeprefix('log:   ')}" in review


def test_columns_that_the_model_does_not_have_are_refused(bank):
    for given in ({"drop": ["cty"]}, {"hash": ["cty"]}):
        settings(bank, **given)
        refused = bank.refused("apply", "credit")
        assert f"{next(iter(given))}: 'cty'" in refused
        assert "the columns are age, income, city" in refused
    applied(bank)


def test_a_live_server_masks_what_job_yaml_says_from_its_application_on(bank, served):
    row = {"age": 44, "income": 30000.0, "city": "Llanfairpwll"}
    assert not _is_masked(bank, served, row)
    applied(bank, drop=["age"], hash=["city"], subject="city")
    until(lambda: _is_masked(bank, served, row))
    first, _ = [served.predict(row)[1]["request_ids"][0] for _ in range(2)]
    served.stop()
    found = answers(bank).set_index("request_id").loc[first]
    opened = open_project(bank.folder)
    assert found["in_city"] == found["subject"] != "Llanfairpwll"
    assert pd.isna(found["in_age"])
    assert pd.isna(found["f_age"])
    assert found["f_seoul"] == 0.0
    opened.context.journal.close()
    frame = pd.DataFrame([row] * 3)
    frame.to_parquet(bank.folder / "in.parquet")
    assert bank.type("predict", "credit", "in.parquet", "-o", "out.parquet").status == 0
    batch = answers(bank).query("source == 'batch'")
    assert set(batch["in_city"]) == {found["in_city"]}
    assert batch["in_age"].isna().all()
    assert (bank.folder / ".mlops" / "predictions.key").stat().st_mode & 0o777 == 0o600
    applied(bank)


def _is_masked(bank: Terminal, served: Served, row: dict) -> bool:
    (sent,) = served.predict(row)[1]["request_ids"]
    until(lambda: sent in set(answers(bank)["request_id"]))
    return answers(bank).set_index("request_id").loc[sent, "in_city"] != row["city"]


def test_a_sample_is_logged_and_the_rest_is_counted(bank):
    applied(bank, sample=0.5)
    served = Served(bank)
    ids = [f"s{n}" for n in range(200)]
    for _ in range(2):
        assert served.predict(*some_rows(200), request_ids=ids)[0] == 200
    counted = "mlops_nb_sampled_out_total"
    until(lambda: f"\n{counted} 0\n" not in served.ask("/metrics")[1])
    served.stop()
    kept = set(answers(bank)["request_id"]) & set(ids)
    assert 60 < len(kept) < 140
    applied(bank)


def test_a_model_that_is_promoted_again_keeps_the_settings(bank):
    applied(bank, drop=["city"], keep="30d")
    words = ("promote", "n.ipynb", "--name", "credit", "--replace", "--proof", "quick")
    answer = bank.type(*words)
    assert answer.status == 0, answer.stderr
    assert answer.json["changes"] == []
    found = yaml.safe_load((bank.folder / "jobs" / "credit" / "job.yaml").read_text())
    assert (found["predictions"]["drop"], found["predictions"]["keep"]) == (["city"], "30d")
    applied(bank)


def test_served_features_equal_those_of_training_and_skew_is_found(bank, served):
    rows = some_rows(60)
    for number, row in enumerate(rows):
        row["income"] = 20_000.0 + number
    began = pd.Timestamp.now(tz="UTC")
    assert served.predict(*rows)[0] == 200
    served.stop()
    frame = pd.DataFrame(rows)
    trained = pd.DataFrame(
        {
            "income": frame["income"],
            "age": frame["age"] / 10,
            "rich": np.log(frame["income"]),
            "seoul": (frame["city"] == "Seoul").astype(float),
        }
    )
    opened = open_project(bank.folder)
    same = opened.skew("credit", trained, "income", since=began.isoformat())
    assert same["rows"].tolist() == [60, 60, 60]
    assert same["differ"].tolist() == [0.0, 0.0, 0.0]
    wrong = trained.assign(age=frame["age"].where(frame.index > 5, 0))
    found = opened.skew("credit", wrong, "income", since=began.to_pydatetime())
    assert found["column"][0] == "age"
    assert found["differ"][0] == 1.0
    opened.context.journal.close()


def test_the_log_is_measured_with_the_store(bank, served):
    assert served.predict(some_rows(1)[0])[0] == 200
    served.stop()
    found = bank.type("store", "--size").json["housekeeping"]["predictions"]
    assert found["bytes"] > 0
    assert bank.type("store", "--prune").json["housekeeping"]["predictions"]["removed"] == 0
