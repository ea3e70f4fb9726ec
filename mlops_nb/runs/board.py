"""The runs that still matter, folded event by event, so that no look takes longer with the years.

Ended runs are forgotten but for the last ones of each job.
"""

from bisect import insort
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mlops_nb.context import Context
from mlops_nb.events import (
    DataSeen,
    Evaluated,
    Event,
    FileScored,
    ModelWatched,
    RunQueued,
    RunSkipped,
    RunStarted,
    ScoringDropped,
    ScoringFailed,
)
from mlops_nb.runs import history
from mlops_nb.runs.history import Run, at_work, is_open, takes_turns
from mlops_nb.storage.snapshots import Folded

VERSION = 3  # of the snapshot: change it when the same events make another board
SCORINGS = (FileScored, ScoringFailed, ScoringDropped)
SIGNALS = (
    DataSeen,
    Evaluated,
    ModelWatched,
    *SCORINGS,
)  # events that a board folds besides those of runs
KINDS = (*history.COURSE, *SIGNALS)
RECENT = 1000  # times that are remembered of each job: the latest ones
FAILURES = 100  # failed runs that may be tried again: the latest ones
NAME = "board"


@dataclass(slots=True, kw_only=True)
class Fired:
    """How often a trigger of a job has queued a run, and when lately, ascending."""

    count: int = 0
    times: list[datetime] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Board:
    """The state of all jobs' runs.

    runs:   those that are open, may be tried again, or are among the next two
    latest: job → its run that began last
    done:   job → its run that ended well last
    failed: runs that failed and were not tried again yet
    taken:  job → the ticks that are handled, ascending
    known:  job → the files that its data triggers have handled: path → sha256
    fired:  job → kind of trigger → when it queued a run
    followed: job → another job → the run of that which the last run after it followed
    evaluated: job → evaluations of its champion since the last run was queued
    watched: job → what the last look at its live model found since the last run was queued
    looked: job → when its champion was evaluated, ascending
    scored: job → the files that were scored: path → sha256 of the content that was last
    contents: job → the sha256 of everything that was scored
    unscored: job → the files that could not be scored: path → the last failure
    failing: job → the id of the first failure since all of its files could be scored
    left:   those that an earlier scheduler had queued: perhaps no process works on them
    unheard: those of other machines that have sent no heartbeat to this scheduler yet
    last:   the latest time of an event
    place:  the id of the last event
    """

    runs: dict[str, Run] = field(default_factory=dict)
    latest: dict[str, str] = field(default_factory=dict)
    done: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    taken: dict[str, list[datetime]] = field(default_factory=dict)
    known: dict[str, dict[str, str]] = field(default_factory=dict)
    fired: dict[str, dict[str, Fired]] = field(default_factory=dict)
    followed: dict[str, dict[str, str]] = field(default_factory=dict)
    evaluated: dict[str, list[Evaluated]] = field(default_factory=dict)
    watched: dict[str, ModelWatched] = field(default_factory=dict)
    looked: dict[str, list[datetime]] = field(default_factory=dict)
    scored: dict[str, dict[str, str]] = field(default_factory=dict)
    contents: dict[str, set[str]] = field(default_factory=dict)
    unscored: dict[str, dict[str, ScoringFailed]] = field(default_factory=dict)
    failing: dict[str, int] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    unheard: set[str] = field(default_factory=set)
    last: datetime | None = None
    place: int = 0

    @property
    def open(self) -> list[Run]:
        """The runs that are queued, running, or not done with their verdict, oldest first."""
        return [run for run in self.runs.values() if is_open(run)]

    def busy(self, job: str) -> Run | None:
        """Return the run of a job that its other runs wait for, None if there is none."""
        return next((r for r in self.open if r.job == job and takes_turns(r)), None)

    def overlapping(self, job: str) -> Run | None:
        """Return the run of a job that a tick overlaps with, None if there is none.

        A run that a killed scheduler had queued does not count, as no process works on it.
        """
        runs = (r for r in self.open if r.job == job and takes_turns(r))
        return next((r for r in runs if at_work(r) or r.id not in self.left), None)

    def take(self, event: Event) -> None:
        """Fold one more event."""
        self.place = event.id
        if event.at:
            at = datetime.fromisoformat(event.at)
            self.last = at if self.last is None else max(at, self.last)
        queued = isinstance(event, RunQueued | RunSkipped)
        begins = queued or (isinstance(event, RunStarted) and not event.job)
        if event.run and (begins or event.run in self.runs):
            self._take_run(event)
        if isinstance(event, DataSeen):
            self.known.setdefault(event.job, {}).update(event.files)
        elif isinstance(event, Evaluated):
            self.evaluated.setdefault(event.job, []).append(event)
            _remember(self.looked.setdefault(event.job, []), event.at)
        elif isinstance(event, ModelWatched):
            self.watched[event.job] = event
        elif isinstance(event, SCORINGS):
            self._take_scoring(event)
        elif isinstance(event, RunQueued):
            self._take_signal(event)

    def _take_scoring(self, event: FileScored | ScoringFailed | ScoringDropped) -> None:
        failed = self.unscored.setdefault(event.job, {})
        if isinstance(event, ScoringFailed):
            failed[event.file] = event
            self.failing.setdefault(event.job, event.id)
        else:
            failed.pop(event.file, None)
        if isinstance(event, FileScored):
            self.scored.setdefault(event.job, {})[event.file] = event.digest
            self.contents.setdefault(event.job, set()).add(event.digest)
        if not failed:
            self.failing.pop(event.job, None)

    def _take_run(self, event: Event) -> None:
        history.take(self.runs, event)
        run = self.runs[event.run]
        before = [run.id]
        if isinstance(event, RunQueued | RunSkipped) and run.job:
            before += [self.latest.get(run.job, ""), *self._tried_again(run)]
            self.latest[run.job] = run.id
            if run.trigger == "schedule":
                _remember(self.taken.setdefault(run.job, []), run.scheduled_at)
        if run.job and run.exit_status == 0 and not is_open(run):
            before.append(self._finish(run))
        if run.status == "failed" and run.job and not is_open(run) and run.id not in self.failed:
            self.failed.append(run.id)
            before += self.failed[:-FAILURES]
            del self.failed[:-FAILURES]
        for name in before:
            self._forget(name)

    def _finish(self, run: Run) -> str:
        """Note a run that ended well; return the one that was noted before."""
        before = self.runs.get(self.done.get(run.job, ""))
        if before is not None and (before.finished, before.id) > (run.finished, run.id):
            return ""
        self.done[run.job] = run.id
        return before.id if before is not None else ""

    def _tried_again(self, run: Run) -> list[str]:
        """Take a run's earlier tries off the failed ones; return them."""
        earlier = [
            name
            for name in self.failed
            if self.runs[name].first == run.first and self.runs[name].attempt < run.attempt
        ]
        self.failed = [name for name in self.failed if name not in earlier]
        return earlier

    def give_up(self, run: str) -> None:
        """Note that a failed run is not tried again."""
        self.failed.remove(run)
        self._forget(run)

    def _forget(self, name: str) -> None:
        """Forget a run that does not matter any more."""
        run = self.runs.get(name)
        if run is None or is_open(run) or name in self.failed:
            return
        self.left.discard(name)
        self.unheard.discard(name)
        if name not in {self.latest.get(run.job), self.done.get(run.job)}:
            del self.runs[name]

    def _take_signal(self, event: RunQueued) -> None:
        self.known.setdefault(event.job, {}).update(event.signal.get("files", {}))
        self.watched.pop(event.job, None)
        self.evaluated.pop(event.job, None)  # the run trains on the data of these evaluations
        followed: Any = self.runs.get(event.signal.get("run", ""))
        if followed is not None:
            self.followed.setdefault(event.job, {})[followed.job] = followed.id
        if event.attempt == 1:
            fired = self.fired.setdefault(event.job, {}).setdefault(event.trigger, Fired())
            fired.count += 1
            _remember(fired.times, event.scheduled_at)


def _remember(times: list[datetime], at: str) -> None:
    """Put a time into ascending ones, of which the latest are kept."""
    insort(times, datetime.fromisoformat(at))
    del times[:-RECENT]


def read_board(ctx: Context) -> Board:
    """Return the present board of a project; nothing is written if it has no journal."""
    if not ctx.knows_anything:
        return Board()
    folded = vars(ctx).get(NAME)
    if not isinstance(folded, Folded) or folded.journal is not ctx.journal:
        file = ctx.settings.folder / "snapshots" / f"{NAME}.msgpack"
        folded = Folded(ctx.journal, file, Board, version=VERSION, kinds=KINDS)
        vars(ctx)[NAME] = folded
    board: Board = folded.read()
    return board
