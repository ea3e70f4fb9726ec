"""Compares two runs: code, parameters, data, packages, metrics and steps."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher, unified_diff
from typing import Any

from mlops_nb.lineage.trace import Trace
from mlops_nb.notebook.model import Cell, Notebook
from mlops_nb.runs.history import Run

Change = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSide:
    """One of the two runs.

    trace:    inputs and outputs of its steps; its notebook is None if it was removed
    packages: name → version, None if that was not recorded
    """

    run: Run
    trace: Trace
    packages: Mapping[str, str] | None = None
    steps: Mapping[int, str] = field(default_factory=dict)  # cell → its step


def diff(a: RunSide, b: RunSide) -> dict[str, Any]:
    """Return the object that `diff --json` prints: how run `b` differs from run `a`."""
    found: dict[str, Any] = {
        "code": code(a, b),
        "parameters": changed(a.run.parameters, b.run.parameters),
        "data": [*files(a.trace, b.trace), *values(a.trace, b.trace)],
        "packages": packages(a, b),
        "metrics": metrics(a.run.metrics, b.run.metrics),
    }
    unknown = [f"code of {s.run.id}" for s in (a, b) if s.trace.notebook is None]
    unknown += [f"packages of {s.run.id}" for s in (a, b) if s.packages is None]
    same = not any(found.values()) and not any(u.startswith("code") for u in unknown)
    return {
        "version": 1,
        "runs": [a.run.id, b.run.id],
        **found,
        "steps": steps(a.run, b.run),
        "not_recorded": unknown,
        "same": same,
    }


def packages(a: RunSide, b: RunSide) -> list[Change]:
    """Return the packages that differ; without records, whether the environment differs."""
    if a.packages is not None and b.packages is not None:
        return changed(a.packages, b.packages)
    old, new = _environment(a.trace), _environment(b.trace)
    if not old or not new or old == new:
        return []
    return [{"name": "(interpreter and packages)", "from": old, "to": new}]


def _environment(trace: Trace) -> str:
    """Return the digest of the environment of a run's last unit, "" if there is none."""
    digests = [str(w.record["environment"]) for w in trace.works if w.record]
    return digests[-1] if digests else ""


def changed(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    """Return the differences of two mappings; None means missing.

    >>> changed({"x": 1, "y": 2}, {"x": 1, "y": 2.5, "z": 0})
    [{'name': 'y', 'from': 2, 'to': 2.5}, {'name': 'z', 'from': None, 'to': 0}]
    """
    return [
        {"name": name, "from": a.get(name), "to": b.get(name)}
        for name in dict.fromkeys((*a, *b))
        if name not in a or name not in b or not _equal(a[name], b[name])
    ]


def _equal(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b or (a != a and b != b))  # noqa: PLR0124  two NaN


def metrics(a: Mapping[str, float], b: Mapping[str, float]) -> list[Change]:
    """Return the metrics that differ, each with its difference.

    >>> metrics({"rmse": 2.0}, {"rmse": 1.5})
    [{'name': 'rmse', 'from': 2.0, 'to': 1.5, 'difference': -0.5}]
    """
    return [
        {**row, "difference": None if None in (row["from"], row["to"]) else row["to"] - row["from"]}
        for row in changed(a, b)
    ]


def steps(a: Run, b: Run) -> list[Change]:
    """Return every step of both runs, with its status and its seconds in each."""
    return [
        {"name": name, "from": _step(a, name), "to": _step(b, name)}
        for name in dict.fromkeys((*a.steps, *b.steps))
    ]


def _step(run: Run, name: str) -> Change | None:
    step = run.steps.get(name)
    return None if step is None else {"status": step["status"], "seconds": step["seconds"]}


# code


def code(a: RunSide, b: RunSide) -> list[Change]:
    """Return a unified diff of each cell that changed, was added, removed or moved.

    `cell` is its index in the later run, or in the earlier one if it was removed.
    """
    old, new = a.trace.notebook, b.trace.notebook
    if old is None or new is None:
        return []
    pairs = _pairs(old, new, a, b)
    moved = _moved([(x.index, y.index) for x, y in pairs if x and y])
    rows = []
    for was, now in pairs:
        cell, side = (now, b) if now else (was, a)
        assert cell is not None  # a pair has at least one cell
        text = _unified(was, now)
        if not text and was and now and was.index in moved:
            text = f"moved from {was.label} to {now.label}"
        if text:
            place = {"step": side.steps.get(cell.index, ""), "cell": cell.index}
            rows.append({**place, "label": cell.label, "diff": text})
    return rows


def _unified(was: Cell | None, now: Cell | None) -> str:
    return "\n".join(
        unified_diff(
            was.source.splitlines() if was else [],
            now.source.splitlines() if now else [],
            was.label if was else "",
            now.label if now else "",
            lineterm="",
        )
    )


def _pairs(
    old: Notebook, new: Notebook, a: RunSide, b: RunSide
) -> list[tuple[Cell | None, Cell | None]]:
    """Pair cells: by id, then by equal text, then in order within their step; in the new order."""
    left = {cell.index: cell for cell in old.cells}
    partner: dict[int, Cell] = {}
    ids = {c.id: c for c in old.cells}
    for cell in new.cells:
        if cell.id in ids and ids[cell.id].index in left:
            partner[cell.index] = left.pop(ids[cell.id].index)
    for same in (
        lambda x, y: x.source == y.source,
        lambda x, y: a.steps.get(x.index, "") == b.steps.get(y.index, "") != "",
    ):
        for cell in new.cells:
            if cell.index not in partner:
                found = next((c for c in left.values() if same(c, cell)), None)
                if found is not None:
                    partner[cell.index] = left.pop(found.index)
    pairs: list[tuple[Cell | None, Cell | None]] = [(partner.get(c.index), c) for c in new.cells]
    return [*pairs, *((cell, None) for cell in left.values())]


def _moved(pairs: Sequence[tuple[int, int]]) -> set[int]:
    """Return the old indexes of the cells that were moved."""
    now = [x for x, _ in pairs]
    kept = SequenceMatcher(None, sorted(now), now, autojunk=False).get_matching_blocks()
    standing = {sorted(now)[block.a + i] for block in kept for i in range(block.size)}
    return set(now) - standing


# data


def files(a: Trace, b: Trace) -> list[Change]:
    """Return the files read whose digests differ."""
    return [
        {"kind": kind[:-1], "name": row["name"], "from": row["from"], "to": row["to"]}
        for kind in ("files", "modules")
        for row in changed(_digests(a, kind), _digests(b, kind))
    ]


def _digests(trace: Trace, kind: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for work in trace.works:
        for path, seen in getattr(work, kind).items():
            found.setdefault(path, str(seen.get("sha256", "")))  # as it was read first
    return found


def values(a: Trace, b: Trace) -> list[Change]:
    """Return the values whose digests differ; for frames, the differences of their schemas, too."""
    old, new = _observed(a), _observed(b)
    rows = []
    for key in dict.fromkeys((*old, *new)):
        was, now = old.get(key), new.get(key)
        digests = [None if v is None else v.get("digest") for v in (was, now)]
        if digests[0] == digests[1] != "unknown":
            continue
        row: Change = {
            "kind": "value",
            "name": key[1],
            "step": key[0],
            "from": digests[0],
            "to": digests[1],
            "type": _of(was, now, "type"),
        }
        numbers = _of(was, now, "number")
        if any(n is not None for n in numbers):
            row["number"] = numbers
        rows.append({**row, **_schema(was or {}, now or {})})
    return rows


def _of(was: Mapping[str, Any] | None, now: Mapping[str, Any] | None, key: str) -> list[Any]:
    return [(was or {}).get(key), (now or {}).get(key)]


def _observed(trace: Trace) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {(w.step or w.unit, n): v for w in trace.works for n, v in w.values.items()}


def _schema(was: Mapping[str, Any], now: Mapping[str, Any]) -> Change:
    old, new = was.get("schema"), now.get("schema")
    if old is None and new is None:
        return {}
    rows = [None if s is None else s["rows"] for s in (old, new)]
    before, after = (old or {}).get("columns", {}), (new or {}).get("columns", {})
    if old is None or new is None:
        return {"rows": rows}
    both = [c for c in before if c in after]
    return {
        "rows": rows,
        "added": [c for c in after if c not in before],
        "removed": [c for c in before if c not in after],
        "retyped": list(_differing(both, before, after, "dtype")),
        "missing": list(_differing(both, before, after, "missing")),
    }


def _differing(
    columns: Iterable[str], a: Mapping[str, Any], b: Mapping[str, Any], key: str
) -> Iterator[Change]:
    for column in columns:
        if a[column].get(key) != b[column].get(key):
            yield {"column": column, "from": a[column].get(key), "to": b[column].get(key)}


# words


def as_text(difference: Mapping[str, Any]) -> str:
    """Return a difference as text for a terminal."""
    lines = [f"{difference['runs'][0]} → {difference['runs'][1]}"]
    if difference["same"]:
        lines.append("nothing changed")
    for row in difference["code"]:
        lines.append(f"code, {row['label']}{' of ' + row['step'] if row['step'] else ''}")
        lines += [f"  {line}" for line in row["diff"].splitlines()]
    for title in ("parameters", "metrics"):
        lines += _section(title, [_arrow(row) for row in difference[title]])
    lines += _section("data", [_data(row) for row in difference["data"]])
    lines += _section("packages", [_arrow(row) for row in difference["packages"]])
    lines += _section(
        "steps",
        [f"{r['name']}: {_status(r['from'])} → {_status(r['to'])}" for r in difference["steps"]],
    )
    lines += _section("not recorded", difference["not_recorded"])
    return "\n".join(lines)


def _section(title: str, rows: Sequence[str]) -> list[str]:
    return [title, *(f"  {row}" for row in rows)] if rows else []


def _arrow(row: Mapping[str, Any]) -> str:
    change = row.get("difference")
    by = "" if change is None else f"  ({change:+.6g})"
    return f"{row['name']}: {_as_text(row['from'])} → {_as_text(row['to'])}{by}"


def _as_text(value: Any) -> str:
    return "nothing" if value is None else f"{value:.6g}" if type(value) is float else str(value)


def _data(row: Mapping[str, Any]) -> str:
    digests = [_as_text(row[k])[:12] for k in ("from", "to")]
    name = f"{row['kind']} {row['name']}"
    words = [f"{name} of {row['step']}" if row.get("step") else name, " → ".join(digests)]
    if row.get("rows") and row["rows"][0] != row["rows"][1]:
        words.append(f"rows {' → '.join(map(_as_text, row['rows']))}")
    words += [f"{word} {', '.join(row[word])}" for word in ("added", "removed") if row.get(word)]
    words += [f"{c['column']} {c['from']} → {c['to']}" for c in row.get("retyped", ())]
    words += [
        f"missing in {c['column']} {c['from']:.2%} → {c['to']:.2%}" for c in row.get("missing", ())
    ]
    return "; ".join(words)


def _status(step: Mapping[str, Any] | None) -> str:
    if step is None:
        return "not there"
    took = f" {step['seconds']:.2f} s" if step["seconds"] else ""
    return f"{step['status']}{took}"
