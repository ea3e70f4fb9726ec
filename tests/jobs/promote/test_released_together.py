"""Models of two jobs that are released in one moment: both, or neither."""

import pytest
from saved import Saved, notebook, project
from typing_in import Terminal

CELLS = (
    "import numpy as np\nfrom sklearn.linear_model import LogisticRegression",
    "strength = 1.0\nbad = 0",
    "# mlops: step load\ndraw = np.random.default_rng(1)\nx = draw.normal(size=(300, 2))\n"
    "y = (x[:, 0] > 0).astype(int)\nz = (x[:, 1] > 0).astype(int)\ntest = x[200:]",
    "# mlops: step train_a\na = LogisticRegression(C=strength).fit(x[:200], y[:200])\n"
    "# mlops: model a --name first",
    "# mlops: step judge_a\npred_a = a.predict(test)\ntrue_a = y[200:]\n"
    "hits_a = float((pred_a == true_a).mean())\n# mlops: metric hits_a\n"
    "# mlops: evaluate --truth true_a --pred pred_a",
    "# mlops: step train_b\nb = LogisticRegression(C=strength).fit(x[:200], (z != bad)[:200])\n"
    "# mlops: model b --name second",
    "# mlops: step judge_b\npred_b = b.predict(test)\ntrue_b = z[200:].astype(bool)\n"
    "hits_b = float((pred_b == true_b).mean())\n# mlops: metric hits_b\n"
    "# mlops: evaluate --truth true_b --pred pred_b",
)


@pytest.fixture(scope="module")
def promoted(tmp_path_factory) -> Saved:
    """Promote both models, the second one to be released with the first."""
    terminal = project(tmp_path_factory.mktemp("together"), "pair")
    notebook(terminal.folder, CELLS)
    words = ("promote", "n.ipynb", "--at", "2026-01-01T00:00")
    one = terminal.type(*words, "--name", "a", "--model", "a")
    other = terminal.type(
        *(*words, "--name", "b", "--model", "b", "--gate", "hits_b >= 0.8"),
        *("--release-with", "a"),
    )
    assert (one.status, other.status) == (0, 0), other.stderr
    assert other.json["model"]["alias"] == "champion"  # a first version waits for nobody
    return Saved(terminal)


@pytest.fixture
def pair(promoted) -> Terminal:
    """Open the project of both jobs."""
    return promoted.put_back()


def trained(terminal: Terminal, job: str, *given: str) -> str:
    """Run a job; return the status of its run."""
    words = [word for one in given for word in ("-p", one)]
    terminal.type("trigger", job, *words)
    return terminal.type("history", job).json["runs"][-1]["status"]


def champions(terminal: Terminal) -> dict[str, int]:
    return {m["name"]: m["champion"] for m in terminal.type("models").json["models"]}


def test_the_version_that_is_first_waits_and_both_are_released_by_the_second(pair):
    assert trained(pair, "b", "strength=0.5") == "waiting"
    assert champions(pair) == {"first": 1, "second": 1}
    assert trained(pair, "a", "strength=0.5") == "finished"
    assert champions(pair) == {"first": 2, "second": 2}
    assert pair.type("history", "b").json["runs"][-1]["status"] == "finished"
    assert pair.type("rollback", "second", "--to", "1").json["together"] == {}
    assert champions(pair) == {"first": 2, "second": 1}
    pair.type("rollback", "second", "--to", "2")


def test_a_refused_model_keeps_the_other_waiting_until_it_passes(pair):
    assert trained(pair, "a", "strength=0.5") == "waiting"
    assert trained(pair, "b", "strength=0.5", "bad=1") == "refused"
    assert champions(pair) == {"first": 1, "second": 1}
    told = pair.refused("approve", "first", "2")
    assert "is released together with the models of b, and b has not passed since" in told
    assert "fix: mlops-nb trigger b" in told
    assert trained(pair, "a", "strength=0.25") == "waiting"  # takes the place of version 2
    assert trained(pair, "b", "strength=0.5") == "finished"
    assert champions(pair) == {"first": 3, "second": 2}
    pair.refused("approve", "first", "2")
    answer = pair.type("rollback", "first")
    assert answer.json["together"] == {"second": 1}  # both go back, as they came
    assert champions(pair) == {"first": 1, "second": 1}


def test_a_model_that_equals_its_champion_has_passed_with_nothing_to_release(pair):
    assert trained(pair, "b") == "finished"
    assert trained(pair, "a", "strength=0.5") == "finished"
    assert champions(pair) == {"first": 2, "second": 1}


def test_a_job_that_is_promoted_again_waits_for_the_other_as_its_runs_do(pair):
    words = ("promote", "n.ipynb", "--name", "a", "--replace", "-p", "strength", "0.5")
    answer = pair.type(*words, "--proof", "quick")
    assert answer.json["model"] == {"name": "first", "version": 2, "alias": None, "awaits": ["b"]}
    assert champions(pair) == {"first": 1, "second": 1}
    assert trained(pair, "b", "strength=0.5") == "finished"
    assert champions(pair) == {"first": 2, "second": 2}


def test_a_job_that_is_not_there_or_makes_no_model_is_refused(pair):
    words = ("promote", "n.ipynb", "--name", "c", "--model", "a", "--release-with")
    told = pair.refused(*words, "gone")
    assert "cannot release its model with that of 'gone', which is no live job with a model" in told
    assert "which is the job itself" in pair.refused(*words, "c")
    assert not (pair.folder / "jobs" / "c").exists()
