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


def small(
    path: Path,
    *,
    imports: str = IMPORTS,
    parameters: str = "depth = 2\nshare = 0.3\nseed = 7",
    load: str = LOAD,
    look: str = "rows[:3]",
    split: str = SPLIT,
    train: str = TRAIN,
    judge: str = JUDGE,
) -> Path:
    """Write the notebook; any of its cells may be another."""
    return wine(
        path,
        imports=imports,
        parameters=parameters,
        load=load,
        look=look,
        split=split,
        train=train,
        judge=judge,
    )
