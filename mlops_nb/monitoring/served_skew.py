"""Compares a prediction log with the features of training, entity by entity."""

from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from mlops_nb.data.skew import Skew, skew
from mlops_nb.errors import Refused
from mlops_nb.serving.pseudonyms import Pseudonyms, text_of
from mlops_nb.serving.settings import PredictionSettings

INPUT, FEATURE = "in_", "f_"


def compared(logged: Any, frame: Any, on: str, settings: PredictionSettings, folder: Path) -> Any:
    """Return the skew of each feature as a pandas frame.

    logged:   rows of the prediction log
    frame:    features of training, and the column that names the entity
    on:       the name of that column, and of the input
    settings: say whether the log has pseudonyms of entities
    folder:   holds the key of the pseudonyms

    Raises Refused if the frames have no entity or no feature in common.
    """
    import pandas as pd

    if not on:
        raise Refused(
            "no column names the entity of a row",
            fix="give it: skew(model, frame, on=COLUMN), or set predictions.entity in job.yaml",
        )
    if on not in frame.columns:
        columns = ", ".join(map(str, frame.columns))
        raise Refused(f"the frame has no column {on!r}", fix=f"its columns are {columns}")
    if len(logged) and f"{INPUT}{on}" not in logged.columns:
        names = (n.removeprefix(INPUT) for n in logged.columns if n.startswith(INPUT))
        raise Refused(f"the log has no input {on!r}", fix=f"its inputs are {', '.join(names)}")
    features = [n for n in logged.columns if n.startswith(FEATURE)]
    named = {n: n.removeprefix(FEATURE) for n in features if n.removeprefix(FEATURE) != on}
    common = [name for name in named.values() if name in frame.columns]
    if len(logged) and not common:
        raise Refused(
            "the frame has no feature that is logged",
            fix=f"give the output of the features function: {', '.join(named.values())}",
        )
    rows = compared_rows(logged, frame[[on, *common]], on, named, _known_by(on, settings, folder))
    return pd.DataFrame([asdict(row) for row in rows], columns=list(Skew.__struct_fields__))


def compared_rows(
    logged: Any, frame: Any, on: str, named: dict[str, str], known_by: Any
) -> tuple[Skew, ...]:
    """Return the skew of the features, after entities are given one form in both frames."""
    if not len(logged):
        return ()
    served = logged[list(named)].rename(columns=named)
    served[on] = [_entity(value) for value in logged[f"{INPUT}{on}"].tolist()]
    trained = frame.copy()
    trained[on] = [known_by(value) for value in frame[on].tolist()]
    return skew(served, trained, on=on)


def _known_by(on: str, settings: PredictionSettings, folder: Path) -> Any:
    """Return the function that tells how the log names an entity."""
    return Pseudonyms(folder).of if on in settings.hash else _entity


def _entity(value: Any) -> str | None:
    missing = value is None or value != value  # noqa: PLR0124  NaN
    return None if missing else text_of(value)
