"""A server: starts the fronts, follows the releases of a model, and writes the prediction log."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

from mlops_nb.context import Context, Notify, ignore
from mlops_nb.errors import MlopsError, NotFound, Refused, Unreachable
from mlops_nb.events import ApprovalAsked, JobApplied, Released, VersionRefused, VersionServed
from mlops_nb.models import package
from mlops_nb.models.registry import read_models
from mlops_nb.serving.challenger import Traffic, outlook
from mlops_nb.serving.prediction_files import recent_rows
from mlops_nb.serving.prediction_log import Rows, open_log
from mlops_nb.serving.replay import REPLAYED
from mlops_nb.serving.settings import RolloutLimits, ServingSettings
from mlops_nb.serving.workers import ServeOptions, Workers
from mlops_nb.storage import scratch

LOOK_EVERY = 0.1  # s: how soon a release is seen
FOLLOWED = (Released, ApprovalAsked, JobApplied)
Settings = Callable[[], ServingSettings]


class Server:
    """Serves the champion of a model.

    settings: returns those of the model's job, as they are applied now
    """

    def __init__(
        self,
        ctx: Context,
        model: str,
        options: ServeOptions,
        settings: Settings,
        notify: Notify = ignore,
    ) -> None:
        self.ctx, self.model, self.options, self.notify = ctx, model, options, notify
        self.settings = settings
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.active = 0
        self.lock: int | None = None  # of the package of the active version
        self.challenger: int | None = None  # that answers beside
        self.since = ""
        self.place = 0
        self.log = open_log(ctx, model, lambda: settings().predictions)
        self.socket = self._bound()
        self.workers = Workers(ctx, model, options, self.socket, self._take)
        self.workers.own_counts = self.log.counts

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
            loop.add_signal_handler(number, self.workers.stopping.set)
        releases = self._releases()
        self.log.start()
        try:
            await self.workers.start()
            self.workers.remember(self._recent())
            await self._begin(releases)
            await self._challenge()
            sys.stderr.write(f"{self.workers.memory(self.active)}\n")
            ready(
                {
                    "version": 1,
                    "url": self.url,
                    "model": self.model,
                    "model_version": self.active,
                }
            )
            await self._follow()
        except Unreachable:
            if not self.workers.stopping.is_set():
                raise
        finally:
            await self.workers.drain()
            if self.log.thread.is_alive():
                self.log.close()

    def _releases(self) -> list[int]:
        """Return the versions that were released, the champion first.

        Raises NotFound if there is no such model, or none of it was released.
        """
        events = self.ctx.journal.read(kinds=FOLLOWED)
        self.place = max((event.id for event in events), default=0)
        known = read_models(self.ctx)
        model = known.get(self.model)
        if model is None or model.champion is None:
            there = f"the models are {', '.join(known)}" if known else "promote a notebook first"
            raise NotFound(f"there is no model {self.model!r} that was released", fix=there)
        return list(dict.fromkeys(reversed(model.releases)))

    async def _begin(self, releases: list[int]) -> None:
        """Let the champion answer, or, if its package is damaged, the version before."""
        errors: list[MlopsError] = []
        for number in releases:
            try:
                await self._take_over(number, replay=False, because="the server started")
            except MlopsError as error:
                errors.append(error)
                self._record_refusal(number, error.what)
                sys.stderr.write(f"warning: version {number} cannot serve: {error.what}\n")
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
                self.workers.prepare(str(place), number)

    # versions

    async def _take_over(self, number: int, *, replay: bool, because: str) -> None:
        """Let a version answer in every front, once it is ready in all.

        Raises MlopsError if it cannot; the version before goes on.
        """
        limits = self.settings().rollout if replay else None
        lock = self._hold(number)
        try:
            await self._ready(number, limits)
            self.since = self.ctx.now().isoformat(timespec="milliseconds")
            await self.workers.switch(number, self.since)
        except BaseException:
            scratch.release(lock)
            raise
        scratch.release(self.lock)
        self.lock = lock
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
                    replayed=self.workers.replayed(number),
                )
            ],
            self.notify,
        )

    def _hold(self, number: int) -> int | None:
        """Lock the package of a version, which housekeeping then leaves alone."""
        with contextlib.suppress(FileNotFoundError):  # there is none: reading it says so
            return scratch.hold(package.folder(self.ctx, self.model, number))
        return None

    async def _ready(self, number: int, limits: RolloutLimits | None) -> None:
        """Make a version ready in every front. Raises MlopsError if one cannot."""
        place = package.folder(self.ctx, self.model, number)
        self.log.follow(package.read(place))
        self.workers.follow(self.log.settings)
        self.workers.prepare(str(place), number, limits)
        await self.workers.are_ready(number)

    async def _challenge(self) -> None:
        """Let the version that waits for approval answer beside, if the options ask for it."""
        if not (self.options.canary or self.options.shadow):
            return
        model = read_models(self.ctx)[self.model]
        fitting = [v for v, asked in model.waiting.items() if asked.champion == self.active]
        number = max(fitting, default=None)
        if number == self.challenger:
            return
        traffic = Traffic(
            share=self.options.canary,
            shadow=self.options.shadow,
            entity=self.settings().predictions.entity,
        )
        if number is not None:
            try:
                await self._ready(number, RolloutLimits())
            except MlopsError as error:
                sys.stderr.write(f"warning: version {number} cannot answer beside: {error.what}\n")
                self._record_refusal(number, error.what)
                number = None
        self.challenger = number
        self.workers.challenge(number, traffic)
        if number is not None:
            accuracy = self.log.packages[self.active].about["metrics"].get("accuracy")
            told = outlook(traffic, self.log.rows_a_day(), accuracy)
            sys.stderr.write(f"version {number} waits for approval: {told}\n")

    async def _follow(self) -> None:
        """Follow releases until the server is stopped."""
        while not self.workers.stopping.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self.workers.stopping.wait()
            place = package.folder(self.ctx, self.model, self.active)
            if await self.workers.restart(str(place), self.active, self.since):
                self.challenger = None
                await self._challenge()
            try:
                fresh = [*self.ctx.journal.read(after=self.place, kinds=FOLLOWED)]
            except MlopsError as error:  # it is away: what serves goes on
                sys.stderr.write(f"warning: {error.what}\n")
                continue
            if not fresh:
                continue
            self.place = fresh[-1].id
            if any(isinstance(event, JobApplied) for event in fresh):
                self.log.refresh()
                self.workers.follow(self.log.settings)
            own = [e for e in fresh if isinstance(e, Released) and e.model == self.model]
            if own and own[-1].version != self.active:
                await self._change(own[-1])
            await self._challenge()

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
        if self.workers.stopping.is_set():
            raise Unreachable("the server was stopped", fix="start it again")
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

    # the log

    def _recent(self) -> list[dict[str, Any]]:
        """Return the rows that an earlier server answered last."""
        return recent_rows(self.log.files, REPLAYED, self.log.settings.hash)

    def _take(self, message: Mapping[str, Any]) -> None:
        """Write what a front answered to the log."""
        if message["is"] == "dropped":
            self.log.note_dropped(message["version"], message["count"])
            return
        self.log.put(
            Rows(
                version=message["version"],
                ids=message["ids"],
                times=message["times"],
                seconds=message["seconds"],
                answers=message["answers"],
                source=message["source"],
            )
        )


def serve(
    ctx: Context, model: str, options: ServeOptions, settings: Settings, ready: Any, notify: Notify
) -> None:
    """Serve the champion of a model until a signal asks to stop.

    Raises NotFound without a released model, Refused if the port is taken.
    """

    async def work() -> None:
        await Server(ctx, model, options, settings, notify).run(ready)

    ctx.prepare_folder()
    loop_factory: Any = None
    with contextlib.suppress(ImportError):  # Windows has none
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(work())
