"""A release that does harm, in a project as users have it: found, mended, taken out once."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from bank import bank, retrained
from saved import Saved

from mlops_nb.serving import prediction_table
from mlops_nb.storage.predictions_local import LocalPredictions

DAY = timedelta(days=1)
A_DAY = 120  # answers


def settings(terminal, **changed):
    path = terminal.folder / "jobs" / "credit" / "job.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changed))
    assert terminal.type("apply", "credit").status == 0


def answered(terminal, version, days, right, seed=0, *, by_age=True):
    """Log answers of a version on the next days, of which a share is right, and label them.

    by_age: the truth follows from the age, as both versions have learned
    """
    draw = np.random.default_rng(seed)
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + DAY
    count = days * A_DAY
    age = draw.integers(18, 90, count)
    truth = (age > 50).astype(int) if by_age else draw.integers(0, 2, count)
    is_right = draw.random(count) < right
    times = [start + DAY * (n + 0.5) / A_DAY for n in range(count)]
    rows = pa.table(
        {
            "request_id": [f"{version}-{seed}-{n}" for n in range(count)],
            "time": pa.array(times, pa.timestamp("us", tz="UTC")),
            "model_version": [version] * count,
            "source": ["live"] * count,
            "prediction": np.where(is_right, truth, 1 - truth),
            "score": np.where(is_right == (truth == 1), 0.8, 0.2),
            "seconds": [0.01] * count,
            "in_age": age,
            "in_income": draw.lognormal(10, 0.5, count),
            "in_city": draw.choice(["Seoul", "Busan"], count),
        }
    )
    log = LocalPredictions(terminal.folder / ".mlops" / "predictions" / "credit")
    for day, part in prediction_table.by_day(rows):
        log.write(day, part)
    labels = pd.DataFrame({"request_id": rows["request_id"], "label": truth})
    labels.to_csv(terminal.folder / f"labels{seed}.csv", index=False)
    answer = terminal.type("labels", "credit", f"labels{seed}.csv", "--json")
    assert json.loads(answer.stdout)["matched"] == count


def later(days):
    return f"{datetime.now(UTC) + days * DAY:%Y-%m-%dT%H:%M:%S+00:00}"


def scheduler(terminal, days):
    answer = terminal.type("scheduler", "--once", "--at", later(days))
    assert answer.status == 0, answer.stderr
    return answer.stderr


def models(terminal):
    (model,) = json.loads(terminal.type("models", "--json").stdout)["models"]
    return model


def alerts(terminal):
    found = json.loads(terminal.type("ack", "--json").stdout)["alerts"]
    return {one["kind"]: one for one in found}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    made = bank(tmp_path_factory.mktemp("credit"))
    retrained(made, "0.5")
    assert models(made)["champion"] == 2
    return Saved(made)


@pytest.fixture
def terminal(saved):
    return saved.put_back()


def test_a_bad_release_is_rolled_back_once_and_is_not_released_again_by_a_run(terminal):
    settings(terminal, watch={"rollback": "auto"})
    answered(terminal, version=2, days=9, right=0.55)
    scheduler(terminal, days=10.5)
    assert models(terminal)["champion"] == 1
    found = alerts(terminal)
    assert "harm" not in found
    assert "version 2 of 'credit' was taken out" in found["rolled-back"]["what"]
    assert "version 1 answers" in found["rolled-back"]["what"]
    # the run that made it makes it again, and may not release it
    answer = terminal.type("trigger", "credit", "-p", "strength", "0.5")
    assert answer.status == 1
    assert "equals version 2, which was taken out, as it did harm" in answer.stderr + answer.stdout
    # version 1 does harm as well: nothing is rolled back by itself any more
    answered(terminal, version=1, days=20, right=0.5, seed=1)
    scheduler(terminal, days=21.5)
    assert models(terminal)["champion"] == 1
    assert alerts(terminal)["harm"]["urgent"]


def test_without_auto_the_mend_is_named_and_a_person_decides(terminal):
    answered(terminal, version=2, days=9, right=0.55)
    scheduler(terminal, days=10.5)
    assert models(terminal)["champion"] == 2
    alert = alerts(terminal)["harm"]
    assert alert["fix"] == "mlops-nb rollback credit --to 1"
    assert "version 1 has" in alert["what"]
    assert "labelled rows since the change" in alert["what"]
    assert "owner: " in alert["what"]
    assert terminal.type("rollback", "credit", "--to", "1").status == 0
    scheduler(terminal, days=10.6)
    assert "harm" not in alerts(terminal)
    assert terminal.type("rollback", "credit", "--to", "2").status == 0


def test_a_world_that_changed_is_not_cured_by_a_rollback(terminal):
    """Both versions are as wrong: the job is run again, with the reason."""
    settings(
        terminal,
        watch={"rollback": "auto"},
        triggers=[{"metric": "accuracy", "fall": 0.05}],
    )
    answered(terminal, version=2, days=9, right=0.55, by_age=False)
    said = scheduler(terminal, days=10.5)
    assert models(terminal)["champion"] >= 2
    history = json.loads(terminal.type("history", "credit", "--json").stdout)["runs"]
    assert history[-1]["trigger"] == "metric", said
    assert "accuracy of version 2" in history[-1]["because"] + history[-1]["fired"]


def test_a_version_that_waits_and_does_better_is_the_mend(tmp_path):
    """The training is done already: it is approved instead of made again."""
    terminal = bank(tmp_path)
    settings(terminal, approval="required")
    retrained(terminal, "0.5")
    answered(terminal, version=1, days=9, right=0.55)
    scheduler(terminal, days=10.5)
    alert = alerts(terminal)["harm"]
    assert alert["fix"] == "mlops-nb approve credit 2"
    assert "version 2 has" in alert["what"]
    assert terminal.type("approve", "credit", "2").status == 0
    scheduler(terminal, days=10.6)
    assert "harm" not in alerts(terminal)
