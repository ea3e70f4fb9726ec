"""The warm engine shows what papermill shows: every MIME bundle of every cell."""

import contextlib
import json
import os
import re
import shutil
from pathlib import Path

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from papermill.exceptions import PapermillExecutionError
from zoo import ERROR, THEMES

from mlops_nb.engine.choose import Engines
from mlops_nb.engine.task import Limits, Task
from mlops_nb.events import CellFailed, EngineChosen

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
CHANGING = (
    (re.compile(r"0x[0-9a-f]{6,}"), "0x"),
    (re.compile(r"ipykernel_\d+"), "ipykernel_N"),
    (re.compile(r"/\d+\.py"), "/N.py"),
    (re.compile(r"id=\\?\"?sk-[^ >]*|T_[0-9a-f]{5}\w*|sk-container-id-\d+"), "id"),
    (re.compile(r"\d+(\.\d+)? ?(ns|µs|us|ms|s)\b"), "T"),
    (re.compile(r"run [0-9a-f]{32}|[0-9a-f]{32}"), "ID"),
)


def plain(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    for pattern, word in CHANGING:
        text = pattern.sub(word, text)
    return text


def shown(cell: dict) -> dict:
    """What a cell shows; lines sorted, as a kernel mixes them with those of child processes."""
    streams: dict[str, str] = {}
    rest = []
    for output in cell["outputs"]:
        if output["output_type"] == "stream":
            streams[output["name"]] = streams.get(output["name"], "") + output["text"]
        elif output.get("ename") == "StdinNotImplementedError":  # its last frame is the kernel's
            rest.append({k: v for k, v in output.items() if k != "traceback"})
        else:
            rest.append(output)
    lines = {name: sorted(plain(text).split("\\n")) for name, text in streams.items()}
    return {"streams": lines, "rest": [plain(o) for o in rest], "count": cell["execution_count"]}


def by_papermill(source: Path, output: Path) -> list[dict]:
    with contextlib.suppress(PapermillExecutionError):  # it ran on, and says so at the top
        papermill.execute_notebook(source, output, progress_bar=False, cwd=source.parent)
    cells = nbformat.read(output, 4).cells
    return [c for c in cells if "papermill-error-cell-tag" not in c.metadata.get("tags", [])]


def by_us(source: Path, output: Path, engine: str) -> list[dict]:
    document = json.loads(source.read_text(encoding="utf-8"))
    task = Task(
        run="r",
        document=document,
        folder=source.parent,
        output=output,
        source=str(source),
        limits=Limits(engine=engine),
    )
    events = list(Engines(os.environ).execute(task))
    assert [e.error for e in events if isinstance(e, CellFailed)] == []
    assert [e.engine for e in events if isinstance(e, EngineChosen)] == [engine]
    book = nbformat.read(output, 4)
    nbformat.validate(book)
    return book.cells


def written(folder: Path, cells: tuple[str, ...]) -> Path:
    made = []
    for text in cells:
        tags = {"tags": ["raises-exception"]} if text.startswith(ERROR) else {}
        made.append(new_code_cell(text, metadata=tags))
    book = new_notebook(cells=made)
    book.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    folder.mkdir()
    path = folder / "zoo.ipynb"
    nbformat.write(book, path)
    return path


def differences(theirs: list[dict], ours: list[dict]) -> dict[str, tuple]:
    return {
        a["source"]: (shown(a), shown(b))
        for a, b in zip(theirs, ours, strict=True)
        if a["cell_type"] == "code" and shown(a) != shown(b)
    }


@pytest.mark.parametrize("theme", THEMES)
def test_awkward_cells_show_the_same(theme, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # with it, kernels leave file descriptors alone
    source = written(tmp_path / "room", THEMES[theme])
    theirs = by_papermill(source, tmp_path / "theirs.ipynb")
    shutil.rmtree(source.parent)  # each starts in the same empty folder
    source = written(tmp_path / "room", THEMES[theme])
    assert differences(theirs, by_us(source, tmp_path / "ours.ipynb", "warm")) == {}


@pytest.mark.parametrize("name", sorted(p.stem for p in NOTEBOOKS.glob("*.ipynb")))
def test_the_notebooks_of_this_project_show_the_same(name, tmp_path):
    shutil.copytree(NOTEBOOKS, tmp_path / "notebooks", ignore=shutil.ignore_patterns(".mlops"))
    source = tmp_path / "notebooks" / f"{name}.ipynb"
    theirs = by_papermill(source, tmp_path / "theirs.ipynb")
    assert differences(theirs, by_us(source, tmp_path / "ours.ipynb", "warm")) == {}
