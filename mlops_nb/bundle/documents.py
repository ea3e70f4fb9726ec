"""The pages of a bundle that people read: REVIEW.md, MODEL_CARD.md, and the Dockerfile."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops_nb.model import Job, Pipeline, Proof, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a bundle's pages tell of.

    touches: files, hosts and environment variables that the cells name: kind → names
    """

    job: Job
    pipeline: Pipeline
    proof: Proof
    metrics: Mapping[str, float]
    verdicts: Sequence[Verdict]
    left_out: Sequence[tuple[int, str]]
    touches: Mapping[str, Sequence[str]]
    schema: Mapping[str, Any]
    model_type: str = ""
    python: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(_cell(c) for c in row)} |" for row in rows]
    return lines


def _cell(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def review(facts: Facts) -> str:
    """Return REVIEW.md: one page for whoever says yes to a job."""
    job, pipeline = facts.job, facts.pipeline
    when = job.schedule
    lines = [f"# Review of the job `{job.name}`", ""]
    lines += [
        f"Frozen from `{job.source}`. Scheduled runs execute `pipeline.ipynb` in `{job.folder}/`; "
        "`pipeline.py` is the same pipeline for reading and for running by hand.",
        "",
        f"- **Schedule**: {f'`{when.cron}` in {when.timezone}' if when else 'none, by hand only'}",
        f"- **Parameters**: {_listed(f'{k} = {v!r}' for k, v in job.parameters.items())}",
        f"- **Model**: {_model(job)}",
        f"- **Proof**: {_proof(facts.proof)}",
        f"- **Python**: {facts.python}, {len(facts.packages)} packages in `requirements.lock`",
        f"- **Took**: {facts.seconds:.1f} s when it was proven",
        f"- **Secrets**: {_listed(job.secrets)} (names; values are never stored)",
        f"- **Files**: {_listed(facts.touches.get('files', ()))}",
        f"- **Hosts**: {_listed(facts.touches.get('hosts', ()))}",
        f"- **Environment**: {_listed(facts.touches.get('environment', ()))}",
        "",
        "## Steps",
        "",
        *_table(
            ("step", "uses", "makes", "parameters"),
            (
                (s.name, ", ".join(s.uses), ", ".join(s.makes), ", ".join(s.parameters))
                for s in pipeline.steps
            ),
        ),
        "",
        "## Data",
        "",
        *_data(facts.schema),
        "## Gates",
        "",
        *_gates(facts.verdicts),
        "",
        "## Left out of the job",
        "",
    ]
    lines += [f"- cell {index}: {why}" for index, why in facts.left_out] or ["nothing"]
    return "\n".join(lines) + "\n"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _model(job: Job) -> str:
    return f"`{job.model_variable}` as `{job.model_name}`" if job.model_variable else "none"


def _proof(proof: Proof) -> str:
    if proof.equal is None:
        return "not asked for"
    steps = len(proof.steps)
    return f"{'equal' if proof.equal else 'NOT equal'} in {steps} steps. {proof.because}".strip()


def _data(schema: Mapping[str, Any]) -> list[str]:
    lines = []
    for step, frames in schema.get("frames", {}).items():
        for name, frame in frames.items():
            columns = frame["columns"]
            lines.append(f"`{name}` of step `{step}`: {frame['rows']} rows, {len(columns)} columns")
            lines.append("")
            lines += _table(
                ("column", "kind", "missing"),
                ((c, d["kind"], f"{d['missing']:.2%}") for c, d in columns.items()),
            )
            lines.append("")
    return lines or ["no data frame was seen", ""]


def _gates(verdicts: Sequence[Verdict]) -> list[str]:
    if not verdicts:
        return ["none: whatever is trained is released"]
    rows = ((v.gate, "passed" if v.passed else "NOT met", v.because) for v in verdicts)
    return _table(("gate", "verdict", "because"), rows)


def card(facts: Facts) -> str:
    """Return MODEL_CARD.md: what is known by itself, and what a person must still say."""
    job = facts.job
    lines = [f"# Model card: {job.model_name or job.name}", ""]
    lines += ["## What it is", ""]
    lines += [
        f"- **Type**: {facts.model_type or 'not a model'}",
        f"- **Made by**: job `{job.name}`, from `{job.source}`",
        f"- **Parameters**: {_listed(f'{k} = {v!r}' for k, v in job.parameters.items())}",
        "",
        "## How well it did when it was promoted",
        "",
        *(_table(("metric", "value"), facts.metrics.items()) if facts.metrics else ["no metrics"]),
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
            f"ENV MLOPS_NB_FOLDER=/project/{job.folder}",
            "USER job",
            'ENTRYPOINT ["python", "/job/pipeline.py"]',
            "",
        ]
    )
