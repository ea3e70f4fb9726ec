"""How the evaluation of a version measured: its slices, its promises, its quantile and queries."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from mlops_nb.markup import visible
from mlops_nb.models import package
from mlops_nb.monitoring.live.reference import INPUT
from mlops_nb.monitoring.live.sliced import SliceColumn
from mlops_nb.serving.settings import PredictionSettings

FEATURE = "f_"
HOLDOUT = "holdout"  # of the log: whether the caller was asked to decide without the model


class PromisedScore(Struct, frozen=True, kw_only=True):
    """A metric at the evaluation, with its 95 % interval if it has one."""

    value: float
    low: float | None = None
    high: float | None = None


class EvaluatedSlices(Struct, frozen=True, kw_only=True):
    """The slices of an evaluation.

    whole:    metric → what was promised of all rows
    promised: (metric, slicing, slice) → what was promised of a slice
    columns:  the slicings that the log shows
    lacking:  in words, those that it does not show, and why
    quantile: which one predicted numbers are; None if it names none
    query:    the column of the log that says which query a row is of, "" if nothing is ranked
    """

    whole: Mapping[str, PromisedScore] = {}
    promised: Mapping[tuple[str, str, str], PromisedScore] = {}
    columns: tuple[SliceColumn, ...] = ()
    lacking: tuple[str, ...] = ()
    quantile: float | None = None
    query: str = ""


def read(folder: Path, settings: PredictionSettings) -> EvaluatedSlices:
    """Return the slices of the evaluation of a package; none if its evaluation has none.

    settings: of the prediction log, which may lack columns
    """
    try:
        about = json.loads((folder / package.ABOUT).read_bytes())
    except (OSError, ValueError):  # versions of before have no package
        return EvaluatedSlices()
    evaluation = about.get("evaluation") or {}
    columns, lacking = [], []
    for name, slices in (evaluation.get("rows") or {}).items():
        if not slices:
            lacking.append(f"{visible(name)} makes too many slices")
            continue
        log, why = _place(name, about, settings)
        if why:
            lacking.append(f"{visible(name)} {why}")
        else:
            columns.append(SliceColumn(name=name, log=log, slices=tuple(sorted(slices))))
    if settings.holdout:
        columns.append(SliceColumn(name=HOLDOUT, log=HOLDOUT, slices=("False", "True")))
    query = ""
    if "query" in evaluation:
        query, why = _place(evaluation["query"], about, settings)
        mend = "`predictions: {entity: …}` of job.yaml can name it"
        lacking += [f"the query, {visible(evaluation['query'])}, {why}; {mend}"] if why else []
    return EvaluatedSlices(
        whole=dict(_known(evaluation.get("whole") or {})),
        promised=_promised(evaluation.get("by") or {}, [one.name for one in columns]),
        columns=tuple(columns),
        lacking=tuple(lacking),
        quantile=evaluation.get("quantile"),
        query=query,
    )


def _place(name: str, about: Mapping[str, Any], settings: PredictionSettings) -> tuple[str, str]:
    """Return the column of the log that has the values of a slicing, or "" and why none has.

    Packages say which column of the rows had those values; of those of before, the names are equal.
    """
    signature = about["signature"]
    inputs = {column["name"] for column in signature["columns"]}
    features = set(signature.get("features") or ())
    column = (about.get("slices") or {}).get(name, name)
    entity = settings.entity
    if column in settings.drop:
        return "", f"is in {column!r}, which `predictions.drop` keeps from the log"
    if column in settings.hash or column == settings.subject:
        return "", f"is in {column!r}, which is written as a pseudonym"
    if column in inputs or column == entity:
        return f"{INPUT}{column}", ""
    if column in features:
        return f"{FEATURE}{column}", ""
    return "", "is neither an input of the model nor a feature, and the log does not have it"


def _known(scores: Mapping[str, Any]) -> Iterator[tuple[str, PromisedScore]]:
    for name, score in scores.items():
        if score.get("value") is not None:
            yield (
                name,
                PromisedScore(value=score["value"], low=score["low"], high=score["high"]),
            )


def _promised(
    by: Mapping[str, Mapping[str, Any]], slicings: list[str]
) -> dict[tuple[str, str, str], PromisedScore]:
    """Return what was promised of each slice. by: `METRIC_by_SLICING` → slice → score."""
    found: dict[tuple[str, str, str], PromisedScore] = {}
    for slicing in slicings:
        end = f"_by_{slicing}"
        for name, scores in by.items():
            if name.endswith(end):
                metric = name.removesuffix(end)
                found |= {(metric, slicing, one): score for one, score in _known(scores)}
    return found
