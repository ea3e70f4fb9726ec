"""A real JupyterLab and a headless Chromium for the tests of the panel."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from jupyterlab_process import started
from panel import OPEN
from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyterlab_process import Lab
    from playwright.sync_api import Browser, Page, Playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
NO_CHROMIUM = (
    "no Chromium was found. Fix: apt-get install chromium, or: playwright install chromium"
)


expect.set_options(timeout=OPEN)


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """Replace the loop fixture of pytest-jupyter, which would close the loop of Playwright."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start a JupyterLab in an empty folder."""
    root, home = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("home")
    with started(root, home) as lab:
        yield lab


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path = _chromium(playwright)
        chromium = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Open an empty page; all its requests must go to this machine."""
    hosts: set[str | None] = set()
    with browser.new_context(viewport={"width": 1280, "height": 860}) as context:
        context.set_default_timeout(OPEN)  # other tests run beside
        page = context.new_page()
        page.on("request", lambda request: hosts.add(_host(request.url)))
        page.on("websocket", lambda websocket: hosts.add(_host(websocket.url)))
        yield page
    assert hosts <= {"127.0.0.1", None}, f"the page requested foreign hosts: {hosts}"


def _host(url: str) -> str | None:
    """Return the host of a URL, None for data: and blob:."""
    return urlsplit(url).hostname


def _chromium(playwright: Playwright) -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    own = playwright.chromium.executable_path
    if found is None and not Path(own).exists():
        pytest.fail(NO_CHROMIUM)
    return found or own
