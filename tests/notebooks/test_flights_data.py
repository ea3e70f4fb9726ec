"""The months arrive whole, real and, where asked, spoiled."""

import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[2] / "notebooks" / "flights_data.py"


@pytest.fixture(scope="module")
def lay_out() -> Callable[..., list[Path]]:
    function: Callable[..., list[Path]] = runpy.run_path(str(SCRIPT))["lay_out"]
    return function


@pytest.fixture(scope="module")
def months(lay_out: Callable[..., list[Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("months")
    lay_out(folder / "clean", [1, 2])
    lay_out(folder / "spoiled", [2], spoil=[2])
    return folder


def test_each_month_brings_its_flights_and_its_weather_and_nothing_else(months: Path) -> None:
    names = sorted(path.name for path in (months / "clean").iterdir())
    assert names == [
        "flights-2013-01.parquet",
        "flights-2013-02.parquet",
        "weather-2013-01.parquet",
        "weather-2013-02.parquet",
    ]


def test_january_has_the_27004_flights_that_it_had(months: Path) -> None:
    january = pd.read_parquet(months / "clean" / "flights-2013-01.parquet")
    assert len(january) == 27004
    assert set(january["month"]) == {1}


def test_laying_out_twice_gives_the_same_bytes(
    lay_out: Callable[..., list[Path]], months: Path, tmp_path: Path
) -> None:
    for again in lay_out(tmp_path, [1]):
        assert again.read_bytes() == (months / "clean" / again.name).read_bytes()


def test_a_spoiled_month_has_its_delays_in_seconds_and_looks_the_same(months: Path) -> None:
    clean = pd.read_parquet(months / "clean" / "flights-2013-02.parquet")
    spoiled = pd.read_parquet(months / "spoiled" / "flights-2013-02.parquet")
    assert spoiled.dtypes.equals(clean.dtypes)
    delays = ["dep_delay", "arr_delay"]
    pd.testing.assert_frame_equal(spoiled[delays], clean[delays] * 60)
    pd.testing.assert_frame_equal(spoiled.drop(columns=delays), clean.drop(columns=delays))


@pytest.mark.parametrize(
    "arguments", [["--months", "13"], ["--months", "1", "--spoil", "2"], ["--months", "soon"]]
)
def test_a_month_that_is_none_is_refused_and_nothing_is_written(
    arguments: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    answer = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 2
    assert "error:" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not folder.exists()
