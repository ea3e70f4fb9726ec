"""The job trigger: fires after finished runs of another job."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mlops_nb.jobs.triggers.base import Signal, View


class JobTrigger:
    """`{job: weather}`: fires after each run of that job that finishes."""

    cooldown = 0.0

    def signal(self, spec: Mapping[str, Any], view: View) -> Signal | None:
        """Fire once for the latest finished run of the other job."""
        name = spec["job"]
        latest = view.done.get(name)
        if latest is None or view.followed.get(name) == latest.id:
            return None
        if datetime.fromisoformat(latest.finished) < view.since:
            return None
        return Signal(because=f"job {name} finished run {latest.id}", seen={"run": latest.id})


SENSOR = JobTrigger()
