"""Answers the requests to one version in batches: what waits is answered together."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from mlops_nb.errors import MlopsError
from mlops_nb.models.package import Package
from mlops_nb.serving.model_process import ModelProcess, Unanswered
from mlops_nb.serving.rows import BadRequest

MOST_TOGETHER = 1024  # rows of a batch
RESTART_AFTER = 0.5  # s between two starts of a process that ends


class AnswerLimits(Struct, frozen=True, kw_only=True):
    """What a version may take.

    deadline:  s, for the answer to a request
    waiting:   requests that may wait; more are shed
    max_delay: s, that a request waits for others to be answered with
    threads:   that each library may use
    """

    deadline: float = 30.0
    waiting: int = 1000
    max_delay: float = 0.0
    threads: int = 1


class Shed(MlopsError):
    """A request that was not taken, as too many wait."""


class Asked(Struct, kw_only=True):
    """A request that waits: its columns, the number of its rows, and its answer to come.

    alone: it is not answered together with others
    """

    columns: Mapping[str, list[Any]]
    rows: int
    answer: "asyncio.Future[dict[str, Any]]"
    until: float
    alone: bool = False


class ServingVersion:
    """One version of a model that answers."""

    def __init__(self, package: Package, limits: AnswerLimits) -> None:
        self.package, self.limits = package, limits
        self.process = ModelProcess(package)
        self.queue: deque[Asked] = deque()
        self.arrived = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.reviving = asyncio.Lock()
        self.restarts = 0

    async def start(self) -> Mapping[str, Any] | None:
        """Start to answer; return the answers to the golden requests."""
        golden = await self.process.start(self.limits.threads)
        self.task = asyncio.create_task(self._work())
        return golden

    async def ask(
        self, columns: Mapping[str, list[Any]], rows: int, *, alone: bool = False
    ) -> dict[str, Any]:
        """Return the answer to rows, with the time that it took in the model's process, s.

        alone: not together with other requests

        Raises Shed, Unanswered, BadRequest.
        """
        if len(self.queue) >= self.limits.waiting:
            raise Shed(
                f"{len(self.queue)} requests wait already", fix="try again in a moment, or later"
            )
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        until = time.monotonic() + self.limits.deadline
        asked = Asked(columns=columns, rows=rows, answer=answer, until=until, alone=alone)
        self.queue.append(asked)
        self.arrived.set()
        return await answer

    async def stop(self) -> None:
        """Answer what waits, then end."""
        waiting = [asked.answer for asked in self.queue]
        if waiting and self.process.alive:
            await asyncio.wait(waiting, timeout=self.limits.deadline)
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task
        self.process.end()

    async def _work(self) -> None:
        while True:
            if not self.queue:
                self.arrived.clear()
                await self.arrived.wait()
            if self.limits.max_delay:
                await asyncio.sleep(self.limits.max_delay)
            batch = self._next()
            if batch:
                self._send(batch)
            while batch:
                batch = await self._answer(batch, goes_on=not self.limits.max_delay)

    def _next(self) -> list[Asked]:
        """Return the requests to answer together; those whose time is over are dropped."""
        batch: list[Asked] = []
        count, now = 0, time.monotonic()
        most = MOST_TOGETHER if self.package.independent else 1
        while self.queue and (not batch or self._fits(self.queue[0], most - count)):
            asked = self.queue.popleft()
            if asked.answer.done():
                continue  # its caller has gone
            if asked.until < now:
                late = Unanswered("the request waited too long", fix="send it again later")
                asked.answer.set_exception(late)
                continue
            batch.append(asked)
            count = most if asked.alone else count + asked.rows
        return batch

    @staticmethod
    def _fits(asked: Asked, room: int) -> bool:
        return asked.rows <= room and not asked.alone

    def _send(self, batch: list[Asked]) -> None:
        """Send a batch to the process, which answers one at a time."""
        names = batch[0].columns
        columns = (
            batch[0].columns
            if len(batch) == 1
            else {name: [v for asked in batch for v in asked.columns[name]] for name in names}
        )
        self.process.send(columns)

    async def _answer(self, batch: list[Asked], *, goes_on: bool) -> list[Asked]:
        """Answer a batch that was sent; return the next one, which was sent as well, or nothing.

        goes_on: send the next batch before the callers get these answers, so that neither process
                 waits for the other
        """
        try:
            within = max(0.01, min(a.until for a in batch) - time.monotonic())
            found = await self.process.receive(within)
        except Unanswered as error:
            for asked in batch:
                _fail(asked, error)
            await self._restart()
            return []
        if "error" in found:
            await self._one_by_one(batch, found["error"])
            return []
        following = self._next() if goes_on else []
        if following:
            self._send(following)
        place = 0
        for asked in batch:
            if not asked.answer.done():
                asked.answer.set_result(_part(found, place, asked.rows))
            place += asked.rows
        return following

    async def _one_by_one(self, batch: list[Asked], error: str) -> None:
        """Answer the requests of a batch that failed alone, so that only wrong ones fail."""
        if len(batch) == 1:
            what = f"the model raised {error}"
            _fail(batch[0], BadRequest(what, fix="check the values of the rows"))
            return
        for asked in batch:
            self._send([asked])
            await self._answer([asked], goes_on=False)

    async def revive(self) -> None:
        """Start the process again if it has ended. Raises Unanswered if it cannot start."""
        async with self.reviving:
            if not self.process.alive:
                self.restarts += 1
                self.process = ModelProcess(self.package)
                await self.process.start(self.limits.threads)

    async def _restart(self) -> None:
        """Start the process again until it answers."""
        while True:
            try:
                await self.revive()
            except MlopsError:
                await asyncio.sleep(RESTART_AFTER)
            else:
                return


def _fail(asked: Asked, error: Exception) -> None:
    if not asked.answer.done():
        asked.answer.set_exception(error)


def _part(found: Mapping[str, Any], place: int, rows: int) -> dict[str, Any]:
    """Return the answer to some of the rows of a batch."""
    end = place + rows
    scores, features = found["scores"], found["features"]
    return {
        "predictions": found["predictions"][place:end],
        "scores": None if scores is None else scores[place:end],
        "features": None if features is None else {n: v[place:end] for n, v in features.items()},
        "seconds": found["seconds"],
    }
