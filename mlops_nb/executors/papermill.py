"""Executes a notebook through papermill in a clean kernel and yields what happens."""

import contextlib
import json
import os
import queue
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlops_nb import files
from mlops_nb.errors import NotebookError, RunFailed, Unreachable
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
    StepObserved,
)
from mlops_nb.executors.kernel import Client, KernelEngine, Stopped
from mlops_nb.executors.reusing import Damaged, Reusing
from mlops_nb.notebook.cells import is_injected, source_of
from mlops_nb.ports import Task

SAVE_EVERY = 2.0  # s


class Watch:
    """Follows one task: puts events into a queue and asks the probe at the ends of steps."""

    def __init__(self, task: Task, put: "queue.SimpleQueue[Event | BaseException | None]") -> None:
        self.task = task
        self.put = put.put
        self.notebook: Any = None
        self.kernel_pid = 0
        self.failed = self.ended = self.timed_out = False
        self.saved = 0.0
        self.deadline = None if task.timeout is None else time.monotonic() + task.timeout
        self.reusing = None if task.reuse is None else Reusing(task, task.reuse, put.put)
        self.client: Client | None = None

    def kernel_ready(self, client: Client) -> None:
        """Note the kernel's process and prepare it."""
        self.notebook = client.nb
        client.nb.metadata.papermill["input_path"] = self.task.source
        client.nb.metadata.papermill["output_path"] = str(self.task.output)
        seed, modules = self.task.seed, self.task.modules
        started = client.ask("look.start", seed=seed, modules=str(modules) if modules else "")
        self.kernel_pid = int(started["pid"])
        self.client = client
        if self.task.observe or self.reusing is not None:
            client.ask("observer.start")

    def stands(self, index: int, cell: Any) -> bool:
        """Say whether a cell stands by what was recorded, and do what follows its step."""
        standing = None if self.reusing is None else self.reusing.stands(index, cell)
        look = self.task.looks.get(index)
        if standing is not None and look is not None and not standing.left_out:
            step, names = look
            values = {n: standing.values[n] for n in names if n in standing.values}
            self._step_left(step, values)
        return standing is not None

    def cell_started(self, client: Client, index: int) -> None:
        """Tell that a cell starts; bring back first what it may need."""
        if self.reusing is not None:
            self.reusing.bring_back(client, index)
        self.put(CellStarted(run=self.task.run, cell=index))

    def cell_ended(self, client: Client, index: int, seconds: float) -> None:
        """Tell that a cell is done, and look at what its step left where it was the last."""
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise Stopped(f"the run's time-out of {self.task.timeout:g} s has passed")
        self.put(CellFinished(run=self.task.run, cell=index, seconds=seconds))
        seen = self._observe(client, index)
        if index in self.task.bind:
            bound, file = self.task.bind[index]
            client.ask("look.bind", name=bound, path=str(file))
        if self.reusing is not None:
            self.reusing.ran(index, seen, seconds)
        look = self.task.looks.get(index)
        if look is not None:
            self._step_ended(client, *look)
        if self.reusing is not None:
            self.reusing.ended(client, index, self._outputs)
        if time.monotonic() - self.saved > SAVE_EVERY:
            self.save()

    def _observe(self, client: Client, index: int) -> dict[str, Any]:
        """Tell what a cell did, as it was seen; what was put in before it is no cell of ours."""
        if not self.task.observe and self.reusing is None:
            return {}
        found = client.ask("observer.seen")["seen"]
        if found and self.task.observe:
            self.put(CellObserved(run=self.task.run, cell=index, seen=found[-1]))
        return dict(found[-1]) if found else {}

    def _outputs(self, index: int) -> list[Any]:
        """Return a cell's outputs as they are kept, no secret among them."""
        code = [c for c in self.notebook.cells if c.cell_type == "code" and not is_injected(c)]
        found: list[Any] = json.loads(self._masked(json.dumps(code[index].outputs)))
        return found

    def _step_ended(self, client: Client, step: str, names: tuple[str, ...]) -> None:
        dump = "" if self.task.dump is None else str(self.task.dump)
        values = client.ask("look.look", names=list(names), dump=dump, step=step) if names else {}
        self._step_left(step, values)

    def _step_left(self, step: str, values: Mapping[str, Any]) -> None:
        """Tell what a step left behind, look at it, and keep what is to be kept."""
        client = self.client
        assert client is not None
        self.put(StepObserved(run=self.task.run, step=step, values=values))
        if self.task.inspect is not None:
            objection = self.task.inspect(step, values)
            if objection:
                raise Stopped(objection)
        for name, (when, path) in self.task.keep.items():
            if when == step:
                self._bring_back(client, (name,))
                self._keep(client, name, path)
        rescore = self.task.rescore
        if rescore is not None and rescore.after == step:
            self._bring_back(client, rescore.hold)
            client.ask("look.hold", names=list(rescore.hold))

    def _bring_back(self, client: Client, names: tuple[str, ...]) -> None:
        if self.reusing is not None:
            self.reusing.bring_back(client, None, names)

    def _keep(self, client: Client, name: str, path: Path) -> None:
        kept = client.ask("look.keep", name=name, path=str(path))
        if "error" in kept:
            raise Stopped(kept["error"])
        self.put(ModelKept(run=self.task.run, variable=name, digest=kept["digest"],
                           artifact=str(path), type=kept["type"]))  # fmt: skip

    def cell_failed(
        self, client: Client, index: int, seconds: float, error: str, traceback: str
    ) -> bool:
        """Tell that a cell failed."""
        self.failed = True
        if self.timed_out:
            error = traceback = f"the run's time-out of {self.task.timeout:g} s has passed"
        error, traceback = self._masked(error), self._masked(traceback)
        self.put(CellFailed(run=self.task.run, cell=index, seconds=seconds, error=error,
                            traceback=traceback))  # fmt: skip
        if not self.task.go_on or client.dead or self.timed_out:
            return False
        self._observe(client, index)
        return True

    def notebook_ended(self, client: Client) -> None:
        """Measure, and judge other models on the same data."""
        self.ended = True
        for name, (when, path) in self.task.keep.items():
            if not when:
                self._keep(client, name, path)
        asked: dict[str, Any] = {
            "names": list(self.task.metrics),
            "not": sorted(self.task.not_metrics),
        }
        measured = client.ask("look.measure", **asked)
        if self.reusing is not None:
            self.reusing.add_numbers(measured, self.task)
        self.put(Measured(run=self.task.run, **measured))
        end = self.task.looks.get(-1)
        if end is not None:
            self._step_ended(client, *end)
        if self.task.list_modules:
            self.put(Imported(run=self.task.run, **client.ask("look.modules")))
        rescore = self.task.rescore
        if rescore is None:
            return
        self._bring_back(client, ("*",))
        code = [c for c in self.notebook.cells if c.cell_type == "code" and not is_injected(c)]
        sources = [source_of(code[index]) for index in rescore.cells]
        for version, file in rescore.models.items():
            found = client.ask(
                "look.rescore", variable=rescore.variable, path=file, cells=sources, **asked
            )
            self.put(ChampionScored(run=self.task.run, version=version,
                                    metrics=found.get("metrics", {}),
                                    error=found.get("error", "")))  # fmt: skip

    def save(self) -> None:
        """Write the notebook as it stands, whole or not at all."""
        from nbformat.v4 import writes

        if self.notebook is not None:
            files.write_text(self.task.output, self._masked(writes(self.notebook)) + "\n")
            self.saved = time.monotonic()

    def _masked(self, text: str) -> str:
        for secret in self.task.secrets:
            for form in (secret, json.dumps(secret)[1:-1]):
                text = text.replace(form, "•••")
        return text


class Papermill:
    """The default executor: papermill, one clean kernel a run."""

    def execute(self, task: Task) -> Iterator[Event]:
        """Yield what happens in a notebook as it happens.

        Raises Unreachable where the kernel does not start, NotebookError where there is none of
        the name that the notebook asks for.
        """
        while True:
            try:
                yield from self._once(task)
            except Damaged:
                assert task.reuse is not None
                task.reuse.reset()  # and again, without what turned out to be damaged
            else:
                return

    def _once(self, task: Task) -> Iterator[Event]:
        happened: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()
        watch = Watch(task, happened)
        thread = threading.Thread(target=self._run, args=(task, watch), daemon=True)
        thread.start()
        try:
            while (event := self._next(happened, watch)) is not None:
                if isinstance(event, BaseException):
                    raise event
                yield event
        finally:  # done, failed, or the caller has gone: no kernel stays behind
            if thread.is_alive():
                _kill(watch.kernel_pid)
            thread.join(timeout=30)

    def _next(
        self, happened: "queue.SimpleQueue[Event | BaseException | None]", watch: Watch
    ) -> Event | BaseException | None:
        """Return what happens next; end the kernel where the time is up."""
        if watch.deadline is None or watch.timed_out:
            return happened.get()
        try:
            return happened.get(timeout=max(0.0, watch.deadline - time.monotonic()))
        except queue.Empty:
            watch.timed_out = True
            _kill(watch.kernel_pid)
            return happened.get()

    def _run(self, task: Task, watch: Watch) -> None:
        try:
            self._execute(task, watch)
        except BaseException as error:  # noqa: BLE001  handed to the thread that waits
            watch.put(error)
        finally:
            _close_loop()
            watch.put(None)

    def _execute(self, task: Task, watch: Watch) -> None:
        import logging

        import nbformat
        from jupyter_client.kernelspec import NoSuchKernel
        from papermill import execute_notebook
        from papermill.engines import papermill_engines
        from papermill.exceptions import PapermillExecutionError

        logging.getLogger("papermill").setLevel(logging.CRITICAL)
        logging.getLogger("traitlets").setLevel(logging.CRITICAL)
        papermill_engines.register("mlops-nb", KernelEngine)
        node = nbformat.from_dict(_ready(task.document))
        watch.notebook = node
        try:
            execute_notebook(
                node, None, dict(task.parameters), engine_name="mlops-nb", progress_bar=False,
                watcher=watch, python=task.interpreter, folder=str(task.folder),
                environment={**os.environ, **task.environment},
            )  # fmt: skip
        except PapermillExecutionError as error:
            if not watch.failed and not watch.ended:  # a cell may be tagged `raises-exception`
                raise RunFailed(f"{error.ename}: {error.evalue}", fix="see the notebook") from None
        except NoSuchKernel as error:
            raise NotebookError(
                f"there is no kernel {error.name!r} on this machine",
                fix="choose a kernel of `jupyter kernelspec list`, or install this one",
            ) from None
        except OSError as error:
            raise _unwritable(task.output, error) from None
        except RuntimeError as error:
            raise Unreachable(
                f"the kernel did not start: {error}", fix="run the kernel by hand: jupyter console"
            ) from None
        finally:
            try:
                watch.save()
            except OSError as error:
                raise _unwritable(task.output, error) from None


def _close_loop() -> None:
    """Close the event loop that nbclient made for this thread, and that nobody else needs."""
    from jupyter_core.utils import ensure_event_loop

    loop = ensure_event_loop()
    if not loop.is_running():
        loop.close()


def _kill(kernel: int) -> None:
    """End a kernel and whatever it started: it leads a process group of its own."""
    if kernel:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(kernel, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(kernel, signal.SIGKILL)


def _unwritable(output: Path, error: OSError) -> Unreachable:
    return Unreachable(
        f"the output notebook cannot be written: {error.strerror or error}",
        fix="free some space, or give another place: -o OUT",
        where=str(output),
    )


def _ready(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy that papermill can take: a kernelspec, ids, and its own metadata."""
    import copy

    ready = copy.deepcopy(dict(document))
    ready["cells"] = [cell for cell in ready["cells"] if not is_injected(cell)]
    ready["nbformat_minor"] = max(5, int(ready.get("nbformat_minor", 5)))
    ids: set[str] = set()
    metadata = ready.setdefault("metadata", {})
    metadata.setdefault("kernelspec", {"name": "python3", "display_name": "Python 3"})
    metadata["kernelspec"].setdefault("language", "python")
    metadata["papermill"] = {}
    for cell in ready["cells"]:
        cell["source"] = source_of(cell)
        cell.setdefault("metadata", {})
        wanted = str(cell.get("id") or "cell")
        cell["id"] = wanted if wanted not in ids and "id" in cell else f"{wanted[:40]}-{len(ids)}"
        ids.add(cell["id"])
        if cell["cell_type"] == "code":
            cell["outputs"] = []
            cell.setdefault("execution_count", None)
    return ready
