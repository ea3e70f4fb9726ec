"""Verbs that turn a notebook into a job: promote, apply."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from mlops_nb.cli import output
from mlops_nb.cli.notebooks import parameter_option, project_of, typed
from mlops_nb.cli.output import as_json_option
from mlops_nb.jobs import schedule
from mlops_nb.markup import visible
from mlops_nb.project import Project, open_project

if TYPE_CHECKING:
    from mlops_nb.project import Request
    from mlops_nb.serving.settings import ServingNotes

BEHIND = "MLflow is behind: it does not have this champion yet; the sync goes on in the background"
at_option = click.option("--at", metavar="TIME", help="Use TIME as the current time.")


def set_clock(project: Project, at: str | None, timezone: str = "UTC") -> None:
    """Start a project's clock at a time."""
    if at is None:
        return
    project.set_clock(schedule.moment(at, timezone))


@click.command()
@click.argument("notebook")
@click.option("--name", required=True, metavar="JOB", help="The job's name.")
@click.option("--model", metavar="VAR", help="The variable that holds the model.")
@click.option("--schedule", metavar="CRON", help='Five fields, such as "0 3 1 * *", or @daily.')
@click.option("--tz", "timezone", metavar="ZONE", help="The schedule's time zone (default: UTC).")
@click.option(
    "--gate", "gates", multiple=True, metavar="EXPR", help="A condition that a model must meet."
)
@click.option(
    "--on",
    "triggers",
    multiple=True,
    metavar="WHAT",
    help="Also run on data:GLOB, drift:SHARE, metric:NAME:FALL or job:NAME.",
)
@click.option(
    "--score", metavar="GLOB", help="Files that the champion answers as they come; needs -o."
)
@click.option(
    "-o",
    "--output",
    "score_output",
    metavar="OUT",
    help='Where the answers go, such as "scores/{name}"; {stem} is the name without its suffix.',
)
@click.option(
    "--approval",
    type=click.Choice(["none", "required"]),
    help="required: a version that passed waits for `approve`.",
)
@click.option(
    "--release-with",
    multiple=True,
    metavar="JOB",
    help="Release new versions only together with those of JOB.",
)
@click.option(
    "--notify",
    multiple=True,
    metavar="WHOM",
    help="Send alerts to a webhook (https://…, or env:NAME) or a command (command:TEXT).",
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
@click.option(
    "--replace", is_flag=True, help="Replace the job; keep the settings that are not given."
)
@click.option("--dry-run", is_flag=True, help="Prove and judge, but write nothing.")
@click.option(
    "--confirm", is_flag=True, hidden=True, help="Show a dry run, and go on after a line `yes`."
)
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
    help="Relative difference of metrics that the proof allows.",
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
    confirm: bool,
    **options: Any,
) -> int:
    """Turn NOTEBOOK into a job: prove it, judge it, release its model, schedule it."""
    from mlops_nb.project import PromoteOptions

    project = project_of(notebook)
    set_clock(project, options["at"], options["timezone"] or "UTC")
    progress = output.Progress()
    answer = project.promote(
        notebook,
        _request(options),
        PromoteOptions(
            replace=replace,
            draft=draft,
            dry_run=dry_run,
            confirm=_confirmed if confirm else None,
            notify=progress,
            note=output.note,
        ),
    )
    output.print_warnings(project)
    model = (answer["model"] or {}).get("name") if answer["bundle"] and not as_json else None
    draft_of = answer["job"] if draft else ""
    notes = project.serving_notes(model, draft_of) if model else None
    words = _as_text(answer, scheduler_runs=project.scheduler_runs, notes=notes)
    output.emit(answer, words, as_json=as_json)
    return 0 if answer["passed"] else 1


def _confirmed(shown: Mapping[str, Any]) -> bool:
    """Print what a dry run found; return whether the next line of the input is `yes`."""
    output.emit({**shown, "mlflow": None}, "", as_json=True)
    return sys.stdin.readline().strip() == "yes"


def _request(options: dict[str, Any]) -> "Request":
    from mlops_nb.project import Request

    return Request(
        name=options["name"],
        model=options["model"],
        schedule=options["schedule"],
        timezone=options["timezone"],
        gates=options["gates"] or None,
        parameters=typed(options["given"]),
        secrets=options["secrets"],
        triggers=options["triggers"] or None,
        score=options["score"],
        score_output=options["score_output"],
        approval=options["approval"],
        release_with=options["release_with"] or None,
        notify=options["notify"] or None,
        quick=options["proof"] == "quick",
        tolerance=options["tolerance"],
    )


def _as_text(answer: dict[str, Any], *, scheduler_runs: bool, notes: "ServingNotes | None") -> str:
    proof = answer["proof"]
    equal = "equal" if proof["equal"] else "not equal"
    lines = [f"proof: {equal}, {len(proof['steps'])} steps ({proof['because']})"]
    for gate in answer["gates"]:
        verdict = "passed" if gate["passed"] else "NOT met"
        lines.append(f"gate:  {gate['gate']}: {verdict} ({gate['because']})")
    if answer["passed"]:
        lines += [f"change: {change}" for change in answer["changes"]]
        lines += [
            *_of_model(answer["model"] or {}),
            *[BEHIND] * (answer["mlflow"] == "behind"),
            *_served(notes),
            *_of_bundle(answer, scheduler_runs=scheduler_runs),
        ]
    else:
        lines.append(f"error: not promoted: {answer['because']}")
        lines.append("  fix: train a better model, or change the gate")
    return "\n".join(lines)


def _served(notes: "ServingNotes | None") -> list[str]:
    """Return what to know of a model that is to be served."""
    named = (("callers send", notes.callers), ("log", notes.log)) if notes is not None else ()
    return [f"{name + ':':6} {visible(words)}" for name, words in named if words]


def _of_model(model: dict[str, Any]) -> list[str]:
    version = model.get("version")
    if version is None:
        return []
    if model["alias"]:
        return [f"model: {model['name']} version {version} is champion"]
    if model.get("awaits"):
        return [f"model: version {version} waits to be released with {', '.join(model['awaits'])}"]
    return [f"model: version {version} waits for: mlops-nb approve {model['name']} {version}"]


def _of_bundle(answer: dict[str, Any], *, scheduler_runs: bool) -> list[str]:
    lines, bundle = [], answer["bundle"]
    if answer["left_out"]:
        cells = ", ".join(c["label"] for c in answer["left_out"])
        lines.append(f"left out: {cells}{f' (why: {bundle}/REVIEW.md)' if bundle else ''}")
    if answer["schedule"]:
        coming = answer["schedule"]["next"]
        paused = f"never, as it is paused: mlops-nb unpause {answer['job']}"
        lines.append(f"next:  {coming[0] if coming else paused}")
        if not scheduler_runs:
            lines.append("no scheduler has been seen: start one with `mlops-nb scheduler`")
    lines += _sliding(answer["gates"])
    if bundle and not answer["notify"]:
        lines.append("no alert is sent when it fails: add --notify, or `notify` in job.yaml")
    if bundle:
        lines.append(f"bundle: {bundle}/ (read REVIEW.md)")
    return lines


def _sliding(gates: list[dict[str, Any]]) -> list[str]:
    """Return a warning for each gate that moves with the champion alone."""
    from mlops_nb.evaluation import gates as evaluation_gates

    return [
        f'the gate "{one.text}" lets {one.metric} get worse by {abs(one.bound):g} at each release, '
        f'without an end: add --gate "{one.metric} {one.op} best '
        f'{"-" if one.bound < 0 else "+"} {2 * abs(one.bound):g}"'
        for one in evaluation_gates.sliding(evaluation_gates.gate(g["gate"]) for g in gates)
    ]


@click.command()
@click.argument("job")
@at_option
@as_json_option
def apply(job: str, *, at: str | None, as_json: bool) -> int:
    """Make the draft of JOB, or its edited job.yaml, live."""
    project = open_project()
    set_clock(project, at)
    answer = project.apply(job, output.note)
    output.print_warnings(project)
    if answer["applied"]:
        changed = "".join(f"\nchange: {c}" for c in answer["changes"])
        words = f"applied: {job} {answer['digest'][:12]}{changed}"
    else:
        words = f"error: not applied: {answer['because']}\n  fix: promote a better model"
    output.emit(answer, words, as_json=as_json)
    return 0 if answer["applied"] else 1
