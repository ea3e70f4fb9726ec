"""A project in a temporary folder, and the command line as a person types it."""

from pathlib import Path

import pytest
from saved import project
from typing_in import Terminal
from wine import wine


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """Open a terminal in a new project with the wine notebook."""
    made = project(tmp_path, "project")
    wine(made.folder / "wine.ipynb")
    return made
