"""The fronts of a server: processes that answer, started, told what to serve, started again."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from mlops_nb.context import Context
from mlops_nb.errors import MlopsError, Unreachable
from mlops_nb.serving.challenger import Traffic
from mlops_nb.serving.control import ControlChannel
from mlops_nb.serving.counts import summed
from mlops_nb.serving.settings import PredictionSettings, RolloutLimits, definition

READY_WITHIN = 180.0  # s
DRAIN_WITHIN = 30.0  # s
MB = 10**6
KEYS = "MLOPS_NB_API_KEYS"


class ServeOptions(Struct, frozen=True, kw_only=True):
    """The options of a server.

    workers:   fronts, each with a process for each version
    deadline:  s, for an answer
    max_delay: s, that a request waits for others
    waiting:   requests that may wait in a front; more are shed
    canary:    share of the requests that a version that waits for approval answers
    shadow:    it answers the others as well, for the log
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    deadline: float = 30.0
    max_delay: float = 0.0
    waiting: int = 1000
    most_bytes: int = 16 * 2**20
    most_rows: int = 10_000
    canary: float = 0.0
    shadow: bool = False


@dataclass(slots=True, kw_only=True)
class Worker:
    """A front and its state, as the server knows it.

    ready:  version → what its replay found
    memory: version → that of its process, bytes
    failed: version → why it cannot serve
    active: the version that answers
    """

    process: "subprocess.Popen[bytes]"
    channel: ControlChannel
    ready: dict[int, Mapping[str, float]] = field(default_factory=dict)
    memory: dict[int, int] = field(default_factory=dict)
    failed: dict[int, MlopsError] = field(default_factory=dict)
    active: int = 0
    counts: Mapping[str, float] = field(default_factory=dict)


class Workers:
    """The fronts of a server.

    take: called with each message of a front that is about the log
    """

    def __init__(
        self,
        ctx: Context,
        model: str,
        options: ServeOptions,
        listening: socket.socket,
        take: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self.ctx, self.model, self.options = ctx, model, options
        self.socket, self.take = listening, take
        self.own_counts: Mapping[str, float] = {}  # of the server's own process
        self.all: list[Worker] = []
        self.settings = PredictionSettings()
        self.tasks: set[asyncio.Task[None]] = set()
        self.stopping = asyncio.Event()

    async def start(self) -> None:
        """Start the fronts."""
        for _ in range(self.options.workers):
            self.all.append(await self._started())

    async def _started(self) -> Worker:
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
            settings=definition(self.settings),
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
            if told == "ready":
                worker.ready[message["version"]] = message["replayed"]
                worker.memory[message["version"]] = message["memory"]
            elif told == "failed":
                error = MlopsError(message["error"], fix=message["fix"])
                worker.failed[message["version"]] = error
            elif told == "switched":
                worker.active = message["version"]
            elif told == "counts":
                worker.counts = message["counts"]
                self._share_counts()
            else:
                self.take(message)

    def _share_counts(self) -> None:
        for worker in self.all:
            elsewhere = [w.counts for w in self.all if w is not worker]
            others = summed([*elsewhere, self.own_counts])
            worker.channel.send(do="others", counts=dict(others))

    def remember(self, rows: list[dict[str, Any]]) -> None:
        """Let the fronts replay rows that an earlier server answered."""
        for worker in self.all if rows else ():
            worker.channel.send(do="remember", rows=rows)

    # versions

    def prepare(self, folder: str, number: int, limits: RolloutLimits | None = None) -> None:
        """Let the fronts make a version ready; each then tells whether it is.

        limits: with them, it answers what callers sent last beside the version that answers now
        """
        for worker in self.all:
            self._prepare(worker, folder, number, limits)

    def _prepare(
        self, worker: Worker, folder: str, number: int, limits: RolloutLimits | None
    ) -> None:
        worker.failed.pop(number, None)
        worker.ready.pop(number, None)
        asked = None if limits is None else {"latency": limits.latency, "changed": limits.changed}
        worker.channel.send(do="prepare", version=number, folder=folder, replay=asked)

    async def are_ready(self, number: int) -> None:
        """Wait until every front has made a version ready. Raises MlopsError if one cannot."""
        await self._until(lambda w: number in w.ready or number in w.failed)
        for worker in self.all:
            if number in worker.failed:
                raise worker.failed[number]

    def replayed(self, number: int) -> Mapping[str, float]:
        """Return what the replay of a version found: the worst of each over the fronts."""
        told = [w.ready[number] for w in self.all if w.ready.get(number)]
        return {key: max(one[key] for one in told) for key in told[0]} if told else {}

    def memory(self, number: int) -> str:
        """Return in words what a version takes in each front."""
        import psutil

        one = max(worker.memory.get(number, 0) for worker in self.all)
        free = psutil.virtual_memory().available
        return (
            f"version {number} takes {one / MB:,.0f} MB in each of {len(self.all)} "
            f"{'worker' if len(self.all) == 1 else 'workers'}, as each earlier version that stays "
            f"ready does; {free / MB:,.0f} MB are free"
        )

    async def switch(self, number: int, since: str) -> None:
        """Let a version answer in every front."""
        for worker in self.all:
            worker.channel.send(do="switch", version=number, since=since)
        await self._until(lambda w: w.active == number)

    def follow(self, settings: PredictionSettings) -> None:
        """Let every front follow what job.yaml says of the predictions."""
        if settings != self.settings:
            self.settings = settings
            for worker in self.all:
                worker.channel.send(do="follow", settings=definition(settings))

    def challenge(self, number: int | None, traffic: Traffic) -> None:
        """Let a version that is ready answer beside; None ends that."""
        for worker in self.all:
            worker.channel.send(
                do="challenge",
                version=number,
                traffic={
                    "share": traffic.share,
                    "shadow": traffic.shadow,
                    "entity": traffic.entity,
                },
            )

    async def _until(self, holds: Callable[[Worker], bool]) -> None:
        """Wait until something holds for each front that runs; one that ended starts again later.

        Raises Unreachable after some minutes.
        """
        try:
            async with asyncio.timeout(READY_WITHIN):
                while not all(holds(w) or w.process.poll() is not None for w in self.all):
                    if self.stopping.is_set():
                        raise Unreachable("the server was stopped", fix="start it again")
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise Unreachable(
                f"a front was not ready within {READY_WITHIN:g} s", fix="start the server again"
            ) from None

    async def restart(self, folder: str, number: int, since: str) -> bool:
        """Start fronts again that ended, with the version that answers; return whether any had."""
        ended = [place for place, w in enumerate(self.all) if w.process.poll() is not None]
        for place in ended:
            code = self.all[place].process.returncode
            sys.stderr.write(f"warning: a front ended ({code}); it restarts\n")
            self.all[place] = made = await self._started()
            self._prepare(made, folder, number, None)
            await self._until(lambda w: bool({number} & {*w.ready, *w.failed, w.active}))
            if number in made.failed:
                made.process.kill()  # it starts again at the next look
            else:
                made.channel.send(do="switch", version=number, since=since)
        return bool(ended)

    async def drain(self) -> None:
        """Let the fronts answer what they took, and end them."""
        for worker in self.all:
            worker.channel.send(do="drain")
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=DRAIN_WITHIN)  # each ends with its front
        self.socket.close()
        for worker in self.all:
            worker.process.kill()
            worker.process.wait()
