"""Compares the values and metrics of two runs, for the proof that a bundle equals its notebook."""

import json
import math
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlops_nb.errors import RunFailed
from mlops_nb.events import Event, Imported, Measured, RunFinished, StepObserved, StepReused
from mlops_nb.jobs.model import Difference, Proof

RTOL = 1e-9
PROGRAMS = Path(__file__).parent
PROBE = PROGRAMS.parents[1] / "probe" / "__init__.py"
Values = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(slots=True)
class Side:
    """One side of a proof: step → name → description of its value."""

    values: dict[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    dump: Path | None = None
    seconds: float = 0.0
    snapshots: list[str] = field(default_factory=list)  # data that was not loaded again, and why
    evaluation: Mapping[str, Any] = field(default_factory=dict)


def fold(events: Iterable[Event], dump: Path | None) -> Side:
    """Fold the events of a run into a side. Raises RunFailed if the run failed."""
    side = Side(dump=dump)
    for event in events:
        if isinstance(event, StepObserved):
            side.values[event.step] = event.values
        elif isinstance(event, StepReused):
            side.snapshots.append(event.because)
        elif isinstance(event, Measured):
            side.metrics, side.evaluation = event.metrics, event.evaluation
        elif isinstance(event, Imported):
            side.modules, side.files = tuple(event.modules), tuple(event.files)
        elif isinstance(event, RunFinished):
            side.seconds = event.seconds
            if event.status != "finished":
                raise RunFailed(
                    f"the run for the proof failed: {event.error}",
                    fix="run the notebook until it finishes: mlops-nb run NOTEBOOK",
                )
    return side


def script_side(  # noqa: PLR0913  the arguments of a program
    script: Path,
    *,
    python: str,
    parameters: Mapping[str, Any],
    steps: Mapping[str, tuple[str, ...]],
    metrics: Iterable[str],
    excluded: Iterable[str],
    seed: int,
    dump: Path,
    environment: Mapping[str, str],
    snapshots: Mapping[str, list[dict[str, Any]]],
) -> Side:
    """Run `pipeline.py` in an interpreter and return its values and metrics.

    snapshots: function → stored values to bind instead of running it

    Raises RunFailed if the script fails.
    """
    dump.mkdir(parents=True, exist_ok=True)
    answer = dump / "answer.json"
    words = [w for name, value in parameters.items() for w in ("-p", name, str(value))]
    request = {
        "script": str(script),
        "arguments": words,
        "seed": seed,
        "dump": str(dump),
        "probe": str(PROBE),
        "steps": {step: list(names) for step, names in steps.items()},
        "snapshots": dict(snapshots),
        "metrics": list(metrics),
        "not": sorted(excluded),
        "answer": str(answer),
    }
    found = _program("run_script.py", request, python, dump, environment)
    if "error" in found:
        raise RunFailed(
            f"pipeline.py does not run by itself: {found['error']}",
            fix="prove without it: --proof quick, or simplify the cell that it names",
            where=str(script.name),
        )
    return Side(values=found["values"], metrics=found["metrics"], dump=dump)


def _program(
    name: str,
    request: Mapping[str, Any],
    python: str,
    folder: Path,
    environment: Mapping[str, str],
) -> dict[str, Any]:
    file = folder / "request.json"
    file.write_text(json.dumps(request), encoding="utf-8")
    done = subprocess.run(
        [python, str(PROGRAMS / name), str(file)],
        capture_output=True,
        text=True,
        check=False,
        env=dict(environment),
    )
    answer = Path(str(request["answer"]))
    if not answer.exists():
        return {"error": done.stderr.strip()[-800:] or f"exit status {done.returncode}"}
    found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The differences of two sides, by step: different names, and names within the tolerance."""

    differs: Mapping[str, tuple[str, ...]]
    close: Mapping[str, tuple[str, ...]]
    metrics: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether nothing differs beyond the tolerance."""
        return not any(self.differs.values()) and not self.metrics


def compare(
    left: Side, right: Side, *, python: str, scratch: Path, rtol: float = RTOL
) -> Comparison:
    """Compare two sides by digest, and values with different digests within `rtol`."""
    scratch.mkdir(parents=True, exist_ok=True)
    unequal: list[tuple[str, str]] = []
    for step, names in left.values.items():
        for name, seen in names.items():
            other = right.values.get(step, {}).get(name, {"digest": "absent"})
            if seen["digest"] != other["digest"] or seen["digest"] == "unknown":
                unequal.append((step, name))  # values without a digest are compared by their bytes
    verdict = _by_value(unequal, left, right, python=python, scratch=scratch, rtol=rtol)
    differs: dict[str, list[str]] = {step: [] for step in left.values}
    close: dict[str, list[str]] = {step: [] for step in left.values}
    for step, name in unequal:
        (close if verdict.get(f"{step}--{name}") == "close" else differs)[step].append(name)
    metrics = [
        name
        for name in dict.fromkeys([*left.metrics, *right.metrics])
        if not _near(left.metrics.get(name), right.metrics.get(name), rtol)
    ]
    return Comparison(
        differs={s: tuple(n) for s, n in differs.items()},
        close={s: tuple(n) for s, n in close.items()},
        metrics=tuple(metrics),
    )


def _near(left: float | None, right: float | None, rtol: float) -> bool:
    if left is None or right is None:
        return left is right
    if not (math.isfinite(left) and math.isfinite(right)):
        return left == right or (math.isnan(left) and math.isnan(right))
    return left == right or abs(left - right) <= rtol * max(abs(left), abs(right))


def _by_value(
    unequal: list[tuple[str, str]],
    left: Side,
    right: Side,
    *,
    python: str,
    scratch: Path,
    rtol: float,
) -> dict[str, str]:
    pairs = []
    for step, name in unequal:
        files = [d / f"{step}--{name}.pickle" for d in (left.dump, right.dump) if d is not None]
        if len(files) == 2 and all(f.exists() for f in files):  # noqa: PLR2004
            pairs.append([f"{step}--{name}", *map(str, files)])
    if not pairs:
        return {}
    request = {"pairs": pairs, "rtol": rtol, "answer": str(scratch / "compared.json")}
    return _program("compare_values.py", request, python, scratch, {})


def settle(
    found: Comparison,
    *,
    again: Callable[[], Comparison],
    matters: Iterable[str],
    tolerance: float | None,
) -> Proof:
    """Turn a comparison into a proof.

    again:   runs the source once more and compares it with itself; names that differ then vary
    matters: the model's name and the metrics, which must not vary
    tolerance: relative; smaller differences of metrics are accepted
    """
    if found.equal:
        return Proof(equal=True, steps=_differences(found, {}), because=_noted(found))
    self_differs = again()
    varying = {step: set(names) for step, names in self_differs.differs.items()}
    left = {
        step: tuple(n for n in names if n not in varying.get(step, set()))
        for step, names in found.differs.items()
    }
    steps = _differences(replace(found, differs=left), varying)
    broken = [(step, names) for step, names in left.items() if names]
    if broken:
        step, names = broken[0]
        because = f"step {step!r} makes {names[0]!r} differently in the bundle"
        return Proof(equal=False, steps=steps, because=because)
    vary = {name for names in varying.values() for name in names} | set(self_differs.metrics)
    decisive = sorted(vary & set(matters))
    if (decisive or found.metrics) and tolerance is None:
        what = ", ".join(repr(n) for n in decisive or found.metrics)
        because = f"{what} varies from run to run: its randomness is not seeded"
        return Proof(equal=False, steps=steps, because=because)
    return Proof(
        equal=True,
        steps=steps,
        because=f"{', '.join(sorted(vary))} vary from run to run, or cannot be compared",
    )


def _noted(found: Comparison) -> str:
    close = sorted({name for names in found.close.values() for name in names})
    return f"{', '.join(close)} equal within {RTOL:g}" if close else "bitwise equal"


def _differences(found: Comparison, varying: Mapping[str, set[str]]) -> tuple[Difference, ...]:
    return tuple(
        Difference(
            step=step,
            equal=not names,
            differs=names,
            varying=tuple(sorted(varying.get(step, ()))),
            close=found.close.get(step, ()),
        )
        for step, names in found.differs.items()
    )
