"""Parses gates, the sentences that a model must satisfy, and judges them."""

import difflib
import math
import operator
import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from mlops_nb.errors import JobError
from mlops_nb.evaluation import metrics as evaluation_metrics
from mlops_nb.evaluation.model import Gate, Verdict

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
SENTENCE = re.compile(
    rf"""^\s*(?P<metric>[A-Za-z_]\w*)(?P<gap>\s+gap)?(?:\s+by\s+(?P<by>[A-Za-z_]\w*))?
    \s*(?P<op>>=|<=|==|>|<)\s*
    (?:(?P<champion>champion)(?:\s*(?P<sign>[+-])\s*(?P<away>{NUMBER}))?|(?P<bound>{NUMBER}))\s*$""",
    re.VERBOSE,
)
OPS = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
}
Slices = Mapping[str, Mapping[str, float]]


def gate(text: str) -> Gate:
    """Parse a gate.

    Raises JobError for an invalid sentence.

    >>> gate("auc >= champion - 0.01").bound
    -0.01
    """
    match = SENTENCE.match(text)
    if match is None or (match["gap"] and not match["by"]):
        raise JobError(
            f"the gate {text!r} cannot be read",
            fix='write it like "auc >= 0.6", "auc >= champion - 0.01", '
            '"accuracy by origin >= 0.7" or "recall gap by gender <= 0.1"',
        )
    bound = float((match["sign"] or "+") + (match["away"] or "0")) if match["champion"] else None
    return Gate(
        text=text.strip(),
        metric=match["metric"],
        op=match["op"],
        bound=float(match["bound"]) if bound is None else bound,
        champion=bool(match["champion"]),
        by=match["by"] or "",
        gap=bool(match["gap"]),
    )


def unknown(gates: Iterable[Gate], known: Iterable[str]) -> JobError | None:
    """Return an error for the first gate whose metric does not exist, or None.

    >>> print(unknown([gate("acuracy >= 0.1")], ["accuracy"]).fix)
    did you mean 'accuracy'? the metrics are accuracy
    """
    names = list(dict.fromkeys(known))
    for one in gates:
        wanted = f"{one.metric}_by_{one.by}" if one.by else one.metric
        if wanted in names:
            continue
        near = difflib.get_close_matches(wanted, names, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        listed = ", ".join(names) or "none"
        return JobError(
            f"the gate {one.text!r} judges {wanted!r}, which the notebook does not make",
            fix=f"{hint}the metrics are {listed}",
        )
    return None


class Scored(Struct, frozen=True, kw_only=True):
    """The scores that gates are judged by.

    metrics, slices: the notebook's own numbers, as a whole and by slice
    evaluation:      what `evaluation.metrics` made of the arrays that the evaluation mark names
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    slices: Slices = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)


class Measure(Struct, frozen=True, kw_only=True):
    """The number that a gate judges.

    where:     the slices that it is of, such as "worst LGA"
    low, high: its 95 % interval, if known
    missing:   why there is no number, "" if there is one
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    where: str = ""
    missing: str = ""


def measure(one: Gate, scored: Scored) -> Measure:
    """Return the number that a gate judges: a metric, its worst slice, or its widest gap.

    A number of the notebook counts before one of the evaluation. Slices with too few rows are not
    judged.

    >>> measure(gate("auc >= 0.6"), Scored(metrics={"auc": 0.7})).value
    0.7
    """
    if not one.by:
        score = scored.evaluation.get("whole", {}).get(one.metric)
        return _measured(scored.metrics.get(one.metric), score)
    name = f"{one.metric}_by_{one.by}"
    scores = scored.evaluation.get("by", {}).get(name, {})
    made = scored.slices.get(name) or {part: score["value"] for part, score in scores.items()}
    rows, least = scored.evaluation.get("rows", {}).get(one.by, {}), _least(scored)
    parts = {
        p: _measured(v, scores.get(p), rows.get(p))
        for p, v in made.items()
        if rows.get(p, least) >= least
    }
    if made and not parts:
        return Measure(value=None, missing=f"has no slice of {least} rows")
    odd = [p for p, part in parts.items() if part.value is None or math.isnan(part.value)]
    if odd:  # min and max ignore NaN or not, depending on its place
        return replace(parts[odd[0]], value=math.nan, where=f"of {odd[0]}")
    return _of_slices(one, parts)


def _least(scored: Scored) -> int:
    return int(scored.evaluation.get("least", 0))


def _measured(made: float | None, score: Mapping[str, Any] | None, n: int | None = None) -> Measure:
    """Return the notebook's number, else the evaluation's; its interval if both agree."""
    if score is None:
        return Measure(value=made, n=n)
    if made is None:
        return Measure(**score) if score["value"] is not None else Measure(value=None, n=score["n"])
    if evaluation_metrics.agreeing(score, made):
        return Measure(**{**score, "value": made})
    return Measure(value=made, n=n or score["n"])


def _of_slices(one: Gate, parts: Mapping[str, Measure]) -> Measure:
    if not parts:
        return Measure(value=None)
    ranked = sorted(parts, key=lambda part: float(parts[part].value or 0.0))
    low, high = ranked[0], ranked[-1]
    if one.gap:
        ends = " and ".join(f"{p} {parts[p].value:.4g}{_interval(parts[p])}" for p in (low, high))
        gap = float(parts[high].value or 0.0) - float(parts[low].value or 0.0)
        return Measure(value=gap, where=f"between {ends},")
    worst = high if one.op in {"<", "<="} else low
    return replace(parts[worst], where=f"worst {worst}")


def _interval(found: Measure) -> str:
    """Return the interval and the rows of a number, in brackets.

    >>> _interval(Measure(value=0.62, low=0.58, high=0.66, n=412))
    ' (95 % 0.58-0.66, n 412)'
    """
    known = [] if found.low is None else [f"95 % {found.low:.4g}-{found.high:.4g}"]
    known += [] if found.n is None else [f"n {found.n}"]
    return f" ({', '.join(known)})" if known else ""


def judge(
    gates: Iterable[Gate],
    scored: Scored | Mapping[str, float],
    *,
    champion: Scored | Mapping[str, float] | None = None,
    champion_error: str = "",
) -> tuple[Verdict, ...]:
    """Return the verdict of each gate on a model.

    scored:   the scores of the model, or its metrics alone
    champion: the scores of the champion on the same data, None without a champion

    >>> judge([gate("auc >= champion")], {"auc": 0.7})[0].because
    'there is no champion yet'
    """
    own = scored if isinstance(scored, Scored) else Scored(metrics=scored)
    other = champion if isinstance(champion, Scored | None) else Scored(metrics=champion)
    return tuple(_verdict(one, own, other, champion_error) for one in gates)


def _verdict(one: Gate, scored: Scored, champion: Scored | None, champion_error: str) -> Verdict:
    name = f"{one.metric}{' gap' * one.gap}{f' by {one.by}' * bool(one.by)}"
    found = measure(one, scored)
    value = found.value
    if value is None or math.isnan(value):
        why = found.missing or ("was not measured" if value is None else "is nan")
        where = f" {found.where}" * bool(found.where)
        return Verdict(gate=one.text, passed=False, value=None, because=f"{name}{where} {why}")
    against = None if champion is None else measure(one, champion).value
    bound = one.bound
    judged = Verdict(
        gate=one.text, passed=False, value=value, low=found.low, high=found.high, n=found.n
    )
    if one.champion:
        why = _no_champion(one, champion, against, champion_error)
        if why:
            free = champion is None and not champion_error
            return replace(judged, passed=free, because=why)
        bound += against or 0.0
    passed = bool(OPS[one.op](value, bound))
    shown = f"{name}{':' * bool(found.where)} {found.where} {value:.4g}".replace("  ", " ")
    because = f"{shown}{_interval(found)} {'' if passed else 'is not '}{one.op} {bound:.4g}"
    because += _held(one, against)
    return replace(judged, passed=passed, champion=against, because=because)


def _held(one: Gate, champion: float | None) -> str:
    """Return the derivation of a bound that is relative to the champion."""
    if not one.champion or champion is None:
        return ""
    away = f" {'-' if one.bound < 0 else '+'} {abs(one.bound):.4g}" if one.bound else ""
    return f" (champion {champion:.4g}{away})"


def _no_champion(one: Gate, champion: Scored | None, against: float | None, error: str) -> str:
    """Return why a gate cannot be compared with a champion, "" if it can."""
    if error:
        return f"the champion could not be scored: {error}"
    if champion is None:
        return "there is no champion yet"
    if against is None:
        return f"{one.metric} was not measured for the champion"
    return f"{one.metric} of the champion is nan" if math.isnan(against) else ""
