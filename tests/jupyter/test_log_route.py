"""The output of a run: as a text, in pieces, and over the server while the run goes on."""

from __future__ import annotations

import asyncio
import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from small import WAITING, small

from mlops_nb.jupyter.handlers import log
from mlops_nb.notebook.printed import printed
from mlops_nb.project import open_project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("seed", range(20))
def test_pieces_of_a_text_that_grows_or_changes_make_the_text(seed):
    draw = random.Random(seed)
    text, offset, seen, shown = "", 0, "", ""
    for _ in range(30):
        more = "".join(draw.choices("ab\n한", k=draw.randint(0, 9)))
        text = text + more if draw.random() < 0.8 else text[: draw.randint(0, len(text))] + more
        found = log.piece(text, offset, seen)
        shown = shown + found["text"] if found["start"] == offset else found["text"]
        offset, seen = found["offset"], found["seen"]
        assert shown == text


def test_a_long_text_is_sent_from_near_its_end():
    text = "x" * (log.MOST + 5)
    found = log.piece(text, 0, "")
    assert (found["start"], len(found["text"]), found["offset"]) == (5, log.MOST, len(text))
    again = log.piece(text + "end", found["offset"], found["seen"])
    assert again["text"] == "end"


def cell(source: str, *outputs: dict, status: str = "completed") -> dict:
    noted = {"papermill": {"status": status}}
    return {"cell_type": "code", "source": source, "outputs": list(outputs), "metadata": noted}


def test_the_text_has_what_each_cell_printed_and_raised():
    page = {
        "cells": [
            {"cell_type": "markdown", "source": "# Title", "metadata": {}},
            cell("import os"),
            cell("x", {"output_type": "execute_result", "data": {"text/plain": ["1\n", "2"]}}),
            cell("plot", {"output_type": "display_data", "data": {"image/png": "…"}}),
            cell("raise", {"output_type": "error", "traceback": ["\x1b[31mValueError\x1b[0m: no"]}),
            cell("\n\n  wait()", status="running"),
            cell("later", status="pending"),
        ]
    }
    assert printed(page).splitlines() == [
        "── cell 3: x",
        "1",
        "2",
        "── cell 4: plot",
        "(image/png)",
        "── cell 5: raise",
        "ValueError: no",
        "── cell 6: wait()",
    ]


async def test_output_comes_while_a_run_goes_on(jp_fetch, jp_root_dir: Path):
    (jp_root_dir / ".git").mkdir()
    small(jp_root_dir / "small.ipynb", train=WAITING)

    async def ask(route: str, **query: str) -> Any:
        found = await jp_fetch("mlops-nb", "api", route, params=query, request_timeout=120)
        return json.loads(found.body)

    body = json.dumps({"path": "small.ipynb", "action": "run", "arguments": {}})
    found = await jp_fetch("mlops-nb", "api", "commands", method="POST", body=body)
    started = json.loads(found.body)
    rows: list[Any] = []
    while not rows:
        await asyncio.sleep(0.1)
        rows = (await ask("project", path="small.ipynb"))["runs"]
    run, shown, piece = rows[0]["run"], "", {"offset": 0, "seen": "", "open": True}

    async def follow() -> str:
        nonlocal piece
        before = piece["offset"]
        query = {"offset": str(before), "seen": piece["seen"]}
        piece = await ask("log", path="small.ipynb", run=run, **query)
        return shown + piece["text"] if piece["start"] == before else piece["text"]

    while "before" not in shown:
        shown = await follow()
        assert piece["open"], shown
    (jp_root_dir / "go").touch()
    while piece["open"]:
        shown = await follow()
    assert "before\nafter\n" in shown
    while started["status"] is None:  # its process is done a moment after the run
        started = await ask("commands", command=started["command"], answers="9")
    project = open_project(jp_root_dir)
    text, output, goes_on = await asyncio.to_thread(project.log_of_run, run)
    assert (text, goes_on) == (shown, False)
    assert printed(json.loads(output.read_text("utf-8"))) == shown


@pytest.mark.parametrize(
    ("path", "run", "what"),
    [("small.ipynb", "none", "none"), ("../small.ipynb", "x", "outside"), ("", "x", "")],
)
async def test_the_log_of_no_run_is_refused(jp_fetch, jp_root_dir: Path, path, run, what):
    small(jp_root_dir / "small.ipynb")
    query = {"path": path, "run": run}
    found = await jp_fetch("mlops-nb", "api", "log", params=query, raise_error=False)
    answer = json.loads(found.body)
    assert (found.code, what in answer["error"], bool(answer["fix"])) == (400, True, True)
