"""Makes the record of a unit that ran: everything that its result depends on."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_nb.errors import MlopsError, Unreachable
from mlops_nb.reuse import units as un
from mlops_nb.reuse.external_inputs import UNTRACKED
from mlops_nb.reuse.inputs import Inputs
from mlops_nb.reuse.units import Unit
from mlops_nb.storage.ports import Store

Seen = Mapping[str, Any]
# channel → a word; if the notebook does not contain it, an import changed the channel
CHANGED_BY_IMPORT = (("warnings", "warning"), ("env:", "env"), ("sys.path", "path"))


def record_of(inputs: Inputs, unit: Unit, seen: Sequence[Seen], ended: Seen) -> dict[str, Any]:
    """Return the record of a unit that just ran.

    seen:  the observed reads and changes of each of its cells
    ended: {"values", "entries", "seconds", "generators": {channel: (before, after)}}
    """
    source = inputs.source
    reads = _first_reads(seen)
    known = reads & {p.name for p in source.pipeline.parameters} & inputs.parameters.keys()
    made_by_units = {n: d for n, d in inputs.values.items() if n in reads}
    known -= made_by_units.keys()
    entries = [e for e in ended["entries"] if "error" not in e]
    unstored = sorted(
        {n for e in ended["entries"] if "error" in e for n in e["names"]}
        & _read_elsewhere(inputs, unit)
    )
    generators = _generators(inputs, seen, ended["generators"])
    record: dict[str, Any] = {
        "version": 1,
        "notebook": inputs.notebook,
        "unit": unit.name,
        "step": unit.step,
        "at": inputs.at.isoformat(),
        "names": sorted(reads),
        "code": un.code(source.notebook, source.pipeline, unit, reads),
        "environment": inputs.environment,
        "parameters": {n: inputs.parameters[n] for n in sorted(known)},
        "inputs": made_by_units,
        "channels": _channels(inputs, seen),
        "generators": {c: was for c, (was, _) in generators.items() if _reads_first(c, seen)},
        "drawn": {c: now for c, (_, now) in generators.items()},
        **_outside(inputs, seen),
        "changed": _changed(inputs, seen),
        "deletes": sorted(_all(seen, "deletes")),
        "values": ended["values"],
        "artifacts": entries,
        "unstored": unstored,
        "shown": "",
        "seconds": ended["seconds"],
        "snapshot": unit.snapshot,
    }
    record["never"], record["external"] = _never(inputs, unit, seen, record)
    return record


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


def _first_reads(seen: Iterable[Seen]) -> set[str]:
    """Return the names that a unit reads before it binds them itself."""
    reads: set[str] = set()
    bound: set[str] = set()
    for cell in seen:
        reads |= set(cell.get("reads", ())) - bound
        bound |= set(cell.get("writes", ()))
    return reads


def _read_elsewhere(inputs: Inputs, unit: Unit) -> set[str]:
    return {n for c in inputs.source.pipeline.cells if c.index not in unit.cells for n in c.reads}


def _generators(
    inputs: Inputs, seen: Iterable[Seen], after: Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    """Return generator → its state before and after, for generators that the unit used."""
    changed = sorted(c for c in _all(seen, "channels_changed") if c.startswith("rng:"))
    return {c: (inputs.generators.get(c, ""), after.get(c, "")) for c in changed}


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
    by_import = {
        c
        for c in found
        for channel, word in CHANGED_BY_IMPORT
        if c.startswith(channel)
        if word not in text
    }
    return sorted(found - by_import)


def _channels(inputs: Inputs, seen: Iterable[Seen]) -> dict[str, str]:
    own = set(_changed(inputs, seen))
    read = {c for c in _all(seen, "channels_read") if not c.startswith(UNTRACKED)} - own
    known = inputs.channels
    return {c: known.get(c, "") for c in sorted(read) if c in known or not c.startswith("env:")}


def _never(
    inputs: Inputs, unit: Unit, seen: Sequence[Seen], record: Mapping[str, Any]
) -> tuple[str, bool]:
    """Return why a unit is never reused, and whether a snapshot of it may be reused."""
    outside = [what for s in seen for what in s.get("outside", ())]
    if why := _unsafe(inputs, unit, seen, record):
        return why, False
    if any(s.get("clock") for s in seen):
        return "it reads the clock", bool(outside)
    return (f"it reads from outside: {outside[0]}", True) if outside else ("", False)


def _unsafe(inputs: Inputs, unit: Unit, seen: Sequence[Seen], record: Mapping[str, Any]) -> str:
    unknown = sorted(
        {n for n, v in record["values"].items() if v["digest"] == "unknown"}
        & _read_elsewhere(inputs, unit)
    )
    cells = [i for i in unit.cells if inputs.source.notebook.cells[i].source.strip()]
    found = {
        "not all of it could be observed": len(seen) != len(cells),
        f"the content of `{(unknown or [''])[0]}` is not known": bool(unknown),
        "it reads environment variables by computed names": "env:*" in _all(seen, "channels_read"),
        "it reads what was typed, or stored, elsewhere": any(
            c.startswith(("In[", "store:")) for c in _all(seen, "channels_read")
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
