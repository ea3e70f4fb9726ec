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
        done = [r for r in view.runs.values() if r.job == name and r.exit_status == 0]
        if not done:
            return None
        latest = max(done, key=lambda r: (r.finished, r.id))
        followed = [r.signal.get("run") for r in view.runs.values() if r.job == view.job.name]
        if latest.id in followed or datetime.fromisoformat(latest.finished) < view.since:
            return None
        return Signal(because=f"job {name} finished run {latest.id}", seen={"run": latest.id})


SENSOR = JobTrigger()
