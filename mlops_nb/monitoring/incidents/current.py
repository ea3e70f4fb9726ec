"""What is wrong with a live model now: its open alerts, and what a look would find."""

from mlops_nb.context import Context
from mlops_nb.monitoring import watch
from mlops_nb.monitoring.incidents import check
from mlops_nb.monitoring.live.faults import WatchAlert


def alerts(ctx: Context, job: str, model: str) -> list[WatchAlert]:
    """Return the open alerts of a job, and the harm of its model that has none yet."""
    found = [
        WatchAlert(kind=a["kind"], what=a["what"], since=a["since"], fix=a["fix"])
        for a in watch.open_alerts(ctx)["alerts"]
        if a["job"] == job
    ]
    kinds = {one.kind for one in found}
    for one in check.harm_now(ctx, model):
        if one["kind"] not in kinds:
            since = f"{one['since']}T00:00:00+00:00"
            found.append(
                WatchAlert(kind=one["kind"], what=one["what"], since=since, fix=one["fix"])
            )
    return found
