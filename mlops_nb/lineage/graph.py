"""The lineage graph of a value: steps, files, parameters, packages and values."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlops_nb.errors import NotFound
from mlops_nb.lineage.trace import Trace, Work, imports
from mlops_nb.notebook.model import CellFacts

OUTSIDE = "it reads from outside: "


@dataclass(slots=True, kw_only=True)
class Graph:
    """Nodes by id, as plain objects, and edges in the direction of the data."""

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    edges: dict[tuple[str, str], None] = field(default_factory=dict)

    def node(self, kind: str, name: str, label: str, **attributes: Any) -> str:
        """Add a node unless it exists; return its id."""
        key = f"{kind}:{name}"
        known = {k: v for k, v in attributes.items() if v not in (None, "", (), [])}
        self.nodes.setdefault(key, {"id": key, "kind": kind, "label": label, **known})
        return key

    def edge(self, source: str, target: str) -> None:
        """Add an edge."""
        if source != target:
            self.edges[source, target] = None

    def sources(self, target: str) -> list[str]:
        """Return the nodes with an edge to a node."""
        return [a for a, b in self.edges if b == target]

    def json(self) -> dict[str, Any]:
        """Return nodes and edges for the JSON output."""
        return {"nodes": list(self.nodes.values()), "edges": [list(e) for e in self.edges]}


def graph(trace: Trace) -> Graph:
    """Return the graph of everything that the steps of a run read and made."""
    made = Graph()
    imported = imports(trace.notebook) if trace.notebook else {}
    for place, work in enumerate(trace.works):
        step = made.node(
            "step",
            work.unit,
            f"{'step ' if work.step else ''}{work.unit}",
            cells=list(work.cells),
            places=_places(trace, work.cells),
            reused=work.reused or None,
            because=work.because,
            seconds=work.record.get("seconds"),
            never=work.record.get("never"),
        )
        _inputs(made, trace, work, place, step)
        _from_text(made, trace, work, step, imported)
        for name, seen in work.values.items():
            made.edge(step, _value(made, name, work, seen))
        for path, stamp in work.written.items():
            made.edge(step, _file(made, path, stamp))
    return made


def _value(made: Graph, name: str, work: Work, seen: Mapping[str, Any]) -> str:
    return made.node(
        "value",
        f"{name}@{work.unit}",
        name,
        digest=seen.get("digest"),
        type=seen.get("type"),
        rows=seen.get("schema", {}).get("rows"),
        number=seen.get("number"),
    )


def _file(made: Graph, path: str, stamp: Mapping[str, Any]) -> str:
    size = stamp["stat"][0] if stamp.get("stat") else None
    digest = stamp.get("sha256", "")
    known = made.nodes.get(f"file:{path}", {}).get("digest", digest)
    name = path if known == digest else f"{path}@{digest[:12]}"  # it was changed meanwhile
    return made.node("file", name, path, digest=digest, bytes=size)


def _inputs(made: Graph, trace: Trace, work: Work, place: int, step: str) -> None:
    for name, value in work.parameters.items():
        key = made.node("parameter", name, f"{name} = {value!r}", value=value)
        made.edge(key, step)
    for path, stamp in work.files.items():
        made.edge(_file(made, path, stamp), step)
    for name, digest in work.reads.items():
        maker = trace.maker(name, digest, place)
        if maker is not None:
            source = trace.works[maker]
            made.edge(_value(made, name, source, source.values[name]), step)
    for name in work.record.get("variables", {}):
        made.edge(made.node("outside", f"env:{name}", f"environment variable {name}"), step)
    for channel in work.record.get("generators", {}):
        made.edge(made.node("outside", channel, f"random state of {channel[4:]}"), step)
    never = str(work.record.get("never", ""))
    if never.startswith(OUTSIDE):
        what = never.removeprefix(OUTSIDE)
        made.edge(made.node("outside", what, what), step)


def _from_text(
    made: Graph, trace: Trace, work: Work, step: str, imported: Mapping[str, str]
) -> None:
    """Add what only the text shows: packages, local modules, and functions of set-up cells."""
    if trace.pipeline is None or trace.notebook is None:
        return
    facts = trace.pipeline.cells
    reads = set(work.record.get("names", ()))
    reads |= {n for i in work.cells for n in (*facts[i].reads, *facts[i].writes)}
    for setup in (c for c in facts if c.kind == "setup"):
        used = sorted((reads & set(setup.writes)) - set(imported))
        if used:
            key = made.node(
                "step",
                f"cell {setup.index}",
                f"{trace.notebook.cells[setup.index].label} (set-up)",
                cells=[setup.index],
                places=_places(trace, [setup.index]),
                defines=used,
            )
            made.edge(key, step)
            _packages(made, work, key, _roots(_reads_of(setup), imported))
    _packages(made, work, step, _roots(reads, imported))


def _places(trace: Trace, indexes: Iterable[int]) -> list[int] | None:
    """Return where cells are among all cells of their notebook, from 1."""
    if trace.notebook is None:
        return None
    return [trace.notebook.cells[index].position + 1 for index in indexes]


def _reads_of(cell: CellFacts) -> set[str]:
    return {*cell.reads, *cell.writes}


def _roots(names: Iterable[str], imported: Mapping[str, str]) -> list[str]:
    return sorted({imported[n].partition(".")[0] for n in names if n in imported})


def _packages(made: Graph, work: Work, target: str, roots: Iterable[str]) -> None:
    for root in roots:
        local = {p: t for p, t in work.modules.items() if root in _module_names(p)}
        for path, stamp in local.items():
            made.edge(_file(made, path, stamp), target)
        if not local and root and root not in sys.stdlib_module_names:
            made.edge(made.node("package", root, root), target)


def _module_names(path: str) -> set[str]:
    parts = [p for p in path.replace("\\", "/").split("/") if p not in {"", ".", ".."}]
    return {parts[-1].removesuffix(".py"), *parts[:-1]} if parts else set()


def behind(everything: Graph, name: str, run: str) -> tuple[str, Graph]:
    """Return the node id of the latest value of a name, and the graph of its ancestors.

    Raises NotFound if no step of the run made that name.
    """
    values = [n for n in everything.nodes.values() if n["kind"] == "value"]
    found = [n["id"] for n in values if n["label"] == name]
    if not found:
        known = ", ".join(dict.fromkeys(n["label"] for n in values))
        raise NotFound(
            f"run {run!r} made nothing with the name {name!r}",
            fix=f"give one of {known}" if known else "run the notebook's steps first",
        )
    kept: dict[str, None] = {}
    queue = [found[-1]]
    while queue:
        key = queue.pop()
        if key not in kept:
            kept[key] = None
            queue += everything.sources(key)
    part = Graph(
        nodes={k: v for k, v in everything.nodes.items() if k in kept},
        edges={e: None for e in everything.edges if kept.keys() >= set(e)},
    )
    return found[-1], part


def as_json(name: str, run: str, part: Graph) -> dict[str, Any]:
    """Return the object that `lineage --json` prints."""
    return {"version": 1, "name": name, "run": run, **part.json()}


def as_text(part: Graph, root: str) -> str:
    """Return a graph as a tree for a terminal, with the sources of each node below it."""
    return "\n".join(_branch(part, root, set()))


def _branch(part: Graph, key: str, shown: set[str]) -> Iterator[str]:
    node, sources = part.nodes[key], part.sources(key)
    if key in shown and sources:
        yield f"{_line(node)}  (as above)"
        return
    shown.add(key)
    yield _line(node)
    order = ["step", "value", "file", "outside", "parameter", "package"]
    sources.sort(key=lambda k: order.index(part.nodes[k]["kind"]))
    for place, source in enumerate(sources):
        last = place == len(sources) - 1
        bend, further = ("└─ ", "   ") if last else ("├─ ", "│  ")
        first, *rest = _branch(part, source, shown)
        yield f"{bend}{first}"
        yield from (f"{further}{line}" for line in rest)


def _line(node: Mapping[str, Any]) -> str:
    words = [node["label"]]
    if node["kind"] == "value":
        words += [node["type"].rpartition(".")[2]] if node.get("type") else []
        words += [f"{node['rows']:,} rows"] if "rows" in node else []
        words += [f"= {node['number']:.6g}"] if "number" in node else []
    elif node["kind"] in {"parameter", "package"}:
        words = [node["kind"], node["label"]]
    elif node["kind"] == "file":
        words = ["file", node["label"]]
    elif node.get("places") and node["kind"] == "step":
        places = ", ".join(map(str, node["places"]))
        words += [f"cell{'s' if len(node['places']) > 1 else ''} {places}"]
    words += ["(reused)"] if node.get("reused") else []
    if node.get("digest"):
        words.append(str(node["digest"])[:12])
    return "  ".join(words)


SHAPES = {
    "value": ('["', '"]'),
    "step": ('(["', '"])'),
    "file": ('[("', '")]'),
    "parameter": ('>"', '"]'),
    "package": ('{{"', '"}}'),
    "outside": ('(("', '"))'),
}


def as_mermaid(part: Graph) -> str:
    """Return a graph as a Mermaid flowchart.

    >>> small = Graph()
    >>> small.edge(small.node("file", "a.csv", "a.csv"), small.node("step", "load", "step load"))
    >>> print(as_mermaid(small))
    flowchart LR
        n0[("a.csv")]
        n1(["step load"])
        n0 --> n1
    """
    number = {key: f"n{i}" for i, key in enumerate(part.nodes)}
    lines = ["flowchart LR"]
    for key, node in part.nodes.items():
        opens, closes = SHAPES[node["kind"]]
        lines.append(f"    {number[key]}{opens}{_quoted(node['label'])}{closes}")
    lines += [f"    {number[a]} --> {number[b]}" for a, b in part.edges]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
