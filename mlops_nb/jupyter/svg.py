"""Draws a graph from left to right, to be read on light and on dark pages."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

WIDE, HIGH, ACROSS, DOWN, EDGE = 205, 34, 56, 14, 10
LONGEST = 24  # letters in a box
# mid tones: each is told from white and from black, and only lines and dots are coloured
TONES = {
    "value": "#3182ce",
    "step": "#38a169",
    "file": "#b7791f",
    "parameter": "#9f7aea",
    "package": "#718096",
    "outside": "#e53e3e",
}
PLAIN = "#718096"
Node = Mapping[str, Any]
Place = tuple[int, int]


def svg(nodes: Sequence[Node], edges: Sequence[Sequence[str]]) -> str:
    """Return nodes ({"id", "kind", "label"}) and edges ([from, to]) as an SVG drawing.

    Text takes the page's own colour and there is no background.

    >>> svg([{"id": "a", "kind": "step", "label": "load"}], [])[:4]
    '<svg'
    """
    place = _places(nodes, edges)
    width = max((x for x, _ in place.values()), default=0) + WIDE + EDGE
    height = max((y for _, y in place.values()), default=0) + HIGH + EDGE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="lineage" '
        'font-family="sans-serif" font-size="12" style="max-width: none">'
    ]
    parts += [_line(place[a], place[b]) for a, b in edges if a in place and b in place]
    parts += [_box(node, place[node["id"]]) for node in nodes]
    return "".join([*parts, "</svg>"])


def _places(nodes: Sequence[Node], edges: Sequence[Sequence[str]]) -> dict[str, Place]:
    column = columns([n["id"] for n in nodes], edges)
    used: dict[int, int] = {}
    place: dict[str, Place] = {}
    for node in nodes:
        at = column[node["id"]]
        row = used.get(at, 0)
        used[at] = row + 1
        place[node["id"]] = (EDGE + at * (WIDE + ACROSS), EDGE + row * (HIGH + DOWN))
    return place


def columns(nodes: Sequence[str], edges: Sequence[Sequence[str]]) -> dict[str, int]:
    """Return each node's column: right of all it comes from, and close to what it goes to.

    >>> columns(["a", "b", "c"], [["a", "b"], ["b", "c"], ["a", "c"]])
    {'a': 0, 'b': 1, 'c': 2}
    """
    sources: dict[str, list[str]] = {n: [] for n in nodes}
    targets: dict[str, list[str]] = {n: [] for n in nodes}
    for a, b in edges:
        if a in sources and b in sources:
            sources[b].append(a)
            targets[a].append(b)
    column = dict.fromkeys(nodes, 0)
    for _ in nodes:  # at most as many rounds as nodes; circles end there
        moved = False
        for node in nodes:
            wanted = max((column[s] + 1 for s in sources[node]), default=0)
            if column[node] < wanted < len(nodes):
                column[node], moved = wanted, True
        if not moved:
            break
    for node in nodes:  # a parameter of the last step stands beside that step
        if not sources[node] and targets[node]:
            column[node] = max(0, min(column[t] for t in targets[node]) - 1)
    return column


def _line(start: Place, end: Place) -> str:
    (x1, y1), (x2, y2) = (start[0] + WIDE, start[1] + HIGH // 2), (end[0], end[1] + HIGH // 2)
    bend = ACROSS // 2
    return (
        f'<path d="M{x1},{y1} C{x1 + bend},{y1} {x2 - bend},{y2} {x2},{y2}" fill="none" '
        f'stroke="{PLAIN}" stroke-opacity="0.7" stroke-width="1.3"/>'
    )


def _box(node: Node, place: Place) -> str:
    x, y = place
    kind, label = str(node["kind"]), str(node["label"])
    tone = TONES.get(kind, PLAIN)
    shown = label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…"
    told = [
        f"{kind}: {label}",
        *(f"{k}: {node[k]}" for k in ("digest", "type", "rows", "because") if node.get(k)),
    ]
    radius = HIGH // 2 if kind == "step" else 4
    return (
        f'<g data-kind="{html.escape(kind)}"><title>{html.escape(chr(10).join(told))}</title>'
        f'<rect x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" rx="{radius}" fill="{tone}" '
        f'fill-opacity="0.12" stroke="{tone}" stroke-width="1.5"/>'
        f'<circle cx="{x + 14}" cy="{y + HIGH // 2}" r="4" fill="{tone}"/>'
        f'<text x="{x + 25}" y="{y + HIGH // 2 + 4}" fill="currentColor">'
        f"{html.escape(shown)}</text></g>"
    )
