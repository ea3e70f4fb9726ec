"""The labelled rows of some days: what came, what was answered, and what was true."""

from collections.abc import Collection, Sequence
from typing import Any

from msgspec import Struct

from mlops_nb.evaluation.ranking import ndcg_of
from mlops_nb.monitoring.labels import join
from mlops_nb.monitoring.labels.classes import AnswerKind
from mlops_nb.monitoring.live import judged, losses
from mlops_nb.monitoring.live.day import queries_of
from mlops_nb.monitoring.live.rows import BATCH, REQUESTS, DayRows
from mlops_nb.monitoring.live.window import OpenedModel
from mlops_nb.serving import prediction_files
from mlops_nb.serving.prediction_files import INPUT


class LabelledRows(Struct, frozen=True, kw_only=True):
    """Rows with their labels.

    days:   (n,) the UTC day of each
    inputs: (n,) as they came
    labels: (n,) as texts
    queries: (n,) the day and the query of each; () if they were not asked for
    """

    days: list[str]
    inputs: list[dict[str, Any]]
    labels: list[str]
    predictions: list[Any]
    scores: list[Any]
    queries: list[str] = []


def labelled_rows(
    opened: OpenedModel,
    days: Sequence[str],
    version: int,
    most: int,
    *,
    ranked: bool = False,
) -> LabelledRows:
    """Return labelled rows that a version answered on some days, evenly chosen if there are many.

    ranked: only whole queries, of which each row has a label

    Columns that the log drops or holds as pseudonyms are left out.
    """
    found = LabelledRows(days=[], inputs=[], labels=[], predictions=[], scores=[], queries=[])
    each = max(1, most // max(len(days), 1))
    left_out = opened.settings.predictions.hash
    for day in days:
        with prediction_files.opened_day(opened.look.log, day) as files:
            if files:
                answered = _LabelledDay(DayRows(files), version, opened.look.labels.read([day]))
                if ranked:
                    chosen, queries = answered.whole_queries(opened.look.asked.query, each)
                    found.queries.extend(f"{day} {query}" for query in queries)
                else:
                    chosen = answered.evenly(each)
                found.days.extend([day] * len(chosen))
                answered.add(found, chosen, left_out)
    return found


class _LabelledDay:
    """The rows that a version answered on a day, and their labels."""

    def __init__(self, rows: DayRows, version: int, labels: Any) -> None:
        import pyarrow.compute as pc

        keys = rows.of(REQUESTS) if rows.count(REQUESTS) else rows.of(BATCH)
        self.rows = rows
        self.keys = keys.filter(pc.equal(keys["model_version"], version))
        self.held = join.holding(labels, self.keys["request_id"].combine_chunks())

    def evenly(self, most: int) -> list[int]:
        """Return places of labels."""
        count = len(self.held.places)
        return list(range(0, count, max(1, -(-count // most))))

    def whole_queries(self, column: str, most: int) -> tuple[list[int], list[int]]:
        """Return places of the labels of whole queries, and the number of the query of each."""
        import numpy as np

        queries = queries_of(self.rows, self.keys, column)
        if queries is None:
            return [], []
        labelled = queries[self.held.places]
        size = int(queries.max(initial=-1)) + 1
        asked, known = (np.bincount(one[one >= 0], minlength=size) for one in (queries, labelled))
        whole = np.flatnonzero((asked == known) & (known > 0))
        step = max(1, -(-int(known[whole].sum()) // most))
        chosen = np.flatnonzero(np.isin(labelled, whole[::step]))
        return chosen.tolist(), labelled[chosen].tolist()

    def add(self, found: LabelledRows, chosen: list[int], left_out: Collection[str]) -> None:
        """Add the rows of some labels. left_out: input columns that the log has as pseudonyms."""
        masked = {INPUT + name for name in left_out}
        names = sorted(n for n in self.rows.names if n.startswith(INPUT) and n not in masked)
        kept = self.keys.take(self.held.places[chosen])
        table = self.rows.columns([*names, "prediction", "score"], kept)
        found.labels.extend(self.held.labels.take(chosen).to_pylist())
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

    found = losses.of_rows(pa.array(labels, pa.string()), _table(predictions, scores), kind)
    values = found.get(loss, np.full(len(labels), np.nan))
    return 1 - values if loss == "hit" else values


def loss_of_queries(
    rows: LabelledRows, predictions: Sequence[Any], scores: Sequence[Any] | None, kind: AnswerKind
) -> Any:
    """Return 1 less the NDCG of each query, NaN where it is not defined.

    rows: their labels and queries; the result is in the order of the sorted queries
    """
    import numpy as np
    import pyarrow as pa

    truth = judged.relevance(pa.chunked_array([pa.array(rows.labels, pa.string())]), kind)
    score = judged.ranked_by(_table(predictions, scores), kind)
    values, places = ndcg_of(truth, score, np.array(rows.queries))
    odd = np.isnan(truth) | np.isnan(score) | (truth < 0)
    values[np.unique(places[odd])] = np.nan
    return 1 - values


def _table(predictions: Sequence[Any], scores: Sequence[Any] | None) -> Any:
    import pyarrow as pa

    unknown = pa.nulls(len(predictions), pa.float64())
    return pa.table(
        {"prediction": predictions, "score": unknown if scores is None else pa.array(scores)}
    )
