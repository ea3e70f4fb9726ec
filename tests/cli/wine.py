"""A small notebook of marked steps, with the cells that tests want to vary."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

IMPORTS = """import numpy as np
from sklearn.datasets import load_wine
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier"""
LOAD = "%mlops step load\ndf = load_wine(as_frame=True).frame"
SPLIT = """%mlops step split
X_train, X_test, y_train, y_test = train_test_split(
    df.drop(columns="target"), df["target"], test_size=share, random_state=seed)"""
TRAIN = """%mlops step train
model = DecisionTreeClassifier(max_depth=depth, random_state=seed).fit(X_train, y_train)"""
JUDGE = """%mlops step judge
accuracy = float(accuracy_score(y_test, model.predict(X_test)))"""


def wine(
    path: Path,
    *,
    imports: str = IMPORTS,
    parameters: str = "depth = 2\nshare = 0.3\nseed = 7",
    load: str = LOAD,
    look: str = "df.describe()",
    split: str = SPLIT,
    train: str = TRAIN,
    judge: str = JUDGE,
) -> Path:
    """Write the notebook; any of its cells may be another."""
    cells = [
        new_code_cell("%load_ext mlops_nb"),
        new_markdown_cell("# Wine"),
        new_code_cell(imports),
        new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        *(new_code_cell(text) for text in (load, look, split, train, judge)),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    notebook = new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    nbformat.write(notebook, path)
    return path
