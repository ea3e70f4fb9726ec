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
from mlops_nb.evaluation.model import BASELINE, BEST, CHAMPION, Gate, Verdict

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
SENTENCE = re.compile(
    rf"""^\s*(?P<metric>[A-Za-z_]\w*)(?P<gap>\s+gap)?(?:\s+by\s+(?P<by>[A-Za-z_]\w*))?
    \s*(?P<op>>=|<=|==|>|<)\s*
    (?:(?P<anchor>champion|best|baseline)(?:\s*(?P<sign>[+-])\s*(?P<away>{NUMBER}))?|(?P<bound>{NUMBER}))\s*$""",
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
    anchor = match["anchor"] or "" if match is not None else ""
    if match is None or (match["gap"] and not match["by"]) or (match["by"] and anchor == BEST):
        raise JobError(
            f"the gate {text!r} cannot be read",
            fix='write it like "auc >= 0.6", "auc >= champion - 0.01", "auc >= best - 0.02", '
            '"auc >= baseline + 0.05", "accuracy by origin >= 0.7" or '
            '"recall gap by gender <= 0.1"',
        )
    bound = float((match["sign"] or "+") + (match["away"] or "0")) if anchor else None
    return Gate(
        text=text.strip(),
        metric=match["metric"],
        op=match["op"],
        bound=float(match["bound"]) if bound is None else bound,
        anchor=anchor,
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
    released: Mapping[int, Mapping[str, float]] | None = None,
) -> tuple[Verdict, ...]:
    """Return the verdict of each gate on a model.

    scored:   the scores of the model, or its metrics alone
    champion: the scores of the champion on the same data, None without a champion
    released: version → its metrics at release, of every version that was released

    >>> judge([gate("auc >= champion")], {"auc": 0.7})[0].because
    'there is no champion yet'
    """
    own = scored if isinstance(scored, Scored) else Scored(metrics=scored)
    other = champion if isinstance(champion, Scored | None) else Scored(metrics=champion)
    anchors = Anchors(champion=other, error=champion_error, released=released or {})
    return tuple(_verdict(one, own, anchors) for one in gates)


class Anchors(Struct, frozen=True, kw_only=True):
    """What bounds may be relative to, besides the naive answer of the evaluation.

    error: why the champion could not be scored
    """

    champion: Scored | None
    error: str
    released: Mapping[int, Mapping[str, float]]


class Anchor(Struct, frozen=True, kw_only=True):
    """The value that a bound is relative to.

    named:   what it is of
    missing: why there is none
    free:    the gate passes without it
    """

    value: float | None
    named: str
    missing: str = ""
    free: bool = False


def _verdict(one: Gate, scored: Scored, anchors: Anchors) -> Verdict:
    name = f"{one.metric}{' gap' * one.gap}{f' by {one.by}' * bool(one.by)}"
    found = measure(one, scored)
    value = found.value
    if value is None or math.isnan(value):
        why = found.missing or ("was not measured" if value is None else "is nan")
        where = f" {found.where}" * bool(found.where)
        return Verdict(gate=one.text, passed=False, value=None, because=f"{name}{where} {why}")
    bound = one.bound
    judged = Verdict(
        gate=one.text, passed=False, value=value, low=found.low, high=found.high, n=found.n
    )
    anchor = _anchor(one, scored, anchors)
    if anchor is not None:
        if anchor.missing or anchor.value is None:
            return replace(judged, passed=anchor.free, because=anchor.missing)
        bound += anchor.value
    passed = bool(OPS[one.op](value, bound))
    shown = f"{name}{':' * bool(found.where)} {found.where} {value:.4g}".replace("  ", " ")
    because = f"{shown}{_interval(found)} {'' if passed else 'is not '}{one.op} {bound:.4g}"
    because += _held(one, anchor)
    champion = None if anchors.champion is None else measure(one, anchors.champion).value
    return replace(judged, passed=passed, champion=champion, because=because)


def _held(one: Gate, anchor: Anchor | None) -> str:
    """Return the derivation of a bound that is relative to something."""
    if anchor is None or anchor.value is None:
        return ""
    away = f" {'-' if one.bound < 0 else '+'} {abs(one.bound):.4g}" if one.bound else ""
    return f" ({anchor.named} {anchor.value:.4g}{away})"


def _anchor(one: Gate, scored: Scored, anchors: Anchors) -> Anchor | None:
    """Return what a bound is relative to, None for a plain number."""
    if one.anchor == CHAMPION:
        champion = anchors.champion
        value = None if champion is None else measure(one, champion).value
        missing = _no_champion(one, champion, value, anchors.error)
        free = champion is None and not anchors.error
        return Anchor(value=value, named=CHAMPION, missing=missing, free=free)
    if one.anchor == BEST:
        return _best(one, anchors.released)
    if one.anchor == BASELINE:
        value = scored.evaluation.get(BASELINE, {}).get(one.metric)
        missing = (
            ""
            if value is not None
            else f"no naive answer is known for {one.metric}: name the truth with "
            "%mlops evaluate --truth"
        )
        return Anchor(value=value, named="a naive answer", missing=missing)
    return None


def _best(one: Gate, released: Mapping[int, Mapping[str, float]]) -> Anchor:
    """Return the best value that a release had: the highest, of what must be low the lowest."""
    if not released:
        return Anchor(value=None, named=BEST, missing="nothing is released yet", free=True)
    known = {
        version: metrics[one.metric]
        for version, metrics in released.items()
        if not math.isnan(metrics.get(one.metric, math.nan))
    }
    if not known:
        missing = f"{one.metric} was not measured for any release"
        return Anchor(value=None, named=BEST, missing=missing)
    choose = min if one.op in {"<", "<="} else max
    version = choose(known, key=lambda number: known[number])
    return Anchor(value=known[version], named=f"the best release, version {version},")


def _no_champion(one: Gate, champion: Scored | None, against: float | None, error: str) -> str:
    """Return why a gate cannot be compared with a champion, "" if it can."""
    if error:
        return f"the champion could not be scored: {error}"
    if champion is None:
        return "there is no champion yet"
    if against is None:
        return f"{one.metric} was not measured for the champion"
    return f"{one.metric} of the champion is nan" if math.isnan(against) else ""


def sliding(gates: Iterable[Gate]) -> list[Gate]:
    """Return gates that let a metric get worse a little at each release, without an end.

    A bound below the champion moves with it; another gate on the same metric stops that.

    >>> [one.text for one in sliding([gate("auc >= champion - 0.01"), gate("mae <= 3")])]
    ['auc >= champion - 0.01']
    """
    found = list(gates)
    held = {(one.metric, one.by) for one in found if not one.champion}
    return [
        one
        for one in found
        if one.champion
        and (one.metric, one.by) not in held
        and (one.bound < 0 if one.op in {">", ">="} else one.bound > 0)
    ]
