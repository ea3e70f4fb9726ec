"""What it costs to describe a frame for schema.json, and to hold one against it before training.

    python tests/benchmarks/datacheck.py [ROWS]

Half of 20 columns are numbers, the rest texts of few and of many values, times and truth values.
Prints seconds by part, and what was found in the same frame with one column sixty times too large.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from mlops_nb.data import contract, profile
from mlops_nb.probe import introspect
from mlops_nb.probe.inspect import columns as inspect_columns
from mlops_nb.probe.inspect import values


def table(rows: int, seed: int) -> pd.DataFrame:
    """Return a frame of 20 columns."""
    chance = np.random.default_rng(seed)
    found = {f"n{i}": chance.normal(size=rows) for i in range(8)}
    found |= {f"i{i}": chance.integers(0, 10_000, rows) for i in range(4)}
    words = np.array([f"word {i}" for i in range(20)], dtype=object)
    found |= {f"t{i}": words[chance.integers(0, 20, rows)] for i in range(3)}
    found["key"] = np.char.add("key-", chance.integers(0, rows, rows).astype(str))
    found |= {f"b{i}": chance.random(rows) < 0.3 for i in range(2)}
    found |= {f"d{i}": pd.date_range("2020", periods=rows, freq="s") for i in range(2)}
    return pd.DataFrame(found)


def written(frame: pd.DataFrame, wanted: dict[str, str] | None, folder: str) -> profile.Columns:
    """Return a frame's columns as a kernel writes them and we read them."""
    introspect.namespace()["benched"] = frame
    asked = {"name": "benched", "columns": wanted, "file": str(Path(folder, "columns"))}
    return profile.read(json.loads(inspect_columns.write(json.dumps(asked))))


def main(rows: int) -> None:
    """Print what it costs."""
    was, now = table(rows, 0), table(rows, 1)
    kinds = values._schema(was)["columns"]
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        described = profile.profile(written(was, None, folder), kinds)
        print(f"describing {rows:,} x {len(kinds)}: {time.perf_counter() - began:.1f} s")
        asks = {name: one["asks"] for name, one in described.items()}
        profiles = {name: one["profile"] for name, one in described.items()}
        profile.failures(
            written(was.head(), dict.fromkeys(asks, "values"), folder), asks
        )  # imports
        for what, frame in (("the same kind", now), ("n3 * 60", now.assign(n3=now["n3"] * 60))):
            began = time.perf_counter()
            found = written(frame, dict.fromkeys(asks, "values"), folder)
            wrote = time.perf_counter()
            wrong = profile.failures(found, contract.checked_columns({"columns": asks}))
            checked = time.perf_counter()
            moved = [d["column"] for d in profile.moved(found, profiles, rows) if d["drifted"]]
            ended = time.perf_counter()
            print(
                f"{what}: written and read {wrote - began:.1f} s, "
                f"checked {checked - wrote:.1f} s, compared {ended - checked:.1f} s"
            )
            print(f"  fails: {[(one['column'], one['check'], one['rows']) for one in wrong]}")
            print(f"  moved: {sorted(set(moved))}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
