"""Checks the health of jobs and models, records alerts, and sends them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from msgspec import Struct

from mlops_nb.context import Context
from mlops_nb.errors import NotFound, Refused
from mlops_nb.events import AlertAcked, Event, Judged
from mlops_nb.jobs import registry as job_states
from mlops_nb.jobs.execute import readable
from mlops_nb.jobs.model import Job
from mlops_nb.jobs.registry import read_jobs
from mlops_nb.monitoring import alerts, conditions, health
from mlops_nb.monitoring.alerts import Alert
from mlops_nb.monitoring.condition import Condition
from mlops_nb.monitoring.conditions import Last
from mlops_nb.monitoring.health import HealthState
from mlops_nb.monitoring.model_conditions import HARM, MOVEMENT
from mlops_nb.monitoring.notify import Delivery, Teller, channels
from mlops_nb.runs.board import SCORINGS, read_board
from mlops_nb.storage.ports import note_of

PLACE = "alerts"
LEARNING = (HARM, MOVEMENT)  # kinds of alerts with a threshold, which persons can teach
MISTAKEN = timedelta(days=7)  # more than enough for the next look, which ends the alert
LOG = "alerts.log"
REST = (*health.OF_THE_REST, *alerts.KINDS)
KINDS = (*health.OF_RUNS, *REST, *SCORINGS)


@dataclass(slots=True, kw_only=True)
class Watch:
    """The folded state of one project, so that a look reads only new events."""

    teller: Teller
    facts: HealthState = field(default_factory=HealthState)
    known: dict[str, Alert] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    last: int | None = None
    noted: str = ""
    judged: bool = False  # the alerts for the events read last are recorded

    def catch_up(self, ctx: Context, now: datetime) -> None:
        """Read the new events, and note where the next process must start to read."""
        last, fresh = (self.last, []) if self.last is not None else self._kept(ctx)
        fresh += ctx.journal.read(after=last, kinds=KINDS)
        self.last = last
        if not fresh:
            return
        self.last, self.judged = max(last, fresh[-1].id), False
        self.facts.take(fresh)
        for event in fresh:
            alerts.take(self.known, event)
        if any(isinstance(event, job_states.KINDS) for event in fresh):
            self.jobs = readable(self.facts.jobs)
        if any(j.score for j in self.jobs.values()) or self._scoring_failed:
            board = read_board(ctx)
            self.facts.unscored, self.facts.failing = board.unscored, board.failing
        note = json.dumps({"id": self.last, "jobs": self.facts.forget(self.jobs, now)})
        if note != self.noted:
            ctx.journal.place(PLACE, note)
            self.noted = note

    @property
    def _scoring_failed(self) -> bool:
        """Whether an alert about files that could not be scored is open."""
        return any(a.is_open and a.kind == conditions.SCORING for a in self.known.values())

    def _kept(self, ctx: Context) -> tuple[int, list[Event]]:
        """Return the last event that was read, and the earlier ones that still count."""
        self.noted = ctx.journal.place(PLACE)
        note = note_of(self.noted, _Note) or _first_note(ctx)
        last = note.id
        sources = [ctx.journal.read(kinds=REST)] if last else []
        for job, after in note.jobs.items():
            sources.append(ctx.journal.read(job=job, after=after, kinds=health.OF_RUNS))
        found = [e for events in sources for e in takewhile(lambda e: e.id <= last, events)]
        return last, sorted(found, key=lambda event: event.id)

    def due(self, now: datetime) -> Iterator[Delivery]:
        """Yield each message that is due, with the channel that it is due to."""
        by_job = {name: channels(job.notify) for name, job in self.jobs.items()}
        for alert in self.known.values():
            if not alerts.message(alert, now):
                continue
            for channel in (self.teller.channel, *by_job.get(alert.job, ())):
                sent = alerts.due(alert, channel.name, now)
                if sent is not None:
                    yield Delivery(alert=alert, channel=channel, sent=sent)


class _Note(Struct):
    """The last event that was read, and for each job the first one that still counts."""

    id: int = 0
    jobs: dict[str, int] = {}


def _first_note(ctx: Context) -> "_Note":
    """Return where the first look of all starts to read: at each job's last good run.

    In an old project, problems before that are no news.
    """
    judged = list(ctx.journal.read(kinds=[Judged]))
    if not judged:
        return _Note()
    passed = {e.job: e.run for e in judged if isinstance(e, Judged) and e.passed}
    began = {job: next(iter(ctx.journal.read(run=run))).id - 1 for job, run in passed.items()}
    return _Note(id=judged[-1].id, jobs={**dict.fromkeys(read_jobs(ctx), 0), **began})


def watch(ctx: Context) -> Watch:
    """Return the folded state of a project, which lives as long as its context."""
    found = vars(ctx).get(PLACE)
    if not isinstance(found, Watch):
        teller = Teller(
            journal=ctx.journal,
            clock=ctx.now,
            log=ctx.settings.folder / LOG,
            folder=ctx.root,
            environment=ctx.environment,
        )
        found = vars(ctx)[PLACE] = Watch(teller=teller)
    return found


def look(
    ctx: Context,
    now: datetime,
    *,
    missed: Iterable[tuple[str, datetime]] = (),
    data: Mapping[str, Last] | None = None,
    wait: bool = False,
) -> list[Event]:
    """Raise and end alerts for the current conditions, and start to send them; return new events.

    missed: missed ticks, each with its job
    data:   job → time of the last arrival, and the usual time between; None: unknown
    wait:   until all messages are delivered or have failed

    Without new events it takes one query. Slow channels delay nothing else.
    """
    if not ctx.knows_anything:
        return []
    seen = watch(ctx)
    ticks = list(missed)
    recorded: list[Event] = []
    found: list[Condition] = []
    seen.catch_up(ctx, now)
    if not seen.judged or ticks or data is not None:
        found = conditions.conditions(seen.facts, seen.jobs, now, missed=ticks, data=data)
    for event in list(alerts.changes(found, seen.known)):
        written = ctx.journal.append(event, once=alerts.once(event, seen.known))
        if written is not None:  # else another process was faster
            recorded.append(written)
    seen.judged = True
    if recorded:
        seen.catch_up(ctx, now)
    seen.teller.start(seen.due(now))
    if wait:
        seen.teller.wait()
    return recorded


def ack(ctx: Context, alert: str, seconds: float | None, by: str = "") -> dict[str, Any]:
    """Acknowledge an alert: repeat it only after a time; return it as listed.

    seconds: None: it was mistaken, and what it is about counts as usual from now on

    Raises NotFound if no alert of that name is open, Refused if one cannot be mistaken.
    """
    known = {a.name: a for a in _known(ctx).values() if a.is_open}
    if alert not in known:
        hint = f"the open ones are {', '.join(known)}" if known else "mlops-nb ack: none is open"
        raise NotFound(f"there is no open alert {alert!r}", fix=hint)
    found = known[alert]
    if seconds is None and found.kind not in LEARNING:
        raise Refused(
            f"an alert of kind {found.kind!r} cannot be mistaken: it says what happened",
            fix=f"silence it while you work on it: mlops-nb ack {alert} --for 8h",
        )
    pause = MISTAKEN if seconds is None else timedelta(seconds=seconds)
    acked = AlertAcked(
        run=found.run,
        job=found.job,
        alert=alert,
        until=(ctx.now() + pause).isoformat(timespec="seconds"),
        by=by,
        mistaken=seconds is None,
    )
    ctx.record([acked])
    return {"version": 1, "alerts": [alerts.row(_known(ctx)[alert])]}


def open_alerts(ctx: Context) -> dict[str, Any]:
    """Return what `ack --json` prints without an alert's name."""
    rows = [alerts.row(a) for a in _known(ctx).values() if a.is_open]
    return {"version": 1, "alerts": rows}


def _known(ctx: Context) -> dict[str, Alert]:
    if not ctx.knows_anything:
        return {}
    return alerts.alerts(ctx.journal.read(kinds=alerts.KINDS))
