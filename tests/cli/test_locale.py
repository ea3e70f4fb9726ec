"""Korean names are read, written and printed under a locale that knows ASCII alone."""

import json

import pytest
from rooms import executed, texts
from saved import project
from small import CELLS
from wine import wine

POSIX = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LOAD = """%mlops step 불러오기
draw = random.Random(1)
with open("파일.txt", "w", encoding="utf-8") as file: file.write("한글")
print(open("파일.txt", encoding="utf-8").read())
rows = [(draw.gauss(label, 1), label) for label in (0, 1) * 100]"""


@pytest.fixture
def terminal(tmp_path):
    made = project(tmp_path, "프로젝트")
    train = CELLS["train"].replace("step train", "step 학습")
    wine(made.folder / "노트북.ipynb", **CELLS | {"load": LOAD, "train": train})
    return made


def typed(terminal, *words):
    """Type a command, with --json and without; return its JSON and its words."""
    answer = terminal.type(*words, **POSIX)
    with terminal.start(*words, **POSIX) as process:
        stdout, stderr = process.communicate(timeout=60)
    for text in (answer.stderr, stdout, stderr):
        assert "Unicode" not in text, text
        assert "Traceback" not in text, text
        assert "\\udc" not in text, text
    return answer, stdout + stderr


@pytest.mark.parametrize("engine", ["warm", "kernel", "cold"])
def test_a_notebook_with_korean_names_runs(terminal, engine):
    answer, words = typed(terminal, "run", "노트북.ipynb", "--engine", engine)
    assert answer.status == 0, answer.stderr
    assert [s["name"] for s in answer.json["steps"]] == ["불러오기", "split", "학습", "judge"]
    assert "한글\n" in texts(executed(answer.json))
    assert "노트북.ipynb" in words
    assert (terminal.folder / "파일.txt").read_text(encoding="utf-8") == "한글"


def test_every_command_prints_korean_names(terminal):
    assert terminal.type("run", "노트북.ipynb", MLOPS_NB_MIRROR="wait", **POSIX).status == 0
    for words, name in (
        (("graph", "노트북.ipynb"), "학습"),
        (("why", "노트북.ipynb", "학습"), "학습"),
        (("lineage", "model"), "불러오기"),
        (("runs",), "노트북.ipynb"),
        (("sweep", "노트북.ipynb", "-g", "depth=1,2"), ""),
        (("graph", "없음.ipynb"), "없음.ipynb"),
        (("job", "야간"), "야간"),
        (("없음",), "없음"),
    ):
        answer, shown = typed(terminal, *words)
        assert name in shown, (words, shown)
        assert name in json.dumps(answer.json, ensure_ascii=False) + answer.stderr


def test_a_job_with_korean_names_is_promoted_and_runs(terminal):
    words = ("promote", "노트북.ipynb", "--name", "night", "--proof", "quick")
    promoted = terminal.type(*words, **POSIX)
    assert promoted.status == 0, promoted.stderr
    assert terminal.type("trigger", "night", **POSIX).status == 0
    for verb in ("jobs", "models"):
        assert typed(terminal, verb)[0].status == 0
    review = (terminal.folder / "jobs" / "night" / "REVIEW.md").read_text(encoding="utf-8")
    assert "불러오기" in review
