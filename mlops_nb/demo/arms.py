"""Four ways to keep a model, compared on the same flights, in a process of its own.

Left alone, retrained on schedule, retrained when its labels say so, and the best that newer data
could give. Labels come a week late; what is decided on a day rests on what was known on that day.
"""

import json
import sys
from pathlib import Path
from typing import Any

from mlops_nb.demo import rows
from mlops_nb.demo.results import YEAR
from mlops_nb.evaluation.detector import Promise
from mlops_nb.events import CohortClosed
from mlops_nb.monitoring.incidents import harm
from mlops_nb.monitoring.incidents.harm import WatchedRelease

LAG = 7  # days from a flight to its label
JUDGED = 10  # days, the last of the known ones, on which a model is judged before its release
REST = 28  # days between two triggered trainings
DRAWS = 500
GROUPS = 1000  # of scores, by rank
ARMS = ("frozen", "schedule", "triggered", "oracle")


def main() -> None:
    """Print AUC by month and arm, with gains over the model that is left alone, as JSON."""
    last = int(sys.argv[1])
    flights = Flights(Path.cwd(), last)
    scores = {
        "frozen": flights.scored(flights.trained(before=month_start(2))),
        "schedule": scheduled(flights, last),
        "oracle": oracle(flights, last),
    }
    scores["triggered"], alarms = triggered(flights)
    months = [measured(flights, scores, month) for month in range(2, last + 1)]
    json.dump(
        {"months": months, "alarms": alarms, "all": measured(flights, scores, None)}, sys.stdout
    )


def month_start(month: int) -> Any:
    """Return the first day of a month."""
    import pandas as pd

    return pd.Timestamp(year=YEAR, month=month, day=1)


class Flights:
    """The flights with the job's own features, and its own training."""

    def __init__(self, folder: Path, last: int) -> None:
        self.job = rows.job_with_features(folder, last)
        self.job.split()
        self.table = self.job.table.sort_values("date", kind="stable").reset_index(drop=True)
        self.days = self.table["date"]
        self.late = self.table["late"].to_numpy()

    def trained(self, before: Any, where: Any = None) -> Any:
        """Return a model of the flights before a day, and of others: (n,) bool, None for none."""
        known = (self.days < before).to_numpy()
        known = known if where is None else known | where
        self.job.X_train = self.table.loc[known, self.job.columns]
        self.job.y_train = self.table.loc[known, "late"]
        self.job.train()
        return self.job.model

    def scored(self, model: Any, where: Any = None) -> Any:
        """Return the chance of being late of flights: (n,), NaN where not asked."""
        import numpy as np

        found = np.full(len(self.table), np.nan)
        where = np.ones(len(self.table), bool) if where is None else where
        found[where] = model.predict_proba(self.table.loc[where, self.job.columns])[:, 1]
        return found


def scheduled(flights: Flights, last: int) -> Any:
    """Return the scores of a model that is trained on the first day of each month."""
    import numpy as np

    found = np.full(len(flights.table), np.nan)
    for month in range(2, last + 1):
        mine = (flights.days.dt.month == month).to_numpy()
        found[mine] = flights.scored(flights.trained(month_start(month)), mine)[mine]
    return found


def oracle(flights: Flights, last: int) -> Any:
    """Return the scores of models that know the other days of the same month as well."""
    import numpy as np

    found = np.full(len(flights.table), np.nan)
    odd = (flights.days.dt.day % 2 == 1).to_numpy()
    for month in range(2, last + 1):
        mine = (flights.days.dt.month == month).to_numpy()
        for half in (odd, ~odd):
            model = flights.trained(month_start(month), mine & ~half)
            found[mine & half] = flights.scored(model, mine & half)[mine & half]
    return found


def triggered(flights: Flights) -> tuple[Any, list[dict[str, Any]]]:
    """Return the scores of a model that is trained again when harm is found, and each alarm."""
    import numpy as np
    import pandas as pd

    found = np.full(len(flights.table), np.nan)
    released, alarms = month_start(2), []
    scores, promised = _released(flights, released)
    cohorts: list[CohortClosed] = []
    for day in pd.date_range(released, flights.days.max()):
        mine = (flights.days == day).to_numpy()
        found[mine] = scores[mine]
        closed = day - pd.Timedelta(days=LAG)
        there = (flights.days == closed).to_numpy()
        if closed >= released and there.any():
            cohorts.append(_cohort(flights, scores, there, f"{closed:%Y-%m-%d}"))
        watched = WatchedRelease(version=1, since=f"{released:%Y-%m-%d}", promised=promised)
        harms = harm.harms(cohorts, watched)
        if harms and (day - released).days >= REST:
            alarms.append({"day": f"{day:%Y-%m-%d}", "since": harms[0].since})
            released = day + pd.Timedelta(days=1)
            scores, promised = _released(flights, released)
            cohorts = []
    return found, alarms


def _released(flights: Flights, day: Any) -> tuple[Any, dict[str, Promise]]:
    """Return the scores of a model released on a day, and what its evaluation promised.

    It was judged on the last days whose labels were known, and then learned from them as well.
    """
    import pandas as pd

    known = day if day == month_start(2) else day - pd.Timedelta(days=LAG)
    start = known - pd.Timedelta(days=JUDGED)
    judged = ((flights.days >= start) & (flights.days < known)).to_numpy()
    scores = flights.scored(flights.trained(start))
    losses = (scores[judged] - flights.late[judged]) ** 2
    promised = Promise(loss=float(losses.mean()), rows=int(judged.sum()), days=float(JUDGED))
    return flights.scored(flights.trained(known)), {"brier": promised}


def _cohort(flights: Flights, scores: Any, there: Any, day: str) -> CohortClosed:
    losses = (scores[there] - flights.late[there]) ** 2
    count = len(losses)
    sums = [count, float(losses.sum()), float((losses * losses).sum())]
    one = {"version": 1, "rows": count, "labels": count, "losses": {"brier": sums}}
    return CohortClosed(model="flights", day=day, versions=(one,))


def measured(flights: Flights, scores: dict[str, Any], month: int | None) -> dict[str, Any]:
    """Return the AUC of each arm, and its gain over the first, with intervals from days."""
    import numpy as np

    mine = (flights.days.dt.month >= 2).to_numpy()  # noqa: PLR2004
    if month is not None:
        mine = (flights.days.dt.month == month).to_numpy()
    names, days = np.unique(flights.days[mine].to_numpy(), return_inverse=True)
    draw = np.random.default_rng(0)
    weights = draw.multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS)
    every = np.vstack([np.ones(len(names), int), weights])  # the first is what was measured
    areas = {arm: areas_of(flights.late[mine], scores[arm][mine], days, every) for arm in ARMS}
    gains = {arm: one - areas["frozen"] for arm, one in areas.items()}
    ends = {arm: np.quantile(one[1:], (0.025, 0.975)).tolist() for arm, one in gains.items()}
    return {
        "month": month,
        "auc": {arm: float(one[0]) for arm, one in areas.items()},
        "gain": {
            arm: {"value": float(gains[arm][0]), "low": low, "high": high}
            for arm, (low, high) in ends.items()
        },
    }


def areas_of(truth: Any, score: Any, days: Any, weights: Any) -> Any:
    """Return the area under the ROC curve for each weighting of the days: (draws,).

    truth: (n,) bool; days: (n,) the number of each row's day; weights: (draws, days)
    Scores of about equal rank count as one.
    """
    import numpy as np

    ranks = np.argsort(np.argsort(score, kind="stable"), kind="stable")
    places = days * GROUPS + ranks * GROUPS // len(score)
    size = weights.shape[1] * GROUPS
    positive, negative = (
        weights @ np.bincount(places[side], minlength=size).reshape(-1, GROUPS)
        for side in (truth, ~truth)
    )
    beaten = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return (positive * beaten).sum(axis=1) / pairs


if __name__ == "__main__":
    main()
