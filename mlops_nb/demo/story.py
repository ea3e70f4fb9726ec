"""The demo's story: months arrive, a job retrains, gates decide, and one model is rolled back."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mlops_nb.demo import folder as demo_folder
from mlops_nb.demo import narration, report
from mlops_nb.demo.outcome import (
    METRIC,
    Door,
    Tale,
    Trial,
    first_day_after,
    name_of,
    read_trial,
)
from mlops_nb.demo.terminal import Terminal, Typist
from mlops_nb.errors import Failed, Refused

MODEL = "flights"
SPOILT_MONTH = 4  # the month in which the gates of this demo are known to be put to the test
MONTHS = range(2, 13)


def play(folder: Path, months: int = 6, out: Callable[[str], None] = print) -> Path:
    """Play the story in a folder and return its report.

    Raises Refused for an unsuitable folder or number of months, Failed if a command fails.
    """
    if months not in MONTHS:
        raise Refused(f"cannot play {months} months", fix="mlops-nb demo --months 6 (2 to 12)")
    cleared = demo_folder.set_up(folder)
    folder = folder.resolve()
    story = Story(Terminal(folder, out), out)
    story.tell(narration.opening(folder, months, cleared=cleared))
    tale = story.run(months)
    written = folder / demo_folder.REPORT
    written.write_text(report.page(tale), encoding="utf-8")
    story.tell(narration.ending(tale, written))
    return written


class Story:
    """Plays one chapter a method, and keeps what was measured."""

    def __init__(self, shell: Typist, out: Callable[[str], None]) -> None:
        self.shell = shell
        self.out = out
        self.trials: list[Trial] = []
        self.without: dict[int, float] = {}
        self.rolled_back: tuple[int, int] | None = None

    def run(self, months: int) -> Tale:
        """Play all chapters and return what happened."""
        self.january()
        for month in range(2, months + 1):
            self.later(month)
        self.take_back()
        return Tale(
            trials=tuple(self.trials),
            without=dict(self.without),
            commands=tuple(self.shell.commands),
            rolled_back=self.rolled_back,
            seconds=self.shell.elapsed,
        )

    def tell(self, lines: Iterable[str]) -> None:
        """Pass lines on."""
        for line in lines:
            self.out(line)

    def january(self) -> None:
        """Let the first month arrive and turn the notebook into a job."""
        self.tell(narration.chapter(1, "a notebook becomes a job", self.shell.elapsed))
        self.arrive(1)
        answer = self.shell.type(*promotion())
        model = answer.get("model") or {}
        row = {
            "status": "finished" if model.get("version") else "refused",
            "model_version": model.get("version"),
            "gates": answer.get("gates"),
        }
        trial = self.keep(row, 1, "promote")
        self.tell(narration.promoted(answer, trial))
        if not trial.released or trial.value is None:
            raise Failed(
                "the first model was not released, so there is nothing to retrain",
                fix=f"cd {self.shell.folder} and type the promotion again to see why",
            )
        self.without[1] = trial.value

    def later(self, month: int) -> None:
        """Let a month arrive; score without retraining; let the scheduler retrain and judge."""
        spoiled = month == SPOILT_MONTH
        what = "a month with a planted error" if spoiled else "new flights, a new model"
        self.tell(narration.chapter(month, what, self.shell.elapsed))
        self.arrive(month, spoiled=spoiled)
        if not spoiled:
            self.score(month)
        at = moment_after(month)
        answer = self.shell.type("mlops-nb", "scheduler", "--once", "--at", at, may_say_no=True)
        trial = self.keep(run_of(answer, at), month, "scheduler", spoiled=spoiled)
        self.tell(narration.judged(trial))
        if spoiled:
            self.tell(narration.caught(trial))
            self.mend(month)

    def mend(self, month: int) -> None:
        """Put a spoiled month right and run the job again by hand."""
        self.tell(narration.chapter(month, "repaired", self.shell.elapsed))
        self.arrive(month)
        self.score(month)
        next_day = first_day_after(month).removesuffix("01") + "02T09:00:00+09:00"
        words = ["mlops-nb", "trigger", MODEL, "--at", next_day]
        trial = self.keep(self.shell.type(*words, may_say_no=True), month, "trigger")
        self.tell(narration.judged(trial))

    def take_back(self) -> None:
        """Roll the newest model back, as after a complaint."""
        last = self.trials[-1].month
        self.tell(
            narration.chapter(last, "and if something is wrong after all?", self.shell.elapsed)
        )
        self.shell.type("mlops-nb", "rollback", MODEL)
        answer = self.shell.type("mlops-nb", "models")
        back = next(m["champion"] for m in answer["models"] if m["name"] == MODEL)
        out = [t.version for t in self.trials if t.released and t.version is not None][-1]
        self.rolled_back = (out, back)
        self.tell(narration.rolled_back(out, back))

    def arrive(self, month: int, *, spoiled: bool = False) -> None:
        """Let a month's files arrive."""
        words = ["python", "notebooks/flights_data.py", "notebooks/data", "--months", str(month)]
        if spoiled:
            self.tell(narration.planted())
            words += ["--spoil", str(month)]
        self.shell.type(*words)

    def score(self, month: int) -> None:
        """Ask what January's model would score on a month, had it never been retrained."""
        answer = self.shell.ask(
            f"(January's model, never retrained, on {name_of(month)})",
            "mlops_nb.demo.score",
            str(self.shell.folder),
            moment_after(month),
        )
        self.without[month] = answer[METRIC]
        self.tell(narration.scored(month, answer[METRIC]))

    def keep(self, row: dict[str, Any], month: int, door: Door, *, spoiled: bool = False) -> Trial:
        """Remember a trial; raises Failed if it was never judged."""
        trial = read_trial(row, month=month, door=door, spoiled=spoiled)
        if trial.status not in ("finished", "refused") and not trial.stopped:
            raise Failed(
                f"the run of {name_of(month)} was {trial.status}: {trial.because or 'no reason'}",
                fix=f"cd {self.shell.folder} && mlops-nb history {MODEL}",
            )
        self.trials.append(trial)
        return trial


def promotion() -> list[str]:
    """Return the command that turns the notebook into a job."""
    return [
        *("mlops-nb", "promote", "notebooks/flights.ipynb"),
        *("--name", MODEL, "--model", "model"),
        *("--schedule", "0 3 1 * *", "--tz", "Asia/Seoul"),
        *("-p", "until", "{data_end:%Y-%m-%d}"),
        *("--gate", f"{METRIC} >= 0.55", "--gate", f"{METRIC} >= champion - 0.01"),
        *("--at", f"{first_day_after(1)}T09:00:00+09:00"),
    ]


def moment_after(month: int) -> str:
    """Return when the job is due for a month: three in the morning of the next, in Seoul."""
    return f"{first_day_after(month)}T03:00:00+09:00"


def run_of(answer: dict[str, Any], at: str) -> dict[str, Any]:
    """Return the job's run from the scheduler's answer; raises Failed if nothing was due."""
    runs: list[dict[str, Any]] = [r for r in answer.get("runs") or () if r.get("job") == MODEL]
    if not runs:
        raise Failed(f"nothing was due at {at}", fix="mlops-nb jobs")
    return runs[-1]
