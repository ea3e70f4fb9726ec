"""The labelled rows of some days: what came, what was answered, and what was true."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from mlops_nb.monitoring.labels import join
from mlops_nb.monitoring.labels.classes import AnswerKind
from mlops_nb.monitoring.live import losses
from mlops_nb.monitoring.live.rows import BATCH, REQUESTS, DayRows
from mlops_nb.monitoring.live.window import OpenedModel
from mlops_nb.serving import prediction_files
from mlops_nb.serving.prediction_files import INPUT


class LabelledRows(Struct, frozen=True, kw_only=True):
    """Rows with their labels.

    days:   (n,) the UTC day of each
    inputs: (n,) as they came
    labels: (n,) as texts
    """

    days: list[str]
    inputs: list[dict[str, Any]]
    labels: list[str]
    predictions: list[Any]
    scores: list[Any]


def labelled_rows(
    opened: OpenedModel, days: Sequence[str], version: int, most: int
) -> LabelledRows:
    """Return labelled rows that a version answered on some days, evenly chosen if there are many.

    Columns that the log drops or holds as pseudonyms are left out.
    """
    found = LabelledRows(days=[], inputs=[], labels=[], predictions=[], scores=[])
    each = max(1, most // max(len(days), 1))
    for day in days:
        with prediction_files.opened_day(opened.look.log, day) as files:
            if files:
                _add(found, DayRows(files), day, opened, version, each)
    return found


def _add(
    found: LabelledRows, rows: DayRows, day: str, opened: OpenedModel, version: int, most: int
) -> None:
    import pyarrow.compute as pc

    keys = rows.of(REQUESTS) if rows.count(REQUESTS) else rows.of(BATCH)
    keys = keys.filter(pc.equal(keys["model_version"], version))
    held = join.holding(opened.look.labels.read([day]), keys["request_id"].combine_chunks())
    chosen = range(0, len(held.places), max(1, -(-len(held.places) // most)))
    places = held.places[chosen]
    kept = keys.take(places)
    masked = {INPUT + name for name in opened.settings.predictions.hash}
    names = sorted(n for n in rows.names if n.startswith(INPUT) and n not in masked)
    table = rows.columns([*names, "prediction", "score"], kept)
    found.days.extend([day] * len(kept))
    found.labels.extend(held.labels.take(list(chosen)).to_pylist())
    found.predictions.extend(table["prediction"].to_pylist())
    found.scores.extend(table["score"].to_pylist())
    inputs = table.select(names).rename_columns([n.removeprefix(INPUT) for n in names])
    found.inputs.extend(inputs.to_pylist())


def loss_of_rows(
    labels: Sequence[str],
    predictions: Sequence[Any],
    scores: Sequence[Any] | None,
    kind: AnswerKind,
    loss: str,
) -> Any:
    """Return one loss of each row, NaN where it is not defined.

    loss: as in `VersionSums`; of hit, an error is 1
    """
    import numpy as np
    import pyarrow as pa

    unknown = pa.nulls(len(labels), pa.float64())
    table = pa.table(
        {"prediction": predictions, "score": unknown if scores is None else pa.array(scores)}
    )
    found = losses.of_rows(pa.array(labels, pa.string()), table, kind)
    values = found.get(loss, np.full(len(labels), np.nan))
    return 1 - values if loss == "hit" else values
