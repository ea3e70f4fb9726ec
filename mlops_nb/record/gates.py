"""Gates: sentences that a model must make true, read and judged."""

import difflib
import math
import operator
import re
from collections.abc import Iterable, Mapping

from mlops_nb.errors import JobError
from mlops_nb.model import Gate, Verdict

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
    """Read a gate.

    Raises JobError for a sentence that is none.

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
    """Return an error for the first gate whose metric nobody makes, or None.

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


def value_of(one: Gate, metrics: Mapping[str, float], slices: Slices) -> float | None:
    """Return the number that a gate judges: a metric, its worst slice, or its widest gap."""
    if not one.by:
        return metrics.get(one.metric)
    parts = slices.get(f"{one.metric}_by_{one.by}", {})
    if not parts:
        return None
    if any(math.isnan(part) for part in parts.values()):
        return math.nan  # min and max would pass over it, or not, by its place
    if one.gap:
        return max(parts.values()) - min(parts.values())
    return max(parts.values()) if one.op in {"<", "<="} else min(parts.values())


def judge(
    gates: Iterable[Gate],
    metrics: Mapping[str, float],
    *,
    slices: Slices | None = None,
    champion: Mapping[str, float] | None = None,
    champion_error: str = "",
) -> tuple[Verdict, ...]:
    """Return what each gate says of a model's metrics.

    champion: the champion's metrics on the same data, None where there is no champion yet

    >>> judge([gate("auc >= champion")], {"auc": 0.7})[0].because
    'there is no champion yet'
    """
    return tuple(_verdict(g, metrics, slices or {}, champion, champion_error) for g in gates)


def _verdict(
    one: Gate,
    metrics: Mapping[str, float],
    slices: Slices,
    champion: Mapping[str, float] | None,
    champion_error: str,
) -> Verdict:
    value = value_of(one, metrics, slices)
    if value is None or math.isnan(value):
        said = "was not measured" if value is None else "is no number (NaN)"
        return Verdict(gate=one.text, passed=False, value=None, because=f"{one.metric} {said}")
    against = None if champion is None else value_of(one, champion, slices)
    bound = one.bound
    if one.champion:
        said = _no_champion(one, champion, against, champion_error)
        if said:
            free = champion is None and not champion_error
            return Verdict(gate=one.text, passed=free, value=value, because=said)
        bound += against or 0.0
    passed = bool(OPS[one.op](value, bound))
    because = f"{one.metric} {value:.4g} {'' if passed else 'is not '}{one.op} {bound:.4g}"
    return Verdict(gate=one.text, passed=passed, value=value, champion=against, because=because)


def _no_champion(
    one: Gate, champion: Mapping[str, float] | None, against: float | None, error: str
) -> str:
    """Return why a gate cannot be held against a champion, "" where it can."""
    if error:
        return f"the champion could not be scored: {error}"
    if champion is None:
        return "there is no champion yet"
    return f"{one.metric} was not measured for the champion" if against is None else ""
