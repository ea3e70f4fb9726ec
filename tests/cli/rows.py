"""A notebook that learns from a file of rows, which tests may change."""

import os
import random
import time
from pathlib import Path

from wine import wine

IMPORTS = """import glob
import pandas as pd
class Centroids:
    def fit(self, X, y):
        self.means = X.groupby(y.to_numpy()).mean()
        return self
    def predict(self, X):
        near = [((X - mean) ** 2).sum(axis=1) for _, mean in self.means.iterrows()]
        return (near[1] < near[0]).astype(int).to_numpy()"""
LOAD = """%mlops step load
df = pd.concat([pd.read_csv(f) for f in sorted(glob.glob("rows/*.csv"))], ignore_index=True)"""
SPLIT = """%mlops step split
X, y = df[["a", "b", "c", "d"]], df["y"]
X_train, y_train = X.iloc[: len(X) // 2], y.iloc[: len(X) // 2]
X_test, y_test = X.iloc[len(X) // 2 :], y.iloc[len(X) // 2 :]"""
TRAIN = """%mlops step train
model = Centroids().fit(X_train, y_train)"""
EVALUATE = """%mlops step judge
%mlops metric accuracy
%mlops evaluate --truth y_test --pred predicted
predicted = model.predict(X_test)
accuracy = float((predicted == y_test).mean())"""


def notebook(folder: Path, name: str = "rows.ipynb") -> Path:
    """Write the notebook."""
    return wine(
        folder / name,
        imports=IMPORTS,
        parameters="seed = 7",
        load=LOAD,
        look="df.head()",
        split=SPLIT,
        train=TRAIN,
        judge=EVALUATE,
    )


def rows(
    folder: Path,
    name: str,
    *,
    flipped: bool = False,
    moved: float = 0.0,
    seed: int = 1,
    count: int = 400,
) -> Path:
    """Write a file of rows that has stopped growing a while ago.

    flipped: the labels mean the opposite
    moved:   how far the values of a and b lie from where they were
    """
    draw = random.Random(seed)
    lines = ["a,b,c,d,y"]
    for _ in range(count):
        a, b, c, d = (draw.gauss(0, 1) for _ in range(4))
        label = int((a + b > 0) != flipped)
        lines.append(f"{a + moved:.4f},{b + moved:.4f},{c:.4f},{d:.4f},{label}")
    file = folder / "rows" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(lines) + "\n")
    old = time.time() - 60
    os.utime(file, (old, old))
    return file
