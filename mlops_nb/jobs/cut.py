"""Cuts out the cells of a notebook that a job needs."""

from mlops_nb.evaluation import gates
from mlops_nb.evaluation import metrics as evaluation_metrics
from mlops_nb.evaluation.model import Gate
from mlops_nb.jobs.model import Job
from mlops_nb.notebook import slicing
from mlops_nb.notebook.model import HowServed, Pipeline, Source


def cut_out(job: Job, source: Source) -> slicing.Slice:
    """Return the cells that a job must carry: for its model, metrics, gates and evaluation.

    Raises JobError for a gate on a metric that no cell makes.
    """
    pipeline = source.pipeline
    read = [gates.gate(text) for text in job.gates]
    marked = slicing.evaluation_of(pipeline, job.model_variable)
    evaluation = [name for value in marked.values() for name in value.split(",")]
    served = pipeline.served.get(job.model_variable or "", HowServed())
    answers = (n for n in (served.features, served.decide, *served.lookups) if n)
    wanted = (*pipeline.metrics, *(gate_name(g) for g in read), *evaluation, *answers)
    found = slicing.cut(pipeline, variable=job.model_variable, wanted=wanted)
    known = [*possible_metrics(pipeline, found), *evaluation_metrics.named(marked)]
    if (error := gates.unknown(read, known)) is not None:
        raise error
    return found


def measured_metrics(job: Job, pipeline: Pipeline) -> tuple[str, ...]:
    """Return the names that are metrics: those of marks, else those of gates and triggers.

    () if there are none: then the metrics that the cells log, or every number.
    """
    if pipeline.metrics or pipeline.logged:
        return pipeline.metrics
    marked = slicing.evaluation_of(pipeline, job.model_variable)
    scored = set(evaluation_metrics.named(marked))
    judged = [gates.gate(text).metric for text in job.gates]
    judged += [str(trigger["metric"]) for trigger in job.triggers if "metric" in trigger]
    return tuple(dict.fromkeys(name for name in judged if name not in scored))


def gate_name(gate: Gate) -> str:
    """Return the name of the metric that a gate judges, with its slicing."""
    return f"{gate.metric}_by_{gate.by}" if gate.by else gate.metric


def possible_metrics(pipeline: Pipeline, cut: slicing.Slice) -> list[str]:
    """Return the names that may be metrics, those of the last steps first."""
    named = [*pipeline.metrics, *pipeline.logged]
    if named:
        made = [n for s in pipeline.steps for n in s.makes]
        return [*named, *(n for n in made if n.partition("_by_")[0] in named and n not in named)]
    known = {p.name for p in pipeline.parameters}
    late = [s for s in pipeline.steps if s.name in cut.after] or list(reversed(pipeline.steps))
    return [n for s in late for n in s.makes if n not in known and not n.startswith("_")]
