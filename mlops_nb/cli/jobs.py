"""Verbs for jobs: jobs, job, history, trigger, scheduler, pause, unpause."""

from typing import Any

import click

from mlops_nb import markup
from mlops_nb.cli import output
from mlops_nb.cli.notebooks import parameter_option, typed
from mlops_nb.cli.output import as_json_option, last_option
from mlops_nb.cli.promote import at_option, set_clock
from mlops_nb.project import Project, listed, open_project

GOOD = {"finished", "skipped", "waiting"}


@click.command()
@as_json_option
def jobs(*, as_json: bool) -> int:
    """List the jobs, when they run next, and how the last run ended."""
    project = open_project()
    answer = project.jobs()
    rows = listed.jobs(answer)
    words = markup.table(listed.JOBS, rows)
    if not rows:
        words = "no jobs yet: mlops-nb promote NOTEBOOK --name JOB"
    elif not project.scheduler_runs:
        words += "\nno scheduler has been seen: start one with `mlops-nb scheduler`"
    output.print_warnings(project)
    output.emit(answer, "" if as_json else words, as_json=as_json)
    return 0


@click.command()
@click.argument("name", metavar="JOB")
@as_json_option
def job(name: str, *, as_json: bool) -> int:
    """Show one JOB."""
    import yaml

    answer = open_project().job(name)
    words = "" if as_json else yaml.safe_dump(answer, sort_keys=False, allow_unicode=True)
    output.emit(answer, words.rstrip(), as_json=as_json)
    return 0


@click.command()
@click.argument("name", metavar="JOB")
@last_option
@as_json_option
def history(name: str, *, last: int | None, as_json: bool) -> int:
    """List the runs of JOB, the newest first, in its time zone; with --json all, oldest first."""
    answer = open_project().history(name, last if as_json else (last or output.PAGE) + 1)
    rows = [
        (
            r["run"],
            r["trigger"],
            (r["scheduled_at"] or "–")[:16],
            r["status"],
            r["model_version"] or "–",
            r["because"],
        )
        for r in reversed(answer["runs"])
    ]
    head = ("run", "trigger", "scheduled", "status", "version", "because")
    output.emit(answer, "" if as_json else output.page(head, rows, last), as_json=as_json)
    return 0


@click.command()
@click.argument("name", metavar="JOB")
@parameter_option
@click.option("--detach", is_flag=True, help="Do not wait: run it in a process of its own.")
@at_option
@as_json_option
def trigger(
    name: str, *, given: tuple[tuple[str, str], ...], detach: bool, at: str | None, as_json: bool
) -> int:
    """Run JOB now and wait; exit status 1 if its model is refused."""
    project = open_project()
    _clock_of(project, name, at)
    answer = project.trigger(name, typed(given), detach=detach, notify=output.Progress())
    output.print_warnings(project)
    words = f"{name}: queued as {answer['run']}" if detach else as_text(answer)
    output.emit(answer, words, as_json=as_json)
    return 0 if detach or answer["status"] in GOOD else 1


def _clock_of(project: Project, name: str, at: str | None) -> None:
    """Set the clock; a time without an offset is in the zone of the job."""
    if at is not None:
        schedule = project.job(name)["schedule"] or {}
        set_clock(project, at, schedule.get("timezone", "UTC"))


def _shared_zone(project: Project) -> str:
    """Return the zone of all jobs; UTC if they have several, or none."""
    zones = {j["schedule"]["timezone"] for j in project.jobs()["jobs"] if j["schedule"]}
    return str(zones.pop()) if len(zones) == 1 else "UTC"


def as_text(row: dict[str, Any]) -> str:
    """Return a run of a job as text."""
    lines = [f"{row['job']}: {row['status']}  (run {row['run']})"]
    if row["status"] == "waiting":
        lines.append(f"  {row['because']}")
    lines += [f"  {name} = {value:.6g}" for name, value in row["metrics"].items()]
    for gate in row["gates"]:
        lines.append(
            f"  gate {gate['gate']}: {'passed' if gate['passed'] else 'NOT met'}"
            f" ({gate['because']})"
        )
    if row["model_version"] is not None and row["status"] != "waiting":
        lines.append(f"  version {row['model_version']} is champion")
    if row["status"] == "refused":
        lines.append(f"error: refused: {row['because']}\n  fix: look at the data of this run")
    elif row["status"] == "failed":
        lines.append(f"error: {row['because']}\n  fix: mlops-nb show {row['run']}")
    elif row["because"]:
        lines.append(f"  {row['because']}")
    return "\n".join(lines)


@click.command()
@click.option("--once", is_flag=True, help="Run what is due now, then exit.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Number of parallel runs (default: one for each core).",
)
@click.option("--install", is_flag=True, help="Install it as a systemd service of this user.")
@at_option
@as_json_option
def scheduler(
    *, once: bool, workers: int | None, install: bool, at: str | None, as_json: bool
) -> int:
    """Run the jobs that are due; of several schedulers, one is active."""
    project = open_project()
    if install:
        installed = project.install_scheduler(workers)
        output.emit(installed, _installed_text(installed), as_json=as_json)
        return 0
    set_clock(project, at, _shared_zone(project) if at is not None else "UTC")
    if not once and at is None:
        project.schedule(output.Progress(), output.note, workers=workers)
    answer = project.schedule_once(output.Progress(), output.note)
    output.print_warnings(project)
    words = "\n".join(as_text(row) for row in answer["runs"]) or "nothing is due"
    output.emit(answer, words, as_json=as_json)
    return 0 if all(row["status"] in GOOD for row in answer["runs"]) else 1


def _installed_text(answer: dict[str, Any]) -> str:
    """Return what was installed, and the commands that are left to type."""
    checked = (
        "verified by systemd-analyze" if answer["verified"] else "not verified: no systemd here"
    )
    return "\n".join([f"unit: {answer['unit']} ({checked})", *answer["commands"]])


@click.command()
@click.argument("name", metavar="JOB")
@as_json_option
def pause(name: str, *, as_json: bool) -> int:
    """Pause the schedule of JOB; it can still be triggered by hand."""
    open_project().pause(name)
    output.emit({"version": 1, "job": name, "status": "paused"}, f"{name}: paused", as_json=as_json)
    return 0


@click.command()
@click.argument("name", metavar="JOB")
@as_json_option
def unpause(name: str, *, as_json: bool) -> int:
    """Resume the schedule of JOB."""
    open_project().unpause(name)
    output.emit({"version": 1, "job": name, "status": "active"}, f"{name}: active", as_json=as_json)
    return 0
