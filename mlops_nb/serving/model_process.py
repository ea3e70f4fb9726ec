"""The process of one version, in the interpreter of its job: started, asked, ended."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops_nb.errors import MlopsError
from mlops_nb.models.package import Package
from mlops_nb.serving.control import ControlChannel

PROBE = Path(__file__).parents[1] / "probe" / "__init__.py"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
START_WITHIN = 120.0  # s: heavy libraries are imported
BOOT = """
import importlib.util, sys
path, number, folder = sys.argv[1:]
spec = importlib.util.spec_from_file_location("_mlops_probe", path)
sys.modules["_mlops_probe"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from _mlops_probe.answer import process
process.main(int(number), folder)
"""


class Unanswered(MlopsError):
    """The process of a version ended, or did not answer in time."""


class ModelProcess:
    """Asks one process, one batch at a time."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self.process: subprocess.Popen[bytes] | None = None
        self.channel: ControlChannel | None = None

    async def start(self, threads: int) -> Mapping[str, Any] | None:
        """Start the process; return its answers to the golden requests.

        threads: how many each library may use, 0 for as many as it likes

        Raises Unanswered if it cannot start.
        """
        self.channel = await ControlChannel.of(self._launched(threads))
        first = await self.receive(START_WITHIN)
        if not first["ready"]:
            self.end()
            raise Unanswered(
                f"version {self.package.version} cannot be loaded: {first['error']}",
                fix="mlops-nb rollback, or build its environment again: mlops-nb apply",
            )
        golden: Mapping[str, Any] | None = first["golden"]
        return golden

    def _launched(self, threads: int) -> socket.socket:
        """Start the process; return our end of its socket."""
        ours, theirs = socket.socketpair()
        limits = {name: str(threads) for name in THREADS} if threads else {}
        words = [str(PROBE), str(theirs.fileno()), str(self.package.folder)]
        with theirs:
            self.process = subprocess.Popen(
                [self.package.python, "-c", BOOT, *words],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=os.environ | limits,
            )
        return ours

    async def ask(
        self, columns: Mapping[str, list[Any]], within: float, *, quiet: bool = False
    ) -> dict[str, Any]:
        """Return the answer to rows, given as columns. Raises Unanswered; it is ended then.

        quiet: no traceback is printed if the model raises
        """
        self.send(columns, quiet=quiet)
        return await self.receive(within)

    def send(self, columns: Mapping[str, list[Any]], *, quiet: bool = False) -> None:
        """Send rows, given as columns, to be answered."""
        assert self.channel is not None
        self.channel.send(columns=columns, **({"quiet": True} if quiet else {}))

    async def measure(self, asked: Mapping[str, Any], within: float) -> dict[str, Any]:
        """Return "value" or "error" of a metric that the notebook defines. Raises Unanswered.

        asked: as `probe.answer.answers.Answers.measure` has it
        """
        assert self.channel is not None
        self.channel.send(**asked, quiet=True)
        return await self.receive(within)

    async def receive(self, within: float) -> dict[str, Any]:
        """Return the next answer. Raises Unanswered; the process is ended then."""
        assert self.channel is not None
        try:
            async with asyncio.timeout(within):
                found = await self.channel.receive()
        except TimeoutError:
            self.end()
            raise Unanswered(
                f"version {self.package.version} did not answer within {within:g} s",
                fix="send fewer rows at once, or serve it with a longer --deadline",
            ) from None
        if found is None:
            raise self._gone()
        return found

    def _gone(self) -> Unanswered:
        self.end()
        return Unanswered(
            f"the process of version {self.package.version} ended",
            fix="it is started again; its errors are on the server's stderr",
        )

    @property
    def memory(self) -> int:
        """The memory of the process, bytes; 0 if it has ended."""
        import psutil

        try:
            return int(psutil.Process(self.process.pid).memory_info().rss) if self.process else 0
        except psutil.Error:
            return 0

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def end(self) -> None:
        """End the process at once."""
        if self.channel is not None:
            self.channel.writer.close()
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGKILL)
            self.process.wait()
