"""The scheduler as a process: one leads, another stands by and takes over."""

import signal
import subprocess
from collections.abc import Iterator

import pytest
from typing_in import Terminal


@pytest.fixture
def started(tmp_path) -> Iterator[list]:
    """Start schedulers in one project, and end what is left of them."""
    (tmp_path / "project" / ".git").mkdir(parents=True)
    terminal = Terminal(tmp_path / "project")
    running: list[subprocess.Popen[str]] = []
    yield [terminal, running]
    for process in running:
        process.kill()
        process.communicate()


def start(started: list) -> "subprocess.Popen[str]":
    terminal, running = started
    running.append(terminal.start("scheduler"))
    return running[-1]


def test_one_leads_one_stands_by_and_takes_over_after_kill_9(started):
    first = start(started)
    assert "leading" in first.stderr.readline()
    second = start(started)
    assert "another scheduler leads; standing by" in second.stderr.readline()
    first.kill()
    first.wait()
    assert "leading" in second.stderr.readline()


def test_a_stopped_scheduler_says_so_and_jobs_knows_when_one_was_seen(started):
    process = start(started)
    assert "leading" in process.stderr.readline()
    terminal = started[0]
    answer = terminal.type("jobs")
    while answer.json["scheduler"]["seen"] is None:  # it looks at once; the row may take a moment
        answer = terminal.type("jobs")
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=30)
    assert "stopped" in stderr
    assert "Traceback" not in stderr
    assert process.returncode == 130
