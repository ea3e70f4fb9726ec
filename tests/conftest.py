"""What all tests share: a home, and the fixtures that start a real Jupyter server."""

import os
from pathlib import Path

import pytest
from typing_in import Terminal

# two workers on two cores: threads of OpenMP that wait actively would take each other's turns
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
pytest_plugins = ("pytest_jupyter.jupyter_server",)


@pytest.fixture(autouse=True)
def jp_server_cleanup(request: pytest.FixtureRequest) -> None:
    """Clean up after a server only where a test started one, not after every test."""
    if "jp_serverapp" in request.fixturenames:
        request.getfixturevalue("jp_server_cleanup")


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give all terminals one home: warm parents and locks are shared, as they are by a person."""
    folder: Path = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # the folder of all workers
        folder = folder.parent
    Terminal.home = folder / "home"
    Terminal.home.mkdir(exist_ok=True)
    return Terminal.home
