"""Checks by the journal that the code of a bundle is code that was proven."""

import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mlops_nb.context import Context
from mlops_nb.errors import JobError
from mlops_nb.events import JobApplied, JobDrafted
from mlops_nb.jobs import changes, stored
from mlops_nb.jobs.bundle import manifest

PROOF = "proof.json"
EXECUTED = {changes.NOTEBOOK, "pipeline.py", "graph.json", "requirements.lock"}
SHOWN = 20  # lines of differences
Known = Sequence[JobApplied | JobDrafted]


def was_proven_here(
    ctx: Context, name: str, found: Mapping[str, bytes], note: Callable[[str], None]
) -> bool:
    """Return whether the journal knows the proof of a bundle; False: it was made elsewhere.

    Only the manifest and proof.json speak for a bundle whose proof was made elsewhere.

    note: called with a message if it was made elsewhere

    Raises JobError for code that differs from the code that was proven.
    """
    kinds = (JobApplied, JobDrafted)
    known = [e for e in ctx.journal.read(kinds=kinds) if e.job == name and isinstance(e, kinds)]
    same = _with_this_code(ctx, known, found)
    if not same and (edited := _edited(ctx, known, found)) is not None:
        _refuse(name, stored.bundle(ctx, edited.digest), found, known)
    manifest.verify(found, name)
    if same and any(map(_is_own, same)):
        return True
    _refuse_other_proof(name, found)
    note("the proof of this bundle was made elsewhere: the journal of this project has none of it")
    return False


def _is_own(event: JobApplied | JobDrafted) -> bool:
    return isinstance(event, JobDrafted) or not event.elsewhere


def _with_this_code(ctx: Context, known: Known, found: Mapping[str, bytes]) -> Known:
    """Return the events of the bundles with the code of a bundle, whatever their schema.json."""
    digests = {manifest.digest(found), manifest.promoted(found)}
    if same := [e for e in known if e.digest in digests]:
        return same
    code = manifest.code(found)
    return [
        e for e in known if (kept := stored.bundle(ctx, e.digest)) and manifest.code(kept) == code
    ]


def _edited(
    ctx: Context, known: Known, found: Mapping[str, bytes]
) -> JobApplied | JobDrafted | None:
    """Return the event of the bundle that was edited, None if the bundle is not an edited one.

    A bundle that was promoted again elsewhere brings another proof, which names the files that it
    ran. Where this journal has a proof of the job, all other code is an edit.
    """
    proof = _proof(found)
    for event in reversed(known):
        kept = stored.bundle(ctx, event.digest)
        if kept and (
            kept.get(PROOF) == found.get(PROOF) or (proof and proof[0] and _proof(kept) == proof)
        ):
            return event
    if proof and proof[0] == _executed(found):
        return None
    return next((e for e in reversed(known) if _is_own(e)), None)


def _executed(found: Mapping[str, bytes]) -> dict[str, str]:
    """Return the sha256 of each file of a bundle that a proof runs."""
    code = manifest.code(found)
    return {n: sha for n, sha in code.items() if n in EXECUTED or n.startswith("modules/")}


def _proof(found: Mapping[str, bytes]) -> tuple[dict[str, str], Any] | None:
    """Return the files that the proof of a bundle names, and its random seed.

    None if it cannot be read; the proof of an older bundle names no file.
    """
    try:
        proof = json.loads(found[PROOF])
        return dict(proof.get("files", {})), proof.get("seed")
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def _refuse(
    name: str, before: Mapping[str, bytes], found: Mapping[str, bytes], known: Known
) -> None:
    was, now = manifest.code(before), manifest.code(found)
    names = sorted(n for n in {*was, *now} if was.get(n) != now.get(n)) if before else []
    cells = changes.edited_cells(before, found) if changes.NOTEBOOK in names else []
    names.sort(key=lambda n: n != changes.NOTEBOOK)
    first, *more = map(repr, names) if names else ["the code"]
    labels = f" ({', '.join(label for label, _ in cells)})" if cells else ""
    others = f", nor are {', '.join(more)}" if more else ""
    lines = [line for label, changed in cells for line in (f"\n  {label}", *_indented(changed))]
    source = next(filter(None, map(_source, reversed(known))), "NOTEBOOK")
    raise JobError(
        f"{first}{labels} in the bundle of {name!r} is not what was proven{others}"
        + "".join([*lines[:SHOWN], *(["\n  …"] if len(lines) > SHOWN else [])]),
        fix="undo that edit (git checkout), or edit the notebook and prove it: "
        f"mlops-nb promote {shlex.quote(source)} --name {name} --replace",
    )


def _indented(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines of a cell, each with a line break before it."""
    return (f"\n    {line}" for line in lines)


def _source(event: JobApplied | JobDrafted) -> str:
    return str(event.definition.get("source", "")) if isinstance(event, JobApplied) else ""


def _refuse_other_proof(name: str, found: Mapping[str, bytes]) -> None:
    """Refuse a bundle whose proof.json names other files than the bundle has."""
    proof, executed = _proof(found), _executed(found)
    if proof is None:
        raise JobError(
            f"the bundle of {name!r} has no readable {PROOF}",
            fix=f"promote again: mlops-nb promote NOTEBOOK --name {name} --replace",
            where=f"jobs/{name}",
        )
    named = proof[0] or executed
    other = sorted(n for n in {*named, *executed} if named.get(n) != executed.get(n))
    if other:
        raise JobError(
            f"{other[0]!r} in the bundle of {name!r} is not what its {PROOF} has proven",
            fix="check the bundle out from git again, or prove the notebook: "
            f"mlops-nb promote NOTEBOOK --name {name} --replace",
            where=f"jobs/{name}",
        )
