"""Runs the demo: months arrive, a job retrains, gates decide, and one model is rolled back."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from mlops_nb.demo import commands, messages, report
from mlops_nb.demo import folder as demo_folder
from mlops_nb.demo.callers import Pace
from mlops_nb.demo.calls import Calls, compare
from mlops_nb.demo.commands import MODEL, Chapter, Words, chapters, requests
from mlops_nb.demo.results import METRIC, Command, Results, Trial, Verb, name_of, read_trial
from mlops_nb.demo.service import Service
from mlops_nb.demo.terminal import Terminal
from mlops_nb.errors import Failed, Refused

MONTHS = range(2, 13)
CHANGES = ("scheduler", "trigger", "rollback")  # commands that may change the version in service
Answer = dict[str, Any]


class CommandRunner(Protocol):
    """Runs commands in a folder and keeps a list of them."""

    folder: Path
    commands: list[Command]

    def run(self, words: Words, *, may_refuse: bool = False) -> Answer:
        """Run a command and return its JSON answer."""
        ...

    def start(self, words: Words) -> Answer:
        """Start a command that goes on, and return the JSON answer that it prints first."""
        ...

    def end(self, *, may_fail: bool = False) -> None:
        """End the commands that go on."""
        ...


def run_demo(folder: Path, months: int = 6, out: Callable[[str], None] = print) -> Path:
    """Run the demo in a folder and return its report.

    Raises Refused for an unsuitable folder or number of months, Failed if a command fails.
    """
    if months not in MONTHS:
        raise Refused(
            f"the demo cannot run {months} months", fix="mlops-nb demo --months 6 (2 to 12)"
        )
    cleared = demo_folder.set_up(folder)
    folder = folder.resolve()
    story = Story(Terminal(folder, out), out)
    story.print(messages.introduction(folder, months, cleared=cleared))
    results = story.run(months)
    path = folder / demo_folder.REPORT
    path.write_text(report.render(results), encoding="utf-8")
    story.print(messages.summary(results, path))
    return path


class Story:
    """Runs the chapters and keeps what they measure."""

    def __init__(
        self, shell: CommandRunner, out: Callable[[str], None], pace: Pace | None = None
    ) -> None:
        self.shell = shell
        self.out = out
        self.pace = pace or Pace()
        self.service: Service | None = None
        self.trials: list[Trial] = []
        self.without: dict[int, float] = {}
        self.rolled_back: tuple[int, int] | None = None

    def print(self, lines: Iterable[str]) -> None:
        """Print lines."""
        for line in lines:
            self.out(line)

    def run(self, months: int) -> Results:
        """Run all chapters and return what they measured; no process goes on after it."""
        try:
            for chapter in chapters(months):
                self.print(messages.heading(chapter, self.seconds()))
                if self.service is not None:
                    self.service.begin(chapter.month)
                for words in chapter.commands:
                    self.type(words, chapter, months)
            calls = self.end()
        except BaseException:
            if self.service is not None:  # a run goes on without the command that started it
                self.shell.run(("stop", MODEL))
            raise
        finally:
            if self.service is not None:
                self.service.end()
            self.shell.end(may_fail=True)
        self.print(messages.comparing())
        arms = self.shell.run(commands.arms(months))
        streams = self.shell.run(commands.streams())
        return Results(
            trials=tuple(self.trials),
            without=dict(self.without),
            commands=tuple(self.shell.commands),
            rolled_back=self.rolled_back,
            calls=calls,
            arms=arms,
            streams=tuple(streams["streams"]),
            seconds=self.seconds(),
        )

    def type(self, words: Words, chapter: Chapter, months: int) -> None:
        """Run a command of a chapter while requests are answered, and print what came of it."""
        if words[1] == "serve":
            self.serve(words, months)
            return
        service = self.service if words[1] in CHANGES else None
        if service is not None:
            service.before()
        answer = self.shell.run(words, may_refuse=words[1] in ("scheduler", "trigger"))
        self.print(self.read(words, answer, chapter))
        if service is not None:
            rollback = words[1] == "rollback"
            champion = answer["champion"] if rollback else self.trials[-1].version
            self.print(service.after(champion or service.champion, rollback=rollback))

    def serve(self, words: Words, months: int) -> None:
        """Start the server, and prepare the requests of all months."""
        answer = self.shell.start(words)
        self.shell.run(requests(answer["url"], months))
        self.service = Service(answer["url"], answer["model_version"], self.shell.folder, self.pace)

    def end(self) -> Calls:
        """End callers and server, and compare the prediction log with the answers."""
        assert self.service is not None  # the first chapter starts it
        calls = self.service.end()
        self.shell.end()
        logged = self.shell.run(("logged", MODEL))["request_ids"]
        return replace(calls, log=compare(calls.calls, logged))

    def seconds(self) -> float:
        """Return when the last command ended, in seconds since the start."""
        return max((c.began + c.seconds for c in self.shell.commands), default=0.0)

    def read(self, words: Words, answer: Answer, chapter: Chapter) -> Iterable[str]:
        """Store the results of a command; return the lines to print about them."""
        match words:
            case ("mlops-nb", "promote", *_):
                return messages.promoted(answer, self.keep_first(answer, chapter))
            case ("mlops-nb", "scheduler", *_, at):
                return messages.judged(self.keep(run_of(answer, at), chapter, "scheduler"))
            case ("mlops-nb", "trigger", *_):
                return messages.judged(self.keep(answer, chapter, "trigger"))
            case ("mlops-nb", "models"):
                return self.compare_versions(answer)
            case ("score", *_):
                self.without[chapter.month] = value = answer[METRIC]
                days = f"the last days of {name_of(chapter.month)}"
                return [f"  without retraining, January's model gets {value:.3f} on {days}"]
        return []

    def keep_first(self, answer: Answer, chapter: Chapter) -> Trial:
        """Store the trial of `promote`. Raises Failed if its model was not released."""
        version = (answer.get("model") or {}).get("version")
        row = {"status": "finished", "model_version": version, "gates": answer.get("gates")}
        trial = self.keep(row, chapter, "promote")
        value = trial.metric("value")
        if trial.result != "released" or value is None:
            raise Failed(
                "the first model was not released, so there is nothing to retrain",
                fix=f"cd {self.shell.folder} and type the promotion again to see why",
            )
        self.without[1] = value
        return trial

    def keep(self, row: Answer, chapter: Chapter, verb: Verb) -> Trial:
        """Store a trial. Raises Failed if its run ended before the gates on data without errors."""
        trial = read_trial(row, month=chapter.month, verb=verb, spoiled=chapter.spoiled)
        if trial.status not in ("finished", "refused") and trial.result != "stopped":
            month, because = name_of(chapter.month), trial.because or "no reason"
            raise Failed(
                f"the run of {month} ended as {trial.status}: {because}",
                fix=f"cd {self.shell.folder} && mlops-nb history {MODEL}",
            )
        self.trials.append(trial)
        return trial

    def compare_versions(self, answer: Answer) -> list[str]:
        """Store which version the rollback removed and which one serves again."""
        serving = next(m["champion"] for m in answer["models"] if m["name"] == MODEL)
        removed = [t.version for t in self.trials if t.version and t.result == "released"][-1]
        self.rolled_back = (removed, serving)
        return [f"  version {serving} is back in service, version {removed} is out"]


def run_of(answer: Answer, at: str) -> Answer:
    """Return the job's run in the answer of the scheduler; raises Failed if nothing was due."""
    runs: list[Answer] = [r for r in answer.get("runs") or () if r.get("job") == MODEL]
    if not runs:
        raise Failed(f"nothing was due at {at}", fix="mlops-nb jobs")
    return runs[-1]
