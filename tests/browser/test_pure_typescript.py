"""The pure modules of the panel, run in a browser on generated input and held to plain rules."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

LIB = Path(__file__).parents[2] / "labextension" / "lib"  # made by `make setup`


def call(page: Page, module: str, function: str, *arguments: object) -> list:
    """Call a function of a module that imports nothing."""
    code = (LIB / f"{module}.js").read_text()
    assert "import " not in code.replace("import type", "")
    return page.evaluate(
        """async ([url, name, given]) => {
            const module = await import(url);
            return module[name](...given.map(g => g && g.asSet ? new Set(g.asSet) : g));
        }""",
        [f"data:text/javascript,{quote(code)}", function, list(arguments)],
    )


def edges_of(draw: random.Random, count: int) -> list[list]:
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    chosen = draw.sample(pairs, min(len(pairs), draw.randint(0, 2 * count)))
    return [[f"s{a}", f"s{b}", ["x"]] for a, b in chosen]


@pytest.mark.parametrize("seed", range(30))
def test_each_edge_can_be_followed_along_its_lane(page: Page, seed: int) -> None:
    """From a step's own column down, without a gap, to where the lane bends into the other step."""
    draw = random.Random(seed)
    count = draw.randint(1, 40)
    names = [f"s{n}" for n in range(count)]
    edges = edges_of(draw, count)
    rows = call(page, "lanes", "lanesOf", names, edges)
    for source, target, _ in edges:
        start, end = names.index(source), names.index(target)
        column = rows[start]["column"]
        assert rows[start]["goesOn"]
        for row in range(start + 1, end):
            assert column in rows[row]["through"], (source, target, row)
        assert column in rows[end]["into"]
    for number, row in enumerate(rows):
        used = {names.index(source) for source, target, _ in edges if target == names[number]}
        assert set(row["into"]) == {rows[source]["column"] for source in used}
        assert row["column"] < 6
        assert all(column < 6 for column in (*row["through"], *row["into"]))
        assert row["goesOn"] == any(source == names[number] for source, _, _ in edges)


def test_lanes_of_a_chain_stay_in_one_column(page: Page) -> None:
    names = [f"s{n}" for n in range(50)]
    edges = [[a, b, []] for a, b in pairwise(names)]
    assert {row["column"] for row in call(page, "lanes", "lanesOf", names, edges)} == {0}


def run_row(number: int, job: str = "", sweep: str = "", **more: object) -> dict:
    return {
        "run": f"r{number}",
        "job": job,
        "sweep": sweep,
        "notebook": "a.ipynb",
        "status": "finished",
        "trigger": "hand",
        "parameters": {},
        "metrics": {},
        **more,
    }


def shown(page: Page, runs: list[dict], opened: set[str], words: str = "") -> list[tuple]:
    rows = call(page, "grouping", "rowsOf", runs, {"asSet": sorted(opened)}, words)
    return [(row["run"]["run"], row["count"], row["isInside"]) for row in rows]


def test_a_jobs_runs_and_a_sweeps_points_fold_into_one_row_each(page: Page) -> None:
    runs = [
        run_row(6, job="wine"),
        run_row(5),
        run_row(4, job="wine"),
        run_row(3, sweep="s"),
        run_row(2, sweep="s"),
        run_row(1),
    ]
    assert shown(page, runs, set()) == [
        ("r6", 2, False),
        ("r5", 1, False),
        ("r3", 2, False),
        ("r1", 1, False),
    ]
    assert ("r4", 0, True) in shown(page, runs, {"job wine"})
    assert ("r2", 0, True) in shown(page, runs, {"sweep s"})


@pytest.mark.parametrize("seed", range(5))
def test_no_run_is_lost_when_all_groups_are_open_and_a_filter_keeps_what_it_names(
    page: Page, seed: int
) -> None:
    draw = random.Random(seed)
    runs = [
        run_row(
            n,
            job=draw.choice(["", "", "one", "two"]),
            status=draw.choice(["finished", "failed"]),
            parameters={"depth": draw.randint(1, 3)},
        )
        for n in range(200)
    ]
    opened = {"job one", "job two"}
    assert {name for name, _, _ in shown(page, runs, opened)} == {r["run"] for r in runs}
    wanted = {r["run"] for r in runs if r["status"] == "failed" and r["parameters"]["depth"] == 2}
    found = {name for name, _, _ in shown(page, runs, opened, "FAILED depth=2")}
    assert found == wanted


DRAWING, ROOM = {"width": 900, "height": 2000}, {"width": 500, "height": 400}


def seen(view: dict, point: tuple[float, float]) -> tuple[float, float]:
    return (view["scale"] * point[0] + view["x"], view["scale"] * point[1] + view["y"])


@pytest.mark.parametrize("seed", range(10))
def test_zooming_keeps_the_point_under_the_pointer_and_some_of_the_drawing(
    page: Page, seed: int
) -> None:
    draw = random.Random(seed)
    drawing = {"width": draw.randint(50, 3000), "height": draw.randint(50, 9000)}
    room = {"width": draw.randint(200, 1500), "height": draw.randint(160, 800)}
    view = call(page, "zoom", "first", drawing, room)
    least = call(page, "zoom", "fitted", drawing, room)["scale"]
    for _ in range(20):
        at = {"x": draw.uniform(0, room["width"]), "y": draw.uniform(0, room["height"])}
        if draw.random() < 0.5:
            by = {"x": draw.uniform(-900, 900), "y": draw.uniform(-900, 900)}
            after = call(page, "zoom", "moved", view, by, drawing, room)
            assert after["scale"] == view["scale"]
        else:
            after = call(page, "zoom", "zoomed", view, draw.uniform(0.3, 3), at, drawing, room)
            assert least - 1e-9 <= after["scale"] <= 4
        left, top = seen(after, (0, 0))
        right, bottom = seen(after, (drawing["width"], drawing["height"]))
        shown = min(right, room["width"]) - max(left, 0), min(bottom, room["height"]) - max(top, 0)
        size = right - left, bottom - top
        wanted = min(40, size[0], room["width"]), min(40, size[1], room["height"])
        assert all(s >= w - 1e-6 for s, w in zip(shown, wanted, strict=True))
        view = after
    center = {"x": room["width"] / 2, "y": room["height"] / 2}
    whole = call(page, "zoom", "fitted", drawing, room)
    point = (drawing["width"] / 2, drawing["height"] / 2)  # it lies in the middle of the window
    after = call(page, "zoom", "zoomed", whole, 1.5, center, drawing, room)
    assert seen(after, point) == pytest.approx((center["x"], center["y"]))


@pytest.mark.parametrize("seed", range(10))
def test_a_view_moves_no_more_than_it_takes_to_show_a_box(page: Page, seed: int) -> None:
    draw = random.Random(seed)
    view = {"scale": draw.uniform(0.1, 2), "x": draw.uniform(-900, 500), "y": draw.uniform(-2e3, 9)}
    box = {"x": draw.uniform(0, 800), "y": draw.uniform(0, 1950), "width": 90, "height": 42}
    after = call(page, "zoom", "showing", view, box, ROOM)
    left, top = seen(after, (box["x"], box["y"]))
    right, bottom = seen(after, (box["x"] + box["width"], box["y"] + box["height"]))
    assert left >= -1e-6
    assert top >= -1e-6
    assert right <= ROOM["width"] + 1e-6
    assert bottom <= ROOM["height"] + 1e-6
    again = call(page, "zoom", "showing", after, box, ROOM)
    assert (again["x"], again["y"]) == pytest.approx((after["x"], after["y"]))


def test_the_whole_drawing_fits(page: Page) -> None:
    whole = call(page, "zoom", "fitted", DRAWING, ROOM)
    assert seen(whole, (0, 0)) == pytest.approx((160, 0))
    assert seen(whole, (900, 2000)) == pytest.approx((340, 400))
    assert call(page, "zoom", "first", DRAWING, ROOM)["scale"] == 0.6


def test_steps_are_found_by_every_word_of_name_or_title(page: Page) -> None:
    steps = [
        {"name": "load", "title": "Read the data"},
        {"name": "load-more", "title": ""},
        {"name": "train", "title": "Train"},
    ]
    for words, names in [
        ("", ["load", "load-more", "train"]),
        ("LOAD", ["load", "load-more"]),
        ("data load", ["load"]),
        ("none", []),
    ]:
        assert call(page, "search", "stepsWith", steps, words) == names


VALUES = {
    "depth": lambda draw: draw.choice([1, 2, 3, 8]),
    "rate": lambda draw: draw.choice([0.1, 0.01, 1e-5, -3.5]),
    "kind": lambda draw: draw.choice(["gini", "entropy", None]),
    "flag": lambda draw: draw.choice([True, False]),
    "same": lambda _: 7,
}


@pytest.mark.parametrize("seed", range(20))
def test_runs_lie_on_parallel_axes_in_the_order_of_their_values(page: Page, seed: int) -> None:
    draw = random.Random(seed)
    runs = [
        {
            "run": f"r{n}",
            "parameters": {k: f(draw) for k, f in VALUES.items() if draw.random() < 0.9},
            "metrics": {"auc": draw.random()} if draw.random() < 0.8 else {},
        }
        for n in range(draw.randint(2, 30))
    ]
    found = call(page, "coordinates", "coordinates", runs)
    axes, lines = found["axes"], found["lines"]
    assert [line["run"] for line in lines] == [run["run"] for run in runs]
    assert [axis["kind"] for axis in axes] == sorted((a["kind"] for a in axes), reverse=True)
    shown = {axis["name"] for axis in axes if axis["kind"] == "parameter"}
    differing = {
        name
        for name in VALUES
        if len({str(run["parameters"].get(name, "missing")) for run in runs}) > 1
        and any(run["parameters"].get(name) is not None for run in runs)
    }
    assert shown == differing
    for place, axis in enumerate(axes):
        part = "metrics" if axis["kind"] == "metric" else "parameters"
        pairs = [
            (run[part].get(axis["name"]), line["places"][place])
            for run, line in zip(runs, lines, strict=True)
        ]
        assert all((value is None) == (at is None) for value, at in pairs)
        at_of = dict(pair for pair in pairs if pair[0] is not None)
        assert all(0 <= at <= 1 for at in at_of.values())
        ticks = [(tick["value"], tick["at"]) for tick in axis["ticks"]]
        assert ticks
        assert all(0 <= at <= 1 for _, at in ticks)
        if axis["name"] in {"depth", "rate", "auc"}:
            both = sorted([*at_of.items(), *ticks])
            assert [at for _, at in both] == sorted(at for _, at in both)
            if len(at_of) > 1:
                assert {at_of[min(at_of)], at_of[max(at_of)]} == {0, 1}
        else:
            assert len(set(at_of.values())) == len(at_of)
            assert all(at_of[value] == at for value, at in ticks)
