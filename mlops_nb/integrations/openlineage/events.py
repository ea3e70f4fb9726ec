"""Writes OpenLineage 2-0-2 events, as JSON lines in a file, from the journal."""

import fcntl
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from mlops_nb.errors import Unreachable
from mlops_nb.events import (
    CellFailed,
    Event,
    Judged,
    RunFinished,
    StepFailed,
    StepFinished,
    StepReused,
    StepStarted,
)
from mlops_nb.integrations.openlineage import facets
from mlops_nb.lineage.read import Records, traced
from mlops_nb.lineage.trace import Trace, Work
from mlops_nb.runs import history
from mlops_nb.runs.history import Run
from mlops_nb.storage.ports import Journal, note_of

PLACE = "openlineage"
STEP = 200  # ends and verdicts that are written at once
SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:mlops-nb:run")
ENDS = {"finished": "COMPLETE", "failed": "FAIL", "stopped": "ABORT"}
Line = dict[str, Any]
Key = tuple[str, str]  # run, kind of event: each is written once


def run_id(run: str, step: str = "") -> str:
    """Return the UUID of a run, or of one of its steps; it is stable.

    >>> run_id("r") == run_id("r") != run_id("r", "load")
    True
    """
    return str(uuid.uuid5(SPACE, f"{run}/{step}" if step else run))


class OpenLineageLog:
    """Follows the journal from the place that it notes there, and appends to a file.

    file:  the JSON lines; a program that sends them may remove it at any time
    root:  the project's folder; its name is the namespace of jobs and values
    owner: the owner of the jobs, "" if unknown
    """

    def __init__(self, *, file: Path, root: Path, journal: Journal, owner: str = "") -> None:
        self.file, self.root, self.journal, self.owner = file, root, journal, owner
        self.records = Records(journal)

    def catch_up(self) -> None:
        """Write the events of every run that has ended, some runs at a time.

        Raises Unreachable if the file cannot be written; the next call continues.
        """
        if not self._fresh(self._place()["id"]):
            return
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("ab+") as opened:
                fcntl.flock(opened, fcntl.LOCK_EX)
                while self._append(opened):
                    continue
        except OSError as error:
            raise Unreachable(
                f"lineage cannot be written: {error.strerror or error}",
                fix="free some space or repair the folder; the next run writes it",
                where=str(self.file),
            ) from None

    def _fresh(self, place: int) -> list[Event]:
        """Return the next ends and verdicts of runs after a place, at most `STEP`."""
        return list(islice(self.journal.read(after=place, kinds=(RunFinished, Judged)), STEP))

    def _place(self) -> dict[str, int]:
        """Return the last event that was handled, and the length of the file then, bytes."""
        return {"id": 0, "bytes": 0} | (note_of(self.journal.place(PLACE), dict[str, int]) or {})

    def _append(self, opened: BinaryIO) -> bool:
        """Write some new events, without those that an aborted call has written already.

        Return False if there is none.
        """
        place = self._place()  # read under the lock: another process may have been faster
        fresh = self._fresh(place["id"])
        if not fresh:
            return False
        there = _written(opened, place["bytes"])
        lines: list[Line] = []
        for event in fresh:
            if isinstance(event, RunFinished | Judged):
                lines += self._lines(event, place["id"], there, fresh[-1].id)
        data = b"".join(_bytes(line) for line in lines if _key(line) not in there)
        length = opened.seek(0, os.SEEK_END)
        try:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        except OSError:
            opened.truncate(length)  # whole lines or none
            raise
        position = {"id": fresh[-1].id, "bytes": length + len(data)}
        self.journal.place(PLACE, json.dumps(position))
        return True

    def _lines(
        self, event: RunFinished | Judged, place: int, there: set[Key], until: int
    ) -> list[Line]:
        """Return the lines of a run's end or verdict, as of the event with the id `until`."""
        own = [e for e in self.journal.read(run=event.run) if e.id <= until]
        end = next((e for e in own if isinstance(e, RunFinished)), None)
        if end is None or (isinstance(event, RunFinished) and event.id != end.id):
            return []  # a run has one end, the first
        run = history.runs(own)[event.run]
        story = RunEvents(
            run=run,
            end=end,
            trace=traced(self.journal, run, self.records),
            root=self.root,
            owner=self.owner,
        )
        if isinstance(event, RunFinished):
            return list(story.lines(own))
        late = end.id <= place or (run_id(run.id), story.how) in there
        return [story.judged(event.at)] if late else []  # else it was written with the end


def _written(opened: BinaryIO, since: int) -> set[Key]:
    """Return the keys of the lines after a place; an incomplete last line is cut off."""
    length = opened.seek(0, os.SEEK_END)
    opened.seek(since if since <= length else 0)  # it may have been removed since
    start = opened.tell()
    data = opened.read()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        opened.truncate(start + len(whole))
    return {key for line in whole.split(b"\n") if (key := _key_of(line))}


def _key_of(text: bytes) -> Key | None:
    try:
        return _key(json.loads(text))
    except (ValueError, LookupError, TypeError):
        return None  # a foreign or an empty line


def _key(line: Mapping[str, Any]) -> Key:
    return line["run"]["runId"], line["eventType"]


def _bytes(line: Line) -> bytes:
    return json.dumps(line, separators=(",", ":")).encode("ascii") + b"\n"


@dataclass(slots=True, kw_only=True)
class _Span:
    """When a step began and ended, and how."""

    began: str
    ended: str = ""
    how: str = ""
    error: str = ""


@dataclass(slots=True, kw_only=True)
class RunEvents:
    """The OpenLineage events of one ended run."""

    run: Run
    end: RunFinished
    trace: Trace
    root: Path
    owner: str = ""
    traceback: str = field(default="", init=False)

    @property
    def namespace(self) -> str:
        """The namespace of jobs and values."""
        return f"mlops-nb://{self.root.name}"

    @property
    def name(self) -> str:
        """The root job: a promoted job, or a notebook by its path."""
        return self.run.job or self.run.notebook or "notebook"

    @property
    def how(self) -> str:
        """How the run ended, before any verdict."""
        return ENDS.get(self.end.status, "FAIL")

    def lines(self, events: Sequence[Event]) -> Iterator[Line]:
        """Yield every event of a run and its steps, in the order of time."""
        spans = self._spans(events)
        began = self.run.started or min([self.end.at, *(s.began for s in spans.values())])
        steps: list[tuple[str, Line]] = []
        for step, span in spans.items():
            steps.append((span.began, self._step(step, span, "START")))
            steps.append((span.ended, self._step(step, span, span.how)))
        yield self._root("START", began)
        yield from (line for _, line in sorted(steps, key=lambda pair: pair[0]))
        yield self._root(self.how, self.end.at)

    def judged(self, at: str) -> Line:
        """Return the event of a verdict that came after the end was written."""
        return self._root("OTHER", at)

    def _spans(self, events: Iterable[Event]) -> dict[str, _Span]:
        spans: dict[str, _Span] = {}
        for event in events:
            if isinstance(event, CellFailed):
                self.traceback = self.traceback or event.traceback
            if not isinstance(event, StepStarted | StepReused | StepFinished | StepFailed):
                continue
            span = spans.setdefault(event.step, _Span(began=event.at))
            if isinstance(event, StepFinished | StepReused) and span.how != "FAIL":
                span.ended, span.how = event.at, "COMPLETE"
            elif isinstance(event, StepFailed):
                span.ended, span.how, span.error = event.at, "FAIL", event.error
            elif isinstance(event, StepStarted):
                span.ended, span.how = "", ""  # it continues after a reused part
        for span in spans.values():
            if not span.how:  # it was cut off
                span.ended, span.how = self.end.at, self.how
                span.error = self.end.error if self.how == "FAIL" else ""
        return spans

    def _line(self, how: str, at: str, run: str, run_facets: Line, job: Line) -> Line:
        return {
            "eventType": how,
            "eventTime": at,
            "producer": facets.PRODUCER,
            "schemaURL": facets.EVENT,
            "run": {"runId": run, "facets": run_facets},
            "job": job,
            "inputs": [],
            "outputs": [],
        }

    def _job(self, kind: str, name: str, **more: Line) -> Line:
        path = self.root / self.run.notebook
        job_facets = {
            "jobType": facets.job_type(kind),
            "sourceCodeLocation": facets.location(path.as_uri(), self.run.notebook),
            **more,
        }
        if self.owner:
            job_facets["ownership"] = facets.ownership(self.owner)
        return {"namespace": self.namespace, "name": name, "facets": job_facets}

    # the run as a whole

    def _root(self, how: str, at: str) -> Line:
        run = self.run
        run_facets = {
            "processing_engine": facets.engine(),
            "executionParameters": facets.parameters(run.parameters),
            "tags": facets.tags(
                {
                    "trigger": run.trigger,
                    "fired": run.fired,
                    "try": run.attempt,
                    "commit": run.commit,
                    "sweep": run.sweep,
                }
            ),
        }
        if run.trigger == "schedule" and (run.data_start or run.scheduled_at):
            run_facets["nominalTime"] = facets.facet(
                "NominalTimeRunFacet",
                nominalStartTime=run.data_start or run.scheduled_at,
                nominalEndTime=run.data_end or None,
            )
        if how == "FAIL":
            run_facets["errorMessage"] = facets.error(self.end.error or "it failed", self.traceback)
        if run.gates and how != "START":
            run_facets["test"] = facets.tests(run.gates)
        job = self._job("JOB" if run.job else "NOTEBOOK", self.name)
        line = self._line(how, at, run_id(run.id), run_facets, job)
        if how != "START":
            line["inputs"] = [*self._files("files", made=False), *self._judged_values()]
            line["outputs"] = self._files("written", made=True)
        return line

    def _files(self, which: str, *, made: bool) -> list[Line]:
        found = {}
        for work in self.trace.works:
            for path, stamp in getattr(work, which).items():
                found[path] = self._file(path, stamp, made=made)
        return list(found.values())

    def _judged_values(self) -> list[Line]:
        """Return the metrics of gates, each with its verdict."""
        found = []
        for work in self.trace.works:
            for name, seen in work.values.items():
                verdicts = [g for g in self.run.gates if str(g["gate"]).split(" ")[0] == name]
                if verdicts:
                    judged = {"inputFacets": facets.assertions(verdicts)}
                    found.append(
                        {**self._value(name, seen, str(seen.get("digest", "unknown"))), **judged}
                    )
        return found

    # its steps

    def _step(self, step: str, span: _Span, how: str) -> Line:
        works = [w for w in self.trace.works if w.step == step]
        run = self.run
        run_facets = {
            "parent": facets.parent(run_id(run.id), self.namespace, self.name),
            "processing_engine": facets.engine(),
        }
        given = {n: v for w in works for n, v in w.parameters.items()}
        if given:
            run_facets["executionParameters"] = facets.parameters(given)
        if how == "FAIL":
            run_facets["errorMessage"] = facets.error(span.error or "it failed", self.traceback)
        for number, work in enumerate(works):
            key = "mlopsNb_step" if not number else f"mlopsNb_step{number + 1}"
            run_facets[key] = facets.step(work, self.trace)
        job = self._job("STEP", f"{self.name}.{step}", **self._code(works))
        at = span.began if how == "START" else span.ended
        line = self._line(how, at, run_id(run.id, step), run_facets, job)
        if how != "START":
            line["inputs"], line["outputs"] = self._read(works), self._made(works)
        return line

    def _code(self, works: Iterable[Work]) -> dict[str, Line]:
        notebook = self.trace.notebook
        cells = sorted({i for w in works for i in w.cells})
        if notebook is None or not cells:
            return {}
        text = "\n\n".join(notebook.cells[i].source for i in cells)
        return {"sourceCode": facets.source_code(text)}

    def _read(self, works: Iterable[Work]) -> list[Line]:
        found: dict[str, Line] = {}
        for work in works:
            place = self.trace.works.index(work)
            for name, digest in work.reads.items():
                maker = self.trace.maker(name, digest, place)
                seen = {} if maker is None else self.trace.works[maker].values[name]
                rows = seen.get("schema", {}).get("rows")
                more = facets.statistics(made=False, rows=rows)
                found[name] = {**self._value(name, seen, digest), "inputFacets": more}
        files = {p: self._file(p, t, made=False) for w in works for p, t in w.files.items()}
        return [*found.values(), *files.values()]

    def _made(self, works: Iterable[Work]) -> list[Line]:
        found: dict[str, Line] = {}
        for work in works:
            read = {name: (self.namespace, self._dataset(name)) for name in work.reads}
            size = {
                a["names"][0]: a["bytes"]
                for a in work.record.get("artifacts", ())
                if len(a["names"]) == 1
            }
            for name, seen in work.values.items():
                rows = seen.get("schema", {}).get("rows")
                more = facets.statistics(made=True, rows=rows, size=size.get(name))
                made = self._value(name, seen, str(seen.get("digest", "unknown")))
                made["facets"] |= facets.columns(seen, read)
                found[name] = {**made, "outputFacets": more}
        files = {p: self._file(p, t, made=True) for w in works for p, t in w.written.items()}
        return [*found.values(), *files.values()]

    def _value(self, name: str, seen: Mapping[str, Any], digest: str) -> Line:
        facets_ = {**facets.schema(seen), **facets.version(digest)}
        return {"namespace": self.namespace, "name": self._dataset(name), "facets": facets_}

    def _dataset(self, name: str) -> str:
        return f"{self.run.job or self.run.notebook.removesuffix('.ipynb')}.{name}"

    def _file(self, path: str, stamp: Mapping[str, Any], *, made: bool) -> Line:
        where = os.path.normpath((self.root / self.run.notebook).parent / path)
        size = stamp["stat"][0] if stamp.get("stat") else None
        known = facets.statistics(made=made, size=size, count=1)
        return {
            "namespace": "file",
            "name": where,
            "facets": facets.version(stamp.get("sha256")),
            "outputFacets" if made else "inputFacets": known,
        }
