"""Projects in temporary folders, and the command line as a person types it."""

from pathlib import Path

import pytest
from typing_in import Terminal
from wine import wine


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """Open a terminal in a project with the wine notebook, one for a whole file of tests."""
    folder: Path = tmp_path_factory.mktemp("project")
    (folder / ".git").mkdir()
    wine(folder / "wine.ipynb")
    return Terminal(folder)
