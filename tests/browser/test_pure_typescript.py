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
