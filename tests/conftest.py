"""What all tests share: the fixtures that start a real Jupyter server."""

import os

import pytest

# two workers on two cores: threads of OpenMP that wait actively would take each other's turns
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
pytest_plugins = ("pytest_jupyter.jupyter_server",)


@pytest.fixture(autouse=True)
def jp_server_cleanup(request: pytest.FixtureRequest) -> None:
    """Clean up after a server only where a test started one, not after every test."""
    if "jp_serverapp" in request.fixturenames:
        request.getfixturevalue("jp_server_cleanup")
