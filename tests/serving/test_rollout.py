"""How a new version takes over: replayed requests, limits, a canary, a shadow, a refusal."""

import numpy as np
import pytest
import yaml
from bank import ROW, Served, logged, retrained, some_rows, until
from bank import bank as make_bank

from mlops_nb.models.registry import read_models
from mlops_nb.project import open_project
from mlops_nb.serving.settings import place


def events(terminal, kind: str) -> list:
    found = open_project(terminal.folder).context.journal.read()
    return [event for event in found if type(event).__name__ == kind]


def settle(terminal, **settings) -> None:
    """Change job.yaml, and apply it."""
    file = terminal.folder / "jobs" / "credit" / "job.yaml"
    job = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(job | settings))
    answer = terminal.type("apply", "credit")
    assert answer.status == 0, answer.stderr


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    return make_bank(tmp_path_factory.mktemp("rollout"))


def test_a_version_that_changes_too_many_answers_is_refused_and_tried_again_when_asked(bank):
    settle(bank, rollout={"changed": 0.0, "latency": None})
    served = Served(bank)
    for row in some_rows(150):
        assert served.predict(row)[0] == 200
    retrained(bank, "0.00001")  # released by its gates, as it has none
    until(lambda: events(bank, "VersionRefused"))
    refused = events(bank, "VersionRefused")[-1]
    assert (refused.version, refused.serving) == (2, 1)
    assert "rows otherwise, and job.yaml allows 0.0%" in refused.because
    assert served.predict(ROW)[1]["model_version"] == 1
    assert bank.type("scheduler", "--once").status == 0
    alert = next(a for a in bank.type("ack").json["alerts"] if a["kind"] == "unserved")
    assert "mlops-nb approve credit 2, which tries again" in alert["fix"]
    assert not alert["urgent"]

    settle(bank, rollout={"changed": 1.0, "latency": 1000.0})
    assert bank.type("approve", "credit", "2").status == 0
    until(lambda: events(bank, "VersionServed")[-1].version == 2)
    assert served.ask("/model")[1]["model_version"] == 2
    told = events(bank, "VersionServed")[-1].replayed
    assert told["rows"] == 151
    assert 0 < told["changed"] < 1
    assert told["latency"] > 0
    assert bank.type("scheduler", "--once").status == 0
    assert "unserved" not in [a["kind"] for a in bank.type("ack").json["alerts"]]

    settle(bank, rollout={"changed": 0.0, "latency": None})
    assert bank.type("rollback", "credit").status == 0  # no limit holds a rollback back
    until(lambda: served.ask("/model")[1]["model_version"] == 1)
    assert "Traceback" not in served.stop()


def test_a_canary_answers_its_share_of_entities_and_a_shadow_none(bank):
    kept = {"entity": "customer", "subject": "customer"}
    settle(bank, approval="required", rollout={}, predictions=kept)
    served = Served(bank, "--canary", "30%", "--shadow", "--workers", "2")
    retrained(bank, "0.01")
    number = max(v["version"] for v in bank.type("models").json["models"][0]["versions"])
    until(lambda: served.predict(ROW)[1]["model_version"] in {1, number})
    ids = [f"c{n}" for n in range(400)]

    def challenged() -> set[str]:
        asked = [(i, {**ROW, "customer": i}) for i in ids]
        found = {i for i, row in asked if served.predict(row)[1]["model_version"] != 1}
        return found if len(found) > 1 else set()

    until(challenged)
    took = challenged()
    assert took == {i for i in ids if place(f"credit {number}", i) < 0.3}
    assert "unknown_columns_total{" not in served.ask("/metrics")[1]
    errors = served.stop()
    assert f"version {number} waits for approval: it answers 0.3 of the requests" in errors
    assert "Traceback" not in errors
    log = logged(bank)
    canary, shadow = (log[log["source"] == kind] for kind in ("canary", "shadow"))
    assert set(canary["in_customer"]) == took
    assert set(canary["subject"]).isdisjoint(took)  # a pseudonym
    assert canary["subject"].nunique() == len(took)
    assert set(canary["model_version"]) == set(shadow["model_version"]) == {number}
    assert set(shadow["in_customer"]) - {None} == set(ids) - took

    served = Served(bank)
    assert served.about["model_version"] == 1
    assert bank.type("approve", "credit", str(number)).status == 0
    until(lambda: events(bank, "VersionServed")[-1].version == number)
    told = events(bank, "VersionServed")[-1].replayed  # of what earlier servers answered
    assert told["rows"] == 200
    scores = [served.predict(row)[1]["scores"][0] for row in some_rows(20)]
    assert np.isfinite(scores).all()
    served.stop()


@pytest.mark.parametrize("wrong", ["150%", "1", "-5%", "many"])
def test_a_canary_that_is_no_share_is_refused(bank, wrong):
    assert "no share below the whole" in bank.refused("serve", "credit", "--canary", wrong)


def test_a_package_that_a_server_answers_with_is_never_pruned(bank):
    """The server answers with a version whose release was taken back to one that is damaged."""
    assert bank.type("rollback", "credit", "--to", "2").status == 0
    served = Served(bank)
    assert served.about["model_version"] == 2
    packages = bank.folder / ".mlops" / "packages" / "credit"
    golden = packages / "1" / "golden.json"
    whole = golden.read_bytes()
    golden.write_bytes(b"{}")
    ctx = open_project(bank.folder).context
    artifact = read_models(ctx)["credit"].versions[2].artifact
    try:
        assert bank.type("rollback", "credit", "--to", "1").status == 0
        until(lambda: events(bank, "VersionRefused")[-1].version == 1)
        ctx.store.remove(artifact)
        assert bank.type("store", "--prune").json["housekeeping"]["packages"]["removed"] == 0
        assert (packages / "2" / "MANIFEST.json").exists()
        assert served.predict(ROW)[1]["model_version"] == 2
    finally:
        golden.write_bytes(whole)
        served.stop()
    assert bank.type("store", "--size").json["housekeeping"]["packages"]["files"] >= 2
    assert bank.type("store", "--prune").json["housekeeping"]["packages"]["removed"] == 1
    assert not (packages / "2" / "model.pickle").exists()
    assert "no longer in the store" in bank.refused("rollback", "credit", "--to", "2")
    again = Served(bank)
    assert again.predict(ROW)[1]["model_version"] == 1
    again.stop()
