"""The scheduler: queues due runs, starts a process for each, and monitors the processes."""

import math
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from msgspec.structs import replace

from mlops_nb import git
from mlops_nb.context import Context, Notify, ignore, real_time
from mlops_nb.errors import MlopsError, Unreachable
from mlops_nb.events import Event, RunLost, RunQueued
from mlops_nb.governance import housekeeping
from mlops_nb.integrations.follow import follow
from mlops_nb.jobs import agenda, clock, poll, predictions, registry, score_files, trigger, worker
from mlops_nb.jobs import execute as wired
from mlops_nb.jobs.model import Job
from mlops_nb.jobs.registry import JobState, read_jobs
from mlops_nb.jobs.views import SEEN
from mlops_nb.monitoring import watch
from mlops_nb.monitoring.incidents.due import WatchClock
from mlops_nb.runs import history, process, reap, resources
from mlops_nb.runs.board import Board, read_board
from mlops_nb.runs.history import Run, read_run

LEAD = "scheduler"
LOOK_EVERY = 1.0  # s: how soon a due run, a new job or a killed process is noticed
ARRIVALS_EVERY = 60.0  # s between two checks for missing data
MIRROR_EVERY = 900.0  # s between two syncs with MLflow
TIDY_EVERY = 3600.0  # s between two removals of what is not needed any more
PRUNED = "scheduler.pruned"  # when old runs were looked for last
SILENT_AFTER = 120.0  # s without a heartbeat, after which a run is lost
REST = 60.0  # s before files are scored again by a process that failed
STARTS = 3  # tries to start the process of a run

Note = Callable[[str], None]


@dataclass(slots=True)
class Started:
    """A process that was started for a run."""

    popen: "subprocess.Popen[bytes]"
    times: int = 1


@dataclass(slots=True, kw_only=True)
class Leader:
    """The leading scheduler; all its state but its child processes is in the journal."""

    ctx: Context
    notify: Notify = ignore
    note: Note = lambda _: None
    slots: int = 0
    board: Board = field(default_factory=Board)
    last: int = 0
    touched: dict[str, None] = field(default_factory=dict)  # the runs with new events
    children: dict[str, Started] = field(default_factory=dict)
    beats: dict[str, tuple[str, float]] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    states: dict[str, JobState] = field(default_factory=dict)
    evaluations: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    scorings: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    lookers: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)  # by job
    watch_clock: WatchClock = field(default_factory=WatchClock)
    resting: dict[str, float] = field(default_factory=dict)  # job → until when, by this process
    complaints: set[str] = field(default_factory=set)
    asked: float = 0.0
    mirrored: float = field(default_factory=time.monotonic)
    tidied: float = -math.inf

    def __post_init__(self) -> None:
        self.slots = self.slots or resources.cores()

    def look(self) -> None:
        """Do everything that is due now."""
        ctx = self.ctx
        self.take_in()
        self._tidy()  # before the first write, which may need the space
        ctx.journal.place(SEEN, real_time().isoformat())
        if reap.reap(ctx, self.board.open, self._silent()):
            self.take_in()
        self._queue_due()  # before the next try of a dead run, which a tick does not overlap with
        self._queue_tries()
        self._evaluate()
        self._watch()
        self._queue_signals()
        self.take_in()
        self._start()
        self._score()
        watch.look(ctx, ctx.now(), data=self._arrivals())
        if time.monotonic() - self.mirrored > MIRROR_EVERY:
            self.mirrored = time.monotonic()
            follow(ctx)
        if (ahead := clock.ahead(self.board.last, ctx.now())) is not None:
            ctx.warnings.append(ahead)
        self._complain()

    def _tidy(self) -> None:
        """Free space now and then, and after each look that failed."""
        if time.monotonic() - self.tidied < TIDY_EVERY:
            return
        self.tidied = time.monotonic()
        now = real_time()
        try:
            housekeeping.tidy(self.ctx)
            if _is_long_ago(self.ctx.journal.place(PRUNED), now):
                known = history.KnownRuns(self.ctx.journal)
                housekeeping.prune(self.ctx, known, logs=predictions.kept(self.ctx))
                self.ctx.journal.place(PRUNED, now.isoformat())
        except MlopsError as error:
            self.ctx.warnings.append(error)

    def _complain(self) -> None:
        """Report each warning once, as long as it lasts."""
        warnings = [str(error) for error in self.ctx.warnings]
        self.ctx.warnings.clear()
        for text in dict.fromkeys(warnings):
            if text not in self.complaints:
                self.note(text.replace("error:", "warning:", 1))
        self.complaints = self.complaints | set(warnings) if warnings else set()

    def take_in(self) -> None:
        """Read the new events of the journal."""
        self.board = read_board(self.ctx)
        if not self.last:
            self.last = self.board.place
            self._read_jobs()
            waiting = (run.id for run in self.board.open if not history.at_work(run))
            self.board.left.update(waiting)
        changed = False
        kinds = (*history.COURSE, *history.STEPS, *registry.KINDS)
        for event in self.ctx.journal.read(after=self.last, kinds=kinds):
            self.last = event.id
            self.touched[event.run] = None
            changed = changed or isinstance(event, registry.KINDS)
            self._say(event)
        if changed:
            self._read_jobs()

    def _read_jobs(self) -> None:
        self.states = read_jobs(self.ctx)
        self.jobs = wired.readable(self.states, self.note)

    def _say(self, event: Event) -> None:
        if event.run in self.children:
            self.notify(event)

    # what is due

    def _queue_due(self) -> None:
        now = self.ctx.now()
        for name, job in self.jobs.items():
            if self.states[name].status != "active" or job.schedule is None:
                continue
            state = self.states[name]
            applied = datetime.fromisoformat(state.applied)
            rested = datetime.fromisoformat(state.unpaused) if state.unpaused else None
            for event in agenda.due(job, applied, self.board, now, rested=rested):
                tick = datetime.fromisoformat(event.scheduled_at)
                self._queue(event, agenda.tick_key(name, tick))

    def _queue(self, event: Event, once: str) -> None:
        named = replace(event, run=self.ctx.new_run())
        if isinstance(named, RunQueued):
            named = replace(named, commit=git.of(self.ctx.root))
        written = self.ctx.journal.append(named, once=once)
        if written is None:
            return
        self.take_in()
        run = read_run(self.ctx.journal, written.run)
        self.note(
            f"{run.job}: {'due' if run.status == 'queued' else 'skipped'} at "
            f"{run.scheduled_at}, {run.because}"
        )

    def _queue_tries(self) -> None:
        for run in [self.board.runs[name] for name in self.board.failed]:
            job = self.jobs.get(run.job)
            if not (run.lost or run.exit_status is not None):
                continue
            if job is None or self._is_of_older_definition(run):
                self.board.give_up(run.id)
            elif trigger.queue_next(self.ctx, job, run):
                self.note(f"{run.job}: run {run.id} {run.error or run.status}; tried again")
            else:
                self.board.give_up(run.id)

    def _is_of_older_definition(self, run: Run) -> bool:
        finished, applied = map(
            datetime.fromisoformat, (run.finished, self.states[run.job].applied)
        )
        return finished < applied and not clock.is_ahead(applied, self.ctx.now())

    def _queue_signals(self) -> None:
        for event, once in poll.signals(self.ctx, self.jobs, self.states, self.board):
            self._queue(event, once)

    def _evaluate(self) -> None:
        """Start evaluations of champions on current data, for the triggers that need them."""
        for name in [n for n, p in self.evaluations.items() if p.poll() is not None]:
            del self.evaluations[name]
        for name in poll.to_evaluate(self.ctx, self.jobs, self.states, self.board):
            if name not in self.evaluations:
                self.note(f"{name}: its champion is evaluated on current data")
                self.evaluations[name] = worker.launch_evaluation(self.ctx, name)

    def _watch(self) -> None:
        """Start looks at live models, and take in what those that ended have found."""
        ended = [name for name, looker in self.lookers.items() if looker.poll() is not None]
        for name in ended:
            del self.lookers[name]
        if ended:
            self.take_in()
        state = watch.watch(self.ctx)
        state.catch_up(self.ctx, self.ctx.now())
        due = self.watch_clock.due(self.ctx, self.jobs, state.facts.models)
        for name in islice(due, max(0, self.slots - len(self.lookers))):
            if name not in self.lookers and self.states[name].status == "active":
                self.lookers[name] = worker.launch_watching(self.ctx, name)

    def _score(self) -> None:
        """Start a process for each job that has files to score, one at a time for each."""
        for name in [n for n, p in self.scorings.items() if p.poll() is not None]:
            if self.scorings.pop(name).returncode:
                self.resting[name] = time.monotonic() + REST
        for name, job in self.jobs.items():
            if job.score is None or self.states[name].status != "active":
                continue
            if name in self.scorings or time.monotonic() < self.resting.get(name, 0.0):
                continue
            try:
                if score_files.is_due(self.ctx, job, self.board):
                    self.note(f"{name}: new files are scored")
                    self.scorings[name] = worker.launch_scoring(self.ctx, name)
            except MlopsError as error:  # the other jobs are still looked after
                self.ctx.warnings.append(error)
            except OSError as error:
                what = f"the files to score of job {name!r} cannot be read: {error}"
                self.ctx.warnings.append(Unreachable(what, fix="check their folder"))

    # processes

    def _start(self) -> None:
        self._reap()
        free = self.slots - sum(map(history.at_work, self.board.open)) - len(self.starting)
        for run in agenda.ready(self.board, self.ctx.now()):
            if free <= 0 or run.id in self.children:
                continue
            self.children[run.id] = Started(worker.launch(self.ctx, run.id))
            free -= 1

    def _arrivals(self) -> dict[str, tuple[datetime, timedelta]] | None:
        """Return job → when its data arrived last, once a minute; None in between."""
        if self.asked and time.monotonic() - self.asked < ARRIVALS_EVERY:
            return None
        self.asked = time.monotonic()
        found = {name: agenda.arrivals(job, self.board) for name, job in self.jobs.items()}
        return {name: came for name, came in found.items() if came is not None}

    @property
    def starting(self) -> list[str]:
        """Runs whose process was started and has not claimed them yet."""
        queued = {run.id for run in self.board.open if run.status == "queued"}
        return [run for run in self.children if run in queued]

    def _reap(self) -> None:
        """Reap child processes; start those again that ended before they claimed their run."""
        for run_id in list(self.children):
            child = self.children[run_id]
            if child.popen.poll() is None:
                continue
            run = read_run(self.ctx.journal, run_id)
            busy = any(history.at_work(r) for r in self.board.open if r.job == run.job)
            if run.status != "queued" or busy:
                del self.children[run_id]
            elif child.times < STARTS:
                again = worker.launch(self.ctx, run_id)
                self.children[run_id] = Started(again, child.times + 1)
            else:
                del self.children[run_id]
                log = self.ctx.run_folder(run_id) / worker.LOG
                error = f"its process ended before it began, {STARTS} times: see {log}"
                self.ctx.journal.append(
                    RunLost(run=run_id, job=run.job, error=error), once=f"lost:{run_id}"
                )

    def _silent(self) -> dict[str, str]:
        """Return the claimed runs without a recent heartbeat, each with the error to record.

        Time is measured in this process, so that a machine that slept loses no run.
        """
        found: dict[str, str] = {}
        for run in self.board.open:
            if not history.at_work(run):
                continue
            beat = self.ctx.journal.place(worker.beat_of(run.job))
            known, since = self.beats.get(run.job, ("", 0.0))
            if beat != known or not since:
                self.beats[run.job] = (beat, time.monotonic())
                if since or process.is_here(run.process):
                    self.board.unheard.discard(run.id)
                else:
                    self.board.unheard.add(run.id)
            elif time.monotonic() - since > SILENT_AFTER:
                process.end(run.process, process.KILL)
                found[run.id] = f"its process (pid {run.process[0]}) sends no heartbeat"
        return found

    # until

    @property
    def busy(self) -> bool:
        """Whether a run is open that continues without a person."""
        return any(run.trigger != "promote" for run in self.board.open)


def _is_long_ago(place: str, now: datetime) -> bool:
    """Return whether old runs were not looked for lately, by any scheduler."""
    try:
        passed = now - datetime.fromisoformat(place)
    except ValueError:  # never, or the note is damaged
        return True
    return not timedelta() <= passed < timedelta(seconds=TIDY_EVERY)


def once(ctx: Context, notify: Notify = ignore, note: Note = lambda _: None) -> list[Run]:
    """Run what is due now, wait until it has ended, retries included, and return those runs.

    A job that cannot start is reported with its fix; the others run.
    """
    with ctx.journal.holding(LEAD, wait=False) as leads:
        if not leads:
            note("scheduler: another scheduler leads, and runs what is due")
            return []
        leader = Leader(ctx=ctx, notify=notify, note=note)
        leader.take_in()
        before = {run.id: run.last_event for run in leader.board.open}
        leader.touched = dict.fromkeys(before)
        until = time.monotonic() + poll.SETTLE
        while True:
            leader.look()
            settling = poll.settling(ctx) or score_files.settling(ctx)
            working = leader.children or leader.evaluations or leader.scorings or leader.lookers
            if not (leader.busy or working or (settling and time.monotonic() < until)):
                break
            time.sleep(trigger.LOOK_EVERY)
        watch.look(ctx, ctx.now(), wait=True)
        ctx.journal.place(SEEN, real_time().isoformat())
    runs = [read_run(ctx.journal, name) for name in leader.touched if name]
    ended = (run for run in runs if run.job and run.status != "skipped")
    return [run for run in ended if before.get(run.id) != run.last_event]


def serve(ctx: Context, notify: Notify, note: Note, slots: int = 0) -> None:
    """Run what is due until stopped; wait while another scheduler leads."""
    with ctx.journal.holding(LEAD, wait=False) as leads:
        if leads:
            _lead(Leader(ctx=ctx, notify=notify, note=note, slots=slots))
    note("scheduler: another scheduler leads; standing by")
    with ctx.journal.holding(LEAD):
        _lead(Leader(ctx=ctx, notify=notify, note=note, slots=slots))


def _lead(leader: Leader) -> None:
    leader.note("scheduler: leading; stop with Ctrl-C")
    while True:
        try:
            leader.look()
        except (MlopsError, OSError) as error:  # a full disk or no database: try again
            leader.note(f"scheduler: {error}")
            leader.tidied = -math.inf
        time.sleep(LOOK_EVERY)
