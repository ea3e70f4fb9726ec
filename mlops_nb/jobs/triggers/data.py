"""The data trigger: fires for new files that match a glob and have stopped growing."""

import os
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from mlops_nb import files
from mlops_nb.errors import JobError
from mlops_nb.jobs.triggers.base import Signal, View

SETTLE = 5.0  # s without a change before a file counts
SHOWN = 3  # files that a message names
LONGEST_NAME = 255  # bytes
FIX = "give a glob from the notebook's folder to files of this project, such as data/*.parquet"


class Data:
    """`{data: "flights-*.parquet"}`, from the job's folder."""

    cooldown = 0.0

    def signal(self, spec: Mapping[str, Any], view: View) -> Signal | None:
        """Fire for files with new content; the notes cache digests."""
        refuse(str(spec["data"]), view.job.folder)
        settled = look(view.folder, str(spec["data"]), view.notes)
        contents = set(view.known.values())
        new = {
            path: digest
            for path, digest in settled.items()
            if (digest != view.known[path] if path in view.known else digest not in contents)
        }
        if not new:
            return None
        names = ", ".join(sorted(new)[:SHOWN])
        more = f" and {len(new) - SHOWN} more" if len(new) > SHOWN else ""
        return Signal(because=f"new data: {names}{more}", seen={"files": new})


def refuse(pattern: str, folder: str) -> None:
    """Refuse a glob that matches no file of the project, or that Python cannot match.

    folder: the job's folder, from the project's

    Raises JobError.
    """
    if found := problem(pattern, folder):
        raise JobError(f"the trigger data:{pattern!r} {found}", fix=FIX)


def problem(pattern: str, folder: str) -> str:
    """Return why a glob matches no file of the project, "" if it may match one.

    folder: the job's folder, from the project's
    """
    parts = [part for part in pattern.split("/") if part not in {"", "."}]
    if not pattern.isprintable() or not "".join(parts).strip():
        return "names no file"
    if pattern.startswith(("/", "~")) or "://" in pattern or PureWindowsPath(pattern).drive:
        return "is not relative to the job's folder"
    if any("**" in part and part != "**" for part in parts):
        return "has ** beside other letters: it stands for any folders, as in data/**/*.csv"
    if pattern.endswith("/") or parts[-1] in {"**", ".."}:
        return "matches folders, not files"
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in parts):
        return "has a name that is too long for a file"
    depth = len(PurePosixPath(folder).parts)
    for part in parts:
        depth += -1 if part == ".." else 0 if part == "**" else 1
        if depth < 0:
            return "leaves the project"
    return ""


def look(folder: Path, pattern: str, notes: dict[str, Any]) -> dict[str, str]:
    """Return the files that match and have stopped growing, each with its sha256.

    notes: {"files": {path: [size, mtime in ns, since, sha256]}, "settling": how many still grow}
    """
    before, now = notes.get("files", {}), time.time()
    kept: dict[str, list[Any]] = {}
    for path in sorted(folder.glob(pattern)):
        try:
            stat = path.stat()
        except OSError:  # it was removed meanwhile
            continue
        if not path.is_file():
            continue
        name = path.relative_to(folder).as_posix()
        size, changed, since, digest = before.get(name, [-1, -1, now, ""])
        if (size, changed) != (stat.st_size, stat.st_mtime_ns):
            since, digest = now, ""
        if not digest and now - min(since, stat.st_mtime) >= SETTLE:
            digest = _digest(path)
        kept[name] = [stat.st_size, stat.st_mtime_ns, since, digest]
    notes["files"] = kept
    notes["settling"] = sum(not entry[3] for entry in kept.values())
    return {name: entry[3] for name, entry in kept.items() if entry[3]}


def _digest(path: Path) -> str:
    """Return a file's sha256, "" if it changed meanwhile or cannot be read."""
    try:
        before = path.stat()
        found = files.sha256(path)
        after = path.stat()
    except OSError:
        return ""
    same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    return found if same else ""


def present(folder: Path, pattern: str) -> dict[str, str]:
    """Return every file that matches now, growing or not, with its sha256."""
    found = (p for p in sorted(folder.glob(pattern)) if p.is_file())
    return {p.relative_to(folder).as_posix(): files.sha256(p) for p in found}


SENSOR = Data()
