"""What fingerprints cost: GB/s of `quick` and `digest` beside joblib, bare xxh3 and reading.

    python tests/benchmarks/fingerprint.py [ROUNDS]

Every way takes its turn in every round; medians are printed, and what they are to reading the
memory once. For values in many pieces, "xxh3" and "read" are of one buffer of the same size.
A second table has the microseconds of `quick` for small values.
"""

import functools
import pickle
import statistics
import sys
import time
from collections.abc import Callable

import joblib
import numpy as np
import pandas as pd
import xxhash
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from mlops_nb.probe.fingerprint.digest import digest, quick

ROWS = 1_000_000


def mixed() -> pd.DataFrame:
    """Return a frame of 20 columns: numbers, whole numbers, truths, dates, categories, texts."""
    random = np.random.default_rng(0)
    made = {f"f{n}": random.random(ROWS) for n in range(10)}
    made |= {f"i{n}": random.integers(0, 1000, ROWS) for n in range(5)}
    made |= {f"b{n}": random.random(ROWS) < 0.5 for n in range(2)}
    made["when"] = pd.Timestamp("2020") + pd.to_timedelta(random.integers(0, 9**8, ROWS), "s")
    made["kind"] = pd.Categorical.from_codes(random.integers(0, 3, ROWS), ["a", "b", "c"])
    made["text"] = pd.Series(random.integers(0, 10**6, ROWS)).astype(str).astype("str")
    return pd.DataFrame(made)


def forest() -> RandomForestClassifier:
    """Return a fitted forest of about 40 MB."""
    random = np.random.default_rng(0)
    model = RandomForestClassifier(100, random_state=0)
    return model.fit(random.random((11_500, 8)), random.integers(0, 2, 11_500))


def values() -> dict[str, tuple[object, int]]:
    """Return what is measured, and its size in bytes."""
    frame, trees = mixed(), forest()
    return {
        "float64, 200 MB": (np.random.default_rng(0).random(25 * ROWS), 200 * ROWS),
        "frame 1e6 x 20": (frame, int(frame.memory_usage(deep=True).sum())),
        "forest": (trees, len(pickle.dumps(trees, 5))),
        "list of 1e6 ints": (list(range(ROWS)), 8 * ROWS),
    }


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def large(rounds: int) -> None:
    """Print the speeds for large values, and what they are to reading."""
    print(f"{'':18}{'way':>8}{'ms':>10}{'GB/s':>8}{'of reading':>12}")
    for name, (value, size) in values().items():
        buffer = value if isinstance(value, np.ndarray) else np.ones(size // 8)
        ways = {
            "read": functools.partial(np.maximum.reduce, buffer),
            "xxh3": functools.partial(xxhash.xxh3_128_digest, buffer),
            "quick": functools.partial(quick, value),
            "digest": functools.partial(digest, value),
            "joblib": functools.partial(joblib.hash, value),
        }
        found: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(rounds):
            for way in list(ways) if number % 2 else list(reversed(ways)):
                found[way].append(timed(ways[way]))
        medians = {way: statistics.median(times) for way, times in found.items()}
        for way, seconds in medians.items():
            speed, share = size / seconds / 1e9, medians["read"] / seconds
            print(f"{name:18}{way:>8}{seconds * 1e3:10.2f}{speed:8.2f}{share:12.3f}")


def small(rounds: int) -> None:
    """Print the microseconds of `quick` for small values."""
    line = LogisticRegression().fit(np.arange(20.0).reshape(-1, 1), np.arange(20) % 2)
    kept = {
        "an int": 5,
        "a text": "spam",
        "a list": [1, 2, 3],
        "a dict": {"a": 1, "b": [1.5]},
        "a function": lambda a, b=1: a + b,
        "an array": np.arange(10.0),
        "an estimator": line,
        "a frame": pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [0.5, 1]}),
    }
    for name, value in kept.items():
        each = [timed(functools.partial(quick, value)) for _ in range(rounds * 100)]
        print(f"{name:18}{'quick':>8}{statistics.median(each) * 1e6:8.1f} µs")


if __name__ == "__main__":
    asked = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    large(asked)
    small(asked)
