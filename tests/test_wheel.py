"""The wheel, built from what git tracks on a PATH without Node: the panel is in it, once."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tracked import copied

UV = Path(sys.executable).with_name("uv")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """Build a wheel from a copy of the tracked files, in an empty home."""
    copy, home = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("home")
    copied(copy)
    tools = home / "bin"
    tools.mkdir()
    for tool in ("git", "sh", "env", "uname", "dirname", "sed", "basename", "cat", "which"):
        if path := shutil.which(tool):
            (tools / tool).symlink_to(path)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("npm_", "NODE_P"))}
    environment |= {"HOME": str(home), "PATH": str(tools)}
    assert shutil.which("node", path=str(tools)) is None
    done = subprocess.run(
        [str(UV), "build", "--wheel", "--python", sys.executable, "--out-dir", str(home / "dist")],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return zipfile.ZipFile(next((home / "dist").glob("*.whl")))


def test_the_panel_is_in_the_wheel_once(wheel):
    names = wheel.namelist()
    assert len([n for n in names if "remoteEntry" in n]) == 1
    assert [n for n in names if n.endswith("labextensions/mlops-nb/package.json")]
    assert [n for n in names if n.endswith("labextensions/mlops-nb/schemas/mlops-nb/plugin.json")]
    assert not [n for n in names if n.startswith("mlops_nb/labextension") or n.endswith(".orig")]


def test_the_server_extension_is_switched_on(wheel):
    names = wheel.namelist()
    assert [n for n in names if n.endswith("etc/jupyter/jupyter_server_config.d/mlops_nb.json")]


def test_the_example_notebooks_travel_without_their_data(wheel):
    found = {n for n in wheel.namelist() if n.startswith("mlops_nb/notebooks/")}
    assert {Path(n).name for n in found} == {"digits.ipynb", "flights.ipynb", "flights_data.py"}


def test_the_page_of_the_demo_report_is_in_the_wheel(wheel):
    assert "mlops_nb/demo/report.html" in wheel.namelist()


def test_neither_tests_nor_records_travel(wheel):
    assert not [n for n in wheel.namelist() if n.startswith(("tests/", ".mlops", "labextension/"))]
