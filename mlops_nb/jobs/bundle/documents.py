"""Writes REVIEW.md, MODEL_CARD.md and the Dockerfile of a bundle."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops_nb.evaluation import metrics as evaluation_metrics
from mlops_nb.evaluation.model import Verdict
from mlops_nb.jobs.model import Job, Proof
from mlops_nb.markup import code, markdown, sentence, visible
from mlops_nb.notebook.model import Pipeline
from mlops_nb.serving.settings import ServingNotes

MOST_CATEGORIES = 20  # of a text column, in REVIEW.md
LABEL = re.compile(r"(In \[\d+\]|cell \d+)(?: \(`(.*)`\))?", re.DOTALL)
SAFE = re.compile(r"[\w./-]+")
ESCAPED = r"\\\g<0>"
MARKS = re.compile(r"[\\$\"]")  # of a quoted value in a Dockerfile


class Markdown(str):
    """Text that is Markdown already."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleFacts:
    """Everything that the documents of a bundle contain.

    left_out: cells that are not part of the job: name and reason
    touches: files, hosts and environment variables that the cells name: kind → names
    seconds: wall time of the proven run, s
    evaluation: scores with their intervals, as returned by `evaluation.metrics`
    notes:   what to know of the model that is to be served
    """

    job: Job
    pipeline: Pipeline
    proof: Proof
    metrics: Mapping[str, float]
    verdicts: Sequence[Verdict]
    left_out: Sequence[tuple[str, str]]
    touches: Mapping[str, Sequence[str]]
    schema: Mapping[str, Any]
    model_type: str = ""
    python: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    notes: ServingNotes = field(default_factory=ServingNotes)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(_cell(c) for c in row)} |" for row in rows]
    return lines


def _cell(value: object) -> str:
    if isinstance(value, Markdown):
        return value
    return markdown(f"{value:.6g}" if isinstance(value, float) else str(value))


def _prose(text: str) -> Markdown:
    return Markdown(markdown(sentence(text)))


def _label(cell: str) -> str:
    """Return the label of a cell, its first line as code: `cell 8 (…)`."""
    parts = LABEL.fullmatch(cell)
    if parts is None:
        return markdown(cell)
    return parts[1] if parts[2] is None else f"{parts[1]} ({code(parts[2])})"


def review(facts: BundleFacts) -> str:
    """Return REVIEW.md: one page for the reviewer of a job."""
    job = facts.job
    lines = [f"# Review of the job {code(job.name)}", ""]
    lines += [
        f"Frozen from {code(job.source)}. Scheduled runs execute `pipeline.ipynb` in "
        f"{code(job.folder + '/')}; "
        "`pipeline.py` is the same pipeline for reading and for running by hand.",
        "",
        f"- **Schedule**: {_schedule(job)}",
        f"- **Parameters**: {_listed(f'{k} = {v!r}' for k, v in job.parameters.items())}",
        f"- **Model**: {_model(job)}",
        f"- **Proof**: {_proof(facts.proof)}",
        f"- **Python**: {markdown(facts.python)}, {len(facts.packages)} packages in "
        "`requirements.lock`",
        f"- **Took**: {facts.seconds:.1f} s when it was proven",
        f"- **Prediction log**: {markdown(facts.notes.log) or 'none'}",
        f"- **Callers send**: {markdown(facts.notes.callers) or 'nothing'}",
        f"- **Secrets**: {_listed(job.secrets)} (names; values are never stored)",
        *_touches(facts.touches),
        "",
        "## Steps",
        "",
        *_steps(facts.pipeline),
        "",
        "## Data",
        "",
        "A run stops before training if the data violates `schema.json`; edit that file if "
        f"it is too strict or too loose, then {code(f'mlops-nb apply {job.name}')}.",
        "",
        *_data(facts.schema),
        "## Gates",
        "",
        *_gates(facts.verdicts),
        "",
        "## Left out of the job",
        "",
    ]
    lines += [f"- {_label(cell)}: {_prose(why)}" for cell, why in facts.left_out] or ["nothing"]
    return "\n".join(lines) + "\n"


def _touches(touches: Mapping[str, Sequence[str]]) -> list[str]:
    return [
        f"- **Files read**: {_listed(touches.get('files', ()))}",
        f"- **Files written**: {_listed(touches.get('written', ()))}",
        f"- **Hosts**: {_listed(touches.get('hosts', ()))}",
        f"- **Environment**: {_listed(touches.get('environment', ()))}",
    ]


def _schedule(job: Job) -> str:
    when = job.schedule
    return f"{code(when.cron)} in {markdown(when.timezone)}" if when else "none, by hand only"


def _steps(pipeline: Pipeline) -> list[str]:
    rows = [
        (s.name, ", ".join(s.uses), ", ".join(s.makes), ", ".join(s.parameters))
        for s in pipeline.steps
    ]
    return _table(("step", "uses", "makes", "parameters"), rows)


def _listed(names: Iterable[str]) -> Markdown:
    return Markdown(", ".join(code(name) for name in names) or "none")


def _model(job: Job) -> str:
    if not job.model_variable:
        return "none"
    return f"{code(job.model_variable)} as {code(job.model_name or job.name)}"


def _proof(proof: Proof) -> str:
    if proof.equal is None:
        return "not asked for"
    verdict = "equal" if proof.equal else "NOT equal"
    return f"{verdict} in {len(proof.steps)} steps. {_prose(proof.because)}".strip()


def _data(schema: Mapping[str, Any]) -> list[str]:
    lines = []
    for step, frames in schema.get("frames", {}).items():
        for name, frame in frames.items():
            columns = frame["columns"]
            seen = schema.get("profile", {}).get(step, {}).get(name, {})
            size = f"{_cell(frame['rows'])} rows, {len(columns)} columns"
            lines.append(f"{code(name)} of step {code(step)}: {size}")
            lines.append("")
            lines += _table(
                ("column", "kind", "missing", "must be"),
                (
                    (c, spec["kind"], _missing(spec, seen.get(c, {})), _limits(spec))
                    for c, spec in columns.items()
                ),
            )
            lines.append("")
    return lines or ["no data frame was loaded", ""]


def _missing(spec: Mapping[str, Any], seen: Mapping[str, Any]) -> str:
    share = seen.get("missing", spec.get("missing"))
    return f"{share:.2%}" if isinstance(share, float | int) else "unknown"


def _limits(spec: Mapping[str, Any]) -> Markdown:
    """Return the limits of a column in schema.json, in words."""
    low, high = spec.get("min"), spec.get("max")
    parts = []
    if low is not None or high is not None:
        parts.append(
            f"{'' if low is None else f'{low:g} '}to{'' if high is None else f' {high:g}'}"
        )
    if spec.get("categories"):
        parts.append(f"one of {_categories(spec['categories'])}")
        parts.append(f"others are {_cell(spec.get('new', 'reported'))}")
    if spec.get("missing") == "never":
        parts.append("never missing")
    return Markdown(", ".join(parts))


def _categories(names: Sequence[str]) -> str:
    more = len(names) - MOST_CATEGORIES
    shown = _listed(names[:MOST_CATEGORIES])
    return f"{shown} and {more} more" if more > 0 else shown


def _gates(verdicts: Sequence[Verdict]) -> list[str]:
    if not verdicts:
        return ["none: every trained model is released"]
    rows = ((v.gate, "passed" if v.passed else "NOT met", _prose(v.because)) for v in verdicts)
    return _table(("gate", "verdict", "because"), rows)


def card(facts: BundleFacts) -> str:
    """Return MODEL_CARD.md: the measured part, and the part that a person fills in."""
    job = facts.job
    lines = [f"# Model card: {markdown(job.model_name or job.name)}", ""]
    lines += ["## What it is", ""]
    lines += [
        f"- **Type**: {markdown(facts.model_type or 'not a model')}",
        f"- **Made by**: job {code(job.name)}, from {code(job.source)}",
        f"- **Parameters**: {_listed(f'{k} = {v!r}' for k, v in job.parameters.items())}",
        "",
        *_callers(facts.notes.columns),
        "## How well it did when it was promoted",
        "",
        *_scores(facts),
        "",
        "## What it was trained and judged on",
        "",
        *_data(facts.schema),
        "## What it must hold to be released",
        "",
        *_gates(facts.verdicts),
        "",
        "## For a person to fill in",
        "",
        "- **Purpose, and uses it is not meant for**: ",
        "- **People it affects, and how**: ",
        "- **Known limits**: ",
        "- **Who answers for it**: ",
    ]
    return "\n".join(lines) + "\n"


def _callers(columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the columns that callers send. columns: kind → names."""
    if not columns:
        return []
    count = sum(map(len, columns.values()))
    return [
        f"## What callers send: {count} column{'s' * (count > 1)}",
        "",
        *(f"- **{kind}**: {_listed(names)}" for kind, names in columns.items()),
        "",
    ]


def _scores(facts: BundleFacts) -> list[str]:
    """Return the metrics, whole and by slice, each with its interval if that is known."""
    whole = facts.evaluation.get("whole", {})
    if not facts.metrics and not whole:
        return ["no metrics"]
    if not whole:
        return _table(("metric", "value"), facts.metrics.items())
    scores = evaluation_metrics.all_scores(facts.metrics, whole).items()
    rows = [(name, _value(score["value"]), *_interval(score)) for name, score in scores]
    head = ("value", "95 % interval", "rows")
    lines = _table(("metric", *head), rows)
    sliced = [
        (name.replace("_by_", " by "), str(part), _value(score["value"]), *_interval(score))
        for name, parts in facts.evaluation.get("by", {}).items()
        for part, score in parts.items()
    ]
    if sliced:
        least = facts.evaluation["least"]
        lines += ["", *_table(("metric", "slice", *head), sliced), ""]
        lines.append(f"Slices of fewer than {least} rows are shown and not judged.")
    return lines


def _value(value: float | None) -> float | str:
    return "none" if value is None else value


def _interval(score: Mapping[str, Any]) -> tuple[str, object]:
    rows = "" if score["n"] is None else score["n"]
    return ("" if score["low"] is None else f"{score['low']:.4g} to {score['high']:.4g}"), rows


def _quoted(text: str) -> str:
    """Return a value of a Dockerfile, quoted if need be; a line break ends an instruction."""
    shown = visible(text)
    return shown if SAFE.fullmatch(shown) else f'"{MARKS.sub(ESCAPED, shown)}"'


def dockerfile(job: Job, python: str) -> str:
    """Return a Dockerfile that runs the job's `pipeline.py`; mount the project at /project."""
    minor = ".".join(python.split(".")[:2]) or "3.11"
    return "\n".join(
        [
            f"# The job {job.name}: mount the project's folder at /project.",
            f"FROM python:{minor}-slim",
            "RUN useradd --create-home job",
            "WORKDIR /job",
            "COPY requirements.lock ./",
            "RUN pip install --no-cache-dir --require-hashes --requirement requirements.lock",
            "COPY . ./",
            f"ENV MLOPS_NB_FOLDER={_quoted(f'/project/{job.folder}')}",
            "USER job",
            'ENTRYPOINT ["python", "/job/pipeline.py"]',
            "",
        ]
    )
