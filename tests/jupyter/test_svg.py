"""Drawings of graphs: arrowheads, and edges that no box hides, for any graph."""

import random
import re
from xml.etree import ElementTree

import pytest

from mlops_nb.jupyter import svg

SVG = "{http://www.w3.org/2000/svg}"
NUMBER = re.compile(r"-?[\d.]+")


def made(seed: int) -> tuple[list, list]:
    """Return the nodes and edges of a graph; of every third one with edges back."""
    draw = random.Random(seed)
    names = [f"s{n}" for n in range(draw.randint(2, 12))]
    pairs = {tuple(sorted(draw.sample(range(len(names)), 2))) for _ in range(2 * len(names))}
    edges = [[names[a], names[b], ["x"]] for a, b in pairs]
    if seed % 3 == 0:
        edges += [[b, a, ["y"]] for a, b, _ in draw.sample(edges, min(2, len(edges)))]
    return [{"id": n, "kind": "step", "label": n} for n in names], edges


def points(path: str) -> list[tuple[float, float]]:
    """Return points all along a path of the commands M, C, H, V and h."""
    found, (x, y) = [], (0.0, 0.0)
    for word, rest in re.findall(r"([MCHVh])([^MCHVh]*)", path):
        n = [float(number) for number in NUMBER.findall(rest)]
        if word == "C":
            corners = [(x, y), n[:2], n[2:4], n[4:]]
        else:
            end = {"M": n, "H": [n[0], y], "V": [x, n[0]], "h": [x + n[0], y]}[word]
            corners = [(x, y), (x, y), end, end]
        if word != "M":
            found += [bezier(corners, place / 100) for place in range(101)]
        x, y = corners[-1]
    return found


def bezier(corners, t: float) -> tuple[float, float]:
    """Return a point of a cubic curve; t: from 0 to 1."""
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    x, y = (sum(w * c[k] for w, c in zip(weights, corners, strict=True)) for k in (0, 1))
    return x, y


@pytest.mark.parametrize("seed", range(60))
def test_no_box_hides_an_edge_and_each_ends_in_an_arrowhead(seed):
    nodes, edges = made(seed)
    drawn = ElementTree.fromstring(svg.graph(nodes, edges))
    width, height = (float(drawn.get(side)) for side in ("width", "height"))
    boxes = {}
    for group in drawn.iter(f"{SVG}g"):
        rect = group.find(f"{SVG}rect")
        boxes[group.get("data-step")] = [float(rect.get(k)) for k in ("x", "y", "width", "height")]
    paths, heads = list(drawn.iter(f"{SVG}path")), list(drawn.iter(f"{SVG}polygon"))
    assert len(paths) == len(heads) == len(edges)
    for (a, b, _), path, head in zip(edges, paths, heads, strict=True):
        line = points(path.get("d"))
        for x, y in line:
            assert 0 <= x <= width
            assert 0 <= y <= height
            assert not any(
                left + 0.1 < x < left + w - 0.1 and top + 0.1 < y < top + h - 0.1
                for left, top, w, h in boxes.values()
            ), (seed, a, b, x, y)
        tip = [float(x) for x in NUMBER.findall(head.get("points"))][:2]
        left, top, w, h = boxes[b]
        assert tip == pytest.approx([left, top + h / 2])
        assert line[-1] == pytest.approx((left - svg.ARROW, top + h / 2), abs=0.06)
        left, top, w, h = boxes[a]
        assert line[0] == pytest.approx((left + w, top + h / 2), abs=0.06)


@pytest.mark.parametrize("state", svg.SHAPES)
def test_a_state_is_a_shape_and_a_word_and_each_has_its_own_shape(state):
    node = {"id": "a", "kind": "step", "label": "load", "state": state}
    texts = [t.text for t in ElementTree.fromstring(svg.graph([node], [])).iter(f"{SVG}text")]
    assert texts == [svg.SHAPES[state][0], state, "load"]
    same = [name for name, look in svg.SHAPES.items() if look[0] == svg.SHAPES[state][0]]
    assert same == [state]
