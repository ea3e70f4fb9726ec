"""The report of a live model: one small page, which escapes all that data and notebooks say."""

import re
from datetime import date, timedelta

import numpy as np
import pytest
from live_model import NOW, LiveModel, binary, labels_of
from msgspec.structs import replace

from mlops_nb.monitoring.live.faults import WatchAlert
from mlops_nb.monitoring.live.sums import ColumnCounts, Day
from mlops_nb.monitoring.live.window import Release, WatchedWindow
from mlops_nb.monitoring.report import page as report_page
from mlops_nb.serving.settings import LabelSettings

ROWS = binary(1500)
SETTINGS = LabelSettings(matures="3d")
SLY = "<script>alert(1)</script>"
LIMIT = 500_000  # bytes


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> WatchedWindow:
    live = LiveModel(tmp_path_factory.mktemp("live"), ROWS[["age", "city"]], labels=SETTINGS)
    live.answer(ROWS.drop(columns="label").assign(city=SLY))
    live.label(labels_of(ROWS))
    return live.open().watch("m")


def test_the_page_needs_no_other_file(found):
    page = report_page.render(found)
    assert not re.search(r"https?://|src=|@import|url\(", page)
    assert "prefers-color-scheme: dark" in page
    assert page.count("<svg") == 4 + 1 + 3


def test_what_data_says_is_escaped(found):
    alert = WatchAlert(kind=SLY, what=SLY, since=SLY, fix=SLY)
    page = report_page.render(replace(found, model=SLY, alerts=(alert,), uncompared=(SLY,)))
    assert "<script" not in page
    assert "unseen: &lt;script&gt;" in page


def test_releases_are_marked_and_days_to_come_are_shaded(found):
    releases = (Release(at=NOW - timedelta(days=3), version=7),)
    page = report_page.render(replace(found, releases=releases))
    assert page.count(">version 7<") == 4
    assert page.count('class="open"') == 4


def test_a_window_without_labels_or_rows_has_a_page(found):
    assert "No labels" in report_page.render(replace(found, metrics=()))
    empty = replace(found, days=(), metrics=(), drift=())
    assert "<svg" not in report_page.render(empty)


def test_a_year_of_twenty_columns_is_small(found):
    draw = np.random.default_rng(1)
    (was,) = [one for name, one in found.columns.items() if name == "age"]
    names = [f"column {n}" for n in range(20)]
    days = []
    for number in range(365):
        sums = found.days[number % len(found.days)].sums
        bins = draw.integers(1, 99, len(found.days[0].sums.columns["age"].bins))
        columns = {
            n: ColumnCounts(rows=int(bins.sum()), missing=0, bins=tuple(draw.permutation(bins)))
            for n in names
        }
        day = (date(2025, 3, 1) + timedelta(days=number)).isoformat()
        days.append(
            Day(day=day, mature=number < 300, dropped=0, sums=replace(sums, columns=columns))
        )
    columns = {name: replace(was, name=name) for name in names}
    page = report_page.render(replace(found, days=tuple(days), columns=columns))
    assert 20_000 < len(page.encode()) < LIMIT
