"""Scores the first model on one month in the current folder, in a process of its own."""

import json
import sys
from datetime import datetime

from mlops_nb.demo.commands import MODEL
from mlops_nb.demo.results import METRIC


def main() -> None:
    """Print the metric of version 1, as of a time, as a JSON object.

    The job's own steps run, as for a champion, with version 1 in place of the training.
    """
    from mlops_nb.project import open_project

    _, at = sys.argv[1:]
    found = open_project().score(MODEL, version=1, at=datetime.fromisoformat(at))
    json.dump({"version": 1, METRIC: float(found[METRIC])}, sys.stdout)


if __name__ == "__main__":
    main()
