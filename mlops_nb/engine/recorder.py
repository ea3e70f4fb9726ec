"""Follows one task while its cells run: queries the probe and emits events."""

import json
import queue
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlops_nb import files
from mlops_nb.engine import scoring
from mlops_nb.engine.data_check import DataChecks
from mlops_nb.engine.restore import Reusing, holds
from mlops_nb.engine.runner import Client, Stopped
from mlops_nb.engine.task import Answering, Rescore, Reuse, Task
from mlops_nb.errors import RunFailed
from mlops_nb.events import (
    CellFailed,
    CellFinished,
    CellObserved,
    CellStarted,
    ChampionScored,
    Event,
    Imported,
    Measured,
    ModelKept,
    ModelPackaged,
    StepObserved,
)
from mlops_nb.notebook import document
from mlops_nb.notebook.cells import is_injected, source_of

SAVE_EVERY = 2.0  # s


def code_cells(notebook: Mapping[str, Any]) -> list[Any]:
    """Return the code cells of a notebook without injected ones."""
    return [c for c in notebook["cells"] if c["cell_type"] == "code" and not is_injected(c)]


class Recorder:
    """Follows one task: puts events into a queue and queries the probe at the ends of steps.

    store: stores the file of a kept value and returns the digest of its content
    """

    def __init__(
        self, task: Task, reuse: Reuse | None = None, store: Callable[[Path], str] = str
    ) -> None:
        self.task = task
        self.store = store
        self.events: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()
        self.put = self.events.put
        self.notebook: Any = None
        self.kernel_pid = 0
        self.failed = self.ended = False
        self.killed = ""  # why the recorder ended the process
        self.saved = 0.0
        self.deadline = (
            None if task.limits.timeout is None else time.monotonic() + task.limits.timeout
        )
        self.reusing = None if reuse is None else Reusing(task, reuse, self.put)
        self.checks = DataChecks(task, self.put)
        self.client: Client | None = None

    def kernel_ready(self, client: Client) -> None:
        """Note the process of the kernel and prepare the probe in it."""
        self.notebook = client.nb
        client.nb["metadata"]["papermill"]["input_path"] = self.task.source
        client.nb["metadata"]["papermill"]["output_path"] = str(self.task.output)
        seed, modules = self.task.seed, self.task.modules
        started = client.ask(
            "inspect.values.start", seed=seed, modules=str(modules) if modules else ""
        )
        self.kernel_pid = int(started["pid"])
        if self.killed:  # while there was no process to kill
            raise RunFailed(self.killed, fix="allow it more: --timeout S, --memory GIB")
        self.client = client
        if self.task.observe or self.reusing is not None:
            client.ask("observe.observer.start")
            client.follow = "observe.observer.seen"

    def reuses(self, index: int, cell: Any) -> bool:
        """Return whether a cell is reused; if so, fill its outputs in and record its step."""
        cached = None if self.reusing is None else self.reusing.reuses(index, cell, self._nodes)
        look = self.task.looks.get(index)
        if cached is not None and look is not None and not cached.left_out:
            step, names = look
            values = {n: cached.values[n] for n in names if n in cached.values}
            self._step_left(step, values)
        return cached is not None

    def _nodes(self, outputs: list[Any]) -> list[Any]:
        assert self.client is not None
        return self.client.nodes(outputs)

    def cell_started(self, client: Client, index: int) -> None:
        """Restore what a cell may need and emit its start."""
        if self.reusing is not None:
            self.reusing.restore_values(client, index)
        self.put(CellStarted(run=self.task.run, cell=index))

    def cell_ended(self, client: Client, index: int, seconds: float) -> None:
        """Emit the end of a cell; after the last cell of a step, measure its values."""
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise Stopped(f"the run's time-out of {self.task.limits.timeout:g} s has passed")
        self.put(CellFinished(run=self.task.run, cell=index, seconds=seconds))
        seen = self._observe(client, index)
        if index in self.task.bind:
            bound, file = self.task.bind[index]
            client.ask("inspect.values.bind", name=bound, path=str(file))
        if self.reusing is not None:
            self.reusing.ran(index, seen, seconds)
        look = self.task.looks.get(index)
        if look is not None:
            self._step_ended(client, *look)
        if self.reusing is not None:
            self.reusing.ended(client, index, self._outputs, looked=look is not None)
        if time.monotonic() - self.saved > SAVE_EVERY:
            self.save()

    def _observe(self, client: Client, index: int) -> dict[str, Any]:
        """Return what a cell read and changed, as the probe observed it."""
        if not self.task.observe and self.reusing is None:
            return {}
        found = client.ask("observe.observer.seen")["seen"]
        if found and self.task.observe:
            self.put(CellObserved(run=self.task.run, cell=index, seen=found[-1]))
        return dict(found[-1]) if found else {}

    def _outputs(self, index: int) -> list[Any]:
        """Return the outputs of a cell without secrets."""
        code = code_cells(self.notebook)
        found: list[Any] = json.loads(self._masked(json.dumps(code[index]["outputs"])))
        return found

    def _step_ended(self, client: Client, step: str, names: tuple[str, ...]) -> None:
        dump = "" if self.task.dump is None else str(self.task.dump)
        values = (
            client.ask("inspect.values.look", names=list(names), dump=dump, step=step)
            if names
            else {}
        )
        self._step_left(step, self.checks.profiled(client, step, values))

    def _step_left(self, step: str, values: Mapping[str, Any]) -> None:
        """Emit the values of a step, check its frames, and store the values to keep."""
        client = self.client
        assert client is not None
        self.put(StepObserved(run=self.task.run, step=step, values=values))
        self.checks.check(client, step, values, lambda name: self._restore_values(client, (name,)))
        for name, (when, path) in self.task.keep.items():
            if when == step:
                self._restore_values(client, (name,))
                self._keep(client, name, path)
        rescore = self.task.rescore
        if rescore is not None and rescore.after == step:
            self._restore_values(client, rescore.hold)
            client.ask("inspect.values.hold", names=list(rescore.hold))

    def _restore_values(self, client: Client, names: tuple[str, ...]) -> None:
        if self.reusing is not None:
            self.reusing.restore_values(client, None, names)

    def _keep(self, client: Client, name: str, path: Path) -> None:
        kept = client.ask("inspect.values.keep", name=name, path=str(path))
        if "error" in kept:
            raise Stopped(kept["error"])
        example, example_of = self._example(client, name, path.with_suffix(".example"))
        self.put(
            ModelKept(
                run=self.task.run,
                variable=name,
                digest=kept["digest"],
                artifact=self.store(path),
                type=kept["type"],
                example=example,
                example_of=example_of,
            )
        )

    def _package(self, client: Client, answering: Answering) -> None:
        """Store what serves the model, and emit whether it answers as it was judged."""
        self._restore_values(client, ("*",))
        asked = {name: getattr(answering, name) for name in answering.__struct_fields__}
        found = client.ask("answer.package.write", **asked | {"path": str(answering.path)})
        if "error" in found:
            self.put(ModelPackaged(run=self.task.run, **found))
            return
        about = answering.path.with_suffix(".json")
        files.write_text(about, json.dumps(found, ensure_ascii=False))
        secrets = [secret.encode() for secret in self.task.secrets if secret]
        if holds(about, secrets) or holds(answering.path, secrets):
            error = "what it needs to answer holds a secret"
            self.put(ModelPackaged(run=self.task.run, error=error))
            return
        artifact, stored = self.store(answering.path), self.store(about)
        told = {"answers": found["answers"], "lookups": found["lookups"]}
        self.put(ModelPackaged(run=self.task.run, artifact=artifact, about=stored, **told))

    def _example(self, client: Client, name: str, path: Path) -> tuple[str, str]:
        """Store some rows of a model's input; return their digest and their description.

        If the model's step was reused, its input may not be loaded; it is not loaded for this.
        """
        inputs = self.task.inputs
        found = client.ask(
            "inspect.example.write",
            name=name,
            given=list(inputs.given),
            read=list(inputs.read),
            path=str(path),
        )
        if "error" in found:
            return "", f"none: {found['error']}"
        if holds(path, [secret.encode() for secret in self.task.secrets if secret]):
            path.unlink()
            return "", "none: the rows hold a secret"
        return self.store(path), str(found["of"])

    def cell_failed(
        self, client: Client, index: int, seconds: float, error: str, traceback: str
    ) -> bool:
        """Emit the failure of a cell; return whether to continue."""
        self.failed = True
        if self.killed:
            error = traceback = self.killed
        error, traceback = self._masked(error), self._masked(traceback)
        self.put(
            CellFailed(
                run=self.task.run, cell=index, seconds=seconds, error=error, traceback=traceback
            )
        )
        if not self.task.go_on or client.dead or self.killed:
            return False
        self._observe(client, index)
        return True

    def notebook_ended(self, client: Client) -> None:
        """Emit the metrics, and score other models on the same data."""
        self.ended = True
        for name, (when, path) in self.task.keep.items():
            if not when:
                self._keep(client, name, path)
        request: dict[str, Any] = {
            "names": list(self.task.metrics),
            "not": sorted(self.task.not_metrics),
        }
        measured = client.ask("inspect.values.measure", **request)
        if self.reusing is not None:
            self.reusing.add_numbers(measured, self.task)
        scored = scoring.evaluation(self.task, client, lambda n: self._restore_values(client, n))
        self.put(Measured(run=self.task.run, **measured, evaluation=scored))
        if self.task.answering is not None:
            self._package(client, self.task.answering)
        end = self.task.looks.get(-1)
        if end is not None:
            self._step_ended(client, *end)
        if self.task.list_modules:
            self.put(Imported(run=self.task.run, **client.ask("inspect.values.modules")))
        if self.task.rescore is not None:
            self._rescore(client, self.task.rescore, request)

    def _rescore(self, client: Client, rescore: Rescore, request: Mapping[str, Any]) -> None:
        """Emit the scores of other models, by the same cells on the same data."""
        self._restore_values(client, ("*",))
        code = code_cells(self.notebook)
        sources = [source_of(code[index]) for index in rescore.cells]
        for version, file in rescore.models.items():
            found = client.ask(
                "inspect.values.rescore",
                variable=rescore.variable,
                path=file,
                cells=sources,
                **request,
            )
            scored = (
                {} if "error" in found else scoring.evaluation(self.task, client, lambda _: None)
            )
            self.put(
                ChampionScored(
                    run=self.task.run,
                    version=version,
                    metrics=found.get("metrics", {}),
                    error=found.get("error", ""),
                    slices=found.get("slices", {}),
                    evaluation=scored,
                )
            )

    def save(self) -> None:
        """Write the notebook with its outputs so far, atomically."""
        if self.notebook is not None:
            files.write_text(self.task.output, self._masked(document.written(self.notebook)))
            self.saved = time.monotonic()

    def _masked(self, text: str) -> str:
        for secret in self.task.secrets:
            for form in (secret, json.dumps(secret)[1:-1]):
                text = text.replace(form, "•••")
        return text
