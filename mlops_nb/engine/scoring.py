"""Scores the arrays that an evaluation mark names, for a run and for the champion."""

from collections.abc import Callable, Mapping
from typing import Any

from mlops_nb.engine.data_check import written
from mlops_nb.engine.runner import Client
from mlops_nb.engine.task import Task
from mlops_nb.evaluation import metrics
from mlops_nb.notebook.markers import names_in

ROLES = ("truth", "pred", "score")


def evaluation(task: Task, client: Client, bring: Callable[[tuple[str, ...]], None]) -> Any:
    """Return the evaluation of the arrays that the mark names; {} without a mark.

    bring: restores names of reused steps into the kernel

    Unusable arrays do not fail the run: the result is {"error": why}.
    """
    names = {role: task.evaluation[role] for role in ROLES if task.evaluation.get(role)}
    by = names_in(task.evaluation.get("by"))
    if "truth" not in names or len(names) == 1:
        return {}
    bring((*names.values(), *by))
    request = {"names": names, "by": list(by)}
    with written(task, client, "inspect.predictions.write", **request) as reply:
        return {"error": reply["error"]} if "error" in reply else _scored(task, reply, by)


def _scored(task: Task, reply: Mapping[str, Any], by: tuple[str, ...]) -> dict[str, Any]:
    from mlops_nb.data import profile

    found = profile.read(reply)
    arrays = {name: profile.plain(found, name) for name in found.arrays}
    least = int(task.evaluation.get("min-n") or metrics.LEAST)
    return metrics.evaluation(
        {role: arrays[role] for role in ROLES if role in arrays},
        {name: arrays[f"by {name}"] for name in by},
        least,
    )
