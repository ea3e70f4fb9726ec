"""Reuses cached cells in a run: restores their values, and records the units that ran."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from mlops_nb.engine.runner import Client
from mlops_nb.engine.task import CachedUnit, Restore, Reuse, Task
from mlops_nb.errors import NotFound
from mlops_nb.events import ArtifactDamaged, Event, ReuseAudited, StepReused


class Damaged(Exception):
    """A cached value cannot be restored: the run starts over without it."""


class Reusing:
    """Asks `Reuse` before each cell of a task, and reports to it afterwards."""

    def __init__(self, task: Task, reuse: Reuse, put: Callable[[Event], None]) -> None:
        self.task, self.reuse, self.put = task, reuse, put
        self.seconds: dict[int, float] = {}
        self.numbers: dict[str, float] = {}
        self.slices: dict[str, Mapping[str, float]] = {}
        self.before: dict[str, str] = {}

    def reuses(self, index: int, cell: Any, nodes: Callable[[list[Any]], Any]) -> CachedUnit | None:
        """Return the cached result of a cell and fill its outputs in; None if the cell must run."""
        try:
            cached = self.reuse.cached(index)
        except NotFound as error:  # its outputs are gone from the store
            raise self._damaged(error.what) from None
        if cached is None:
            return None
        if cached.left_out:
            return cached
        cell["outputs"] = nodes(cached.outputs)
        cell["metadata"]["mlops_nb"] = {"reused": cached.because}
        if cached.last:
            self._reused(cached, self.reuse.cells(index))
        return cached

    def _reused(self, cached: CachedUnit, cells: tuple[int, ...]) -> None:
        if cached.step:
            self.put(
                StepReused(
                    run=self.task.run,
                    step=cached.step,
                    because=cached.because,
                    saved=cached.saved,
                    cells=cells,
                )
            )
        for name, value in cached.values.items():
            if "number" in value:
                self.numbers[name] = value["number"]
            if "slices" in value:
                self.slices[name] = value["slices"]

    def restore_values(
        self, client: Client, index: int | None, names: tuple[str, ...] = ()
    ) -> None:
        """Restore the values that a cell needs, or some names."""
        try:
            restore = self.reuse.restore(index, names=names)
        except NotFound as error:
            raise self._damaged(error.what) from None
        self._restore(client, restore)

    def _restore(self, client: Client, restore: Restore) -> None:
        if restore.lost:
            raise self._damaged(f"{restore.lost!r} cannot be brought back")
        if restore.definitions:
            error = client.ask("values.random_state.define", texts=restore.definitions)["error"]
            if error:
                raise self._damaged(f"a definition cannot be executed again ({error})")
        for part, entries, setup in (
            ("values.groups", restore.entries, {"setup": restore.setup}),
            ("values.random_state", restore.generators, {}),
        ):
            if not entries:
                continue
            damaged = client.ask(f"{part}.load", entries=entries, **setup)["damaged"]
            for entry in damaged:
                spoilt = [e["sha256"] for e in entries if set(entry["names"]) & set(e["names"])]
                raise self._damaged(f"{entry['names'][0]!r}: {entry['why']}", *spoilt)

    def _damaged(self, what: str, *artifacts: str) -> Damaged:
        for artifact in artifacts or ("",):
            self.reuse.damaged(artifact)
        self.put(ArtifactDamaged(run=self.task.run, artifact=(artifacts or ("",))[0], what=what))
        return Damaged(what)

    def ran(self, index: int, seen: Mapping[str, Any], seconds: float) -> None:
        """Add the observed reads and changes of a cell that ran."""
        if missed := self.reuse.missed(seen):
            raise self._damaged(f"{missed[0]!r} was read in a way that its text does not show")
        self.reuse.saw(index, seen)
        self.seconds[index] = seconds
        for name in (*seen.get("writes", ()), *seen.get("changes", ()), *seen.get("deletes", ())):
            self.numbers.pop(name, None)
            self.slices.pop(name, None)

    def ended(
        self, client: Client, index: int, outputs: Callable[[int], list[Any]], *, looked: bool
    ) -> None:
        """Record the unit that ends with this cell; `looked`: its values were just digested."""
        if not self.reuse.ends(index):
            return
        cells = self.reuse.cells(index)
        made = list(self.reuse.made(index))
        values = client.ask("inspect.values.look", names=made, dump="", step="", again=looked)
        differs = self.reuse.differs(index, values)
        folder = str(self.reuse.folder)
        asked = self.reuse.touched(index)
        groups = client.ask("values.groups.make", folder=folder, **asked)["groups"]
        groups, values = self._without_secrets(groups, values)
        after = client.ask("values.random_state.states")
        drawn = [c for c, state in after.items() if state and state != self.before.get(c, "")]
        entries: list[dict[str, Any]] = []
        if drawn:
            saved = client.ask("values.random_state.save", channels=drawn, folder=folder)
            entries = saved["entries"]
        self.before = after
        event = self.reuse.record(
            index,
            {
                "values": values,
                "groups": groups,
                "entries": entries,
                "generators": after,
                "outputs": [outputs(i) for i in cells],
                "seconds": round(sum(self.seconds.get(i, 0.0) for i in cells), 3),
            },
        )
        self.put(replace(event, run=self.task.run))
        if differs is not None:
            self.put(ReuseAudited(run=self.task.run, step=event.step, differs=differs))  # type: ignore[attr-defined]

    def _without_secrets(
        self, groups: list[dict[str, Any]], values: dict[str, Any]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Remove values that contain a secret; neither they nor their digests are kept."""
        secrets = [s.encode() for s in (*self.task.secrets, *self.reuse.hidden) if s]
        kept = []
        for group in groups:
            if "file" in group and holds(Path(group["file"]), secrets):
                Path(group["file"]).unlink()
                hidden = {n: values[n] for n in group["names"] if n in values}
                values |= {n: {**v, "digest": "unknown"} for n, v in hidden.items()}
                told = {"names": group["names"], "digest": "unknown", "refers": group["refers"]}
                kept.append({**told, "error": "it holds a secret"})
            else:
                kept.append(group)
        return kept, values

    def add_numbers(self, measured: dict[str, Any], task: Task) -> None:
        """Add the numbers of reused steps to those that were measured in the kernel."""
        metrics = measured["metrics"]
        for name, value in self.numbers.items():
            wanted = name in task.metrics if task.metrics else name not in task.not_metrics
            if wanted and not name.startswith("_"):
                metrics.setdefault(name, value)
        for name, parts in self.slices.items():
            if name.partition("_by_")[0] in metrics:
                measured["slices"].setdefault(name, parts)


def holds(file: Path, secrets: list[bytes]) -> bool:
    """Return whether a file contains one of some texts, block borders included."""
    if not secrets:
        return False
    longest = max(map(len, secrets))
    before = b""
    with file.open("rb") as opened:
        while block := opened.read(1 << 24):
            window = before + block
            if any(secret in window for secret in secrets):
                return True
            before = window[-longest:]
    return False
