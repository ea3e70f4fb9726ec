"""The example notebooks are clean, honest about time, and give the same numbers twice."""

import ast
import runpy
from pathlib import Path
from typing import Any, TypeAlias

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
STEPS = ["load", "clean", "features", "split", "train", "evaluate"]
KNOWN_ONLY_LATER = ("dep_time", "dep_delay", "arr_time", "air_time", "tailnum")

Notebook: TypeAlias = Any  # nbformat brings no types


def read(name: str) -> Notebook:
    return nbformat.read(NOTEBOOKS / name, as_version=4)


def sources(notebook: Notebook) -> dict[str, str]:
    """Map each code cell's id to its Python, magics left out."""
    return {
        cell.id: "\n".join(line for line in cell.source.splitlines() if not line.startswith("%"))
        for cell in notebook.cells
        if cell.cell_type == "code"
    }


def play(data: Path, until: str) -> dict[str, Any]:
    cells, names = sources(read("flights.ipynb")), {"data": str(data), "until": until}
    for cell in ["imports", "read-months", *STEPS]:
        exec(cells[cell], names)
    return names


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    runpy.run_path(str(NOTEBOOKS / "flights_data.py"))["lay_out"](folder, [1, 2])
    return folder


@pytest.fixture(scope="module")
def january(data: Path) -> dict[str, Any]:
    return play(data, "2013-02-01")


@pytest.mark.parametrize("name", ["flights.ipynb", "digits.ipynb"])
def test_a_notebook_is_valid_and_carries_no_outputs(name: str) -> None:
    notebook = read(name)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)


def test_the_digits_have_headings_and_no_marks() -> None:
    text = (NOTEBOOKS / "digits.ipynb").read_text()
    assert "mlops" not in text
    assert "## Train" in text
    assert not any(cell.metadata.get("tags") for cell in read("digits.ipynb").cells)


def test_the_flights_name_their_steps_in_order() -> None:
    first_lines = [cell.source.splitlines()[0] for cell in read("flights.ipynb").cells]
    marks = [line for line in first_lines if "mlops" in line and "step" in line]
    assert [mark.split()[-1] for mark in marks] == STEPS


def test_no_step_uses_what_is_known_only_after_departure() -> None:
    cells = sources(read("flights.ipynb"))
    for step in STEPS:
        assert not [name for name in KNOWN_ONLY_LATER if name in cells[step].split('"')]


def test_evaluation_reads_only_the_model_and_what_was_split_off() -> None:
    cells = sources(read("flights.ipynb"))
    tree = ast.parse(cells["evaluate"])
    loaded = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    bound = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    library = {"float", "sorted", "roc_auc_score", "accuracy_score"}
    assert loaded - bound - library == {"model", "X_test", "y_test"}


def test_nothing_from_the_evaluation_days_is_learned(data: Path) -> None:
    names = play(data, "2014-01-01")
    days = names["table"]["date"]
    assert days[names["X_train"].index].max() < days[names["X_test"].index].min()
    assert str(days[names["X_test"].index].min().date()) == "2013-02-22"


def test_the_future_is_not_read(january: dict[str, Any]) -> None:
    assert str(january["flights"]["date"].max().date()) == "2013-01-31"
    assert str(january["weather"]["date"].max().date()) == "2013-01-31"


def test_two_runs_agree_bit_for_bit(january: dict[str, Any], data: Path) -> None:
    again = play(data, "2013-02-01")
    assert again["score"].tobytes() == january["score"].tobytes()
    for metric in ("auc", "accuracy", "auc_by_origin"):
        assert again[metric] == january[metric]
    assert 0.6 < again["auc"] < 0.7


def test_an_empty_folder_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"flights_data\.py .* --months 1-6"):
        play(tmp_path, "2014-01-01")


def test_a_month_that_is_still_young_cannot_be_judged(data: Path) -> None:
    with pytest.raises(ValueError, match="no day after the 21st of February"):
        play(data, "2013-02-10")
