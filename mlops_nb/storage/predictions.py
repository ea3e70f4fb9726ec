"""Opens the files of a prediction log: a folder, or a URL that fsspec knows."""

import re
from pathlib import Path

from mlops_nb.config import Settings
from mlops_nb.storage.ports import PredictionFiles
from mlops_nb.storage.predictions_local import LocalPredictions
from mlops_nb.storage.predictions_remote import RemotePredictions

DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def open_predictions(settings: Settings, model: str) -> PredictionFiles:
    """Return the files of a model's prediction log.

    Raises Refused if the setting `predictions` is a URL and fsspec is not installed.
    """
    place = settings.predictions
    if "://" in place:
        return RemotePredictions(f"{place.rstrip('/')}/{model}")
    parent = settings.root / place if place else settings.folder / "predictions"
    return LocalPredictions(Path(parent) / model)
