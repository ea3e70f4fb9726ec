"""Compares a job with its notebook, and two bundles with each other."""

import difflib
import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

from mlops_nb import files
from mlops_nb.context import Context
from mlops_nb.errors import MlopsError
from mlops_nb.jobs import stored
from mlops_nb.jobs.bundle import freeze
from mlops_nb.jobs.cut import cut_out
from mlops_nb.jobs.model import Job
from mlops_nb.jobs.registry import JobState
from mlops_nb.notebook import cells, load
from mlops_nb.notebook.markers import frozen
from mlops_nb.notebook.model import Notebook

SHOWN = 12  # changed lines of one step
NOTEBOOK = "pipeline.ipynb"


def differing_steps(ctx: Context, state: JobState, job: Job) -> list[str] | None:
    """Return the steps whose code differs between notebook and job, None without a notebook.

    job: the definition of the live bundle
    """
    path = ctx.root / job.source
    if not path.is_file():
        return None
    if files.sha256(path) == state.source_digest:
        return []
    bundle = stored.live(ctx, state.name, state.digest)
    if not bundle:
        return None
    was = json.loads(bundle[NOTEBOOK])
    try:
        source = load.capture(path)
        kept = {*cut_out(job, source).kept, *_kept_before(source.notebook, was)}
        now = freeze.freeze(source.document, source.pipeline, tuple(sorted(kept)))
    except MlopsError:
        return ["the notebook cannot be promoted as it is"]
    return [s for s, text in _code(now).items() if _code(was).get(s) != text] + [
        s for s in _code(was) if s not in _code(now)
    ]


def _kept_before(notebook: Notebook, bundle: Mapping[str, Any]) -> list[int]:
    """Return the cells of a notebook that its job has, some of them as only a run showed."""
    code = [cell for cell in bundle["cells"] if cell["cell_type"] == "code"]
    known = {cell.get("id") for cell in code} | {cells.source_of(cell) for cell in code}
    return [c.index for c in notebook.cells if {c.id, frozen(c.source)} & known]


def _code(document: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for cell in document["cells"]:
        if cell["cell_type"] != "code":
            continue
        tags = cell["metadata"].get("tags", [])
        step = next((t[5:] for t in tags if t.startswith("step:")), "set-up")
        found[step] = found.get(step, "") + cells.source_of(cell).strip() + "\n"
    return found


def between(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[str]:
    """Return what a new bundle changes in cells and packages, one line each.

    before, after: the files of the bundles; packages are compared if both have a lock
    """
    was, now = _steps(before), _steps(after)
    found: list[str] = []
    for step in dict.fromkeys([*was, *now]):
        old, new = was.get(step, "").splitlines(), now.get(step, "").splitlines()
        if old == new:
            continue
        kind = "new" if step not in was else "gone" if step not in now else "changed"
        found.append(f"cells: step {step!r} is {kind}")
        lines = list(difflib.unified_diff(old, new, lineterm="", n=0))[2:]
        changed = [line for line in lines if not line.startswith("@@")]
        found += [f"  {line}" for line in changed[:SHOWN]]
        if len(changed) > SHOWN:
            found.append(f"  … and {len(changed) - SHOWN} lines more")
    old_lock, new_lock = _packages(before), _packages(after)
    for name in sorted({*old_lock, *new_lock}) if old_lock and new_lock else ():
        if old_lock.get(name) != new_lock.get(name):
            versions = f"{old_lock.get(name, 'none')} → {new_lock.get(name, 'none')}"
            found.append(f"lock: {name} {versions}")
    return found


def _steps(bundle: Mapping[str, bytes]) -> dict[str, str]:
    return _code(json.loads(bundle[NOTEBOOK])) if NOTEBOOK in bundle else {}


def _packages(bundle: Mapping[str, bytes]) -> dict[str, str]:
    """Return the packages that a lock names, each with its version."""
    lines = bundle.get("requirements.lock", b"").decode("utf-8", "replace").splitlines()
    pins = (line.split("==", 1) for line in lines if "==" in line and line[:1].isalnum())
    return {name.strip(): rest.split()[0].rstrip(";\\") for name, rest in pins}


def edited_cells(
    before: Mapping[str, bytes], after: Mapping[str, bytes]
) -> list[tuple[str, list[str]]]:
    """Return each cell of a bundle's notebook that was edited, with the lines that differ."""
    was, now = (_cells(bundle.get(NOTEBOOK, b"")) for bundle in (before, after))
    found = []
    matcher = difflib.SequenceMatcher(a=was, b=now, autojunk=False)
    for kind, a1, a2, b1, b2 in matcher.get_opcodes():
        for shift in range(max(a2 - a1, b2 - b1) if kind != "equal" else 0):
            old = was[a1 + shift] if a1 + shift < a2 else ""
            new = now[b1 + shift] if b1 + shift < b2 else ""
            word = "changed" if old and new else "removed" if old else "added"
            place = a1 + shift if old else b1 + shift
            lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=0)
            changed = [line for line in islice(lines, 2, None) if not line.startswith("@@")]
            found.append((f"cell {place + 1} {word}", changed[:SHOWN]))
    return found


def _cells(notebook: bytes) -> list[str]:
    """Return the sources of a notebook's cells, each with a line for its kind and its tags."""
    try:
        document = json.loads(notebook)
        return [
            f"# {cell['cell_type']} {' '.join(map(str, cell['metadata'].get('tags', [])))}\n"
            + cells.source_of(cell)
            for cell in document["cells"]
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []
