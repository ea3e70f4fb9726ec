"""A notebook like `wine` that imports no library: it starts and runs in a second."""

from pathlib import Path

from wine import wine

IMPORTS = "import random\nimport statistics"
LOAD = """%mlops step load
draw = random.Random(1)
rows = [(draw.gauss(label, 1), label) for label in (0, 1) * 100]"""
SPLIT = """%mlops step split
cut = int(len(rows) * share)
test, train = rows[:cut], rows[cut:]"""
TRAIN = """%mlops step train
model = {"middle": statistics.fmean(x for x, _ in train), "depth": depth, "seed": seed}"""
JUDGE = """%mlops step judge
accuracy = statistics.fmean((x > model["middle"]) == bool(label) for x, label in test)"""

CELLS = {
    "imports": IMPORTS,
    "load": LOAD,
    "look": "rows[:3]",
    "split": SPLIT,
    "train": TRAIN,
    "judge": JUDGE,
}
# a cell that is there to be stopped if the depth is over 2
ENDLESS = f"{TRAIN}\nimport time\nif depth > 2:\n    time.sleep(600)"
# a cell that goes on until the test has made the file `go`
WAITING = f"""{TRAIN}
import os, time
print("before")
while not os.path.exists("go"):
    time.sleep(0.05)
print("after")"""


def small(path: Path, **cells: str) -> Path:
    """Write the notebook; any of its cells may be another, as in `wine`."""
    return wine(path, **CELLS | cells)
