"""Parses triggers from the command line, and describes them in words."""

import re
from collections.abc import Mapping
from typing import Any

from mlops_nb.errors import JobError

FORMS = "data:GLOB, drift:SHARE, metric:NAME:FALL or job:NAME"


def read(text: str) -> dict[str, Any]:
    """Return a trigger in the form of job.yaml.

    Raises JobError for an invalid text.

    >>> read("metric:auc:0.05")
    {'metric': 'auc', 'fall': 0.05}
    """
    kind, _, rest = text.partition(":")
    try:
        if kind in {"data", "job"} and rest.strip():
            return {kind: rest.strip()}
        if kind == "drift" and 0 < float(rest) <= 1:
            return {"drift": float(rest)}
        name, _, fall = rest.rpartition(":")
        if kind == "metric" and re.fullmatch(r"[A-Za-z_]\w*", name) and float(fall) > 0:
            return {"metric": name, "fall": float(fall)}
    except ValueError:
        pass  # no number: refused below
    raise JobError(
        f"the trigger {text!r} cannot be read",
        fix=f"write it as {FORMS}, such as --on 'data:data/*.parquet' or --on metric:auc:0.05",
    )


def describe(trigger: Mapping[str, Any]) -> str:
    """Return a trigger in words.

    >>> describe({"drift": 0.2})
    'if 20 % of the columns drift'
    """
    if "data" in trigger:
        return f"new data in {trigger['data']}"
    if "job" in trigger:
        return f"after job {trigger['job']}"
    if "drift" in trigger:
        return f"if {100 * float(trigger['drift']):g} % of the columns drift"
    return f"if {trigger['metric']} falls by {trigger['fall']:g}"
