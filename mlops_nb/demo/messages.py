"""Formats the messages that the demo prints while it runs."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlops_nb.demo.calls import Calls, Takeover
from mlops_nb.demo.commands import Chapter
from mlops_nb.demo.results import YEAR, Gate, Results, Trial, name_of

ARM_TITLES = {
    "frozen": "Left alone",
    "schedule": "Retrained each month",
    "triggered": "Retrained on alarm",
    "oracle": "Had it known that month",
}
SPOILED = "every delay of this month is given in seconds instead of minutes"


def introduction(folder: Path, months: int, *, cleared: bool) -> Iterator[str]:
    """Describe the demo."""
    yield f"{name_of(1)} to {name_of(months)} {YEAR}: real flights, and a model that keeps up"
    yield ""
    yield "The question: will a flight from New York arrive more than 15 minutes late?"
    yield "A model is judged by its AUC on the days after the 21st of each month, which it has not"
    yield "seen: given one late and one punctual flight, how often does it pick the late one?"
    yield "(0.5 is guessing, 1 is perfect.)"
    yield ""
    yield f"Everything happens in {folder}{' (the last demo was removed)' if cleared else ''}."
    yield "The commands below are real: you can type them there yourself."


def heading(chapter: Chapter, seconds: float) -> Iterator[str]:
    """Introduce a chapter."""
    title = f"{name_of(chapter.month)} {YEAR}: {chapter.title}"
    yield ""
    yield f"── {title} {'─' * max(2, 74 - len(title))} {clock(seconds)}"
    if chapter.spoiled:
        yield f"  ! Planted for this demo: {SPOILED}."
        yield "    Columns and types look as always. Will the error be caught?"


def promoted(answer: Mapping[str, Any], trial: Trial) -> Iterator[str]:
    """Describe the answer of `promote`."""
    proof = answer.get("proof") or {}
    steps = proof.get("steps") or []
    if proof.get("equal"):
        equal = sum(1 for step in steps if step.get("equal"))
        yield f"  proof      the job equals the notebook: {equal} of {len(steps)} steps"
    if left_out := answer.get("left_out"):
        yield f"  left out   {len(left_out)} cells that the model does not need (plots, tables)"
    yield from judged(trial)
    if upcoming := (answer.get("schedule") or {}).get("next"):
        yield f"  next run   {upcoming[0]}, and then automatically each month"


def judged(trial: Trial) -> Iterator[str]:
    """Describe the gates of a trial and its result; on spoiled data, whether that was caught."""
    for gate in trial.gates:
        met = "met    " if gate["passed"] else "NOT MET"
        yield f"  gate       {gate['gate']:<26} {met} {_numbers(gate)}"
    because = {
        "released": f"version {trial.version} is in service now",
        "refused": trial.because or "the model in service stays",
    }.get(trial.result, trial.because or "nothing new was released")
    yield f"  {trial.result:<10} {because}"
    if trial.spoiled:
        yield {
            "stopped": "  The planted error was caught before anything was trained.",
            "refused": "  The planted error was caught: that model never made a prediction.",
        }.get(trial.result, "  The planted error was NOT caught: the gates let this model through.")


def took_over(takeover: Takeover) -> str:
    """Describe from which request on a version answers."""
    version, call = takeover.version, takeover.call
    if call is None:
        return f"  requests   version {version} answered NONE of them"
    return f"  requests   version {version} answers from {call.request_id} on"


def _numbers(gate: Gate) -> str:
    value, champion = gate.get("value"), gate.get("champion")
    new = "no number" if value is None else f"{value:.3f}"
    return new if champion is None else f"{new} (in service: {champion:.3f})"


def summary(results: Results, report: Path) -> Iterator[str]:
    """List the months and sum up."""
    yield ""
    yield "   month        without   with retraining     gain"
    for month in results.months:
        numbers = f"{metric(month.without):>10}{metric(month.retrained):>18}"
        yield f"   {name_of(month.number):<10}{numbers}{metric(month.gain, '+'):>9}"
    yield ""
    released, refused, stopped = (
        len(results.ended(result)) for result in ("released", "refused", "stopped")
    )
    kept = f"{refused} refused, {stopped} stopped by the data checks"
    yield f"{verdict(results)} {released} models released, {kept}."
    yield from served(results.calls)
    yield from arms(results)
    yield f"It took {clock(results.seconds)} minutes. The report: {report}"


def comparing() -> Iterator[str]:
    """Say what is compared after the months."""
    yield ""
    yield "Was it worth it? Four ways to keep the model on the same flights, labels a week late,"
    yield "and the watch on synthetic streams, whose change is known."


def arms(results: Results) -> Iterator[str]:
    """Sum up the four ways to keep the model."""
    if not results.arms:
        return
    gains = results.arms["all"]["gain"]
    for arm, title in ARM_TITLES.items():
        if arm != "frozen":
            yield f"{title}: {interval(gains[arm])} of AUC over the model that was left alone."
    alarms = len(results.arms["alarms"])
    yield (
        f"The labels raised {alarms or 'no'} alarm{'' if alarms == 1 else 's'}: a model can do no "
        "worse than promised, and newer data could still do better."
    )


def interval(gain: Mapping[str, float]) -> str:
    """Return a gain with its interval.

    >>> interval({"value": 0.035, "low": 0.02, "high": 0.05})
    '+0.035 (95 % +0.020 to +0.050)'
    """
    return f"{gain['value']:+.3f} (95 % {gain['low']:+.3f} to {gain['high']:+.3f})"


def decision(stream: Mapping[str, Any]) -> str:
    """Return in words what the watch decided on a kind of stream."""
    if stream["alarm"] is not None:
        detected = stream["alarm"] - stream["lag"]
        after = f"{stream['alarm']:g} days: {stream['lag']} of waiting for labels, {detected:g} to "
        words = f"harm found after {after}detect it"
        if stream["mended"] is not None:
            rest = stream["mended"] - stream["alarm"]
            words += (
                f"; {stream['mend']} {rest:g} days later" if rest else f"; {stream['mend']} at once"
            )
        return words
    if stream["labels"] is not None:
        return f"missing labels reported after {stream['labels']:g} days"
    return "silence"


def served(calls: Calls) -> Iterator[str]:
    """Sum up the requests, the failed ones with their reasons, and the prediction log."""
    if not calls.calls:
        return
    failed = f"{calls.failed:,} failed" if calls.failed else "none failed"
    times = f"median {milliseconds(calls.seconds(0.5))}, p99 {milliseconds(calls.seconds(0.99))}"
    yield f"Meanwhile {calls.answered:,} requests were answered and {failed} ({times})."
    for error, count in calls.errors:
        yield f"  {count:,} failed: {error}"
    if calls.log is not None:
        yield logged(calls)


def logged(calls: Calls) -> str:
    """Return in one sentence whether the prediction log has each answered request once."""
    log = calls.log
    if log is None:
        return "The prediction log was not read."
    if log.equal:
        return f"The prediction log has each of the {calls.answered:,} answered requests once."
    return (
        f"The prediction log has {log.rows:,} rows for {calls.answered:,} answered requests: "
        f"{log.missing:,} are MISSING, {log.extra:,} are too many."
    )


def milliseconds(seconds: float | None) -> str:
    """Return seconds as milliseconds, or a dash if there are none.

    >>> milliseconds(0.00456), milliseconds(0.123)
    ('4.6 ms', '123 ms')
    """
    if seconds is None:
        return "-"
    return f"{seconds * 1e3:.1f} ms" if seconds < 0.01 else f"{seconds * 1e3:.0f} ms"  # noqa: PLR2004


def verdict(results: Results) -> str:
    """Return the measured gain or loss in one sentence."""
    if results.gain is None:
        return "There was no later month to compare."
    side = "gained" if results.gain >= 0 else "lost"
    return f"On average, retraining {side} {abs(results.gain):.3f} of AUC in each later month."


def metric(value: float | None, sign: str = "") -> str:
    """Return a metric as text, or a dash if there is none."""
    return "-" if value is None else format(value, f"{sign}.3f")


def clock(seconds: float) -> str:
    """Return seconds as minutes and seconds.

    >>> clock(83)
    '1:23'
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
