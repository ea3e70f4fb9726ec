"""`check` sees in a saved notebook that a cell's output is older than what it reads."""

import json

from mlops_nb.notebook import check, load

TEXTS = ("x = f()", "y = x + 1", "z = y")


def kinds(folder, counts):
    cells = [
        {
            "cell_type": "code",
            "id": f"c{i}",
            "metadata": {},
            "outputs": [],
            "source": text,
            "execution_count": count,
        }
        for i, (text, count) in enumerate(zip(TEXTS, counts, strict=True))
    ]
    path = folder / "n.ipynb"
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(document))
    found = check.check(load.capture(path), root=folder)
    return [(w.kind, w.cell) for w in found if w.kind == "out-of-order"]


def test_a_cell_that_ran_before_what_it_reads_is_named(tmp_path):
    assert kinds(tmp_path, (3, 2, 4)) == [("out-of-order", 1)]


def test_cells_in_order_and_cells_that_never_ran_are_no_finding(tmp_path):
    assert kinds(tmp_path, (1, 2, 3)) == []
    assert kinds(tmp_path, (None, None, None)) == []
    assert kinds(tmp_path, (5, None, 6)) == []
