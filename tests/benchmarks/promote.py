"""What a promotion costs: `mlops-nb promote` beside two cold runs, and beside papermill.

    python tests/benchmarks/promote.py [ROUNDS] [NOTEBOOK MODEL]

The notebook trains a small model with pandas and scikit-learn, unless another one is given. Each
command is a fresh process in a project of its own, interleaved; wall time, medians of the rounds.
A promotion runs the notebook, the bundle and pipeline.py, locks the environment and releases.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

BIN = Path(sys.executable).parent
CELLS = (
    "import numpy as np\nimport pandas as pd\nfrom sklearn.linear_model import LogisticRegression",
    "draw = np.random.default_rng(0)\n"
    "table = pd.DataFrame(draw.normal(size=(3000, 5)), columns=list('abcde'))\n"
    "label = (table['a'] + table['b'] > 0).astype(int)",
    "model = LogisticRegression(random_state=0).fit(table[:2000], label[:2000])",
    "accuracy = float(model.score(table[2000:], label[2000:]))",
)


def write(path: Path) -> None:
    """Write the notebook of this benchmark."""
    book = new_notebook(cells=[new_code_cell(text) for text in CELLS])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, path)


def commands(notebook: str, model: str) -> dict[str, list[str]]:
    """Return the commands that are timed."""
    ours = str(BIN / "mlops-nb")
    return {
        "mlops-nb promote": [ours, "promote", notebook, "--name", "job", "--model", model],
        "mlops-nb run --engine cold": [ours, "run", notebook, "--engine", "cold"],
        "papermill": [str(BIN / "papermill"), notebook, "out.ipynb"],
    }


def main(rounds: int, given: list[str]) -> None:
    """Print the medians, and what they are to each other."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:  # MLflow may still sync
        source = Path(name) / "n.ipynb"
        model = "model"
        if given:
            shutil.copy(given[0], source)
            model = given[1]
        else:
            write(source)
        found: dict[str, list[float]] = {}
        for number in range(rounds):
            for what, words in commands("n.ipynb", model).items():
                folder = Path(name) / f"{what.split()[-1]}-{number}"
                (folder / ".git").mkdir(parents=True)
                shutil.copy(source, folder)
                began = time.perf_counter()
                subprocess.run(words, cwd=folder, check=True, capture_output=True)
                found.setdefault(what, []).append(time.perf_counter() - began)
    medians = {what: statistics.median(times) for what, times in found.items()}
    for what, seconds in medians.items():
        print(f"{what:28} {seconds:6.2f} s")
    promote, cold, papermill = medians.values()
    print(f"promotion / two cold runs    {promote / (2 * cold):6.2f}   (bar: about 1)")
    print(f"promotion / papermill        {promote / papermill:6.2f}   (before: 2.3)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, sys.argv[2:4])
