"""Makes the record of a unit that ran: everything that its result depends on."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_nb.errors import MlopsError, Unreachable
from mlops_nb.reuse import decide, texts
from mlops_nb.reuse import units as un
from mlops_nb.reuse.external_inputs import UNTRACKED
from mlops_nb.reuse.inputs import Inputs
from mlops_nb.reuse.state import EVERY, PACKAGE_STATE, Group
from mlops_nb.reuse.units import Unit
from mlops_nb.storage.ports import Store

Seen = Mapping[str, Any]
# channel → a word; if the notebook does not contain it, an import changed the channel
VERSION = 2
CHANGED_BY_IMPORT = (("warnings", "warning"), ("env:", "env"), ("sys.path", "path"))


def record_of(inputs: Inputs, unit: Unit, seen: Sequence[Seen], ended: Seen) -> dict[str, Any]:
    """Return the record of a unit that just ran.

    seen:  the observed reads and changes of each of its cells
    ended: {"values", "groups", "entries", "seconds", "generators": {channel: (before, after)}}
    """
    source, state = inputs.source, inputs.state
    reads = _first_reads(inputs, unit, seen) | _kept(inputs, seen, ended)
    known = reads & {p.name for p in source.pipeline.parameters} & inputs.parameters.keys()
    made_by_units = {n: d for n, d in state.values.items() if n in reads}
    known -= made_by_units.keys()
    generators = _generators(inputs, seen, ended["generators"])
    record: dict[str, Any] = {
        "version": VERSION,
        "notebook": inputs.notebook,
        "unit": unit.name,
        "step": unit.step,
        "at": inputs.at.isoformat(),
        "names": sorted(reads),
        "code": un.code(source.notebook, source.pipeline, unit, reads, inputs.stateless),
        "environment": inputs.environment,
        "parameters": {n: inputs.parameters[n] for n in sorted(known)},
        "inputs": made_by_units,
        "reads": state.digests(reads),
        "channels": _channels(inputs, seen),
        "generators": {c: was for c, (was, _) in generators.items() if _reads_first(c, seen)},
        "drawn": {c: now for c, (_, now) in generators.items()},
        **_outside(inputs, seen),
        **_left(inputs, unit, seen, ended),
        "shown": "",
        "seconds": ended["seconds"],
        "snapshot": unit.snapshot,
    }
    record["never"], record["external"] = _never(inputs, unit, seen)
    for group in record["groups"]:
        if group["digest"] == "unknown":  # it is the same only if all that the unit read is
            group["digest"] = f"by {decide.token(record)} {group['names'][0]}"
    return record


def _left(inputs: Inputs, unit: Unit, seen: Sequence[Seen], ended: Seen) -> dict[str, Any]:
    """Return what a unit left behind: settings, values, groups, and what cannot be restored."""
    groups = ended["groups"]
    lost = {n for g in groups if "file" not in g for n in g["names"]}
    return {
        "changed": _changed(inputs, seen),
        "deletes": sorted(_all(seen, "deletes")),
        "values": ended["values"],
        "groups": [{k: g[k] for k in ("names", "digest", "refers")} for g in groups],
        "artifacts": [*ended["entries"], *(g for g in groups if "file" in g)],
        "unstored": sorted(lost & _named_elsewhere(inputs, unit)),
    }


def _outside(inputs: Inputs, seen: Sequence[Seen]) -> dict[str, Any]:
    """Return the files, folders and variables that were used, with their stamps."""
    written, outside = _all(seen, "files_written"), inputs.outside
    variables = {c[4:] for c in _all(seen, "channels_read") if c.startswith("env:")} - {"*"}
    return {
        "files": outside.file_stamps(_all(seen, "files_read") - written),
        "modules": outside.file_stamps(_all(seen, "modules") | inputs.modules),
        "written": outside.file_stamps(written),
        "folders": outside.folder_stamps(_all(seen, "listed")),
        "variables": outside.variable_stamps(variables),
    }


def _all(seen: Iterable[Seen], key: str) -> set[str]:
    return {item for s in seen for item in s.get(key, ())}


def _first_reads(inputs: Inputs, unit: Unit, seen: Sequence[Seen]) -> set[str]:
    """Return the names that a unit reads before it binds them itself: observed, and by its text."""
    reads: set[str] = set()
    bound: set[str] = set()
    cells = [i for i in unit.cells if inputs.source.notebook.cells[i].source.strip()]
    for index, cell in zip(cells, seen, strict=False):
        text = inputs.source.notebook.cells[index].source
        named = texts.builtins_in(text)
        reads |= {
            *cell.get("reads", ()),
            *inputs.source.pipeline.cells[index].reads,
            *named,
        } - bound
        bound |= set(cell.get("writes", ()))
    return reads | ({EVERY} if any(cell.get("reads_any") for cell in seen) else set())


def _kept(inputs: Inputs, seen: Sequence[Seen], ended: Seen) -> set[str]:
    """Return names that a unit left in another group and did not bind: it depends on their values.

    A loop variable that is bound anew, say, leaves the list behind whose item it was.
    """
    left = {name for group in ended["groups"] for name in group["names"]}
    return (left & inputs.state.groups.keys()) - _all(seen, "writes")


def _named_elsewhere(inputs: Inputs, unit: Unit) -> set[str]:
    cells = inputs.source.notebook.cells
    return {n for c in cells if c.index not in unit.cells for n in texts.WORD.findall(c.source)}


def _generators(
    inputs: Inputs, seen: Iterable[Seen], after: Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    """Return generator → its state before and after, for generators that the unit used."""
    changed = sorted(c for c in _all(seen, "channels_changed") if c.startswith("rng:"))
    return {c: (inputs.state.generators.get(c, ""), after.get(c, "")) for c in changed}


def _reads_first(channel: str, seen: Iterable[Seen]) -> bool:
    """Return whether a unit draws from a generator before it sets it to a state itself."""
    for cell in seen:
        if channel in cell.get("channels_changed", ()):
            return channel in cell.get("channels_read", ())
    return False


def _changed(inputs: Inputs, seen: Iterable[Seen]) -> list[str]:
    """Return the settings that the unit changed, without those that imports change."""
    text = " ".join(cell.source for cell in inputs.source.notebook.cells).lower()
    found = {c for c in _all(seen, "channels_changed") if not c.startswith(UNTRACKED)}
    sets = {PACKAGE_STATE} if any(s.get("sets_package") for s in seen) else set()
    by_import = {
        c
        for c in found
        for channel, word in CHANGED_BY_IMPORT
        if c.startswith(channel)
        if word not in text
    }
    return sorted(found - by_import | sets)


def _channels(inputs: Inputs, seen: Iterable[Seen]) -> dict[str, str]:
    own = set(_changed(inputs, seen))
    read = {c for c in _all(seen, "channels_read") if not c.startswith(UNTRACKED)} - own
    read.add(PACKAGE_STATE)
    known = inputs.state.channels
    return {c: known.get(c, "") for c in sorted(read) if c in known or not c.startswith("env:")}


def _never(inputs: Inputs, unit: Unit, seen: Sequence[Seen]) -> tuple[str, bool]:
    """Return why a unit is never reused, and whether a snapshot of it may be reused."""
    outside = [what for s in seen for what in s.get("outside", ())]
    if why := _unsafe(inputs, unit, seen):
        return why, False
    if drawn := next((s["entropy"] for s in seen if s.get("entropy")), ""):
        return f"it draws what no run can repeat ({drawn})", bool(outside)
    if any(s.get("clock") for s in seen):
        return "it reads the clock", bool(outside)
    return (f"it reads from outside: {outside[0]}", True) if outside else ("", False)


def _unsafe(inputs: Inputs, unit: Unit, seen: Sequence[Seen]) -> str:
    cells = [i for i in unit.cells if inputs.source.notebook.cells[i].source.strip()]
    found = {
        "not all of it could be observed": len(seen) != len(cells),
        "it reads environment variables by computed names": "env:*" in _all(seen, "channels_read"),
        "it reads what was typed, or stored, elsewhere": any(
            c.startswith(("In[", "store:")) for c in _all(seen, "channels_read")
        ),
        "it ends the notebook": any(s.get("exits") for s in seen),
        "it updates what an earlier cell shows": any(
            c.startswith("display:") for c in _all(seen, "channels_read")
        ),
        "it logs to MLflow": "mlflow" in _all(seen, "tops"),
        "it changes a file that it reads": bool(
            _all(seen, "files_read") & _all(seen, "files_written")
        ),
    }
    lost = [s["lost"] for s in seen if "lost" in s]
    return next((why for why, holds in found.items() if holds), lost[0] if lost else "")


def stored(
    record: Mapping[str, Any], shown: Path, store: Store
) -> tuple[dict[str, Any], MlopsError | None]:
    """Move a unit's values and outputs into the store; return its record, and the error if any.

    shown: the file of the unit's outputs

    If the values cannot be stored, the record contains the reason why the unit must run again.
    """
    kept: list[dict[str, Any]] = []
    try:
        for entry in record["artifacts"]:
            found = store.put(Path(entry["file"]), move=True, durable=False)
            if found != entry["sha256"]:
                what = f"the content of {entry['names'][0]!r} changed while it was stored"
                raise Unreachable(what, fix="run again")
            kept.append({k: v for k, v in entry.items() if k != "file"})
        outputs = store.put(shown, move=True, durable=False)
    except MlopsError as error:
        never = f"it could not be stored ({error.what})"
        return {**record, "artifacts": [], "never": never, "external": False}, error
    return {**record, "artifacts": kept, "shown": outputs}, None


def groups_of(record: Mapping[str, Any]) -> list[Group]:
    """Return the groups that a unit left."""
    stored_in = {a["names"][0]: a for a in record["artifacts"]}
    return [
        Group(
            names=tuple(g["names"]),
            digest=g["digest"],
            refers=tuple(g["refers"]),
            artifact=stored_in.get(g["names"][0]),
        )
        for g in record["groups"]
    ]
