"""An open project: its context, its clock, and what follows a command."""

import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from mlops_nb.context import Context, real_time
from mlops_nb.errors import MlopsError
from mlops_nb.storage.ports import Clock


class OpenProject:
    """An open project folder."""

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        clock: Clock = real_time,
    ) -> None:
        given = os.environ if environment is None else environment
        self.here = folder.resolve()
        self.context = Context(self.here, given, clock)
        self.context.prepare_tracking = self._prepare_tracking

    def _prepare_tracking(self, experiments: Iterable[str]) -> None:
        from mlops_nb.integrations import catch_up

        catch_up.prepare(self.context, experiments)

    def _is_behind(self) -> bool:
        from mlops_nb.integrations import catch_up

        return catch_up.is_behind(self.context)

    def _follow(self) -> bool:
        """Sync the listeners after a command; return whether they are in sync already."""
        from mlops_nb.integrations.follow import follow

        return follow(self.context)

    def set_clock(self, at: datetime) -> None:
        """Set the clock to another time, from which it continues."""
        self.context.set_time(at)

    def holds(self, path: Path) -> bool:
        """Return whether a path lies in the project's folder."""
        return self.context.holds(path)

    def take_warnings(self) -> list[MlopsError]:
        """Return the warnings of the last command, and clear them."""
        found = list(self.context.warnings)
        self.context.warnings.clear()
        return found
