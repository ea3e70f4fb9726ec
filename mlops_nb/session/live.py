"""Follows a live notebook: notes each cell that runs, and records what it made."""

import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlops_nb.context import Context
from mlops_nb.errors import MlopsError
from mlops_nb.events import StepRecorded
from mlops_nb.notebook.model import Warned
from mlops_nb.probe.observe.observer import Observer
from mlops_nb.runs import tracking
from mlops_nb.session import recording, restoring, staleness, view
from mlops_nb.session.opened import OpenNotebook
from mlops_nb.session.staleness import StepState


class Session(OpenNotebook):
    """Follows a shell from `%load_ext mlops_nb` on.

    restored:   a row for each step of the latest restore
    after_cell: each is called when a cell has run, from the thread that ran it
    """

    def __init__(self, shell: Any, ctx: Context, path_of: Callable[[], str]) -> None:
        super().__init__(shell, ctx, path_of)
        self.observer = Observer(shell)
        self.observer.on_cell = self.saw
        self.after_cell: list[Callable[[], None]] = []
        self.began = 0.0
        self.storing: threading.Thread | None = None
        self.problems: list[str] = []
        self.restored: list[dict[str, Any]] = []

    def install(self) -> None:
        """Start to follow the shell. The cell that loads the extension counts as one that ran."""
        request = self.shell.get_parent() if hasattr(self.shell, "get_parent") else {}
        cell = request.get("metadata", {}).get("cellId")
        if cell:
            self.live.began(cell, request.get("content", {}).get("code", ""))
        self.shell.events.register("pre_run_cell", self._begins)
        self.observer.install()

    def _begins(self, info: Any) -> None:
        try:
            tracking.before_cell(self.ctx, str(info.raw_cell or ""), Path.cwd(), os.environ)
        except MlopsError as error:
            self.problems.append(error.what)
        if self.storing is not None:
            self.storing.join()  # values may not change while they are written
            self.storing = None
        self.began = time.monotonic()

    def saw(self, seen: Mapping[str, Any]) -> None:
        """Add the observed reads and changes of a cell that ran."""
        seconds = time.monotonic() - self.began
        with self.lock:
            ran = self.live.saw(seen, self.observer.memory.prints, seconds)
        if not ran.failed and "lost" not in seen:
            self.storing = threading.Thread(target=self._record, args=(ran.id,), daemon=True)
            self.storing.start()
        for call in self.after_cell:
            call()

    def pipeline_state(self) -> dict[str, Any]:
        """Return what the panel draws."""
        source = self.source()
        with self.lock:
            state = view.pipeline_state(source, self.live)
        values = {name: self.shell.user_ns.get(name) for name in source.pipeline.metrics}
        numbers = {n: float(v) for n, v in values.items() if isinstance(v, int | float)}
        return {**state, "values": {n: v for n, v in numbers.items() if math.isfinite(v)}}

    def status(self) -> list[StepState]:
        """Return the state of each step, and why it is not up to date."""
        source = self.source()
        with self.lock:
            return staleness.step_states(source, self.live)

    def hazards(self) -> list[Warned]:
        """Return warnings for results that depend on the order in which cells were run."""
        source = self.source()
        with self.lock:
            return staleness.hazards(source, self.live)

    def records(self) -> list[StepRecorded]:
        """Return the latest record of each unit that ran in this kernel."""
        if self.storing is not None:
            self.storing.join()
        return list(self.recorded.values())

    def _record(self, key: str) -> None:
        """Record the unit that ends with a cell, in the background."""
        try:
            recording.record(self, key)
        except (MlopsError, OSError) as error:
            self.problems.append(str(error))

    def restore(self, step: str = "") -> list[dict[str, Any]]:
        """Restore up-to-date values in a new kernel; return a row for each step."""
        self.restored = restoring.restore(self, step)
        return self.restored

    def restore_run(self, run: str) -> list[dict[str, Any]]:
        """Restore the values of a recorded run. Raises NotFound if there is none."""
        self.restored = restoring.restore_run(self, run)
        return self.restored
