"""Joins what a run showed of the cells with what their text tells, into one flow of data."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from mlops_nb.notebook.dataflow import Flow
from mlops_nb.notebook.model import Names, Warned

Seen = Mapping[str, Any]
# channels around every cell: that one is set here and asked there tells a reader of a graph nothing
AMBIENT = frozenset({"cwd", "matplotlib", "module", "sys.path", "warnings"})


def as_seen(names: Names, seen: Seen) -> Names:
    """Return a cell's names as a run showed them; what only text can tell stays."""
    if "lost" in seen:
        return replace(names, assumed=True)
    changed = frozenset(channels_changed(seen))
    shows = names.only_shows and not changed - {"figures"} - _shown(changed)
    return replace(
        names,
        writes=frozenset(seen["writes"]),
        changes=frozenset(seen["changes"]),
        channels_read=frozenset(channels_read(seen)),
        channels_changed=changed,
        only_shows=shows,
        assumed=bool(seen["assumed"]),
    )


def _shown(channels: frozenset[str]) -> set[str]:
    return {c for c in channels if c.startswith("Out[")}


def channels_read(seen: Seen) -> list[str]:
    """Return the hidden channels and files that a cell read."""
    return [*seen["channels_read"], *(f"file:{p}" for p in seen["files_read"])]


def channels_changed(seen: Seen) -> list[str]:
    """Return the hidden channels and files that a cell changed."""
    return [*seen["channels_changed"], *(f"file:{p}" for p in seen["files_written"])]


def flows(static: Sequence[Flow], found: Sequence[Names], seen: Mapping[int, Seen]) -> list[Flow]:
    """Return the flow of every cell: as it was seen, or else as its text tells.

    seen: index of the cell → what a run showed of it

    A cell may change what it does not read: an axis, and its figure with it. Who bound or changed
    the figure before is no longer the last then, but nobody leads to it: it is kept beside.
    """
    writers: dict[str, tuple[int, ...]] = {}
    above: list[set[int]] = []  # cell → all that it depends on, at any remove
    hidden: dict[str, int] = {}  # by themselves: `warnings` is a channel and a module, too
    joined = []
    for index, (flow, names) in enumerate(zip(static, found, strict=True)):
        told = seen.get(index)
        if told is None or "lost" in told:
            reads = {*flow.sources, *names.reads} - names.channels_read
            sources = _sources(reads, names.channels_read, writers, hidden)
            flow = dataclasses.replace(flow, sources=sources)  # noqa: PLW2901  the same cell
            channels = names.channels_changed
        else:
            flow = _seen_flow(told, writers, hidden)  # noqa: PLW2901
            channels = frozenset(channels_changed(told))
            writers |= dict.fromkeys(told["deletes"], (index,))
            hidden[f"In[{told.get('typed')}]"] = index
        joined.append(flow)
        above.append(set(flow.depends_on).union(*(above[cell] for cell in flow.depends_on)))
        for name in flow.changes:
            lost = [w for w in writers.get(name, ()) if w not in above[index]]
            writers[name] = (*lost, index)
        writers |= dict.fromkeys(flow.binds, (index,))
        hidden |= dict.fromkeys(channels, index)
    return joined


def _sources(
    reads: Iterable[str],
    channels: Iterable[str],
    writers: Mapping[str, tuple[int, ...]],
    hidden: Mapping[str, int],
) -> dict[str, tuple[int, ...]]:
    sources: dict[str, tuple[int, ...]] = {n: writers[n] for n in reads if n in writers}
    for channel in channels:
        if channel.endswith(":*"):
            found = [n for n in hidden if n.startswith(channel[:-1])]
        else:
            found = [channel] if channel in hidden else []
        for name in found:
            sources[name] = tuple(sorted({*sources.get(name, ()), hidden[name]}))
    return sources


def _seen_flow(
    seen: Seen, writers: Mapping[str, tuple[int, ...]], hidden: Mapping[str, int]
) -> Flow:
    return Flow(
        reads=tuple(seen["reads"]),
        binds=frozenset(seen["writes"]),
        changes=frozenset(seen["changes"]),
        sources=_sources(seen["reads"], channels_read(seen), writers, hidden),
    )


def differences(
    static: Sequence[Flow],
    joined: Sequence[Flow],
    seen: Mapping[int, Seen],
    imports: Sequence[Collection[str]] = (),
) -> list[Warned]:
    """Return where a run and the text disagree about which cell depends on which.

    imports: names that each cell imports; whether they are read decides nothing
    """
    found = []
    for index in sorted(seen):
        told = _more(joined[index], static[index], imports)
        if told:
            what = f"cell {index} depends on {told}, which only a run shows"
            found.append(_differs("only-observed", what, index))
        if seen[index].get("failed"):
            continue
        told = _more(static[index], joined[index], imports)
        if told:
            what = f"cell {index} depends on {told} by its text, and did not in this run"
            found.append(_differs("only-in-text", what, index))
    return found


def _more(one: Flow, other: Flow, imports: Sequence[Collection[str]]) -> str:
    """Return in words the cells that one flow depends on and another does not, with the names."""
    said = []
    for writer in sorted(set(one.depends_on) - set(other.depends_on)):
        known = imports[writer] if writer < len(imports) else ()
        names = [
            name
            for name, writers in one.sources.items()
            if writer in writers and name not in known and name.partition(":")[0] not in AMBIENT
        ]
        if names:
            said.append(f"cell {writer} ({', '.join(names)})")
    return " and ".join([", ".join(said[:-1]), said[-1]] if said[1:] else said)


def _differs(kind: str, what: str, cell: int) -> Warned:
    fix = "nothing needs mending: runs and reuse go by what was seen"
    return Warned(kind=kind, what=what, fix=fix, cell=cell)
