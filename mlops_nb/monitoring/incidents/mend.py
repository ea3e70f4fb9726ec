"""Says which mend a harm asks for: fix the data, roll back, wait for labels, or retrain."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from mlops_nb.context import Context
from mlops_nb.errors import MlopsError
from mlops_nb.evaluation.metrics import Z
from mlops_nb.models import package
from mlops_nb.monitoring.incidents import labelled
from mlops_nb.monitoring.incidents.harm import LOSSES, Harm
from mlops_nb.monitoring.live import metrics
from mlops_nb.monitoring.live.sums import Moments
from mlops_nb.monitoring.live.window import OpenedModel
from mlops_nb.serving import prediction_files
from mlops_nb.serving.offline.rescore import rescore

FIX_DATA, ROLL_BACK, WAIT, RETRAIN = "fix the data", "roll back", "wait", "retrain"
ROWS = 2000  # labelled rows that are answered again
ENOUGH_DAYS = 7  # with labels since the change, which a new training can learn from


class Mend(Struct, frozen=True, kw_only=True):
    """What to do about a harm.

    kind: one of the four; because: the figures; fix: the next command
    to:   the version to roll back to
    """

    kind: str
    because: str
    fix: str
    to: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        made = {"kind": self.kind, "because": self.because, "fix": self.fix}
        return made if self.to is None else {**made, "to": self.to}


class VersionComparison(Struct, frozen=True, kw_only=True):
    """A version beside the champion, on the same rows.

    apart: its mean loss less that of the champion; low, high: the 95 % interval of that
    """

    version: int
    rows: int
    loss: float
    champion: float
    apart: float
    low: float
    high: float

    @property
    def wins(self) -> bool:
        """Whether its loss is lower beyond chance."""
        return self.high < 0

    def text(self, metric: str) -> str:
        """Return it in words."""
        judged = "queries" if metric == "ndcg" else "labelled rows"
        return (
            f"version {self.version} has {LOSS_NAMES.get(metric, metric)} {self.loss:.4g} on the "
            f"{self.rows} {judged} since the change, the champion {self.champion:.4g} "
            f"(apart {self.apart:+.4g}, 95 % {self.low:+.4g} to {self.high:+.4g})"
        )


LOSS_NAMES = {"accuracy": "a share of errors of", "brier": "a Brier score of"}
LOSS_NAMES |= {"rmse": "a mean squared error of", "mae": "a mean absolute error of"}
LOSS_NAMES |= {"log_loss": "a log loss of", "ndcg": "1 less the NDCG, which is"}


def choose(
    ctx: Context,
    opened: OpenedModel,
    harm: Harm,
    faults: Sequence[Mapping[str, Any]],
    previous: int | None,
) -> Mend:
    """Return the mend of a harm. previous: the version that was champion before, None for none.

    A version that passed its gates and waits is a training that was done already.
    """
    model, job = opened.model.name, opened.model.job
    if faults:
        names = ", ".join(str(one["what"]) for one in faults)
        return Mend(kind=FIX_DATA, because=names, fix=str(faults[0]["fix"]))
    candidate = max(opened.model.waiting, default=None)
    found, words = _compared(ctx, opened, harm, (previous, candidate))
    best = min((one for one in found if one.wins), key=lambda one: one.apart, default=None)
    if best is not None and best.version == candidate:
        return Mend(kind=RETRAIN, because=words, fix=f"mlops-nb approve {model} {candidate}")
    if best is not None:
        fix = f"mlops-nb rollback {model} --to {best.version}"
        return Mend(kind=ROLL_BACK, because=words, fix=fix, to=best.version)
    days = _days(opened, harm.since)
    if len(days) < ENOUGH_DAYS:
        rest = ENOUGH_DAYS - len(days)
        more = f"{rest} more day{'' if rest == 1 else 's'}"
        because = (
            f"{words}; only {len(days)} days of labels are of after the change, so that a new "
            "training would learn what was before it"
        )
        return Mend(
            kind=WAIT,
            because=because,
            fix=f"wait {more} for labels, then: mlops-nb trigger {job}",
        )
    return Mend(kind=RETRAIN, because=words, fix=f"mlops-nb trigger {job}")


def _compared(
    ctx: Context, opened: OpenedModel, harm: Harm, versions: Sequence[int | None]
) -> tuple[list["VersionComparison"], str]:
    """Return versions beside the champion, and all of it in words; None: there is no such one."""
    found, words = [], []
    for version in dict.fromkeys(one for one in versions if one is not None):
        try:
            one = compare(ctx, opened, harm, version)
        except MlopsError as error:  # its package is gone, or it needs other columns
            words.append(f"version {version} could not be asked: {error.what}")
        else:
            found.append(one)
            words.append(one.text(harm.metric))
    return found, "; ".join(words) or "there is no other version to compare with"


def compare(ctx: Context, opened: OpenedModel, harm: Harm, version: int) -> VersionComparison:
    """Compare a version with the champion on the labelled rows since the change.

    Raises MlopsError if the version cannot answer them.
    """
    days = _days(opened, harm.since)
    kind, loss = opened.look.asked.kind, LOSSES[harm.metric]
    rows = labelled.labelled_rows(opened, days, harm.version, ROWS, ranked=loss == "ndcg")
    found = package.read(package.folder(ctx, opened.model.name, version))
    answers = rescore(found, rows.inputs)
    if loss == "ndcg":
        theirs = labelled.loss_of_queries(rows, answers.predictions, answers.scores, kind)
        mine = labelled.loss_of_queries(rows, rows.predictions, rows.scores, kind)
        return compared(
            version, [q.partition(" ")[0] for q in sorted(set(rows.queries))], mine, theirs
        )
    theirs = labelled.loss_of_rows(rows.labels, answers.predictions, answers.scores, kind, loss)
    mine = labelled.loss_of_rows(rows.labels, rows.predictions, rows.scores, kind, loss)
    return compared(version, rows.days, mine, theirs)


def compared(version: int, days: Sequence[str], mine: Any, theirs: Any) -> VersionComparison:
    """Compare the losses of a version with those of the champion on the same rows.

    days: (n,) of each row; mine: (n,) losses of the champion; theirs: (n,) of the version

    Raises MlopsError for fewer than two rows with both.
    """
    import numpy as np

    known = np.isfinite(mine) & np.isfinite(theirs)
    if known.sum() < 2:  # noqa: PLR2004
        raise MlopsError("too few labelled rows have both answers", fix="wait for labels")
    apart = (theirs - mine)[known]
    half = _half(apart, [day for day, both in zip(days, known, strict=True) if both])
    mean = float(apart.mean())
    return VersionComparison(
        version=version,
        rows=int(known.sum()),
        loss=float(theirs[known].mean()),
        champion=float(mine[known].mean()),
        apart=mean,
        low=mean - half,
        high=mean + half,
    )


def _half(apart: Any, days: Sequence[str]) -> float:
    """Return half the width of the interval of a mean difference: by days where there are five."""
    import numpy as np

    names, places = np.unique(days, return_inverse=True)
    if len(names) < metrics.LEAST_DAYS:
        return Z * float(apart.std(ddof=1)) / math.sqrt(len(apart))
    groups = [apart[places == place] for place in range(len(names))]
    return metrics.ratio_error(
        [Moments(count=len(g), total=float(g.sum()), squares=0.0) for g in groups]
    )


def _days(opened: OpenedModel, since: str) -> list[str]:
    """Return the days from one on that have labels and can be judged."""
    look = opened.look
    days = prediction_files.days(look.log, None, None)
    labelled_until = look.labels.last_day()
    return [d for d in days if since <= d <= labelled_until and look.is_mature(d)]
