"""Makes the task that runs a bundle, stores its model, and scores the champion."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from mlops_nb.engine.task import Answering, ModelInputs, Rescore, Task
from mlops_nb.jobs.model import Job
from mlops_nb.notebook import slicing
from mlops_nb.notebook.cells import source_of
from mlops_nb.notebook.markers import functions_of, names_in
from mlops_nb.notebook.model import HowServed, Pipeline
from mlops_nb.notebook.model_inputs import given_to, model_inputs


def bundle_task(
    job: Job,
    pipeline: Pipeline,
    document: Mapping[str, Any],
    base: Task,
    *,
    champion: tuple[int, Path] | None,
    model_file: Path,
) -> Task:
    """Return the task that runs a bundle, stores its model, and scores the champion as well."""
    variable = job.model_variable
    cut = slicing.cut(pipeline, variable=variable, wanted=pipeline.metrics)
    rescore = None
    if variable and champion is not None and cut.after:
        members = [i for s in pipeline.steps if s.name in cut.after for i in s.cells]
        rescore = Rescore(
            variable=variable,
            hold=slicing.held_names(pipeline, cut, variable),
            after=cut.model_step,
            cells=tuple(sorted(members)),
            models={champion[0]: str(champion[1])},
        )
    return replace(
        base,
        answering=_answering(pipeline, document, variable, model_file.with_name("package.pickle")),
        document=document,
        steps={s.name: s.cells for s in pipeline.steps},
        keep={variable: (cut.model_step, model_file)} if variable else {},
        inputs=_inputs(pipeline, document, cut, variable),
        rescore=rescore,
        evaluation=evaluation_of(pipeline, document, variable),
    )


def _answering(
    pipeline: Pipeline, document: Mapping[str, Any], variable: str | None, path: Path
) -> Answering | None:
    if not variable:
        return None
    served = pipeline.served.get(variable, HowServed())
    evaluation = evaluation_of(pipeline, document, variable)
    return Answering(
        model=variable,
        path=path,
        features=served.features,
        decide=served.decide,
        lookups=served.lookups,
        rows=tuple(_rows(pipeline, document, variable)),
        pred=evaluation.get("pred", ""),
        score=evaluation.get("score", ""),
        by=(*names_in(evaluation.get("by")), *names_in(evaluation.get("query"))),
        functions=functions_of(evaluation),
    )


def evaluation_of(
    pipeline: Pipeline, document: Mapping[str, Any], variable: str | None
) -> Mapping[str, str]:
    """Return the evaluation mark of a model with the names that may hold its rows, {} without."""
    found = slicing.evaluation_of(pipeline, variable)
    if not found or not variable:
        return found
    return {**found, "rows": ",".join(_rows(pipeline, document, variable))}


def _rows(pipeline: Pipeline, document: Mapping[str, Any], variable: str) -> Sequence[str]:
    """Return the names that may hold rows of the evaluation, the likeliest first."""
    served = pipeline.served.get(variable, HowServed())
    cells = [source_of(c) for c in document["cells"] if c["cell_type"] == "code"]
    if served.features:
        return given_to(cells, served.features)
    return model_inputs(cells, variable)[::-1]


def _inputs(
    pipeline: Pipeline, document: Mapping[str, Any], cut: slicing.Slice, variable: str | None
) -> ModelInputs:
    """Return the names that may hold the input of the model when its step has ended."""
    if not variable or not cut.model_step:
        return ModelInputs()
    step = pipeline.step(cut.model_step)
    cells = [source_of(c) for c in document["cells"] if c["cell_type"] == "code"]
    given = model_inputs(cells, variable)
    others = (*step.uses, *step.makes)
    return ModelInputs(
        given=tuple(given), read=tuple(n for n in others if n not in given and n != variable)
    )
