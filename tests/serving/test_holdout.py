"""A random hold-out: callers are told, the log has its propensity, the watch measures it."""

import math

import pandas as pd
import pytest
import yaml
from bank import Served, bank, logged, some_rows, until
from sklearn.metrics import accuracy_score

SHARE = 0.3


def settings(terminal, **changed) -> None:
    path = terminal.folder / "jobs" / "credit" / "job.yaml"
    found = yaml.safe_load(path.read_text())
    found["predictions"] |= changed
    path.write_text(yaml.safe_dump(found))
    assert terminal.type("apply", "credit").status == 0


@pytest.fixture(scope="module")
def terminal(tmp_path_factory):
    return bank(tmp_path_factory.mktemp("holdout"))


def test_callers_are_told_what_the_log_and_the_watch_know(terminal):
    settings(terminal, holdout=SHARE)
    served = Served(terminal, "--workers", "2")
    told: dict[str, bool] = {}
    for seed in range(40):
        _, answer = served.predict(*some_rows(25, seed))
        told |= dict(zip(answer["request_ids"], answer["holdout"], strict=True))
    repeated = [f"again-{n}" for n in range(50)]
    first, second = (
        served.predict(*some_rows(50), request_ids=repeated)[1]["holdout"] for _ in range(2)
    )
    assert first == second  # the same one is held out at every time, by every worker
    settings(terminal, holdout=0.0)
    until(lambda: "holdout" not in served.predict(*some_rows(1))[1])
    served.stop()
    spread = math.sqrt(SHARE * (1 - SHARE) / len(told))
    assert abs(sum(told.values()) / len(told) - SHARE) < 4 * spread
    log = logged(terminal).set_index("request_id").loc[list(told)]
    assert dict(log.holdout.astype(bool)) == told
    for held, propensity in ((True, SHARE), (False, 1 - SHARE)):
        assert set(log.propensity[log.holdout.astype(bool) == held]) == {propensity}
    truth = (log.in_age > 50).astype(int)
    labels = pd.DataFrame({"request_id": log.index, "label": truth})
    labels.to_csv(terminal.folder / "labels.csv", index=False)
    assert terminal.type("labels", "credit", "labels.csv").status == 0
    settings(terminal, holdout=SHARE)
    found = terminal.type("watch", "credit")
    by = {
        s["slice"]: s
        for s in found.json["slices"]
        if (s["by"], s["metric"]) == ("holdout", "accuracy")
    }
    for name in ("True", "False"):
        mine = log.holdout.astype(bool) == (name == "True")
        wanted = accuracy_score(truth[mine], log.prediction[mine])
        assert by[name]["value"] == pytest.approx(wanted)
        assert by[name]["labels"] == mine.sum()
    assert "Of the random hold-out" in " ".join(found.stderr.split())


def test_a_share_above_one_half_is_refused(terminal):
    path = terminal.folder / "jobs" / "credit" / "job.yaml"
    before = path.read_text()
    found = yaml.safe_load(before)
    path.write_text(yaml.safe_dump(found | {"predictions": {"holdout": 0.9}}))
    assert "predictions.holdout" in terminal.refused("apply", "credit")
    path.write_text(before)
