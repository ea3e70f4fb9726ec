"""A mend, made as the panel makes it, leaves a notebook without the finding that it is for."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from mlops_nb.notebook import check, load
from mlops_nb.notebook.mends import FindingMend, mends

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_nb.notebook.model import Source

PIECES = [
    ("import pandas as pd", ()),
    ("import statistics, json", ()),
    ("from math import sqrt as root, pi", ()),
    ("depth = 3\nrate = 0.5\nkinds = ['a']", ()),
    ("%mlops step load\nframe = pd.DataFrame({'a': [1]})", ()),
    ("# mlops: step train\n\nmodel = root(2) + pi", ()),
    ("%%mlops step judge\nscore = statistics.fmean([1, 2])", ()),
    ("values = np.arange(3)", ("step:values",)),
    ("whole = json.dumps(nothing)", ("step:whole",)),
]


def source(*cells: tuple[str, tuple[str, ...]], path: Path, counts: bool = False) -> Source:
    made = [new_code_cell(text, metadata={"tags": list(tags)}) for text, tags in cells]
    if counts:
        for number, cell in enumerate(made):
            cell["execution_count"] = len(made) - number
    return load.capture(path / "a.ipynb", new_notebook(cells=made))


def findings(found: Source) -> set[tuple[str, str]]:
    every = [*found.pipeline.warnings, *check.readable(found)]
    return {(one.kind, one.what.split(" in ")[0]) for one in every}


def mended(cells: list, mend: FindingMend) -> list:
    """Do what the panel does, on a list of texts and tags."""
    if mend.edit == "insert":
        return [(mend.after, ()), *cells]
    text, tags = cells[mend.cell]
    assert text == mend.before
    new = (mend.after, tags) if mend.edit == "source" else (text, (*tags, mend.tag))
    return [*cells[: mend.cell], new, *cells[mend.cell + 1 :]]


@pytest.mark.parametrize("seed", range(40))
def test_a_mend_removes_its_finding_and_adds_none(tmp_path: Path, seed: int):
    draw = random.Random(seed)
    cells = draw.sample(PIECES, draw.randint(2, len(PIECES)))
    for _ in range(20):
        before = source(*cells, path=tmp_path)
        found = [one for one in mends(before) if one.edit != "run"]
        if not found:
            break
        mend = draw.choice(found)
        cells = mended(cells, mend)
        left = findings(source(*cells, path=tmp_path))
        assert left < findings(before), mend
    kinds = {kind for kind, _ in left} if found else {k for k, _ in findings(before)}
    assert "no-extension" not in kinds


def of(found: Source, kind: str) -> list[FindingMend]:
    return [one for one in mends(found) if one.kind == kind]


def test_an_import_is_taken_from_below_or_from_its_usual_name(tmp_path: Path):
    found = source(
        ("# mlops: step a\nx = root(2) + pi", ()),
        ("y = np.zeros(1) + sqrt(2)", ("step:b",)),
        ("from math import sqrt as root, pi", ()),
        path=tmp_path,
    )
    assert [one.after for one in of(found, "undefined-name")] == [
        "# mlops: step a\nfrom math import sqrt as root\nx = root(2) + pi",
        "# mlops: step a\nfrom math import pi\nx = root(2) + pi",
        "import numpy as np\ny = np.zeros(1) + sqrt(2)",
    ]


@pytest.mark.parametrize(
    "text", ["depth = 3\nprint(depth)", "import os", "depth = int('3')", "a.b = 1"]
)
def test_a_cell_that_does_more_than_name_constants_is_not_tagged(tmp_path: Path, text: str):
    found = source((text, ()), ("x = 1", ("step:x",)), path=tmp_path)
    assert of(found, "no-parameters") == []


def test_constants_are_tagged_and_old_cells_run_again(tmp_path: Path):
    cells = ("depth = -3\nnames = ('a', 'b')", ()), ("x = depth", ("step:x",))
    (mend,) = of(source(*cells, path=tmp_path), "no-parameters")
    assert (mend.edit, mend.cell, mend.tag) == ("tag", 0, "parameters")
    (mend,) = of(source(*cells, path=tmp_path, counts=True), "out-of-order")
    assert (mend.edit, mend.cell, mend.before) == ("run", 1, "x = depth")
