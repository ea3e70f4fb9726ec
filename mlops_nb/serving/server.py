"""A server: starts the fronts, follows the releases of a model, and writes the prediction log."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from mlops_nb.context import Context, Notify, ignore
from mlops_nb.errors import MlopsError, NotFound, Refused, Unreachable
from mlops_nb.events import JobApplied, Registered, Released, VersionRefused, VersionServed
from mlops_nb.models import package
from mlops_nb.models.registry import read_models
from mlops_nb.serving.control import ControlChannel
from mlops_nb.serving.counts import summed
from mlops_nb.serving.prediction_log import PredictionLog, Rows

LOOK_EVERY = 0.1  # s: how soon a release is seen
READY_WITHIN = 180.0  # s
DRAIN_WITHIN = 30.0  # s
KEYS = "MLOPS_NB_API_KEYS"


class ServeOptions(Struct, frozen=True, kw_only=True):
    """The options of a server.

    workers:   fronts, each with a process for each version
    deadline:  s, for an answer
    max_delay: s, that a request waits for others
    waiting:   requests that may wait in a front; more are shed
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    deadline: float = 30.0
    max_delay: float = 0.0
    waiting: int = 1000
    most_bytes: int = 16 * 2**20
    most_rows: int = 10_000


@dataclass(slots=True, kw_only=True)
class Worker:
    """A front and its state, as the server knows it.

    ready, failed, active: versions
    """

    process: "subprocess.Popen[bytes]"
    channel: ControlChannel
    ready: set[int] = field(default_factory=set)
    failed: dict[int, str] = field(default_factory=dict)
    active: int = 0
    counts: Mapping[str, float] = field(default_factory=dict)


class Server:
    """Serves the champion of a model."""

    def __init__(
        self,
        ctx: Context,
        model: str,
        options: ServeOptions,
        log: PredictionLog,
        notify: Notify = ignore,
    ) -> None:
        self.ctx, self.model, self.options, self.notify = ctx, model, options, notify
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.workers: list[Worker] = []
        self.active = 0
        self.since = ""
        self.refused: set[int] = set()  # ids of releases that could not take over
        self.place = 0
        self.log = log
        self.tasks: set[asyncio.Task[None]] = set()
        self.stopping = asyncio.Event()
        self.socket = self._bound()

    def _bound(self) -> socket.socket:
        """Return a listening socket. Raises Refused if the port is taken."""
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((self.options.host, self.options.port))
            made.listen(2048)
        except OSError as error:
            made.close()
            raise Refused(
                f"port {self.options.port} of {self.options.host} cannot be used: {error.strerror}",
                fix="choose another one: --port 0 takes any that is free",
            ) from None
        return made

    @property
    def url(self) -> str:
        """The address of the server."""
        host, port = self.socket.getsockname()[:2]
        return f"http://{host}:{port}"

    async def run(self, ready: Any) -> None:
        """Serve until a signal asks to stop.

        ready: called with what `serve --json` prints when the first version answers
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        releases = self._releases()
        self.log.start()
        try:
            for _ in range(self.options.workers):
                self.workers.append(await self._worker())
            await self._begin(releases)
            ready(
                {
                    "version": 1,
                    "url": self.url,
                    "model": self.model,
                    "model_version": self.active,
                }
            )
            await self._follow()
        finally:
            await self._drain()

    def _releases(self) -> list[int]:
        """Return the versions that were released, the champion first.

        Raises NotFound if there is no such model, or none of it was released.
        """
        known = read_models(self.ctx)
        model = known.get(self.model)
        if model is None or model.champion is None:
            there = f"the models are {', '.join(known)}" if known else "promote a notebook first"
            raise NotFound(f"there is no model {self.model!r} that was released", fix=there)
        events = self.ctx.journal.read(kinds=(Registered, Released))
        self.place = max((event.id for event in events), default=0)
        return list(dict.fromkeys(reversed(model.releases)))

    async def _begin(self, releases: list[int]) -> None:
        """Let the champion answer, or, if its package is damaged, the version before."""
        errors: list[MlopsError] = []
        for number in releases:
            try:
                await self._take_over(number, replay=False, because="the server started")
            except MlopsError as error:
                errors.append(error)
                sys.stderr.write(f"warning: version {number} cannot serve: {error.what}\n")
                self._record_refusal(number, error.what)
            else:
                self._warm(releases[releases.index(number) + 1 :])
                return
        raise errors[0]

    def _warm(self, earlier: list[int]) -> None:
        """Start the version before as well, so that a rollback to it takes no time."""
        for number in earlier[:1]:
            with contextlib.suppress(MlopsError):  # damaged: a rollback to it says so
                place = package.folder(self.ctx, self.model, number)
                self.log.packages[number] = package.read(place)
                for worker in self.workers:
                    self._prepare(worker, number, replay=False)

    # versions

    async def _take_over(self, number: int, *, replay: bool, because: str) -> None:
        """Let a version answer in every front, once it is ready in all.

        Raises MlopsError if it cannot; the version before goes on.
        """
        self.log.follow(package.read(package.folder(self.ctx, self.model, number)))
        for worker in self.workers:
            self._prepare(worker, number, replay=replay)
        await self._until(lambda w: number in w.ready or number in w.failed)
        failed = [w.failed[number] for w in self.workers if number in w.failed]
        if failed:
            raise MlopsError(
                failed[0], fix=f"mlops-nb rollback {self.model} --to {number} tries again"
            )
        self.since = self.ctx.now().isoformat(timespec="milliseconds")
        for worker in self.workers:
            worker.channel.send(do="switch", version=number, since=self.since)
        await self._until(lambda w: w.active == number)
        before, self.active = self.active, number
        self.ctx.record(
            [
                VersionServed(
                    model=self.model,
                    version=number,
                    previous=before or None,
                    server=self.name,
                    url=self.url,
                    because=because,
                )
            ],
            self.notify,
        )

    async def _until(self, holds: Any) -> None:
        """Wait until something holds for each front. Raises Unreachable after some minutes."""
        try:
            async with asyncio.timeout(READY_WITHIN):
                while not all(map(holds, self.workers)):
                    if self.stopping.is_set():
                        raise Unreachable("the server was stopped", fix="start it again")
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise Unreachable(
                f"a front was not ready within {READY_WITHIN:g} s", fix="start the server again"
            ) from None

    async def _follow(self) -> None:
        """Follow releases until the server is stopped."""
        while not self.stopping.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self.stopping.wait()
            await self._restart_fronts()
            try:
                fresh = [*self.ctx.journal.read(after=self.place, kinds=(Released, JobApplied))]
            except MlopsError as error:  # it is away: what serves goes on
                sys.stderr.write(f"warning: {error.what}\n")
                continue
            own = [e for e in fresh if isinstance(e, Released) and e.model == self.model]
            if fresh:
                self.place = fresh[-1].id
            if any(isinstance(event, JobApplied) for event in fresh):
                self.log.refresh()
            if own and own[-1].version != self.active:
                await self._change(own[-1])

    async def _change(self, event: Released) -> None:
        """Let a released version take over; a rollback is never refused by noise."""
        try:
            replay = not event.rollback
            await self._take_over(event.version, replay=replay, because=event.because)
        except MlopsError as error:
            sys.stderr.write(
                f"warning: version {event.version} cannot serve, and version {self.active} goes "
                f"on: {error.what}\n"
            )
            self._record_refusal(event.version, error.what)

    def _record_refusal(self, number: int, because: str) -> None:
        self.ctx.record(
            [
                VersionRefused(
                    model=self.model,
                    version=number,
                    serving=self.active or None,
                    server=self.name,
                    because=because,
                )
            ],
            self.notify,
        )

    # fronts

    async def _worker(self) -> Worker:
        """Start a front."""
        process, ours = self._launched()
        worker = Worker(process=process, channel=await ControlChannel.of(ours))
        options = self.options
        threads = max(1, len(os.sched_getaffinity(0)) // (2 * options.workers))  # fronts as well
        worker.channel.send(
            do="start",
            model=self.model,
            most_bytes=options.most_bytes,
            most_rows=options.most_rows,
            keys=[k for k in self.ctx.environment.get(KEYS, "").split(",") if k],
            limits={
                "deadline": options.deadline,
                "waiting": options.waiting,
                "max_delay": options.max_delay,
                "threads": threads,
            },
        )
        task = asyncio.create_task(self._listen(worker))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return worker

    def _launched(self) -> "tuple[subprocess.Popen[bytes], socket.socket]":
        """Start the process of a front; return it, and our end of its channel."""
        ours, theirs = socket.socketpair()
        with theirs:
            words = [str(self.socket.fileno()), str(theirs.fileno())]
            process = subprocess.Popen(
                [sys.executable, "-m", "mlops_nb.serving.front", *words],
                pass_fds=[self.socket.fileno(), theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
                cwd=self.ctx.root,
                env=self.ctx.environment,
            )
        return process, ours

    async def _listen(self, worker: Worker) -> None:
        """Take what a front tells."""
        while (message := await worker.channel.receive()) is not None:
            told = message["is"]
            if told == "log":
                self.log.put(
                    Rows(
                        version=message["version"],
                        ids=message["ids"],
                        times=message["times"],
                        seconds=message["seconds"],
                        answers=message["answers"],
                    )
                )
            elif told == "dropped":
                self.log.note_dropped(message["version"], message["count"])
            elif told == "ready":
                worker.ready.add(message["version"])
            elif told == "failed":
                worker.failed[message["version"]] = message["error"]
            elif told == "switched":
                worker.active = message["version"]
            elif told == "counts":
                worker.counts = message["counts"]
                self._share_counts()

    def _share_counts(self) -> None:
        for worker in self.workers:
            elsewhere = [w.counts for w in self.workers if w is not worker]
            others = summed([*elsewhere, self.log.counts])
            worker.channel.send(do="others", counts=dict(others))

    async def _restart_fronts(self) -> None:
        """Start fronts again that ended."""
        for place, worker in enumerate(self.workers):
            if worker.process.poll() is None:
                continue
            sys.stderr.write(f"warning: a front ended ({worker.process.returncode}); it restarts\n")
            self.workers[place] = made = await self._worker()
            self._prepare(made, self.active, replay=False)
            await self._until(self._is_ready)
            made.channel.send(do="switch", version=self.active, since=self.since)

    def _is_ready(self, worker: Worker) -> bool:
        return self.active in worker.ready or worker.active == self.active

    def _prepare(self, worker: Worker, number: int, *, replay: bool) -> None:
        """Let a front make a version ready, which then tells whether it is."""
        worker.failed.pop(number, None)
        worker.ready.discard(number)
        folder = str(package.folder(self.ctx, self.model, number))
        worker.channel.send(do="prepare", version=number, folder=folder, replay=replay)

    async def _drain(self) -> None:
        """Let the fronts answer what they took, write the log, and end them."""
        for worker in self.workers:
            worker.channel.send(do="drain")
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=DRAIN_WITHIN)  # each ends with its front
        self.socket.close()
        for worker in self.workers:
            worker.process.kill()
            worker.process.wait()
        if self.log.thread.is_alive():
            self.log.close()


def serve(ctx: Context, model: str, options: ServeOptions, ready: Any, log: PredictionLog) -> None:
    """Serve the champion of a model until a signal asks to stop.

    Raises NotFound without a released model, Refused if the port is taken.
    """

    async def work() -> None:
        await Server(ctx, model, options, log).run(ready)

    ctx.prepare_folder()
    loop_factory: Any = None
    with contextlib.suppress(ImportError):  # Windows has none
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(work())
