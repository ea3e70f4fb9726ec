"""Scores the arrays that an evaluation mark names, for a run and for the champion."""

from collections.abc import Callable, Mapping
from typing import Any

from mlops_nb.engine.data_check import written
from mlops_nb.engine.runner import Client
from mlops_nb.engine.task import Task
from mlops_nb.evaluation import by_slice, metrics
from mlops_nb.notebook.markers import functions_of, names_in

ROLES = ("truth", "pred", "score", "query")


def evaluation(task: Task, client: Client, bring: Callable[[tuple[str, ...]], None]) -> Any:
    """Return the evaluation of the arrays that the mark names; {} without a mark.

    bring: restores names of reused steps into the kernel

    Unusable arrays do not fail the run: the result is {"error": why}.
    """
    names = {role: task.evaluation[role] for role in ROLES if task.evaluation.get(role)}
    by = names_in(task.evaluation.get("by"))
    if "truth" not in names or not names.keys() & {"pred", "score"}:
        return {}
    bring((*names.values(), *by))
    request = {"names": names, "by": list(by)}
    with written(task, client, "inspect.predictions.write", **request) as reply:
        if "error" in reply:
            return {"error": reply["error"]}
        scored = _scored(task, reply, by)
    functions = functions_of(task.evaluation)
    if functions:
        bring(("*",))
        rows = list(names_in(task.evaluation.get("rows")))
        slices = {name: list(found) for name, found in scored["rows"].items()}
        asked = {"functions": functions, "names": names, "rows": rows, "slices": slices}
        _add_computed(scored, client.ask("answer.computed.measure", **asked), reply["rows"])
    return scored


def _add_computed(
    scored: dict[str, Any], computed: Mapping[str, Mapping[str, Any]], rows: int
) -> None:
    """Add the metrics that functions computed to those of an evaluation, or why they failed."""
    failed = []
    for name, found in computed.items():
        value = found.get("value")
        scored["whole"][name] = {"value": value, "low": None, "high": None, "n": rows}
        for slicing, values in found.get("by", {}).items():
            counts = scored["rows"][slicing]
            scored["by"][f"{name}_by_{slicing}"] = {
                one: {"value": part, "low": None, "high": None, "n": counts[one]}
                for one, part in values.items()
            }
        if value is None:
            failed.append(f"the metric {name!r} failed: {found['error']}")
    if failed:
        scored["error"] = "; ".join([*([scored["error"]] if "error" in scored else []), *failed])


def _scored(task: Task, reply: Mapping[str, Any], by: tuple[str, ...]) -> dict[str, Any]:
    from mlops_nb.data import profile

    found = profile.read(reply)
    arrays = {name: profile.plain(found, name) for name in found.arrays}
    least = int(task.evaluation.get("min-n") or metrics.LEAST)
    scored = by_slice.evaluation(
        {role: arrays[role] for role in ROLES if role in arrays},
        {name: arrays[f"by {name}"] for name in by},
        least,
        float(task.evaluation["quantile"]) if task.evaluation.get("quantile") else None,
    )
    if "ndcg" in scored["whole"]:
        scored["query"] = task.evaluation["query"]
    return scored
