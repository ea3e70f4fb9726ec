"""The report of a live model in a browser: in light and dark, on a wide and a narrow page."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from live_model import LiveModel, binary, labels_of
from panel import AXE

from mlops_nb.evaluation import by_slice
from mlops_nb.monitoring.report import page as report_page
from mlops_nb.serving.settings import LabelSettings

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

EVALUATED, ROWS = binary(3000, seed=9), binary(3000)
TOO_WIDE = "() => document.documentElement.scrollWidth - innerWidth"
NO_SIZE = """() => [...document.querySelectorAll('svg')].filter(one =>
    !one.getBoundingClientRect().height).length"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the report of a model whose age moved, and whose slice Busan fell."""
    folder = tmp_path_factory.mktemp("live")
    arrays = {"truth": EVALUATED.label.to_numpy(), "pred": EVALUATED.prediction.to_numpy()}
    cities = np.array(EVALUATED.city, object)
    evaluation = by_slice.evaluation(
        arrays | {"score": EVALUATED.score.to_numpy()}, {"city": cities}
    )
    live = LiveModel(
        folder,
        EVALUATED[["age", "city"]],
        labels=LabelSettings(matures="3d"),
        evaluation=evaluation,
    )
    live.answer(ROWS.drop(columns="label").assign(age=ROWS.age + 20))
    fell = ROWS.assign(label=np.where(ROWS.city == "Busan", 1 - ROWS.label, ROWS.label))
    live.label(labels_of(fell[:2000]))
    file = folder / "report.html"
    file.write_text(report_page.render(live.open().watch("m")))
    return file


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 480])
def test_the_report_can_be_read(page: Page, report: Path, scheme: str, width: int) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(report.as_uri())
    assert page.locator("h2", has_text="Worst slices").is_visible()
    assert page.locator("svg").count() >= 6
    assert page.evaluate(NO_SIZE) == 0
    assert page.evaluate(TOO_WIDE) <= 0
    page.add_script_tag(path=AXE)
    found = page.evaluate("() => window.axe.run()")["violations"]
    assert {one["id"]: [n["html"][:200] for n in one["nodes"]] for one in found} == {}
    assert said == []
    if folder := os.environ.get("MLOPS_NB_PICTURES"):
        page.screenshot(path=f"{folder}/report-{scheme}-{width}.png", full_page=True)
