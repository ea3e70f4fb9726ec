"""The running account: what the demo says on the way, as lines of text."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlops_nb.demo.outcome import YEAR, GateRow, Tale, Trial, name_of

SPOILT = "every delay of this month is given in seconds where it should be minutes"


def opening(folder: Path, months: int, *, cleared: bool) -> Iterator[str]:
    """Say what is about to be played, and where."""
    yield f"{name_of(1)} to {name_of(months)} {YEAR}: real flights, and a model that keeps up"
    yield ""
    yield "The question: will a flight from New York arrive more than 15 minutes late?"
    yield "A model is judged by its AUC on the days after the 21st of each month, which it has not"
    yield "seen: of one late and one punctual flight, how often does it point to the late one?"
    yield "(0.5 is guessing, 1 is perfect.)"
    yield ""
    yield f"All of it happens in {folder}{', cleared of the last demo' if cleared else ''}."
    yield "The commands below are the real ones: you could type them there yourself."


def chapter(month: int, what: str, seconds: float) -> Iterator[str]:
    """Open a month's chapter."""
    title = f"{name_of(month)} {YEAR}: {what}"
    yield ""
    yield f"── {title} {'─' * max(2, 74 - len(title))} {clock(seconds)}"


def planted() -> Iterator[str]:
    """Say plainly that the error is planted."""
    yield f"  ! Planted for this demo: {SPOILT}."
    yield "    Columns and types look as always. Will it be noticed?"


def promoted(answer: Mapping[str, Any], trial: Trial) -> Iterator[str]:
    """Tell what `promote` did."""
    proof = answer.get("proof") or {}
    steps = proof.get("steps") or []
    if proof.get("equal"):
        equal = sum(1 for step in steps if step.get("equal"))
        yield f"  proof      the job equals the notebook: {equal} of {len(steps)} steps"
    left_out = answer.get("left_out") or []
    if left_out:
        yield f"  left out   {len(left_out)} cells that the model does not need (plots, tables)"
    yield from judged(trial)
    upcoming = (answer.get("schedule") or {}).get("next") or []
    if upcoming:
        yield f"  next run   {upcoming[0]}, and then by itself each month"


def scored(month: int, value: float) -> Iterator[str]:
    """Tell what the first model scores now."""
    days = f"the last days of {name_of(month)}"
    yield f"  without retraining, January's model gets {value:.3f} on {days}"


def judged(trial: Trial) -> Iterator[str]:
    """Tell what the gates said and what came of it."""
    for gate in trial.gates:
        met = "met    " if gate.passed else "NOT MET"
        yield f"  gate       {gate.sentence:<26} {met} {seen(gate)}"
    if trial.released:
        yield f"  released   version {trial.version} is in service now"
    elif trial.stopped:
        yield f"  stopped    {trial.because}"
    elif trial.status == "refused":
        yield f"  refused    {trial.because or 'the model in service stays'}"
    else:
        yield f"  {trial.status:<10} {trial.because or 'nothing new was released'}"


def seen(gate: GateRow) -> str:
    """Say a gate's numbers."""
    new = "no number" if gate.value is None else f"{gate.value:.3f}"
    return f"{new} (in service: {gate.champion:.3f})" if gate.champion is not None else new


def caught(trial: Trial) -> Iterator[str]:
    """Tell whether the planted error was noticed."""
    if trial.stopped:
        yield "  The planted error was caught before anything was trained."
    elif trial.status == "refused":
        yield "  The planted error was caught: nobody ever got a prediction from that model."
    else:
        yield "  The planted error was NOT caught: the gates let this model through."


def rolled_back(before: int, after: int) -> Iterator[str]:
    """Tell what the rollback changed."""
    yield f"  version {after} is back in service, version {before} is out"


def ending(tale: Tale, report: Path) -> Iterator[str]:
    """Sum up what was measured."""
    yield ""
    yield "   month        without   with retraining     gain"
    for month in tale.months:
        numbers = "".join(
            f"{'-' if value is None else format(value, sign + '.3f'):>{width}}"
            for value, sign, width in (
                (month.without, "", 10),
                (month.retrained, "", 18),
                (month.gain, "+", 9),
            )
        )
        yield f"   {name_of(month.number):<10}{numbers}"
    yield ""
    kept = f"{len(tale.refused)} refused, {len(tale.stopped)} stopped by the data checks"
    yield f"{verdict(tale)} {len(tale.released)} models released, {kept}."
    yield f"It took {clock(tale.seconds)} minutes. The report: {report}"


def verdict(tale: Tale) -> str:
    """Say the measured gain in one sentence, whichever way it went."""
    if tale.gain is None:
        return "There was no later month to compare."
    side = "gained" if tale.gain >= 0 else "lost"
    return f"On average, retraining {side} {abs(tale.gain):.3f} of AUC in each later month."


def clock(seconds: float) -> str:
    """Show seconds as minutes and seconds.

    >>> clock(83)
    '1:23'
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
