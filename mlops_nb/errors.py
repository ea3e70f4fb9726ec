"""The tree of errors; each contains what happened, where, and how to fix it.

* MlopsError
  - Refused           nothing ran: wrong use, unusable input, an invalid definition (exit status 2)
    - NotebookError   the file is no notebook, or its cells form no pipeline
    - ParameterError  a parameter that is unknown or of another type
    - JobError        an invalid job, bundle, schedule or gate
    - NotFound        no such run, job, model or version
  - Failed            the operation ran and failed, or a check failed (exit status 1)
    - RunFailed       a cell raised, or the kernel died
    - NotProven       the bundle does not equal the notebook
    - GateNotMet      a gate was not met
    - Unreachable     a server or a file cannot be reached
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(eq=False)  # eq=False keeps exceptions hashable
class MlopsError(Exception):
    """An error: what happened, how to fix it, and where it happened.

    >>> print(Refused("no notebook 'a.ipynb'", fix="ls *.ipynb"))
    error: no notebook 'a.ipynb'
      fix: ls *.ipynb
    """

    what: str
    fix: str
    where: str = ""

    exit_status: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__init__(self.what, self.fix, self.where)  # args feed pickle

    def __str__(self) -> str:
        at = f" ({self.where})" if self.where else ""
        return f"error: {self.what}{at}\n  fix: {self.fix}"


class Refused(MlopsError):
    """Nothing ran and nothing was written."""

    exit_status = 2


class NotebookError(Refused):
    """The file is no notebook, or its cells form no pipeline."""


class ParameterError(Refused):
    """A parameter is unknown or of another type."""


class JobError(Refused):
    """A job, bundle, schedule or gate is invalid."""


class NotFound(Refused):
    """There is no such run, job, model or version."""


class Failed(MlopsError):
    """The operation ran and failed, or a check failed."""


class RunFailed(Failed):
    """A cell raised, or the kernel died."""


class NotProven(Failed):
    """The bundle does not equal the notebook."""


class GateNotMet(Failed):
    """A gate was not met."""


class Unreachable(Failed):
    """A server or a file cannot be reached."""
