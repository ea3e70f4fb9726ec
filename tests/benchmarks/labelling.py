"""What a labelling budget is worth: coverage of its intervals, and their width.

    python tests/benchmarks/labelling.py [RUNS]

Simulated logs of 20,000 rows, of which N are labelled. Each line: how often the stated 95 %
interval covers the true mean, and its width as a multiple of that of a plain random sample of the
same size. Scores are calibrated, of a rare class, random, or confident where they are wrong; with a
pilot of earlier labels, which the draw learns from, and without. No figure is asserted.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluation"))
from labelling import KINDS, LOSSES, run

SIZES = (200, 500, 2000)


def line(runs: int, kind: str, loss: str, pilot: int, size: int) -> str:
    """Return coverage and relative width of one kind of scores and one size of sample."""
    draw = np.random.default_rng(size)
    found = np.array([run(draw, kind, loss, size, pilot) for _ in range(runs)])
    covered, plain, width, usual = found.mean(axis=0)
    return (
        f"{kind:12} {loss:5} N {size:5} pilot {pilot:5}: covers {covered:.3f} "
        f"(a plain sample {plain:.3f}), width {width / usual:.3f} of plain"
    )


def main(runs: int) -> None:
    """Print coverage (bar 94 to 96 %) and relative width (bar 1.05) of each kind of scores."""
    asked = [*product(KINDS, LOSSES, (0, 1000), SIZES)]
    with ProcessPoolExecutor() as pool:
        for told in pool.map(line, *zip(*((runs, *one) for one in asked), strict=True)):
            print(told, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 10_000)
