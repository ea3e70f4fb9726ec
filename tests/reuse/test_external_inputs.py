"""Files that a cell reads: what is not a regular file is never read twice."""

import os

from typing_in import Terminal
from wine import wine

from mlops_nb.reuse.external_inputs import Outside


def test_a_pipe_is_not_read_and_never_up_to_date(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    outside = Outside(root=tmp_path, variables={})
    stamps = outside.file_stamps([str(tmp_path / "pipe")])  # reading it would wait for ever
    assert stamps == {"pipe": {"stream": True}}
    assert "no regular file" in outside.file("pipe", stamps["pipe"])


def test_a_step_that_read_a_pipe_runs_again_and_reads_what_is_new(tmp_path):
    (tmp_path / ".git").mkdir()
    read = "%mlops step load\nimport os\nend = os.open('pipe', os.O_RDWR)\n"
    read += "os.write(end, b'5')\ndf = os.read(end, 1)"
    wine(tmp_path / "wine.ipynb", load=read, look="1", split="2", train="3", judge="4")
    os.mkfifo(tmp_path / "pipe")
    terminal = Terminal(tmp_path)
    for _ in range(2):
        answer = terminal.type("run", "wine.ipynb")
        assert (answer.status, answer.json["steps"][0]["status"]) == (0, "finished")
