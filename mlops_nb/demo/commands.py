"""The shell commands of the demo, chapter by chapter, as lists of arguments."""

from collections.abc import Iterator
from dataclasses import dataclass

from mlops_nb.demo.results import METRIC, YEAR

MODEL = "flights"
SPOILED_MONTH = 4  # its data arrives with an error first

Words = tuple[str, ...]
SEEDS = 20  # of each kind of synthetic stream
SERVE: Words = ("mlops-nb", "serve", MODEL, "--port", "0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """The commands of one month; spoiled: the data of the month arrives with a planted error."""

    month: int
    title: str
    commands: tuple[Words, ...]
    spoiled: bool = False


def chapters(months: int) -> Iterator[Chapter]:
    """Yield the chapters, in order."""
    yield Chapter(month=1, title="a notebook becomes a job", commands=(data(1), promote(), SERVE))
    for month in range(2, months + 1):
        due = ("mlops-nb", "scheduler", "--once", "--at", due_after(month))
        again = (
            "mlops-nb",
            "trigger",
            MODEL,
            "--at",
            f"{first_day_after(month, 2)}T09:00:00+09:00",
        )
        if month != SPOILED_MONTH:
            steps: tuple[Words, ...] = (data(month), score(month), due)
            yield Chapter(month=month, title="new flights, a new model", commands=steps)
            continue
        steps = ((*data(month), "--spoil", str(month)), due)
        yield Chapter(
            month=month, title="a month with a planted error", commands=steps, spoiled=True
        )
        steps = (data(month), score(month), again)
        yield Chapter(month=month, title="repaired", commands=steps)
    back = (("mlops-nb", "rollback", MODEL), ("mlops-nb", "models"))
    yield Chapter(month=months, title="and if something is wrong after all?", commands=back)


def promote() -> Words:
    """Return the command that turns the notebook into a job."""
    return (
        *("mlops-nb", "promote", "notebooks/flights.ipynb"),
        *("--name", MODEL, "--model", "model"),
        *("--schedule", "0 3 1 * *", "--tz", "Asia/Seoul"),
        *("-p", "until", "{data_end:%Y-%m-%d}"),
        *("--gate", f"{METRIC} >= 0.55", "--gate", f"{METRIC} >= champion - 0.01"),
        *("--at", f"{first_day_after(1)}T09:00:00+09:00"),
    )


def data(month: int) -> Words:
    """Return the command that writes the flights up to a month."""
    return ("python", "notebooks/flights_data.py", "notebooks/data", "--months", str(month))


def score(month: int) -> Words:
    """Return the arguments that score the first model on a month, for the demo's own program."""
    return ("score", str(month), due_after(month))


def requests(url: str, months: int) -> Words:
    """Return the arguments that write the flights as requests, for the demo's own program."""
    return ("rows", url, str(months))


def arms(months: int) -> Words:
    """Return the arguments that compare four ways to keep the model, for the demo's own program."""
    return ("arms", str(months))


def streams() -> Words:
    """Return the arguments that play synthetic streams, for the demo's own program."""
    return ("streams", str(SEEDS))


def due_after(month: int) -> str:
    """Return when the job is due for a month: at three in the morning of the next, in Seoul."""
    return f"{first_day_after(month)}T03:00:00+09:00"


def first_day_after(month: int, day: int = 1) -> str:
    """Return a day of the month after a month.

    >>> first_day_after(1), first_day_after(12), first_day_after(3, 2)
    ('2013-02-01', '2014-01-01', '2013-04-02')
    """
    return f"{YEAR + month // 12}-{month % 12 + 1:02d}-{day:02d}"
