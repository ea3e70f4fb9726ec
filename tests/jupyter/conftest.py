"""The Jupyter server of the tests: with the extension, and with no route open to anybody."""

from typing import Any

import pytest


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    return {
        "ServerApp": {
            "jpserver_extensions": {"mlops_nb": True},
            "allow_unauthenticated_access": False,
        }
    }
