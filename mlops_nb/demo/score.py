"""What a model that was never retrained would have scored, asked in a process of its own."""

import json
import sys
from datetime import datetime
from pathlib import Path

from mlops_nb.demo.outcome import METRIC


def score_without_retraining(folder: Path, at: datetime) -> float:
    """Return the first version's AUC on the newest month's last days, as of a time.

    The job's own steps are run, as when a champion is judged, with version 1 in place of training.
    """
    from mlops_nb.project import open_project

    return float(open_project(folder).score("flights", version=1, at=at)[METRIC])


def main() -> None:
    """Answer with one JSON object on stdout."""
    folder, at = sys.argv[1:]
    value = score_without_retraining(Path(folder), datetime.fromisoformat(at))
    json.dump({"version": 1, METRIC: value}, sys.stdout)


if __name__ == "__main__":
    main()
