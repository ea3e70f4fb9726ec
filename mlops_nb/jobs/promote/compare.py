"""Compares the values and metrics of two runs, for the proof that a bundle equals its notebook."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlops_nb.errors import RunFailed
from mlops_nb.events import (
    CellFailed,
    CellObserved,
    Event,
    Imported,
    Measured,
    RunFinished,
    StepObserved,
    StepReused,
)
from mlops_nb.jobs.model import Difference, Proof
from mlops_nb.jobs.promote.program import Program

RTOL = 1e-9
FIX = "mend what the error says, and promote again"


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
    seen: dict[int, Mapping[str, Any]] = field(default_factory=dict)  # cell → what it read and made


def fold(
    events: Iterable[Event], dump: Path | None, failed: Callable[[CellFailed], RunFailed]
) -> Side:
    """Fold the events of a run into a side.

    failed: returns the error for a cell that failed

    Raises that error, or RunFailed if the run failed outside of the cells.
    """
    side = Side(dump=dump)
    for event in events:
        if isinstance(event, CellFailed):
            raise failed(event)
        if isinstance(event, CellObserved):
            side.seen[event.cell] = event.seen
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
                    f"the run for the proof failed: {event.error}", fix=event.fix or FIX
                )
    return side


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The differences of two sides.

    differs, close: step → names whose values differ, or are equal within the tolerance
    uncompared:     step → names whose values nothing can compare: a figure, a connection
    places:         (step, name) → where its values differ, such as "coef_[0]"
    """

    differs: Mapping[str, tuple[str, ...]]
    close: Mapping[str, tuple[str, ...]]
    metrics: tuple[str, ...]
    uncompared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    places: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether nothing differs beyond the tolerance."""
        return not any(self.differs.values()) and not self.metrics


def compare(
    left: Side, right: Side, *, python: str, scratch: Path, rtol: float = RTOL, model: str = ""
) -> Comparison:
    """Compare two sides by digest, and values with different digests within `rtol`.

    model: the name whose value must be compared. Another value without a digest, such as a figure,
           may differ in a way that nobody can see: it differs by nothing, or it is not compared.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    unequal: dict[tuple[str, str], bool] = {}  # (step, name) → whether a digest is known
    for step, names in left.values.items():
        for name, seen in names.items():
            other = right.values.get(step, {}).get(name, {"digest": "absent"})
            if seen["digest"] != other["digest"] or seen["digest"] == "unknown":
                unequal[step, name] = {seen["digest"], other["digest"]} != {"unknown"}
    answers = _by_value(list(unequal), left, right, python=python, scratch=scratch, rtol=rtol)
    verdicts = {
        key: _verdict(answers.get("--".join(key), ""), known=unequal[key], model=key[1] == model)
        for key in unequal
    }
    metrics = [
        name
        for name in dict.fromkeys([*left.metrics, *right.metrics])
        if not _near(left.metrics.get(name), right.metrics.get(name), rtol)
    ]

    def those(verdict: str) -> dict[str, tuple[str, ...]]:
        found = {key for key, given in verdicts.items() if given == verdict}
        return {
            step: tuple(n for s, n in unequal if (s, n) in found and s == step)
            for step in left.values
        }

    return Comparison(
        differs=those("differs"),
        close=those("close"),
        uncompared=those("uncompared"),
        metrics=tuple(metrics),
        places={
            key: answers["--".join(key)].removeprefix("differs ").strip(".")
            for key in unequal
            if answers.get("--".join(key), "").startswith("differs ")
        },
    )


def _verdict(answer: str, *, known: bool, model: bool) -> str:
    """Return close, differs or uncompared. `known`: there is a digest, and it differs."""
    if answer == "close":
        return "close"
    return "differs" if known or (model and answer.startswith("differs")) else "uncompared"


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
    with Program("compare_values.py", request, python=python, folder=scratch) as program:
        return program.answer()


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
    decides = set(matters)
    lost = sorted(decides & {n for names in found.uncompared.values() for n in names})
    if lost:
        because = f"{lost[0]!r} cannot be compared: it has no digest and cannot be pickled"
        return Proof(equal=False, steps=_differences(found, {}), because=because)
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
        because = f"step {step!r} makes {_placed(names[0], found)} differently in the bundle"
        return Proof(equal=False, steps=steps, because=because)
    vary = {name for names in varying.values() for name in names} | set(self_differs.metrics)
    steady = [name for name in found.metrics if name not in vary]
    if steady:
        because = f"the bundle measures {steady[0]!r} differently"
        return Proof(equal=False, steps=steps, because=because)
    decisive = sorted(vary & decides)
    if found.metrics or (decisive and tolerance is None):
        what = ", ".join(_placed(name, found) for name in decisive or found.metrics)
        because = f"{what} varies from run to run: its randomness is not seeded"
        return Proof(equal=False, steps=steps, because=because)
    because = f"{', '.join(sorted(vary))} vary from run to run"
    return Proof(equal=True, steps=steps, because="; ".join([because, *_not_compared(found)]))


def _placed(name: str, found: Comparison) -> str:
    """Return a name, and where its value differs if that is known."""
    place = next((place for (_, n), place in found.places.items() if n == name and place), "")
    return f"{name!r} (at {place})" if place else repr(name)


def _noted(found: Comparison) -> str:
    close = sorted({name for names in found.close.values() for name in names})
    uncompared = _not_compared(found)
    equal = f"{', '.join(close)} equal within {RTOL:g}" if close else "bitwise equal"
    return "; ".join([f"the others are {equal}" if uncompared else equal, *uncompared][::-1])


def _not_compared(found: Comparison) -> list[str]:
    names = sorted({name for names in found.uncompared.values() for name in names})
    if not names:
        return []
    noun = "value" if len(names) == 1 else "values"
    return [f"{len(names)} {noun} could not be compared ({', '.join(names)})"]


def _differences(found: Comparison, varying: Mapping[str, set[str]]) -> tuple[Difference, ...]:
    return tuple(
        Difference(
            step=step,
            equal=not names,
            differs=names,
            varying=tuple(sorted(varying.get(step, ()))),
            close=found.close.get(step, ()),
            uncompared=found.uncompared.get(step, ()),
        )
        for step, names in found.differs.items()
    )
