"""A notebook with several models: a job has one of them, and each can have a job."""

import pytest
from saved import notebook, project

CELLS = (
    "import numpy as np\nfrom sklearn.linear_model import LogisticRegression",
    "strength = 1.0",
    "# mlops: step load\ndraw = np.random.default_rng(1)\nx = draw.normal(size=(300, 2))\n"
    "y = (x[:, 0] > 0).astype(int)\nz = (x[:, 1] > 0).astype(int)\ntest = x[200:]",
    "# mlops: step train_a\na = LogisticRegression(C=strength).fit(x[:200], y[:200])\n"
    "# mlops: model a --name first",
    "# mlops: step judge_a\npred_a = a.predict(test)\ntrue_a = y[200:]\n"
    "hits_a = float((pred_a == true_a).mean())\n# mlops: metric hits_a\n"
    "# mlops: evaluate --truth true_a --pred pred_a",
    "# mlops: step train_b\nb = LogisticRegression(C=strength).fit(x[:200], z[:200])\n"
    "# mlops: model b --name second",
    "# mlops: step judge_b\npred_b = b.predict(test)\ntrue_b = z[200:]\n"
    "hits_b = float((pred_b == true_b).mean())\n# mlops: metric hits_b\n"
    "# mlops: evaluate --truth true_b --pred pred_b",
)
MEND = "mlops-nb promote n.ipynb --name a --model a; again with --name b --model b"


@pytest.fixture
def terminal(tmp_path):
    made = project(tmp_path, "two")
    notebook(made.folder, CELLS)
    return made


def test_without_a_choice_the_promotion_is_refused_and_names_two_jobs(terminal):
    told = terminal.refused("promote", "n.ipynb", "--name", "job")
    assert "n.ipynb marks 2 models, and a job has one of them" in told
    assert MEND in told
    assert not (terminal.folder / "jobs").exists()
    found = terminal.type("check", "n.ipynb")
    assert found.status == 1
    stops = [f for f in found.json["findings"] if f["severity"] == "stops"]
    assert [f["kind"] for f in stops] == ["several-models"]
    assert terminal.type("check", "n.ipynb", "--model", "b").status == 0


def test_each_model_gets_a_job_and_a_package_of_its_own(terminal):
    for name, model in (("a", "first"), ("b", "second")):
        answer = terminal.type("promote", "n.ipynb", "--name", name, "--model", name)
        assert answer.status == 0, answer.stderr
        assert answer.json["model"] == {"name": model, "version": 1, "alias": "champion"}
    assert {m["name"] for m in terminal.type("models").json["models"]} == {"first", "second"}
    again = terminal.type("promote", "n.ipynb", "--name", "b", "--replace", "--draft")
    assert again.status == 0, again.stderr  # the job keeps its model
    assert again.json["model"]["name"] == "second"
