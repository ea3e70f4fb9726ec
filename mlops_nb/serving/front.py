"""A front: a process that answers HTTP with the versions that its server tells it to use.

It is started with two file descriptors: the listening socket, and the channel to the server.
"""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import uvicorn

from mlops_nb.errors import MlopsError
from mlops_nb.models import package
from mlops_nb.serving import golden, replay
from mlops_nb.serving.app import SHADOW, Answered, Serving
from mlops_nb.serving.batches import AnswerLimits, ServingVersion
from mlops_nb.serving.challenger import Traffic
from mlops_nb.serving.connections import Connection
from mlops_nb.serving.control import ControlChannel
from mlops_nb.serving.replay import REPLAYED
from mlops_nb.serving.settings import HoldOut, RolloutLimits, of_definition

FLUSH_EVERY = 0.1  # s: what is not in the log yet
TELL_EVERY = 1.0  # s
STANDBY = 2  # earlier versions whose processes stay, so that a rollback takes no time
DRAIN_WITHIN = 15  # s, for the requests that are being answered


class Front:
    """The state of a front."""

    def __init__(self, channel: ControlChannel, listening: socket.socket) -> None:
        self.channel, self.listening = channel, listening
        self.versions: dict[int, ServingVersion] = {}
        self.starting: dict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.recent: deque[list[dict[str, Any]]] = deque(maxlen=REPLAYED)
        self.waiting: dict[tuple[int, str], dict[str, list[Any]]] = {}
        self.dropped: dict[int, int] = {}
        self.limits = AnswerLimits()
        self.serving: Serving
        self.server: Quiet | None = None
        self.answering: asyncio.Task[None] | None = None
        self.tasks: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        """Do what the server says, until it says to drain or is gone."""
        gc.freeze()  # the libraries stay: a collection does not look at them again
        flushing = asyncio.create_task(self._flush_forever())
        while (message := await self.channel.receive()) is not None:
            do = message["do"]
            if do == "start":
                self._start(message)
            elif do == "prepare":
                self._spawn(self._prepare(message))
            elif do == "switch":
                self._switch(message["version"], message["since"])
            elif do == "challenge":
                self._challenge(message["version"], Traffic(**message["traffic"]))
            elif do == "remember":
                self.recent.extend([row] for row in message["rows"])
            elif do == "follow":
                self._follow(message["settings"])
            elif do == "others":
                self.serving.others = message["counts"]
            elif do == "drain":
                flushing.cancel()
                await self._drain()
                return
        for version in self.versions.values():
            version.process.end()

    def _start(self, message: Mapping[str, Any]) -> None:
        self.limits = AnswerLimits(**message["limits"])
        self.serving = Serving(
            message["model"],
            self._log,
            most_bytes=message["most_bytes"],
            most_rows=message["most_rows"],
        )
        self._follow(message["settings"])
        self.serving.keys = tuple(key.encode() for key in message["keys"])

    def _follow(self, settings: Mapping[str, Any]) -> None:
        """Follow what job.yaml says of the predictions."""
        found = of_definition(settings)
        holdout = HoldOut(model=self.serving.model, share=found.holdout, entity=found.entity)
        self.serving.log_beside(found.beside, holdout)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    # versions

    async def _prepare(self, message: Mapping[str, Any]) -> None:
        """Make a version ready to answer, and tell the server."""
        number = message["version"]
        found = None
        try:
            async with self.starting[number]:  # asked for twice, it is started once
                if number not in self.versions:
                    self.versions[number] = await self._started(Path(message["folder"]))
                await self.versions[number].revive()
            serving = self.serving.version
            if message["replay"] is not None and serving is not None:
                limits = RolloutLimits(**message["replay"])
                recent = list(self.recent)
                found = await replay.replay(self.versions[number], serving, recent, limits)
        except MlopsError as error:
            self._forget(number)
            told = {"version": number, "error": error.what, "fix": error.fix}
            self.channel.send(**{"is": "failed", **told})
        else:
            told = {"version": number, "replayed": replay.told(found)}
            memory = self.versions[number].process.memory
            self.channel.send(**{"is": "ready", "memory": memory, **told})

    async def _started(self, folder: Path) -> ServingVersion:
        version = ServingVersion(package.read(folder), self.limits)
        golden.check(version.package, await version.start())
        return version

    def _challenge(self, number: int | None, traffic: Traffic) -> None:
        """Let a version that is ready answer beside; None ends that."""
        version = None if number is None else self.versions.get(number)
        self.serving.challenge(version, traffic)

    def _switch(self, number: int, since: str) -> None:
        self.serving.switch(self.versions[number], since)
        self.versions[number] = self.versions.pop(number)  # the latest is the last
        beside = self.serving.challenger
        rest = [n for n, v in self.versions.items() if beside is None or v is not beside.version]
        for old in rest[: -1 - STANDBY]:
            self._spawn(self.versions.pop(old).stop())
        if self.answering is None:
            self.answering = asyncio.create_task(self._serve())
        else:
            self._switched()

    async def _serve(self) -> None:
        config = uvicorn.Config(
            self.serving,
            loop="none",
            http=Connection,
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=DRAIN_WITHIN,
            backlog=2048,
        )
        self.server = Quiet(config)
        self.server.began = self._switched
        await self.server.serve(sockets=[self.listening])

    def _switched(self) -> None:
        assert self.serving.version is not None  # it is what was switched to
        number = self.serving.version.package.version
        self.channel.send(**{"is": "switched", "version": number})

    def _forget(self, number: int) -> None:
        version = self.versions.get(number)
        if version is not None and version is not self.serving.version:
            del self.versions[number]
            version.process.end()

    async def _drain(self) -> None:
        """Answer what was taken, send what is to be logged, and end."""
        if self.server is not None and self.answering is not None:
            self.server.should_exit = True
            await self.answering
        for version in self.versions.values():
            await version.stop()
        self._flush()
        self._tell()
        await self.channel.close()

    # messages to the server

    def _log(self, answered: Answered) -> None:
        number, count = answered.version.package.version, len(answered.ids)
        if count <= REPLAYED and answered.source != SHADOW:
            self.recent.append(answered.rows)
        if self.channel.full:
            self.dropped[number] = self.dropped.get(number, 0) + count
            self.serving.counts.add("mlops_nb_dropped_total", count)
            return
        key = number, answered.source
        rows = self.waiting.get(key)
        if rows is None:
            rows = self.waiting[key] = {"ids": [], "times": [], "seconds": [], "answers": []}
        rows["ids"] += answered.ids
        rows["times"] += [time.time()] * count
        rows["seconds"] += [answered.seconds] * count
        rows["answers"].append([answered.answer, answered.columns])

    def _flush(self) -> None:
        waiting, self.waiting = self.waiting, {}
        dropped, self.dropped = self.dropped, {}
        for (number, source), rows in waiting.items():
            self.channel.send(**{"is": "log", "version": number, "source": source, **rows})
        for number, count in dropped.items():
            self.channel.send(**{"is": "dropped", "version": number, "count": count})

    def _tell(self) -> None:
        self.channel.send(**{"is": "counts", "counts": self.serving.counts.values})

    async def _flush_forever(self) -> None:
        told = 0.0
        while True:
            await asyncio.sleep(FLUSH_EVERY)
            self._flush()
            if time.monotonic() - told > TELL_EVERY and hasattr(self, "serving"):
                told = time.monotonic()
                self._tell()


class Quiet(uvicorn.Server):
    """A server that leaves signals to the process that started it.

    began: called when it accepts requests
    """

    began: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept requests."""
        await super().startup(sockets=sockets)
        self.began()

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Capture none."""
        yield


def main() -> None:
    """Run a front until its server ends it or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    listening, control = (socket.socket(fileno=int(word)) for word in sys.argv[1:])

    async def work() -> None:
        await Front(await ControlChannel.of(control), listening).run()

    loop_factory: Any = None
    with contextlib.suppress(ImportError):  # Windows has none
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(work())
    os._exit(0)  # the callers' connections are closed; threads of libraries are not waited for


if __name__ == "__main__":
    main()
