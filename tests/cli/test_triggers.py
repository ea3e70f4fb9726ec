"""Triggers, by the command line: new data, another job, a falling metric, drift, and approval."""

import pytest
from rows import notebook, rows
from saved import Saved, project
from typing_in import Terminal

DATA = "data:rows/*.csv"


@pytest.fixture(scope="module")
def promoted(tmp_path_factory) -> Saved:
    """Promote a job with every trigger but the schedule."""
    terminal = project(tmp_path_factory.mktemp("triggers"), "field")
    notebook(terminal.folder)
    rows(terminal.folder, "1.csv")
    answer = terminal.type(
        *("promote", "rows.ipynb", "--name", "rows", "--model", "model"),
        *("--gate", "accuracy >= 0.5", "--on", DATA, "--on", "metric:accuracy:0.1"),
        *("--on", "drift:0.5", "--at", "2026-01-01T00:00"),
    )
    assert answer.status == 0, answer.stderr
    assert "no alert is sent when it fails" in answer.stderr
    return Saved(terminal)


@pytest.fixture
def field(promoted) -> Terminal:
    """Open the project of the promoted job."""
    return promoted.put_back()


@pytest.fixture(scope="module")
def with_follower(promoted) -> Saved:
    """Promote a second job, which follows the first and waits for a person's approval."""
    terminal = promoted.put_back()
    answer = terminal.type(
        *("promote", "rows.ipynb", "--name", "after", "--model", "model"),
        *("--gate", "accuracy >= 0.1", "--on", "job:rows", "--at", "2026-01-09T00:00"),
        *("--approval", "required", "--notify", "command:cat > told"),
    )
    assert answer.status == 0, answer.stderr
    assert "waits for: mlops-nb approve after 1" in answer.stderr
    assert "no alert is sent" not in answer.stderr
    return Saved(terminal, "followed")


def once(terminal: Terminal, at: str) -> list[dict]:
    answer = terminal.type("scheduler", "--once", "--at", at)
    assert answer.status in {0, 1}, answer.stderr
    return answer.json["runs"]


def test_what_the_job_was_promoted_with_is_not_new(field):
    assert once(field, "2026-01-01T01:00") == []


def test_a_new_file_starts_a_run_that_says_why_and_it_starts_one_only(field):
    rows(field.folder, "2.csv", seed=2)
    (run,) = once(field, "2026-01-01T02:00")
    assert (run["trigger"], run["status"]) == ("data", "finished")
    assert run["fired"] == "new data: rows/2.csv"
    assert once(field, "2026-01-01T02:10") == []


def test_a_falling_metric_starts_a_run_and_rests_for_its_cool_down(field):
    file = field.folder / "rows" / "3.csv"
    text = rows(field.folder, "3.csv", flipped=True, seed=3, count=800).read_text()
    file.unlink()
    job = field.folder / "jobs" / "rows" / "job.yaml"
    job.write_text(job.read_text().replace("rows/*.csv", "elsewhere/*.csv"))
    assert field.type("apply", "rows", "--at", "2026-01-02T00:00").status == 0
    file.write_text(text)
    (run,) = once(field, "2026-01-04T00:00")
    assert run["trigger"] == "metric"
    assert "accuracy of version" in run["fired"]
    assert "more than 0.1 below" in run["fired"]
    assert once(field, "2026-01-04T06:00") == []
    assert once(field, "2026-01-04T23:00") == []


def test_values_that_moved_start_a_run_and_name_the_columns(tmp_path):
    terminal = project(tmp_path, "field")
    notebook(terminal.folder)
    rows(terminal.folder, "1.csv")
    answer = terminal.type(
        *("promote", "rows.ipynb", "--name", "rows", "--model", "model"),
        *("--on", "drift:0.4", "--proof", "quick", "--at", "2026-01-01T00:00"),
    )
    assert answer.status == 0, answer.stderr
    assert once(terminal, "2026-01-02T12:00") == []  # looked at, and nothing had moved
    rows(terminal.folder, "1.csv", moved=1.5)
    (run,) = once(terminal, "2026-01-04T00:00")
    assert run["trigger"] == "drift"
    assert "columns moved" in run["fired"]
    assert "a (" in run["fired"]
    assert "b (" in run["fired"]


def test_a_job_follows_another_in_one_go_and_a_circle_is_refused(with_follower):
    field = with_follower.put_back()
    assert field.type("trigger", "rows", "--at", "2026-01-09T01:00").status == 0
    (run,) = [r for r in once(field, "2026-01-09T02:00") if r["job"] == "after"]
    assert run["trigger"] == "job"
    assert run["fired"].startswith("job rows finished run ")
    said = field.refused(
        *("promote", "rows.ipynb", "--name", "rows", "--replace", "--model", "model"),
        *("--on", "job:after"),
    )
    assert "would follow itself" in said


def test_a_version_that_passed_waits_until_a_person_approves_it(with_follower):
    field = with_follower.put_back()
    (model,) = [m for m in field.type("models").json["models"] if m["name"] == "after"]
    assert model["champion"] is None
    assert {v["status"] for v in model["versions"]} == {"waiting"}
    assert "has no version 99" in field.refused("approve", "after", "99")
    answer = field.type("approve", "after", "1").json
    assert (answer["champion"], answer["previous"]) == (1, None)
    assert "approved by" in answer["because"]
    assert "does not wait" in field.refused("approve", "after", "1")


@pytest.mark.parametrize(
    ("on", "said"),
    [
        ("moon:full", "cannot be read"),
        ("drift:2", "cannot be read"),
        ("metric:accuracy", "cannot be read"),
        ("metric:accuracy:-1", "cannot be read"),
        ("job:nosuch", "names an unknown job"),
        ("job:new", "would follow itself"),
    ],
)
def test_a_trigger_that_could_never_fire_is_refused_before_anything_runs(field, on, said):
    error = field.refused("promote", "rows.ipynb", "--name", "new", "--model", "model", "--on", on)
    assert said in error
    assert not (field.folder / "jobs" / "new").exists()
