"""What the leader of the schedulers does about processes that end too soon, or say nothing."""

import os
import socket
import subprocess
import time
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from mlops_nb.context import Context, real_time
from mlops_nb.events import JobApplied, RunClaimed, RunQueued
from mlops_nb.jobs import agenda, schedule, worker
from mlops_nb.jobs.bundle import job_yaml
from mlops_nb.jobs.model import Job
from mlops_nb.runs import history, process
from mlops_nb.scheduler import loop

JOB = Job(
    name="j",
    notebook="pipeline.ipynb",
    folder=".",
    source="n.ipynb",
    schedule=schedule.schedule("0 3 1 1 *", "UTC"),
)


@pytest.fixture
def ctx(tmp_path):
    (tmp_path / ".git").mkdir()
    made = Context(tmp_path, dict(os.environ), real_time)
    made.journal.append(
        JobApplied(job="j", digest="d" * 64, bundle="jobs/j", definition=job_yaml.definition(JOB))
    )
    yield made
    made.journal.close()


def queue(ctx, run="r"):
    at = datetime.now(UTC).isoformat()
    ctx.journal.append(
        RunQueued(run=run, job="j", trigger="hand", scheduled_at=at, data_start=at, data_end=at)
    )


def runs(ctx):
    return history.runs(ctx.journal.read(job="j"))


def test_a_process_that_lives_and_says_nothing_is_ended_and_its_run_tried_again(ctx, monkeypatch):
    queue(ctx)
    sleeper = subprocess.Popen(["sleep", "600"])
    mark = f"{socket.gethostname()} {process._started(sleeper.pid)}"
    ctx.journal.append(RunClaimed(run="r", job="j", process=(sleeper.pid, mark)))
    leader = loop.Leader(ctx=ctx, slots=1)
    leader.look()
    assert runs(ctx)["r"].status == "running"  # it was not silent for long
    monkeypatch.setattr(loop, "SILENT_AFTER", -1.0)
    monkeypatch.setattr(leader, "slots", 0)  # nothing is started
    leader.look()
    assert sleeper.wait() == -process.KILL
    lost = runs(ctx)["r"]
    assert (lost.status, lost.lost) == ("failed", True)
    assert "sends no heartbeat" in lost.error
    leader.look()
    assert [run.attempt for run in runs(ctx).values()] == [1, 2]


def test_a_process_of_another_machine_is_unheard_until_its_next_heartbeat(ctx):
    queue(ctx)
    ctx.journal.append(RunClaimed(run="r", job="j", process=(1, "elsewhere 1")))
    ctx.journal.place(worker.beat_of("j"), "r first")
    leader = loop.Leader(ctx=ctx, slots=1)
    leader.look()
    assert leader.board.unheard == {"r"}
    ctx.journal.place(worker.beat_of("j"), "r second")
    leader.look()
    assert leader.board.unheard == set()


def test_a_run_whose_process_ends_before_it_begins_is_given_up_after_a_few_times(ctx):
    queue(ctx)
    ctx.environment["PYTHONHOME"] = "/nowhere"  # no Python of ours can start
    leader = loop.Leader(ctx=ctx, slots=1)
    end = time.monotonic() + 60
    while not runs(ctx)["r"].lost:
        assert time.monotonic() < end
        leader.look()
    error = runs(ctx)["r"].error
    assert error.startswith("its process ended before it began, 3 times: see ")
    log = (ctx.run_folder("r") / "worker.log").read_text()
    assert log.count("nowhere") >= 3
    for child in leader.children.values():
        child.popen.wait()


def test_more_retries_do_not_bring_back_what_failed_before_they_were_applied(ctx):
    queue(ctx)
    ctx.journal.append(RunClaimed(run="r", job="j", process=(1, "elsewhere 1")))
    failed = history.RunFinished(run="r", job="j", status="failed", seconds=1.0)
    ctx.journal.append(replace(failed, at="2026-01-01T00:00:00.000+00:00"))
    ctx.journal.append(history.RunDone(run="r", job="j", exit_status=1))
    more = job_yaml.definition(JOB) | {"retries": 5}
    ctx.journal.append(JobApplied(job="j", digest="d" * 64, bundle="jobs/j", definition=more))
    loop.Leader(ctx=ctx, slots=1).look()
    assert list(runs(ctx)) == ["r"]


def test_a_run_that_a_new_journal_does_not_know_is_said_and_stays(ctx):
    folder = ctx.run_folder("20200101-000000-0123ab")
    os.utime(folder, (0, 0))
    said = []
    loop.Leader(ctx=ctx, note=said.append).look()
    assert "does not know 20200101-000000-0123ab" in said[0]
    assert "MLOPS_NB_JOURNAL" in said[0]
    assert folder.is_dir()


def test_a_look_takes_no_longer_after_ten_thousand_runs(ctx):
    old = [
        RunQueued(
            run=f"r{n}", job="j", trigger="schedule", scheduled_at="2020-01-01T03:00:00+00:00"
        )
        for n in range(10_000)
    ]
    ctx.journal.append_all(old)
    ctx.journal.append_all(
        [
            event
            for e in old
            for event in (
                RunClaimed(run=e.run, job="j", process=(1, "elsewhere 1")),
                history.RunDone(run=e.run, job="j", exit_status=0),
                history.RunFinished(run=e.run, job="j", status="finished", seconds=1.0),
            )
        ]
    )
    leader = loop.Leader(ctx=ctx, slots=1)
    leader.look()
    read = []
    journal_read = ctx.journal.read
    ctx.journal.read = lambda **asked: read.append(asked) or journal_read(**asked)
    leader.look()
    assert leader.board.open == []
    assert {asked.get("after", 0) > 0 for asked in read} == {True}  # nothing is read twice
    assert not agenda.ready(leader.board, ctx.now())


def test_while_somebody_leads_once_does_nothing_and_says_so(ctx):
    said = []
    with ctx.journal.holding(loop.LEAD):
        assert loop.once(ctx, note=said.append) == []
    assert said == ["scheduler: another scheduler leads, and runs what is due"]


def test_a_job_that_cannot_be_read_or_looked_for_keeps_no_other_from_running(ctx):
    odd = job_yaml.definition(JOB) | {"name": "odd", "triggers": [{"moon": "full"}]}
    ctx.journal.append(JobApplied(job="odd", digest="e" * 64, bundle="jobs/odd", definition=odd))
    lost = job_yaml.definition(JOB) | {"name": "lost", "triggers": [{"job": "nosuch"}]}
    ctx.journal.append(JobApplied(job="lost", digest="f" * 64, bundle="jobs/lost", definition=lost))
    queue(ctx)
    said = []
    leader = loop.Leader(ctx=ctx, slots=1, note=said.append)
    leader.look()
    assert set(leader.jobs) == {"j", "lost"}
    assert any("odd: error: triggers" in text for text in said)
    assert list(leader.children) == ["r"]
    for child in leader.children.values():
        child.popen.wait()
