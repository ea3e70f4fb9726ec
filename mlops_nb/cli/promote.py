"""Verbs that make a job of a notebook: promote, apply."""

from typing import Any

import click

from mlops_nb.cli import output
from mlops_nb.cli.notebooks import parameter_option, project_of, typed
from mlops_nb.cli.output import as_json_option
from mlops_nb.jobs import schedule
from mlops_nb.project import Project, PromoteOptions, Request, open_project

at_option = click.option("--at", metavar="TIME", help="Take TIME for the time it is now.")


def set_clock(project: Project, at: str | None, timezone: str = "UTC") -> None:
    """Set a project's clock to a time from which it goes on."""
    if at is None:
        return
    project.set_clock(schedule.moment(at, timezone))


@click.command()
@click.argument("notebook")
@click.option("--name", required=True, metavar="JOB", help="The job's name.")
@click.option("--model", metavar="VAR", help="The variable that holds the model.")
@click.option("--schedule", metavar="CRON", help='Five fields, such as "0 3 1 * *", or @daily.')
@click.option("--tz", "timezone", metavar="ZONE", help="The schedule's time zone (UTC).")
@click.option("--gate", "gates", multiple=True, metavar="EXPR", help="What a model must hold.")
@click.option(
    "--on",
    "triggers",
    multiple=True,
    metavar="WHAT",
    help="Run besides: data:GLOB, drift:SHARE, metric:NAME:FALL or job:NAME.",
)
@click.option(
    "--approval",
    type=click.Choice(["none", "required"]),
    help="required: a version that passed waits for `approve`.",
)
@click.option(
    "--notify",
    multiple=True,
    metavar="WHOM",
    help="Tell a webhook (https://…, or env:NAME) or a command (command:TEXT).",
)
@parameter_option
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="NAME",
    help="An environment variable that the cells read.",
)
@click.option("--draft", is_flag=True, help="Write the bundle for review; `apply` makes it live.")
@click.option("--replace", is_flag=True, help="Replace the job; keeps what is not named.")
@click.option("--dry-run", is_flag=True, help="Prove and judge, and write nothing.")
@click.option(
    "--proof",
    type=click.Choice(["full", "quick"]),
    default="full",
    help="quick: leave pipeline.py out of the proof.",
)
@click.option(
    "--proof-tolerance",
    "tolerance",
    type=click.FloatRange(0, 1),
    metavar="RTOL",
    help="Let metrics differ by RTOL.",
)
@at_option
@as_json_option
def promote(
    notebook: str,
    *,
    as_json: bool,
    draft: bool,
    replace: bool,
    dry_run: bool,
    **asked: Any,
) -> int:
    """Make a job of NOTEBOOK: prove it, judge it, release its model, schedule it."""
    project = project_of(notebook)
    set_clock(project, asked["at"], asked["timezone"] or "UTC")
    progress = output.Progress()
    answer = project.promote(
        notebook,
        Request(
            name=asked["name"],
            model=asked["model"],
            schedule=asked["schedule"],
            timezone=asked["timezone"],
            gates=asked["gates"] or None,
            parameters=typed(asked["given"]),
            secrets=asked["secrets"],
            triggers=asked["triggers"] or None,
            approval=asked["approval"],
            notify=asked["notify"] or None,
            quick=asked["proof"] == "quick",
            tolerance=asked["tolerance"],
        ),
        PromoteOptions(
            replace=replace, draft=draft, dry_run=dry_run, notify=progress, note=output.note
        ),
    )
    output.warned(project)
    output.emit(answer, _told(answer, project), as_json=as_json)
    return 0 if answer["passed"] else 1


def _told(answer: dict[str, Any], project: Project) -> str:
    proof = answer["proof"]
    lines = [
        f"proof: {'equal' if proof['equal'] else 'not equal'}, {len(proof['steps'])} steps"
        f" ({proof['because']})"
    ]
    for gate in answer["gates"]:
        lines.append(
            f"gate:  {gate['gate']}: {'passed' if gate['passed'] else 'NOT met'}"
            f" ({gate['because']})"
        )
    if not answer["passed"]:
        return "\n".join(
            [
                *lines,
                f"error: not promoted: {answer['because']}",
                "  fix: train a better model, or change the gate",
            ]
        )
    lines += [f"change: {change}" for change in answer["changes"]]
    model = answer["model"]
    if model and model["version"] is not None and model["alias"]:
        lines.append(f"model: {model['name']} version {model['version']} is champion")
    elif model and model["version"] is not None:
        lines.append(
            f"model: version {model['version']} waits for: "
            f"mlops-nb approve {model['name']} {model['version']}"
        )
    if answer["left_out"]:
        cells = ", ".join(str(c["cell"]) for c in answer["left_out"])
        why = f" (why: {answer['bundle']}/REVIEW.md)" if answer["bundle"] else ""
        lines.append(f"left out: cells {cells}{why}")
    if answer["schedule"]:
        lines.append(f"next:  {answer['schedule']['next'][0]}")
        if not project.scheduler_runs:
            lines.append("no scheduler has been seen: start one with `mlops-nb scheduler`")
    if answer["bundle"] and not answer["notify"]:
        lines.append("nobody is told when it fails: name somebody with --notify, or in job.yaml")
    if answer["bundle"]:
        lines.append(f"bundle: {answer['bundle']}/ (read REVIEW.md)")
    return "\n".join(lines)


@click.command()
@click.argument("job")
@at_option
@as_json_option
def apply(job: str, *, at: str | None, as_json: bool) -> int:
    """Make a draft, or the edited job.yaml of JOB, the live one."""
    project = open_project()
    set_clock(project, at)
    answer = project.apply(job, output.note)
    output.warned(project)
    if answer["applied"]:
        changed = "".join(f"\nchange: {c}" for c in answer["changes"])
        words = f"applied: {job} {answer['digest'][:12]}{changed}"
    else:
        words = f"error: not applied: {answer['because']}\n  fix: promote a better model"
    output.emit(answer, words, as_json=as_json)
    return 0 if answer["applied"] else 1
