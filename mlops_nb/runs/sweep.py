"""Sweeps: runs a notebook once for each combination of some parameters' values."""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, replace

from mlops_nb.context import Context
from mlops_nb.errors import Failed, NotFound, Refused, Unreachable
from mlops_nb.events import SweepFinished, SweepStarted
from mlops_nb.notebook import parameters as params
from mlops_nb.notebook.model import Source, Value
from mlops_nb.reuse.rules import Rules
from mlops_nb.runs import grid as grids
from mlops_nb.runs import process, reap, resources, stop, tracking
from mlops_nb.runs import run as run_run
from mlops_nb.runs import sweep_history as record
from mlops_nb.runs.history import Run
from mlops_nb.runs.interrupts import Interrupts, deferred
from mlops_nb.runs.run import Part
from mlops_nb.runs.sweep_history import Sweep
from mlops_nb.runs.sweep_point import Done, Point, Workspace, run_point

Watch = Callable[[Sweep], None]
LOOK_EVERY = 0.4  # s: interval between two checks of the points
DIES_WITHIN = 10.0  # s: a process that was killed
TRIES = 2  # of a point whose worker died before it began


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions:
    """The options of a sweep.

    workers: how many points run at once; None: one for each GPU, or else each core
    on:      the pool that they run in
    best:    the metric that names the best point: NAME, or NAME:min
    resume:  id of the sweep to resume, whose grid and parameters are used
    fresh:   reuse only results of this sweep
    """

    workers: int | None = None
    on: str = "processes"
    best: str = ""
    resume: str = ""
    fresh: bool = False


def sweep(
    ctx: Context,
    source: Source,
    grid: grids.Grid,
    parameters: Mapping[str, Value],
    *,
    options: SweepOptions,
    watch: Watch,
) -> Sweep:
    """Run a notebook at every point of a grid, record each as a run, and return the sweep.

    watch: called with the sweep whenever it may have changed

    Raises Refused before anything ran. If no point has the metric of `best`, the sweep has an
    `error`.
    """
    make_pool = resources.pool(options.on)
    started, before = _started(ctx, source, grid, parameters, options)
    ctx.environments.interpreter(source.notebook.kernel)  # refuses one that is not there
    ctx.prepare_folder()
    tracking.prepare(ctx, source.notebook, source.path.parent)
    with deferred() as interrupts:
        active = ActiveSweep(ctx, source, started, before, watch, interrupts)
        with make_pool(started.workers) as pool:
            status = active.run(pool)
        return active.end(status)


def _started(
    ctx: Context,
    source: Source,
    grid: grids.Grid,
    parameters: Mapping[str, Value],
    options: SweepOptions,
) -> tuple[SweepStarted, Sweep | None]:
    """Return the event that starts a sweep, and the sweep that it resumes, if any."""
    known, where = source.pipeline.parameters, source.path.name
    before = _resumed(ctx, source, grid, parameters, options) if options.resume else None
    if before is not None:
        grid, parameters = before.grid, before.parameters
    given = params.checked(parameters, known, where)
    axes = grids.checked(grid, given, known, where)
    count = len(grids.points(axes))
    workers = options.workers or len(resources.gpus(ctx.environment)) or resources.cores()
    return SweepStarted(
        sweep=before.id if before else ctx.new_run(),
        notebook=ctx.relative(source.path),
        grid={name: list(values) for name, values in axes.items()},
        parameters=given,
        shared=grids.shared(source.pipeline, axes) if count > 1 else (),
        workers=min(workers, count),
        by=options.best or (before.by if before else ""),
        fresh=options.fresh or (before is not None and before.fresh),
        digest=_digest(source),
        process=process.mine(),
    ), before


def _resumed(
    ctx: Context,
    source: Source,
    grid: grids.Grid,
    parameters: Mapping[str, Value],
    options: SweepOptions,
) -> Sweep:
    """Return the sweep to resume. Raises Refused if it cannot be resumed."""
    if grid or parameters:
        raise Refused(
            "--resume takes the grid and the parameters of the sweep",
            fix=f"mlops-nb sweep {source.path.name} --resume {options.resume}",
        )
    found = stop.sweeps(ctx).get(options.resume)
    if found is None:
        fix = f"start one: mlops-nb sweep {source.path.name} -g NAME=V1,V2"
        raise NotFound(f"there is no sweep {options.resume!r}", fix=fix)
    if found.notebook != ctx.relative(source.path):
        raise Refused(
            f"sweep {found.id!r} is of {found.notebook!r}, not of {source.path.name!r}",
            fix=f"mlops-nb sweep {found.notebook} --resume {found.id}",
        )
    if found.status == "running":
        raise Refused(f"sweep {found.id!r} is still running", fix=f"mlops-nb stop {found.id}")
    return found


def _digest(source: Source) -> str:
    texts = "\0".join(cell.source for cell in source.notebook.cells)
    return hashlib.sha256(texts.encode()).hexdigest()


class ActiveSweep:
    """A sweep in progress."""

    def __init__(
        self,
        ctx: Context,
        source: Source,
        started: SweepStarted,
        before: Sweep | None,
        watch: Watch,
        interrupts: Interrupts,
    ) -> None:
        self.ctx, self.source, self.watch, self.interrupts = ctx, source, watch, interrupts
        self.began = time.monotonic()
        earlier = () if before is None else ctx.journal.read()
        self.fold = record.Fold(earlier, only=started.sweep)
        (event,) = ctx.record([started])
        self.fold.take(event)
        self.last = event.id
        self.sweep = self.fold.sweeps[started.sweep]
        settings = tuple((n, v) for n, v in ctx.environment.items() if n.startswith(resources.OURS))
        self.workspace = Workspace(
            root=ctx.root, notebook=source.path, document=source.document, settings=settings
        )
        self.free = deque(
            record.places(
                started.workers,
                resources.cores(),
                resources.gpus(ctx.environment),
                ctx.environment,
            )
        )
        self.running: dict[Future[Done], tuple[int | None, dict[str, str]]] = {}
        self.tries: dict[int, int] = {}
        self.within = ""

    def run(self, pool: Executor) -> str:
        """Run the shared steps, then the remaining points; return the status of the sweep."""
        self.watch(self.sweep)
        try:
            self._share(pool)
            waiting = deque(self.sweep.left)
            while waiting or self.running:
                while waiting and self.free:
                    self._submit(pool, waiting.popleft())
                waiting.extendleft(reversed(self._wait()))
        except KeyboardInterrupt:
            self._stop()
            return "stopped"
        except BaseException:
            self._stop()
            self._finish("failed", "it could not continue")
            raise
        return "failed" if self.sweep.left else "finished"

    # one run after another

    def _submit(self, pool: Executor, number: int | None) -> None:
        """Submit a point to the pool; None: the shared steps."""
        place = self.free.popleft()
        sweep = self.sweep
        rules = Rules(fresh=sweep.fresh, within=self.within)
        if number is None:
            rules = replace(rules, steps=sweep.shared)
        point = Point(
            workspace=self.workspace,
            parameters={**sweep.parameters, **sweep.points[number or 0]},
            rules=rules,
            part=Part(sweep=sweep.id, shared=number is None, environment=place),
        )
        self.running[pool.submit(run_point, point)] = (number, place)

    def _wait(self) -> list[int]:
        """Wait for a point to end, a moment at most; return the points that must run again.

        Raises KeyboardInterrupt if the sweep is to stop.
        """
        self.interrupts.check()
        done, _ = wait(self.running, timeout=LOOK_EVERY, return_when=FIRST_COMPLETED)
        again = []
        for future in done:
            number, place = self.running.pop(future)
            self.free.append(place)
            try:
                came = future.result()
            except BrokenExecutor:
                again += self._died(number)
            else:
                self.ctx.warnings.extend(came.warnings)
        self._look()
        return again

    def _look(self) -> None:
        """Fold the new events of the journal, and show the sweep."""
        for event in self.ctx.journal.read(after=self.last):
            self.last = event.id
            self.fold.take(event)
        self.watch(self.sweep)

    def _died(self, number: int | None) -> list[int]:
        """Record the end of a dead worker's run; a point that had not begun runs again."""
        self._look()
        run = self._run_of(number)
        if run is not None:  # its pool may notice before the process has ended
            process.has_gone(run.process, DIES_WITHIN)
        reap.reap(self.ctx)
        self._look()
        if number is None or self._run_of(number) is not None:
            return []
        self.tries[number] = self.tries.get(number, 1) + 1
        if self.tries[number] > TRIES:
            raise Unreachable(
                "a worker died before it could begin, twice",
                fix="give it more memory, or fewer workers: --workers 1",
            )
        return [number]

    def _share(self, pool: Executor) -> None:
        """Run once the steps that no swept parameter affects, so that the points reuse them."""
        sweep = self.sweep
        alone = len(sweep.left) <= 1
        if not sweep.shared or alone or (not sweep.fresh and self._shared_is_up_to_date()):
            return
        self._submit(pool, None)
        while self.running:
            self._wait()
        helper = self._run_of(None)
        if sweep.fresh and helper is not None and helper.status == "finished":
            self.within = helper.id

    def _run_of(self, number: int | None) -> Run | None:
        """Return the latest run of a point, or of the shared steps for None."""
        if number is None:
            return self.sweep.helpers[-1] if self.sweep.helpers else None
        return self.sweep.latest.get(number)

    def _shared_is_up_to_date(self) -> bool:
        """Return whether the shared steps are up to date."""
        ctx, source, sweep = self.ctx, self.source, self.sweep
        values = {p.name: p.value for p in source.pipeline.parameters}
        scratch = ctx.scratch("reuse")
        try:
            ledger = run_run.ledger_of(
                ctx,
                source,
                {**values, **sweep.parameters, **sweep.points[0]},
                rules=Rules(steps=sweep.shared),
                scratch=scratch,
                python=ctx.environments.interpreter(source.notebook.kernel),
                environment=self.free[0],
            )
            needed = [u for u in ledger.units if u.cells[0] in ledger.needed]
            return all(ledger.cached(u.cells[0]) is not None or u.setup for u in needed)
        except NotFound:  # outputs that are gone or damaged
            return False
        finally:
            ctx.drop(scratch)

    def _stop(self) -> None:
        """Stop the running points, as `stop RUN` does, and wait until the journal records it."""
        stopped: set[str] = set()
        for future in self.running:
            future.cancel()
        while any(not future.done() for future in self.running):
            for run in self.sweep.open:
                here = run.id not in stopped and process.is_here(run.process)
                if here and process.end(run.process):
                    stopped.add(run.id)
            wait(self.running, timeout=LOOK_EVERY)
            self._look()
        self._look()

    # the end

    def _finish(self, status: str, error: str = "") -> None:
        seconds = round(time.monotonic() - self.began, 3)
        ended = SweepFinished(
            sweep=self.sweep.id, status=status, seconds=seconds, error=error, best=self.sweep.best
        )
        self.ctx.record([ended])

    def end(self, status: str) -> Sweep:
        """Find the best point, record the end, and return the sweep."""
        error = ""
        try:
            chosen = record.best(self.sweep.runs, self.sweep.by)
            self.sweep.best = chosen.id if chosen else ""
        except Failed as failed:
            error = failed.what  # `best` raises it for the command as well
        self._finish(status, error)
        self._look()
        return self.sweep
