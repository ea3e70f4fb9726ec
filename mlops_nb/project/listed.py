"""The rows of lists, for a terminal and for a notebook alike."""

from collections.abc import Mapping
from typing import Any

JOBS = ("job", "status", "runs", "next", "last", "notebook")
MODELS = ("model", "version", "status", "metrics", "created (UTC)", "run")


def jobs(answer: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the rows of what `jobs --json` prints, under the head `JOBS`."""
    return [
        (
            job["job"],
            job["status"],
            ", ".join([*([job["schedule"]["cron"]] if job["schedule"] else []), *job["triggers"]])
            or "by hand",
            job["next"] or "–",
            (job["last"] or {}).get("status", "–"),
            _differs(job["differs_from_notebook"]),
        )
        for job in answer["jobs"]
    ]


def _differs(steps: list[str] | None) -> str:
    if steps is None:
        return "gone"
    return f"notebook differs from job: {', '.join(steps)}" if steps else "same"


def models(answer: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of what `models --json` prints, under the head `MODELS`, newest first."""
    return [
        (
            model["name"],
            version["version"],
            version["status"],
            numbers(version["metrics"]),
            version["created"][:19],
            version["run"],
        )
        for model in answer["models"]
        for version in reversed(model["versions"])
    ]


def numbers(metrics: Mapping[str, Any]) -> str:
    """Return metrics in one line; a number that JSON does not know comes as text.

    >>> numbers({"auc": 0.91234567, "loss": "NaN"})
    'auc 0.9123, loss NaN'
    """
    texts = {k: f"{v:.4g}" if isinstance(v, int | float) else str(v) for k, v in metrics.items()}
    return ", ".join(f"{name} {value}" for name, value in texts.items())
