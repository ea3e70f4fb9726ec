"""Scores the files of a job that came, with its champion: each content once, or not at all.

A file's output and its rows of the prediction log are prepared under other names. Then the event
FileScored is written, which decides, and then both are put in place. What a killed process leaves
is finished by the next one if there is the event, else removed.
"""

import asyncio
import json
import shutil
import stat
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct, convert, to_builtins

from mlops_nb import files
from mlops_nb.context import Context
from mlops_nb.errors import JobError, MlopsError, Unreachable
from mlops_nb.events import FileScored, ScoringDropped, ScoringFailed
from mlops_nb.jobs import execute, predictions, score_spec
from mlops_nb.jobs.model import Job
from mlops_nb.jobs.registry import read_jobs
from mlops_nb.jobs.triggers import data
from mlops_nb.models.registry import read_models
from mlops_nb.runs.board import Board, read_board
from mlops_nb.serving import prediction_log
from mlops_nb.serving.model_process import Unanswered
from mlops_nb.serving.offline import batch
from mlops_nb.storage.ports import note_of

NOTES = "score:{job}"
LOCK = "score.{job}"
ATTEMPT = "attempt.json"
PAUSE, LONGEST_PAUSE = 60.0, 3600.0  # s before a file is tried again; the pause doubles
Note = Callable[[str], None]


class Attempt(Struct, frozen=True, kw_only=True):
    """What one file's scoring prepares, as it is stored for the next process.

    file, output: from the job's folder
    part:         the output under its temporary name, absolute
    once:         the key of the event that decides
    """

    model: str
    file: str
    output: str
    part: str
    once: str


def is_due(ctx: Context, job: Job, board: Board) -> bool:
    """Return whether a process has something to score, to finish or to record for a job.

    It is False while a process scores. The notes of the files are updated.
    """
    if job.score is None or _champion(ctx, job) is None:
        return False
    with ctx.journal.holding(LOCK.format(job=job.name), wait=False) as free:
        if not free:
            return False
        settled, present = _look(ctx, job)
        left = any(_folder(ctx, job.name).glob(f"*/{ATTEMPT}"))
        gone = board.unscored.get(job.name, {}).keys() - present
        return left or bool(gone) or any(True for _ in _due(ctx, job, board, settled))


def settling(ctx: Context, jobs: Iterable[str] | None = None) -> bool:
    """Return whether files may still be growing, of all jobs or of some."""
    for name, state in read_jobs(ctx).items():
        active = state.status == "active" if jobs is None else name in jobs
        if active and state.definition.get("score") and _notes(ctx, name).get("settling"):
            return True
    return False


def _notes(ctx: Context, job: str) -> dict[str, Any]:
    return note_of(ctx.journal.place(NOTES.format(job=job)), dict[str, Any]) or {}


def _look(ctx: Context, job: Job) -> tuple[dict[str, str], set[str]]:
    """Return the files that have stopped growing, each with its sha256, and all that match."""
    assert job.score is not None
    score_spec.refuse(job)
    notes = _notes(ctx, job.name)
    before = json.dumps(notes, sort_keys=True)
    settled = data.look(ctx.root / job.folder, job.score["files"], notes)
    _store(ctx, job.name, notes, before)
    return settled, set(notes["files"])


def _store(ctx: Context, job: str, notes: Mapping[str, Any], before: str = "") -> None:
    after = json.dumps(notes, sort_keys=True)
    if after != before:
        ctx.journal.place(NOTES.format(job=job), after)


def _champion(ctx: Context, job: Job) -> int | None:
    model = read_models(ctx).get(job.model_name or "")
    return None if model is None else model.champion


def _due(
    ctx: Context, job: Job, board: Board, settled: Mapping[str, str]
) -> Iterable[tuple[str, str]]:
    """Yield each file to score now, with its digest."""
    scored = board.scored.get(job.name, {})
    failed = board.unscored.get(job.name, {})
    contents = board.contents.get(job.name, set())
    champion, now = _champion(ctx, job), ctx.now()
    for file, digest in settled.items():
        new = digest != scored[file] if file in scored else digest not in contents
        last = failed.get(file)
        if new and not (last and last.digest == digest and _rests(last, champion, now)):
            yield file, digest


def _rests(last: ScoringFailed, champion: int | None, now: datetime) -> bool:
    """Return whether a file that failed is not tried again yet."""
    if last.version != champion:
        return False
    pause = min(PAUSE * 2 ** min(last.attempt - 1, 10), LONGEST_PAUSE)
    return not last.passing or now - datetime.fromisoformat(last.at) < timedelta(seconds=pause)


def _folder(ctx: Context, job: str) -> Path:
    """Return the folder in which the outputs of a job are prepared."""
    return ctx.settings.folder / "scoring" / job


# the process


def score(ctx: Context, name: str, note: Note = lambda _: None) -> bool:
    """Score what is new for a job; return False if it cannot go on.

    Another process that scores the same job is waited for.
    """
    with ctx.journal.holding(LOCK.format(job=name)):
        job = execute.live(ctx, name)[1].job
        _finish_attempts(ctx, job)
        if job.score is None or _champion(ctx, job) is None:
            return True
        settled, present = _look(ctx, job)
        for file in read_board(ctx).unscored.get(name, {}).keys() - present:
            ctx.record([ScoringDropped(job=name, file=file, because="it is gone")])
        return asyncio.run(_Scoring(ctx, job, present, note).score(settled))


def _finish_attempts(ctx: Context, job: Job) -> None:
    """Finish the scorings that were decided, and remove what others have left."""
    for folder in sorted(_folder(ctx, job.name).glob("*")):
        try:
            found = convert(json.loads((folder / ATTEMPT).read_bytes()), Attempt)
        except (OSError, ValueError):  # it was killed before it made anything else
            shutil.rmtree(folder, ignore_errors=True)
            continue
        if ctx.journal.written(found.once) is not None:
            _finish(ctx, job, folder, found)
        else:
            _remove(folder, found)


def _remove(folder: Path, attempt: Attempt) -> None:
    """Remove what was prepared for a file."""
    Path(attempt.part).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _finish(ctx: Context, job: Job, folder: Path, attempt: Attempt) -> None:
    """Put a scored file's output and log in place; it may be in part already."""
    part, out = Path(attempt.part), ctx.root / job.folder / attempt.output
    if part.exists():
        part.replace(out)
    prediction_log.publish(ctx, attempt.model, folder / "log")
    shutil.rmtree(folder)


class _Scoring:
    """Scores files one after the other, with one process of the champion.

    present: all files that match
    """

    def __init__(self, ctx: Context, job: Job, present: set[str], note: Note) -> None:
        assert job.score is not None
        self.ctx, self.job, self.note = ctx, job, note
        self.version = _champion(ctx, job) or 0
        self.answers: batch.FileAnswers | None = None
        self.outputs: dict[str, list[str]] = {}
        for file in sorted(present):
            self.outputs.setdefault(score_spec.output_of(job.score, file), []).append(file)

    async def score(self, settled: Mapping[str, str]) -> bool:
        """Score what is due of the files; return False if the others cannot be scored either."""
        try:
            for file, digest in settled.items():
                board = read_board(self.ctx)  # another file may have had the same content
                if not any(_due(self.ctx, self.job, board, {file: digest})):
                    continue
                if not await self._try(file, digest):
                    return False
        finally:
            self._end()
        return True

    def _end(self) -> None:
        if self.answers is not None:
            self.answers.end()
        self.answers = None

    async def _try(self, file: str, digest: str) -> bool:
        """Score one file, or record why not; return False if the others would fail as well."""
        started = False
        try:
            if self.answers is None:
                found = batch.champion(self.ctx, self.job.model_name or "")
                self.version, self.answers = found.version, batch.FileAnswers(found)
                await self.answers.start()
            started = True
            await self._score(self.answers, file, digest)
        except (MlopsError, OSError) as error:
            if started and self._changed(file, digest):
                return True
            passing = not started or isinstance(error, Unanswered | Unreachable | OSError)
            self._record(file, digest, error, passing=passing)
            if passing:
                self._end()
            return started and not isinstance(error, OSError)
        return True

    async def _score(self, answers: batch.FileAnswers, file: str, digest: str) -> None:
        """Prepare the output of a file, record that it is scored, and put it in place."""
        ctx, began = self.ctx, time.perf_counter()
        path, output, out = self._paths(file)
        key = uuid.uuid4().hex
        attempt = Attempt(
            model=answers.package.model,
            file=file,
            output=output,
            part=str(batch.part_of(out, key)),
            once=f"scored:{key}",
        )
        folder = _folder(ctx, self.job.name) / key
        files.write_text(folder / ATTEMPT, json.dumps(to_builtins(attempt)))
        try:
            prepared = batch.Output(Path(attempt.part), out.suffix)
            kept = predictions.reader(ctx, attempt.model)
            log = prediction_log.staged_log(ctx, folder / "log", kept)
            answered = await answers.write(path, prepared, log)
            self._refuse_changed(file, digest)
        except BaseException:
            _remove(folder, attempt)
            raise
        scored = FileScored(
            job=self.job.name,
            model=attempt.model,
            version=answers.package.version,
            file=file,
            digest=digest,
            output=output,
            rows=answered.rows,
            seconds=round(time.perf_counter() - began, 3),
        )
        ctx.journal.append(scored, once=attempt.once)
        _finish(ctx, self.job, folder, attempt)
        self.note(f"{self.job.name}: {file}: {answered.rows} rows scored: {output}")

    def _paths(self, file: str) -> tuple[Path, str, Path]:
        """Return the path of a file, its output from the job's folder, and the output's path."""
        assert self.job.score is not None
        base = self.ctx.root / self.job.folder
        output = score_spec.output_of(self.job.score, file)
        out = base / output
        if others := [one for one in self.outputs.get(output, ()) if one != file]:
            raise JobError(
                f"its output {output!r} is that of {others[0]!r} as well",
                fix="give them different names, or set score.output with {stem} in job.yaml",
            )
        if not self.ctx.holds(out.parent):
            raise JobError(f"its output {output!r} leaves the project", fix="remove that link")
        out.parent.mkdir(parents=True, exist_ok=True)
        batch.refuse_paths(base / file, out)
        return base / file, output, out

    def _refuse_changed(self, file: str, digest: str) -> None:
        if self._changed(file, digest):
            raise JobError(f"{file} changed while it was read", fix="it is scored later")

    def _changed(self, file: str, digest: str) -> bool:
        """Return whether a file has other content now; then it is looked at again later."""
        path = self.ctx.root / self.job.folder / file
        try:
            if files.sha256(path) == digest:
                return False
        except OSError:  # it is gone
            pass
        notes = _notes(self.ctx, self.job.name)
        notes.get("files", {}).pop(file, None)
        notes["settling"] = notes.get("settling", 0) + path.exists()
        _store(self.ctx, self.job.name, notes)
        return True

    def _record(self, file: str, digest: str, error: Exception, *, passing: bool) -> None:
        known = read_board(self.ctx).unscored.get(self.job.name, {}).get(file)
        again = passing and known is not None and known.passing and known.digest == digest
        what = error.what if isinstance(error, MlopsError) else f"{type(error).__name__}: {error}"
        fix = error.fix if isinstance(error, MlopsError) else "free space on that disk"
        failed = ScoringFailed(
            job=self.job.name,
            model=self.job.model_name or "",
            version=self.version,
            file=file,
            digest=digest,
            error=what,
            fix=fix.replace(", or leave them out: --skip-bad FILE", ""),
            passing=passing,
            attempt=known.attempt + 1 if again and known else 1,
        )
        self.ctx.record([failed])
        self.note(f"{self.job.name}: {file} could not be scored: {what}")


# views


def summary(ctx: Context, job: Job, board: Board) -> dict[str, Any] | None:
    """Return what `job --json` says about a job's files; None if it scores none."""
    if job.score is None:
        return None
    scored, failed = board.scored.get(job.name, {}), board.unscored.get(job.name, {})
    known = _notes(ctx, job.name).get("files", {})
    contents, waiting = board.contents.get(job.name, set()), 0
    for path in (ctx.root / job.folder).glob(job.score["files"]):
        name = path.relative_to(ctx.root / job.folder).as_posix()
        try:
            about = path.stat()
        except OSError:  # it was removed meanwhile
            continue
        if not stat.S_ISREG(about.st_mode):
            continue
        entry = known.get(name, [-1, -1, 0.0, ""])
        digest = entry[3] if entry[:2] == [about.st_size, about.st_mtime_ns] else ""
        done = digest == scored[name] if name in scored else digest in contents
        failing = name in failed and failed[name].digest == digest
        waiting += not done and not failing
    return {
        **job.score,
        "scored": len(scored),
        "failed": [{"file": e.file, "error": e.error, "fix": e.fix} for e in failed.values()],
        "waiting": waiting,
    }
