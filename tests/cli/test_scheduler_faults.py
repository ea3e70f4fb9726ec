"""kill -9 at every point of a run's life: nothing is lost, nothing is doubled, all is told."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace
from saved import Saved
from saved import project as new_project
from small import TRAIN, small
from typing_in import Terminal

from mlops_nb.context import Context
from mlops_nb.jobs import agenda, execute, trigger, worker
from mlops_nb.project import Project, open_project
from mlops_nb.runs import history, reap
from mlops_nb.runs.history import Run, read_run

PATIENCE = 120.0  # s
PROMOTE = (
    *("promote", "wine.ipynb", "--name", "wine", "--model", "model"),
    *("--schedule", "0 3 * * *", "--gate", "accuracy >= 0.3", "--at", "2026-01-01T01:00"),
)
# the cell that trains goes on for as long as there is a file `hold`; each tick has its own model
HELD = TRAIN.replace(
    "%mlops step train\n",
    "%mlops step train\nimport os, time\nopen('begun', 'a').close()\n"
    "while os.path.exists('hold'):\n    time.sleep(0.05)\n",
).replace('"seed": seed', '"day": day')


@pytest.fixture(scope="module")
def paused(tmp_path_factory) -> Saved:
    """Promote the notebook and pause its job: ticks come from the tests alone."""
    terminal = new_project(tmp_path_factory.mktemp("faults"), "cellar")
    day = "depth = 2\nshare = 0.3\nseed = 7\nday = 1"
    small(terminal.folder / "wine.ipynb", train=HELD, parameters=day)
    answer = terminal.type(*PROMOTE, "-p", "day", "{data_end:%j}")
    assert answer.status == 0, answer.stderr
    assert terminal.type("pause", "wine").status == 0
    (terminal.folder / "begun").unlink()
    return Saved(terminal)


@pytest.fixture
def cellar(paused) -> Terminal:
    """Open the project of the paused job."""
    return paused.put_back()


@pytest.fixture
def project(cellar) -> Iterator[Project]:
    """Open the project; after the test, check that nothing is doubled or left open."""
    opened = open_project(cellar.folder)
    yield opened
    while started:
        process = started.pop()
        process.kill()
        process.communicate()
    (model,) = opened.models()["models"]
    numbers = [v["version"] for v in model["versions"]]
    assert numbers == list(range(1, len(numbers) + 1))
    runs = history.runs(opened.context.journal.read(job="wine")).values()
    assert sorted(r.model_version for r in runs if r.model_version is not None) == numbers
    assert not [r.id for r in runs if history.is_open(r)]


started: list[subprocess.Popen[str]] = []


def queue(project: Project) -> Run:
    """Write the row of a tick, as a leader does before it starts anything."""
    ctx = project.context
    job = execute.live(ctx, "wine")[1].job
    tick = datetime(2026, 1, 2, 3, tzinfo=UTC)
    event = replace(agenda.queued(job, "schedule", tick, because="its schedule"), run=ctx.new_run())
    written = ctx.journal.append(event, once=agenda.tick_key("wine", tick))
    assert written is not None
    return read_run(ctx.journal, written.run)


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


def tries(project: Project, run: Run) -> list[Run]:
    found = history.runs(project.context.journal.read(job="wine")).values()
    return [r for r in found if r.first == run.id]


def versions(project: Project, run: Run) -> list[int]:
    return [r.model_version for r in tries(project, run) if r.model_version is not None]


def schedule(cellar: Terminal) -> "subprocess.Popen[str]":
    process = another(cellar)
    assert "leading" in process.stderr.readline()
    return process


def another(cellar: Terminal) -> "subprocess.Popen[str]":
    started.append(cellar.start("scheduler"))
    return started[-1]


def over(project: Project, run: Run) -> bool:
    last = tries(project, run)[-1]
    return not history.is_open(last) and last.status != "failed"


def settle(project: Project, run: Run) -> list[tuple[int, str]]:
    """Wait for a run to come to its end, and say how its tries ended."""
    until(lambda: over(project, run))
    return [(r.attempt, r.status) for r in tries(project, run)]


def hold(cellar: Terminal) -> Path:
    file = cellar.folder / "hold"
    file.touch()
    return file


def working(project: Project, run: Run) -> psutil.Process:
    """Return the process that is at work on a run, in the cell that holds."""
    until((Path(project.here) / "begun").exists)
    return psutil.Process(tries(project, run)[-1].process[0])


def test_a_leader_killed_before_it_starts_what_it_queued_is_followed_by_one_that_does(
    cellar, project
):
    run = queue(project)  # and here it was killed
    schedule(cellar)
    assert settle(project, run) == [(1, "finished")]
    assert len(versions(project, run)) == 1


def test_a_process_killed_before_it_takes_its_run_is_started_again(cellar, project):
    run = queue(project)
    process = worker.launch(project.context, run.id)
    process.kill()
    process.wait()
    schedule(cellar)
    assert settle(project, run) == [(1, "finished")]


def test_two_processes_of_one_run_do_it_once(project):
    run = queue(project)
    both = [worker.launch(project.context, run.id) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert settle(project, run) == [(1, "finished")]
    assert len(versions(project, run)) == 1


def test_a_process_killed_in_its_cells_is_tried_again_by_the_leader(cellar, project):
    file, run = hold(cellar), queue(project)
    schedule(cellar)
    working(project, run).kill()
    until(lambda: len(tries(project, run)) == 2)
    file.unlink()
    assert settle(project, run) == [(1, "failed"), (2, "finished")]
    assert "was killed" in tries(project, run)[0].error
    assert len(versions(project, run)) == 1


def test_a_process_killed_between_training_and_judging_releases_nothing(cellar, project):
    run = queue(project)
    file = hold(cellar)
    process = worker.launch(project.context, run.id)
    working(project, run)
    with project.context.deciding():  # nobody can judge
        file.unlink()
        until(lambda: tries(project, run)[0].status == "finished")
        process.kill()
        process.wait()
    assert history.at_work(tries(project, run)[0])
    schedule(cellar)
    assert settle(project, run) == [(1, "failed"), (2, "finished")]
    assert len(versions(project, run)) == 1


def test_a_process_killed_after_its_release_is_not_tried_again(cellar, project):
    run = queue(project)
    code = (
        "import os, sys\n"
        "from mlops_nb.project import open_project\n"
        "from mlops_nb.jobs import execute, worker\n"
        "ctx = open_project('.').context\n"
        "execute.attempt(ctx, worker.claim(ctx, sys.argv[1]))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, run.id],
        cwd=cellar.folder,
        check=False,
        env=cellar.environment(),
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL
    assert history.at_work(tries(project, run)[0])
    schedule(cellar)
    assert settle(project, run) == [(1, "finished")]
    assert tries(project, run)[0].exit_status == 0
    assert len(versions(project, run)) == 1


def test_a_killed_leader_leaves_its_runs_at_work_and_the_next_one_takes_them_over(cellar, project):
    file, run = hold(cellar), queue(project)
    first = schedule(cellar)
    process = working(project, run)
    second = another(cellar)
    assert "standing by" in second.stderr.readline()
    first.kill()
    assert "leading" in second.stderr.readline()
    assert process.is_running()
    file.unlink()
    assert settle(project, run) == [(1, "finished")]
    assert len(versions(project, run)) == 1


def test_a_try_that_was_given_up_cannot_release_when_it_wakes_up(cellar, project):
    file, run = hold(cellar), queue(project)
    ctx: Context = project.context
    sleeper = worker.launch(ctx, run.id)
    working(project, run)
    os.kill(sleeper.pid, signal.SIGSTOP)  # it lives, and says nothing any more
    reap.reap(ctx, silent={run.id: "it has not been heard of"})
    again = trigger.queue_next(ctx, execute.live(ctx, "wine")[1].job, tries(project, run)[0])
    file.unlink()
    done = worker.work(ctx, again)
    assert (done.status, done.attempt) == ("finished", 2)
    os.kill(sleeper.pid, signal.SIGCONT)
    sleeper.wait()
    assert [(r.attempt, r.status) for r in tries(project, run)] == [(1, "failed"), (2, "finished")]
    assert versions(project, run) == [done.model_version]


def kill_all(scheduler, process) -> None:
    """Kill a scheduler, and a run's process with all that it started, as a reboot does."""
    for dead in (scheduler.pid, process.pid, *(c.pid for c in process.children(recursive=True))):
        os.kill(dead, signal.SIGKILL)


def test_after_a_reboot_in_the_middle_all_goes_on_as_the_next_try(cellar, project):
    file, run = hold(cellar), queue(project)
    kill_all(schedule(cellar), working(project, run))
    file.unlink()
    schedule(cellar)
    assert settle(project, run) == [(1, "failed"), (2, "finished")]
    assert len(versions(project, run)) == 1


def test_after_a_killed_scheduler_and_run_the_next_tick_is_not_skipped(cellar, project):
    file, run = hold(cellar), queue(project)
    kill_all(schedule(cellar), working(project, run))
    file.unlink()
    assert cellar.type("unpause", "wine").status == 0
    rows = cellar.type("scheduler", "--once", "--at", "2026-01-03T03:00:30").json["runs"]
    ended = sorted((row["scheduled_at"][:10], row["try"], row["status"]) for row in rows)
    assert ended == [("2026-01-02", 2, "finished"), ("2026-01-03", 1, "finished")]
    assert tries(project, run)[0].status == "failed"


def test_a_run_that_a_killed_scheduler_had_only_queued_skips_no_tick(cellar, project):
    queue(project)  # and here it was killed
    assert cellar.type("unpause", "wine").status == 0
    rows = cellar.type("scheduler", "--once", "--at", "2026-01-03T03:00:30").json["runs"]
    ended = [(row["scheduled_at"][:10], row["status"]) for row in rows]
    assert ended == [("2026-01-02", "finished"), ("2026-01-03", "finished")]


def test_a_person_who_stops_a_scheduled_run_stops_that_and_not_the_scheduler(cellar, project):
    hold(cellar)
    run = queue(project)
    leader = schedule(cellar)
    working(project, run)
    assert cellar.type("stop", run.id).json["status"] == "stopped"
    assert [(r.attempt, r.status) for r in tries(project, run)] == [(1, "stopped")]
    assert leader.poll() is None
