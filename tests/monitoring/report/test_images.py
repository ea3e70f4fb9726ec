"""The charts of a live model as images: the drawings of its report, and nothing that runs."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from live_model import LiveModel, binary, labels_of

from mlops_nb.monitoring.live.window import WatchedWindow
from mlops_nb.monitoring.report import charts, images
from mlops_nb.monitoring.report import page as report_page
from mlops_nb.serving.settings import LabelSettings

ROWS = binary(1500)
SLY = "<script>alert(1)</script>"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def live(tmp_path_factory) -> LiveModel:
    made = LiveModel(
        tmp_path_factory.mktemp("live"),
        ROWS[["age", "city"]],
        labels=LabelSettings(matures="3d"),
    )
    made.answer(ROWS.drop(columns="label").assign(city=SLY))
    made.label(labels_of(ROWS))
    return made


@pytest.fixture(scope="module")
def found(live) -> WatchedWindow:
    return live.open().watch("m")


def test_the_charts_are_those_of_the_report(found):
    page = report_page.render(found)
    drawn = report_page.drawings(found, charts.WIDTH)
    assert [one.drawing in page for one in drawn] == [True] * 8
    assert all(one.title in page for one in drawn if one.title != report_page.DRIFT)


@pytest.mark.parametrize("width", [240, 340, 920, 1600])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_image_is_as_wide_as_asked_and_stays_inside(live, width, theme):
    answer = live.open().charts("m", width, theme)
    assert len(answer["charts"]) == 8
    for chart in answer["charts"]:
        root = ElementTree.fromstring(chart["svg"])
        assert root.tag == f"{SVG}svg"
        assert {one.tag for one in root.iter()} <= {
            f"{SVG}{name}" for name in ("svg", "style", "text", "title", "path", "rect", "circle")
        }
        x, y, wide, _ = map(float, root.attrib["viewBox"].split())
        assert (x, y, wide) == (0, 0, width)
        places = [float(one) for one in re.findall(r"[ML](-?[\d.]+) [\d.]+", chart["svg"])]
        assert all(0 <= place <= width for place in places)
        style = root.find(f"{SVG}style").text
        assert images.COLOURS[theme]["line"] in style
        assert "$" not in style


def test_immature_days_are_shaded(live, found):
    shaded = [
        one for one in live.open().charts("m", 400, "light")["charts"] if "open" in one["svg"]
    ]
    assert any('class="open"' in one["svg"] for one in shaded) == any(
        not day.mature for day in found.days
    )
