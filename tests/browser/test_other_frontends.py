"""The panel in a fresh environment: by Binder's scripts, in Notebook 7, and with two people."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jupyterlab_process import started
from panel import OPEN, Panel, choose
from playwright.sync_api import expect
from small import small
from tracked import copied

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

UV = Path(sys.executable).with_name("uv")
FLIGHTS = "notebooks/flights.ipynb"
NOTEBOOK_7, COLLABORATION = "notebook==7.6.5", "jupyter-collaboration==5.0.4"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Do what Binder does with a clone; return the clone and the environment."""
    clone, folder = copied(tmp_path_factory.mktemp("clone")), tmp_path_factory.mktemp("env")
    binder = clone / "binder"
    for words in (
        [UV, "venv", "--seed", "--quiet", "--python", sys.executable, folder],
        [UV, "pip", "install", "--quiet", "-r", binder / "requirements.txt"],
        [binder / "postBuild"],
    ):
        done_in(folder, words, clone)
    return clone, folder


def done_in(environment: Path, words: list[object], folder: Path) -> None:
    """Execute a command in an environment and a folder."""
    own = {k: v for k, v in os.environ.items() if k not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    path = f"{environment / 'bin'}{os.pathsep}{own['PATH']}"
    done = subprocess.run(
        [*map(str, words)],
        cwd=folder,
        env=own | {"PATH": path, "VIRTUAL_ENV": str(environment)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / ".git").mkdir(parents=True)
    small(tmp_path / "root" / "small.ipynb")
    return tmp_path / "root"


def test_the_panel_is_open_on_the_flights(
    built: tuple[Path, Path], page: Page, tmp_path_factory: pytest.TempPathFactory
) -> None:
    clone, environment = built
    assert len(list((clone / "notebooks" / "data").glob("flights-*.parquet"))) == 6
    home, python = tmp_path_factory.mktemp("home"), str(environment / "bin" / "python")
    with started(clone, home, python=python) as lab:
        page.goto(lab.url(FLIGHTS))
        panel = page.locator("#mlops-nb-panel")
        expect(panel).to_be_visible(timeout=OPEN)
        expect(panel.locator("[data-step]").first).to_be_visible(timeout=OPEN)
        expect(panel.locator("[data-step]")).to_have_count(6)


def test_the_panel_follows_a_notebook_in_notebook_7(
    built: tuple[Path, Path], page: Page, root: Path, tmp_path: Path
) -> None:
    environment = built[1]
    done_in(environment, [UV, "pip", "install", "--quiet", NOTEBOOK_7], root)
    python = str(environment / "bin" / "python")
    with started(root, tmp_path / "home", python=python, app="notebook") as lab:
        page.goto(lab.url("small.ipynb", "notebooks"))
        page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for(timeout=OPEN)
        choose(page, "View", "Show the MLOps panel")
        panel = Panel(page, lab, "small.ipynb", shown=True)
        panel.run_all()
        panel.expect_states(load="finished", split="finished", train="finished", judge="finished")
        mark = page.locator('.mlops-cell-mark[data-mark="judge"]')
        expect(mark).to_have_attribute("aria-label", "judge: finished", timeout=OPEN)
        panel.picture("notebook-7")


def test_two_people_in_one_notebook_see_the_same_states(
    built: tuple[Path, Path], page: Page, browser: Browser, root: Path, tmp_path: Path
) -> None:
    environment = built[1]
    done_in(environment, [UV, "pip", "install", "--quiet", COLLABORATION], root)
    python = str(environment / "bin" / "python")
    with (
        started(root, tmp_path / "home", python=python) as lab,
        browser.new_context(viewport={"width": 1280, "height": 860}) as context,
    ):
        context.set_default_timeout(OPEN)
        two = [Panel(page, lab, "small.ipynb"), Panel(context.new_page(), lab, "small.ipynb")]
        two[0].run_all()
        for panel in two:
            panel.expect_states(train="finished", judge="finished")
        two[1].source(8, "%mlops step judge\naccuracy = 1.0")
        for panel in two:
            panel.expect_states(train="finished", judge="stale")
        two[1].run_all()
        for panel in two:
            panel.expect_states(train="finished", judge="finished")
