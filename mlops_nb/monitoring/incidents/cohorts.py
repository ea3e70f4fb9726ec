"""Closes the days of a model's answers, once the labels that they are judged by have come."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from mlops_nb.context import Context
from mlops_nb.events import CohortClosed
from mlops_nb.monitoring.live.sums import DaySums, SourceSums
from mlops_nb.monitoring.live.window import OpenedModel, day_end
from mlops_nb.serving import prediction_files

GIVEN_UP = timedelta(days=30)  # after which a day without any label is closed


def close(ctx: Context, opened: OpenedModel, known: Sequence[CohortClosed]) -> list[CohortClosed]:
    """Record the days that can be closed now, in their order; return all that are closed.

    A day is closed when it is mature and it, or a later one, has labels: labels that are only
    delivered now and then do not leave it empty. What is closed stays as it is.
    """
    found = list(known)
    for event in _closable(opened, known[-1].day if known else ""):
        once = f"cohort:{event.model[:90]}:{event.day}"
        written = ctx.journal.append(event, once=once) or ctx.journal.written(once)
        assert isinstance(written, CohortClosed)  # this process has closed it, or another one
        found.append(written)
    return found


def _closable(opened: OpenedModel, last: str) -> Iterator[CohortClosed]:
    look = opened.look
    labelled = look.labels.last_day()
    for day in (d for d in prediction_files.days(look.log, None, None) if d > last):
        if not look.is_mature(day):
            return
        complete = look.asked.absent is not None or day <= labelled
        if not complete and day_end(day) + look.wait + GIVEN_UP > look.now:
            return
        sums = look.day(day, None, None)
        if source_of(sums).rows:
            yield _cohort(opened, sums)


def source_of(sums: DaySums) -> SourceSums:
    """Return the answers to requests of a day; on a day without any, those to files."""
    return sums.requests if sums.requests.rows else sums.batch


def _cohort(opened: OpenedModel, sums: DaySums) -> CohortClosed:
    versions = tuple(
        {
            "version": version,
            "rows": one.rows,
            "labels": one.labels,
            "losses": {
                name: [moments.count, moments.total, moments.squares]
                for name, moments in one.moments.items()
            },
        }
        for version, one in sorted(source_of(sums).versions.items())
    )
    return CohortClosed(
        job=opened.model.job, model=opened.model.name, day=sums.day, versions=versions
    )
