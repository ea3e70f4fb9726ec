"""The model in service: callers send requests to it while the months pass."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlops_nb.demo import messages, rows
from mlops_nb.demo.callers import Callers, Flight, Pace
from mlops_nb.demo.calls import Call, Calls, Takeover, first_of
from mlops_nb.demo.commands import MODEL
from mlops_nb.errors import Failed


class Service:
    """The callers of a server, and the versions that took over.

    champion: the version in service
    folder:   with the rows of the requests
    """

    def __init__(self, url: str, champion: int, folder: Path, pace: Pace) -> None:
        self.champion, self.folder, self.pace = champion, folder, pace
        self.callers = Callers(url, pace)
        self.month = 0
        self.mark = 0  # the calls before the latest change
        self.changes: list[tuple[Takeover, int]] = []

    def begin(self, month: int) -> None:
        """Send the flights of a month from now on; a month that has begun goes on."""
        if month != self.month:
            self.month, self.mark = month, self.callers.sent
            self.callers.send(month, read(rows.path_of(self.folder, month)))

    def before(self) -> None:
        """Wait until the present version has answered enough requests to be seen."""
        if (lacking := self.mark + self.pace.least - self.callers.sent) > 0:
            self.wait(lacking)
        self.mark = self.callers.sent

    def after(self, champion: int, *, rollback: bool) -> Iterator[str]:
        """Wait for the answers of the version that is in service now; report its takeover."""
        mark = self.mark
        if champion == self.champion:
            self.wait(self.pace.least)
            return
        self.wait(self.pace.least, champion)
        self.champion = champion
        change = Takeover(version=champion, month=self.month, call=None, rollback=rollback)
        self.changes.append((change, mark))
        seen = self.resolved(tuple(self.callers.calls)).takeovers[-1]
        self.mark = self.callers.sent if seen.call is None else seen.call.number
        yield messages.took_over(seen)

    def wait(self, count: int, version: int | None = None) -> None:
        """Wait for more calls. Raises Failed if the server does not answer any more."""
        self.callers.wait(count, version)
        if self.callers.dead:
            raise Failed(
                f"the server answers no requests any more ({self.callers.calls[-1].error})",
                fix=f"cd {self.folder} && mlops-nb serve {MODEL}",
            )

    def end(self) -> Calls:
        """Stop sending and return all requests."""
        return self.resolved(self.callers.end())

    def resolved(self, calls: tuple[Call, ...]) -> Calls:
        """Find the first answer of each version that took over."""
        takeovers = (
            Takeover(
                version=change.version,
                month=change.month,
                rollback=change.rollback,
                call=first_of(calls, change.version, after=mark),
            )
            for change, mark in self.changes
        )
        return Calls(calls=calls, takeovers=tuple(takeovers))


def read(path: Path) -> list[Flight]:
    """Return the rows of a Parquet file."""
    import pyarrow.parquet

    table: Any = pyarrow.parquet.read_table(path)
    found: list[Flight] = table.to_pylist()
    return found
