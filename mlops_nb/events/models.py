"""Events of models: judged, registered, released."""

from collections.abc import Mapping
from typing import Any

from msgspec import field

from mlops_nb.events.base import Event


class Judged(Event, frozen=True, kw_only=True):
    """The verdicts of the gates on a run's model."""

    verdicts: tuple[Mapping[str, Any], ...]
    passed: bool
    because: str = ""


class Registered(Event, frozen=True, kw_only=True):
    """A model becomes a numbered version.

    answers: digest of what answers beside the model, "" without any, or from an earlier version
    lookups: the tables that its features join → how old they may be, s
    """

    model: str
    version: int
    artifact: str
    digest: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    answers: str = ""
    lookups: Mapping[str, float] = field(default_factory=dict)


class Released(Event, frozen=True, kw_only=True):
    """A version becomes the champion. `because`: gates or rollback; `by`: the user who decided.

    quarantines: the version before did harm, and is released by hand alone from now on
    together: model → the version of it that became champion in the same moment
    """

    model: str
    version: int
    previous: int | None = None
    because: str = ""
    rollback: bool = False
    by: str = ""
    quarantines: bool = False
    together: Mapping[str, int] = field(default_factory=dict)


class ApprovalAsked(Event, frozen=True, kw_only=True):
    """A version passed its gates and waits: for approval, or for other models.

    champion:  the version that it was compared with
    because:   why it passed
    waits_for: a command or jobs, in words
    awaits:    the jobs whose models are released with it
    """

    model: str
    version: int
    champion: int | None = None
    because: str = ""
    waits_for: str = ""
    awaits: tuple[str, ...] = ()


class Evaluated(Event, frozen=True, kw_only=True):
    """The serving version was evaluated on new data, without training.

    drift: per column {"column", "statistic", "value", "threshold", "drifted"}
    """

    model: str
    version: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    drift: tuple[Mapping[str, Any], ...] = ()
    error: str = ""


class AliasMoved(Event, frozen=True, kw_only=True):
    """The champion alias was moved in MLflow. This is reported only."""

    model: str
    found: str
    expected: str


class FileScored(Event, frozen=True, kw_only=True):
    """A file that came was answered by a version.

    file, output: paths from the job's folder
    digest:       sha256 of the file's content
    seconds:      wall time, s
    """

    model: str
    version: int
    file: str
    digest: str
    output: str
    rows: int
    seconds: float


class ScoringFailed(Event, frozen=True, kw_only=True):
    """A file that came could not be answered; nothing of it was written.

    file, digest: as in FileScored
    passing:      the cause is neither the file nor the version, such as a full disk: it is tried
                  again after a pause; else only with other content or another version
    attempt:      how often it has failed for a passing cause, from 1
    """

    model: str
    version: int
    file: str
    digest: str
    error: str
    fix: str = ""
    passing: bool = False
    attempt: int = 1


class ScoringDropped(Event, frozen=True, kw_only=True):
    """A file that could not be answered is gone, or is not to be answered any more."""

    file: str
    because: str = ""


class VersionServed(Event, frozen=True, kw_only=True):
    """A version answers in a server from now on. `previous`: the version before, if any.

    replayed: what the replay of the last requests found: rows, the share of changed predictions,
              and the median latencies of both versions, s; empty without a replay
    """

    model: str
    version: int
    server: str
    url: str = ""
    previous: int | None = None
    because: str = ""
    replayed: Mapping[str, float] = field(default_factory=dict)


class VersionRefused(Event, frozen=True, kw_only=True):
    """A version could not take over in a server; `serving`: the one that goes on."""

    model: str
    version: int
    server: str
    serving: int | None = None
    because: str = ""


class LabelsTaken(Event, frozen=True, kw_only=True):
    """A file of labels, or what was new of a query, was taken, each content once.

    file:      its path; "labels.source" for a query
    digest:    sha256 of the content
    matched:   request ids of the file that are in the prediction log
    unmatched: those that are not, whose rows may come later
    replaced:  those whose label was another one before
    """

    model: str
    file: str
    digest: str
    matched: int
    unmatched: int
    replaced: int
