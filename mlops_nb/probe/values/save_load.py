"""Writes values of a kernel as files, and binds them again as they were.

Values that share memory are written together, so that they share it again. What is read is
checked by its sha256 before a byte of it is unpickled.
"""

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Iterable
from typing import Any, BinaryIO

from ..introspect import namespace
from .formats import Sink, is_array, read_array, read_pickle, write_array, write_pickle
from .pickling import Sharing, one_line

BLOCK = 1 << 20


def write(values: dict[str, Any], folder: str) -> list[dict[str, Any]]:
    """Write values as files into a folder; tell what each file holds, or why there is none.

    An entry is {"names", "format", "file", "bytes", "sha256"}, or {"names", "error"}.
    """
    os.makedirs(folder, exist_ok=True)
    sharing = Sharing(values, namespace())
    try:
        entries = [
            written({name: values[name] for name in group}, sharing, folder)
            for group in sharing.groups
        ]
    finally:
        sharing.forget()
    entries += [{"names": [name], "error": why} for name, why in sharing.errors.items()]
    return entries


def written(group: dict[str, Any], sharing: Sharing, folder: str) -> dict[str, Any]:
    """Write one group of values, or one value alone; return its entry."""
    values = [*group.values()]
    form = "npy" if len(values) == 1 and is_array(values[0]) else "pickle"
    path = os.path.join(folder, f"value-{uuid.uuid4().hex}.{form}")
    try:
        with Sink(path) as sink:
            if form == "npy":
                write_array(values[0], sink)
            else:
                form = write_pickle(group, sharing, sink)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(path)
        if not isinstance(error, Exception):
            raise
        return {"names": [*group], "error": one_line(error)}
    return {
        "names": [*group],
        "format": form,
        "file": path,
        "bytes": sink.size,
        "sha256": sink.hash.hexdigest(),
    }


def read(entries: Iterable[dict[str, Any]], space: dict[str, Any]) -> dict[str, Any]:
    """Bind what files hold to names in `space`; tell what was bound, and what is damaged.

    An entry binds all its names or none; with "pick", all of those that it names there.
    """
    bound: list[str] = []
    damaged: list[dict[str, Any]] = []
    for entry in entries:
        wanted = entry.get("pick", entry["names"])
        try:
            found = _contents(entry, space)
            space.update({name: found[name] for name in wanted})
        except Exception as error:  # noqa: BLE001  a file that is gone, or the value's own code
            damaged.append({"names": list(wanted), "why": one_line(error)})
        else:
            bound += wanted
    return {"bound": bound, "damaged": damaged}


def _contents(entry: dict[str, Any], space: dict[str, Any]) -> dict[str, Any]:
    with open(entry["file"], "rb") as file:
        if _sha256(file) != entry["sha256"]:
            raise ValueError("its bytes are not what was written")
        file.seek(0)
        form = entry["format"]
        if form == "npy":
            return {entry["names"][0]: read_array(file)}
        return read_pickle(file, form, space)


def _sha256(file: BinaryIO) -> str:
    seen = hashlib.sha256()
    while block := file.read(BLOCK):
        seen.update(block)
    return seen.hexdigest()


def save(request: str) -> str:
    """Write values of the notebook by their names; answer {"entries"}."""
    asked = json.loads(request)
    space = namespace()
    there = {name: space[name] for name in asked["names"] if name in space}
    entries = write(there, asked["folder"])
    entries += [
        {"names": [name], "error": f"there is no {name!r}"}
        for name in asked["names"]
        if name not in there
    ]
    return json.dumps({"entries": entries})


def load(request: str) -> str:
    """Bind values in the notebook; answer {"bound", "damaged"}."""
    return json.dumps(read(json.loads(request)["entries"], namespace()))
