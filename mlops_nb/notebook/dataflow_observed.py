"""Combines the observed and the static reads and writes of cells into one flow of data."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from mlops_nb.notebook.dataflow import Flow
from mlops_nb.notebook.model import Names, Notebook, Warned

Seen = Mapping[str, Any]
# channels that nearly every cell uses; a difference in them is of no interest to the user
AMBIENT = frozenset({"cwd", "matplotlib", "module", "sys.path", "warnings"})


def as_seen(names: Names, seen: Seen) -> Names:
    """Return the names of a cell with its observed reads and writes in place of the static ones."""
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


def observed(
    by_text: Sequence[Names], static: Sequence[Flow], seen: Mapping[int, Seen], *, with_text: bool
) -> tuple[list[Names], list[Flow]]:
    """Return the names and the flow of every cell, as a run showed them.

    with_text: add what the text of the cell shows, too
    """
    found = [as_seen(names, seen[i]) if i in seen else names for i, names in enumerate(by_text)]
    joined = flows(static, found, seen)
    if with_text:
        found = [united(text, run) for text, run in zip(by_text, found, strict=True)]
        joined = united_flows(static, joined, seen)
    return found, joined


def united(static: Names, observed: Names) -> Names:
    """Return the names of a cell by its text, with what a run showed in addition."""
    changed = observed.changes - static.changes - static.writes
    return replace(
        static,
        reads=(*static.reads, *(n for n in observed.reads if n not in static.reads)),
        writes=static.writes | observed.writes,
        changes=static.changes | observed.changes,
        channels_read=static.channels_read | observed.channels_read,
        channels_changed=static.channels_changed | observed.channels_changed,
        only_shows=static.only_shows and not changed,
        assumed=observed.assumed,
    )


def united_flows(
    static: Sequence[Flow], observed: Sequence[Flow], seen: Mapping[int, Seen]
) -> list[Flow]:
    """Return flows with the dependencies that the text shows and those that a run showed.

    A cell that may read any name, by a text or through the namespace, reads every name above it.
    """
    joined = []
    last: dict[str, tuple[int, ...]] = {}
    for index, (one, two) in enumerate(zip(static, observed, strict=True)):
        anything = last if seen.get(index, {}).get("reads_any") else {}
        parts = (one.sources, two.sources, anything)
        flow = Flow(
            reads=tuple(dict.fromkeys((*one.reads, *two.reads, *anything))),
            binds=one.binds | two.binds,
            changes=one.changes | two.changes,
            sources={
                name: tuple(sorted({cell for part in parts for cell in part.get(name, ())}))
                for name in dict.fromkeys(name for part in parts for name in part)
            },
            missing=two.missing,
        )
        joined.append(flow)
        last |= dict.fromkeys(flow.changes | flow.binds, (index,))
    return joined


def channels_read(seen: Seen) -> list[str]:
    """Return the hidden channels and files that a cell read."""
    return [*seen["channels_read"], *(f"file:{p}" for p in seen["files_read"])]


def channels_changed(seen: Seen) -> list[str]:
    """Return the hidden channels and files that a cell changed."""
    return [*seen["channels_changed"], *(f"file:{p}" for p in seen["files_written"])]


def flows(static: Sequence[Flow], found: Sequence[Names], seen: Mapping[int, Seen]) -> list[Flow]:
    """Return the flow of every cell: observed, or static for a cell that was not observed.

    seen: index of the cell → what the observer reported

    A cell may change an object without reading its name, as a change of an axis changes its
    figure. The earlier writers of that name remain writers unless the cell depends on them.
    """
    writers: dict[str, tuple[int, ...]] = {}
    above: list[set[int]] = []  # cell → all cells that it depends on, directly or not
    hidden: dict[str, int] = {}  # apart from names: `warnings` is a channel and a module
    joined = []
    for index, (flow, names) in enumerate(zip(static, found, strict=True)):
        observed = seen.get(index)
        if observed is None or "lost" in observed:
            reads = {*flow.sources, *names.reads} - names.channels_read
            sources = _sources(reads, names.channels_read, writers, hidden)
            flow = dataclasses.replace(flow, sources=sources)  # noqa: PLW2901  the same cell
            channels = names.channels_changed
        else:
            flow = _seen_flow(observed, writers, hidden)  # noqa: PLW2901
            channels = frozenset(channels_changed(observed))
            writers |= dict.fromkeys(observed["deletes"], (index,))
            hidden[f"In[{observed.get('typed')}]"] = index
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
    notebook: Notebook,
    static: Sequence[Flow],
    joined: Sequence[Flow],
    seen: Mapping[int, Seen],
    imports: Sequence[Collection[str]] = (),
) -> list[Warned]:
    """Return a warning for each dependency that only the run or only the text shows.

    imports: names that each cell imports; these are not compared
    """
    found = []
    for index in sorted(seen):
        here = notebook.cells[index].label
        extra = _describe_extra(notebook, joined[index], static[index], imports)
        if extra:
            what = f"{here} depends on {extra}, which only a run shows"
            found.append(_differs("only-observed", what, index))
        if seen[index].get("failed"):
            continue
        extra = _describe_extra(notebook, static[index], joined[index], imports)
        if extra:
            what = f"{here} depends on {extra} by its text, and did not in this run"
            found.append(_differs("only-in-text", what, index))
    return found


def _describe_extra(
    notebook: Notebook, one: Flow, other: Flow, imports: Sequence[Collection[str]]
) -> str:
    """Describe the cells, with names, that one flow depends on and another does not."""
    parts = []
    for writer in sorted(set(one.depends_on) - set(other.depends_on)):
        known = imports[writer] if writer < len(imports) else ()
        names = [
            name
            for name, writers in one.sources.items()
            if writer in writers and name not in known and name.partition(":")[0] not in AMBIENT
        ]
        if names:
            parts.append(f"{', '.join(names)} of {notebook.cells[writer].label}")
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)


def _differs(kind: str, what: str, cell: int) -> Warned:
    fix = "no action needed: runs and reuse follow the observed dependencies"
    return Warned(kind=kind, what=what, fix=fix, cell=cell)
