"""Binder's scripts in a fresh environment: JupyterLab starts with the panel on the flights."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jupyterlab_process import started
from panel import OPEN
from playwright.sync_api import expect
from tracked import copied

if TYPE_CHECKING:
    from playwright.sync_api import Page

UV = Path(sys.executable).with_name("uv")
FLIGHTS = "notebooks/flights.ipynb"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Do what Binder does with a clone; return the clone and the environment."""
    clone, folder = copied(tmp_path_factory.mktemp("clone")), tmp_path_factory.mktemp("env")
    own = {k: v for k, v in os.environ.items() if k not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    path = f"{folder / 'bin'}{os.pathsep}{own['PATH']}"
    binder = clone / "binder"
    for words in (
        [UV, "venv", "--seed", "--quiet", "--python", sys.executable, folder],
        [UV, "pip", "install", "--quiet", "-r", binder / "requirements.txt"],
        [binder / "postBuild"],
    ):
        done = subprocess.run(
            words,
            cwd=clone,
            env=own | {"PATH": path, "VIRTUAL_ENV": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    return clone, folder


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
