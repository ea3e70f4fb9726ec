"""Divides names of the notebook into groups that share objects; digests, writes and loads them."""

import json
import os
import sys
import types
from collections.abc import Mapping
from typing import Any

from ..fingerprint.digest import digest_or_unknown, quick
from ..introspect import namespace
from ..observe.observer import is_user
from . import save_load
from .pickling import Sharing, one_line

_known: dict[tuple[str, ...], tuple[bytes, str]] = {}  # names → a quick digest, and the digest


def make(request: str) -> str:
    """Divide names into groups; digest each group, and write those that have changed.

    names:  names that were read, bound or changed
    without: names that are not to be looked at, as the kernel has no current value of them
    groups: the groups of more than one name that there were before
    setup:  names of functions and classes that every run defines, which are written by name
    known:  [names, digest] of groups that need not be written
    folder: where files are written, "" to write none

    Answer {"groups": [{"names", "digest", "refers"} and what `save_load.write` returns]}.
    """
    asked = json.loads(request)
    space, wanted = namespace(), set(asked["names"])
    marks = {id(space[n]): n for n in asked["setup"] if isinstance(space.get(n), CODE)}
    without = set(asked["without"])
    others = {i: n for i, n in _own(space).items() if i not in marks and n not in without}
    while True:
        for group in asked["groups"]:
            if not wanted.isdisjoint(group):
                wanted |= set(group)
        values = {n: space[n] for n in sorted(wanted) if n in space}
        sharing = Sharing(values, space, marks)
        more = {others[i] for i in sharing.holders.keys() & others.keys()} - wanted
        if not more:
            break
        sharing.forget()
        wanted |= more
    known = {tuple(names): digest for names, digest in asked["known"]}
    if asked["folder"]:
        os.makedirs(asked["folder"], exist_ok=True)
    try:
        every = [*sharing.groups, *sharing.refused]
        found = [_told(names, values, sharing, known, asked["folder"]) for names in every]
    finally:
        sharing.forget()
    return json.dumps({"groups": found})


CODE = (types.FunctionType, type)


def _own(space: Mapping[str, Any]) -> dict[int, str]:
    """Return the notebook's own names by the ids of their values, without modules.

    What the shell binds is left out, too.
    """
    shell: Any = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    hidden = {} if shell is None else shell.user_ns_hidden
    return {
        id(value): name
        for name, value in list(space.items())
        if isinstance(name, str)
        and is_user(name)
        and not isinstance(value, types.ModuleType)
        and (name not in hidden or hidden[name] is not value)
    }


def _told(
    names: list[str],
    values: Mapping[str, Any],
    sharing: Sharing,
    known: Mapping[tuple[str, ...], str],
    folder: str,
) -> dict[str, Any]:
    """Return the digest of one group, what it refers to, and the file that it was written to."""
    group = {name: values[name] for name in names}
    told = {"names": names, "digest": _digest(group, sharing), "refers": sharing.refers_of(names)}
    why = next((sharing.errors[name] for name in names if name in sharing.errors), "")
    if told["digest"] == "unknown":
        why = why or "its content is not known"
    if why:
        return {**told, "error": why}
    if not folder or known.get(tuple(names)) == told["digest"]:
        return told
    return {**save_load.written(group, sharing, folder), **told}


def _digest(group: dict[str, Any], sharing: Sharing) -> str:
    """Return the digest of a group: its contents, and which of its arrays share which memory."""
    names = tuple(group)
    layout = sharing.layout_of(names)
    now = quick([group, layout])
    before = _known.get(names)
    if now is not None and before is not None and before[0] == now:
        return before[1]
    digest = digest_or_unknown([group, layout])
    if now is not None:
        _known[names] = (now, digest)
    return digest


def load(request: str) -> str:
    """Bind groups that were written; answer {"bound", "damaged"}."""
    asked = json.loads(request)
    space = namespace()
    marks = {id(space[n]): n for n in asked["setup"] if isinstance(space.get(n), CODE)}
    answer = save_load.read(asked["entries"], space)
    for entry in asked["entries"]:
        if all(name in answer["bound"] for name in entry["names"]):
            try:
                found = _digest_of({n: space[n] for n in entry["names"]}, space, marks)
            except Exception as error:  # noqa: BLE001  the value's own code
                found = one_line(error)
            if found != entry["digest"]:
                why = "it does not come back as it was"
                answer["damaged"].append({"names": entry["names"], "why": why})
    return json.dumps(answer)


def _digest_of(group: dict[str, Any], space: dict[str, Any], marks: Mapping[int, str]) -> str:
    sharing = Sharing(group, space, marks)
    try:
        return _digest(group, sharing)
    finally:
        sharing.forget()
