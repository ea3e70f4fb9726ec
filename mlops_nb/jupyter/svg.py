"""Draws SVG that is readable on light and dark pages: shapes, axes, and graphs of boxes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from mlops_nb.markup import html

COLORS = {  # mid tones: readable on white and on black
    "value": "#3182ce",
    "step": "#38a169",
    "file": "#b7791f",
    "parameter": "#9f7aea",
    "package": "#718096",
    "outside": "#e53e3e",
}
GRAY = "#718096"
BOX_WIDTH, BOX_HEIGHT, COLUMN_GAP, ROW_GAP, MARGIN = 205, 34, 56, 14, 10  # px
LONGEST_LABEL = 24  # letters that fit into a box
ARROW = 8  # px, the length of an arrowhead
SHAPES = {  # of a state, which its color never tells alone
    "finished": ("●", "#38a169"),
    "reused": ("◆", "#3182ce"),
    "stale": ("▲", "#b7791f"),
    "failed": ("✖", "#e53e3e"),
    "never": ("○", "#718096"),
    "running": ("▶", "#3182ce"),
    "queued": ("◌", "#718096"),
    "waiting": ("◔", "#b7791f"),
    "refused": ("⊘", "#e53e3e"),
    "paused": ("‖", "#718096"),
    "champion": ("★", "#38a169"),
    "previous": ("☆", "#718096"),
}
OTHER_STATE = ("■", GRAY)
TOOLTIP = ("title", "digest", "type", "rows", "because")

Point = tuple[float, float]
Look = Mapping[str, Any]
Node = Mapping[str, Any]


def element(name: str, *inside: str, **attributes: object) -> str:
    """Return an SVG element; `_` in the name of an attribute is written as `-`.

    inside: SVG, inserted as it is
    attributes: escaped; those that are None are left out

    >>> element("line", x1=1.5, stroke_width=2, class_="a&b")
    '<line x1="1.5" stroke-width="2" class="a&amp;b"/>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{''.join(inside)}</{name}>" if inside else f"<{name}{written}/>"


def drawing(parts: Iterable[str], *, width: float, height: float, **look: object) -> str:
    """Return a whole SVG drawing. Its text takes the colour of the page; it has no background."""
    attributes = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {width:g} {height:g}",
        "width": width,
        "height": height,
        "role": "img",
        "font_family": "sans-serif",
        "font_size": 12,
    }
    return element("svg", *parts, **(attributes | look))


def title(*lines: object) -> str:
    """Return the tooltip of the element around it."""
    return element("title", "\n".join(html(line) for line in lines))


def text(at: Point, words: object, *more: str, **look: object) -> str:
    """Return text whose base line is at a point.

    more: SVG that follows the words
    """
    return element("text", html(words), *more, x=at[0], y=at[1], **look)


def box(at: Point, size: Point, **look: object) -> str:
    """Return a rectangle, by its upper left corner."""
    return element("rect", x=at[0], y=at[1], width=size[0], height=size[1], **look)


def dot(at: Point, radius: float, *inside: str, **look: object) -> str:
    """Return a circle."""
    return element("circle", *inside, cx=at[0], cy=at[1], r=radius, **look)


def line(start: Point, end: Point, **look: object) -> str:
    """Return a straight line."""
    return element("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], **look)


def polyline(points: Iterable[Point], *, closed: bool = False, **look: object) -> str:
    """Return straight lines from point to point; closed: back to the first as well."""
    written = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return element("polygon" if closed else "polyline", points=written, **look)


def curve(points: Sequence[Point], bend: float, *inside: str, **look: object) -> str:
    """Return a smooth line, level at each point; bend: px from a point to its handles."""
    path = f"M{points[0][0]:.1f},{points[0][1]:.1f}"
    for (x1, y1), (x2, y2) in pairwise(points):
        path += f" C{x1 + bend:.1f},{y1:.1f} {x2 - bend:.1f},{y2:.1f} {x2:.1f},{y2:.1f}"
    return element("path", *inside, d=path, fill="none", **look)


def cross(at: Point, reach: float, **look: object) -> str:
    """Return a diagonal cross."""
    (x, y), side = at, 2 * reach
    path = f"M{x - reach:.1f} {y - reach:.1f}l{side} {side}m0 -{side}l-{side} {side}"
    return element("path", d=path, **look)


def scale(values: Point, pixels: Point) -> Callable[[float], float]:
    """Return the function that turns a value into its place on a linear axis.

    >>> scale((0.5, 1.0), (200, 100))(0.75)
    150.0
    """
    (low, high), (start, end) = values, pixels
    return lambda value: start + (end - start) * (value - low) / (high - low)


def axis(ticks: Iterable[tuple[float, str]], span: Point, at: Point, **look: Look) -> str:
    """Return the ticks of an upright axis, each with its label.

    ticks: (y, label)
    span: where ticks start and end, x
    at: where a label ends, as (x, y below its tick)
    look: `line` and `label`, the attributes of each
    """
    return "".join(
        line((span[0], y), (span[1], y), **look["line"])
        + text((at[0], y + at[1]), label, text_anchor="end", **look["label"])
        for y, label in ticks
    )


def graph(nodes: Sequence[Node], edges: Iterable[Sequence[Any]], name: str = "lineage") -> str:
    """Return a graph as an SVG drawing, from left to right.

    nodes: {"id", "kind", "label"}, and what the tooltip shows; with "state" that is drawn as a
           shape and a word, with "selected" the box has a wide border
    edges: [from, to], or [from, to, names of what is passed on]

    >>> graph([{"id": "a", "kind": "step", "label": "load"}], [])[:4]
    '<svg'
    """
    edges = list(edges)
    corner = _corners(nodes, edges)
    width = max((x for x, _ in corner.values()), default=0) + BOX_WIDTH + MARGIN
    height = max((y for _, y in corner.values()), default=0) + BOX_HEIGHT + MARGIN
    parts = [_edge(corner[a], corner[b], more) for a, b, *more in edges if {a, b} <= corner.keys()]
    parts += [_node(node, corner[node["id"]]) for node in nodes]
    look = {"aria_label": name, "style": "max-width: none"}
    return drawing(parts, width=width, height=height, **look)


def _corners(nodes: Sequence[Node], edges: Sequence[Sequence[Any]]) -> dict[str, Point]:
    column = columns([n["id"] for n in nodes], edges)
    used: dict[int, int] = {}
    corner: dict[str, Point] = {}
    for node in nodes:
        across = column[node["id"]]
        down = used.get(across, 0)
        used[across] = down + 1
        x, y = across * (BOX_WIDTH + COLUMN_GAP), down * (BOX_HEIGHT + ROW_GAP)
        corner[node["id"]] = (MARGIN + x, MARGIN + y)
    return corner


def columns(nodes: Sequence[str], edges: Iterable[Sequence[Any]]) -> dict[str, int]:
    """Return the column of each node: right of its sources; a node without any, near its targets.

    >>> columns(["a", "b", "c"], [["a", "b"], ["b", "c"], ["a", "c"]])
    {'a': 0, 'b': 1, 'c': 2}
    """
    sources: dict[str, list[str]] = {n: [] for n in nodes}
    targets: dict[str, list[str]] = {n: [] for n in nodes}
    for a, b, *_ in edges:
        if a in sources and b in sources:
            sources[b].append(a)
            targets[a].append(b)
    column = dict.fromkeys(nodes, 0)
    for _ in nodes:  # a circle of nodes ends after as many rounds as there are nodes
        moved = False
        for node in nodes:
            wanted = max((column[s] + 1 for s in sources[node]), default=0)
            if column[node] < wanted < len(nodes):
                column[node], moved = wanted, True
        if not moved:
            break
    for node in nodes:  # a parameter of the last step is drawn in the column before it
        if not sources[node] and targets[node]:
            column[node] = max(0, min(column[t] for t in targets[node]) - 1)
    return column


def _edge(start: Point, end: Point, names: Sequence[Sequence[str]]) -> str:
    """Draw an edge from box to box: between columns and rows, never behind another box."""
    middle, below = BOX_HEIGHT / 2, BOX_HEIGHT + ROW_GAP / 2
    (x1, y1), (x2, y2) = (start[0] + BOX_WIDTH, start[1] + middle), (end[0], end[1] + middle)
    between = start[1] + (below if y2 >= y1 else -ROW_GAP / 2)
    tip = [title(", ".join(names[0]))] if names else []
    look: Look = {"stroke": GRAY, "stroke_opacity": 0.7, "stroke_width": 1.3}
    head = [(x2, y2), (x2 - ARROW, y2 - ARROW / 2), (x2 - ARROW, y2 + ARROW / 2)]
    arrow = polyline(head, closed=True, fill=GRAY)
    if x2 <= x1:  # an edge back to an earlier column
        turn = MARGIN - 1  # px, stays in the drawing beside the first and the last column
        out, back = f"M{x1:.1f},{y1:.1f} h{turn:.1f}", f"H{x2 - turn:.1f}"
        path = f"{out} V{between:.1f} {back} V{y2:.1f} H{x2 - ARROW:.1f}"
        return element("path", *tip, d=path, fill="none", **look) + arrow
    points = [(x1, y1), (x2 - ARROW, y2)]
    if x2 - x1 > COLUMN_GAP:  # passes other columns between two rows, not behind their boxes
        points[1:1] = [(x1 + COLUMN_GAP, between), (x2 - COLUMN_GAP, between)]
    return curve(points, COLUMN_GAP / 2, *tip, **look) + arrow


def _node(node: Node, corner: Point) -> str:
    x, middle = corner[0], corner[1] + BOX_HEIGHT / 2
    kind, label, state = str(node["kind"]), str(node["label"]), str(node.get("state", ""))
    shape, color = shape_of(state) if state else ("", COLORS.get(kind, GRAY))
    short = label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"
    tip = [f"{kind}: {label}", *([state] if state else [])]
    tip += [f"{key}: {node[key]}" for key in TOOLTIP if node.get(key)]
    wide = 3 if node.get("selected") else 1.5
    look = {"fill": color, "fill_opacity": 0.12, "stroke": color, "stroke_width": wide}
    at = (x + 14, middle)
    mark = [dot(at, 4, fill=color)]
    if state:
        mark = [
            text((at[0], middle + 5), shape, fill=color, text_anchor="middle"),
            text((x + 25, middle + 13), state, fill="currentColor", font_size=10),
        ]
    return element(
        "g",
        title(*tip),
        box(corner, (BOX_WIDTH, BOX_HEIGHT), rx=BOX_HEIGHT / 2 if kind == "step" else 4, **look),
        *mark,
        text((x + 25, middle if state else middle + 4), short, fill="currentColor"),
        **{f"data-{kind}": node["id"]},
    )


def shape_of(state: str) -> tuple[str, str]:
    """Return the shape and the color of a state.

    >>> shape_of("stale")[0], shape_of("unheard of")[0]
    ('▲', '■')
    """
    return SHAPES.get(state, OTHER_STATE)
