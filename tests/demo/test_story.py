"""The demo reads the answers of its commands, whatever they are."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mlops_nb.demo.results import Command, Results
from mlops_nb.demo.story import Story
from mlops_nb.demo.terminal import Terminal
from mlops_nb.errors import Failed

Answer = dict[str, Any]


def run(version: int | None, *, met: bool = True, status: str = "finished") -> Answer:
    gate = {"gate": "auc >= champion - 0.01", "passed": met, "value": 0.7, "champion": 0.65}
    return {"job": "flights", "status": status, "model_version": version, "gates": [gate]}


class Script:
    """Answers every command from a table, and lists the commands."""

    folder = Path("demo")

    def __init__(self, judge: Callable[[str], Answer]) -> None:
        self.judge = judge
        self.commands: list[Command] = []
        self.champion = 0
        self.last: Answer = {}

    def run(self, words: Sequence[str], *, may_refuse: bool = False) -> Answer:
        del may_refuse
        if words[0] == "score":
            return {"auc": 0.6}
        typed = " ".join(words)
        self.commands.append(Command(typed=typed, began=0, seconds=0, outcome="done"))
        if words[1] == "promote":
            return {"model": {"version": 1}, "gates": run(1)["gates"], "proof": {"equal": True}}
        if words[1] in ("scheduler", "trigger"):
            self.last = self.judge(typed)
            self.champion = self.last["model_version"] or self.champion
            return {"runs": [self.last]} if words[1] == "scheduler" else self.last
        if words[1] == "rollback":
            self.champion -= 1
        return {"models": [{"name": "flights", "champion": self.champion}]}


def run_story(months: int, judge: Callable[[str], Answer]) -> tuple[Results, list[str], list[str]]:
    lines: list[str] = []
    script = Script(judge)
    results = Story(script, lines.append).run(months)
    return results, lines, [command.typed for command in script.commands]


def gates_that_catch(typed: str) -> Answer:
    if "2013-05-01T03" in typed:
        return run(None, met=False, status="refused")
    versions = {"2013-03": 2, "2013-04": 3, "2013-05-02T09": 4, "2013-06": 5, "2013-07": 6}
    return run(next(version for day, version in versions.items() if day in typed))


def test_six_months_run_with_one_refusal_a_repair_and_a_rollback() -> None:
    results, lines, typed = run_story(6, gates_that_catch)
    assert [t.version for t in results.ended("released")] == [1, 2, 3, 4, 5, 6]
    assert [(t.month, t.spoiled) for t in results.ended("refused")] == [(4, True)]
    assert results.rolled_back == (6, 5)
    assert results.gain == pytest.approx(0.1)
    assert any("Planted for this demo" in line for line in lines)
    assert sum("--spoil" in line for line in typed) == 1
    assert typed[-2:] == ["mlops-nb rollback flights", "mlops-nb models"]


def test_a_month_stopped_by_its_data_is_repaired() -> None:
    def checks_that_catch(typed: str) -> Answer:
        if "2013-05-01T03" in typed:
            return run(None, status="failed")
        return gates_that_catch(typed)

    results, lines, _ = run_story(6, checks_that_catch)
    assert [(t.month, t.spoiled) for t in results.ended("stopped")] == [(4, True)]
    assert results.ended("refused") == ()
    assert any("caught before anything was trained" in line for line in lines)


def test_each_month_is_judged_at_three_in_the_morning_in_seoul() -> None:
    _, _, typed = run_story(3, gates_that_catch)
    assert [line for line in typed if "scheduler" in line] == [
        "mlops-nb scheduler --once --at 2013-03-01T03:00:00+09:00",
        "mlops-nb scheduler --once --at 2013-04-01T03:00:00+09:00",
    ]


def test_gates_that_miss_the_error_are_not_praised() -> None:
    _, lines, _ = run_story(4, lambda typed: run(9 if "trigger" in typed else 3))
    assert any("NOT caught" in line for line in lines)


def test_a_run_that_failed_stops_the_story() -> None:
    with pytest.raises(Failed, match="the run of February ended as failed"):
        run_story(6, lambda _: run(None, status="failed"))


def test_a_scheduler_that_finds_nothing_due_stops_the_story() -> None:
    with pytest.raises(Failed, match="nothing was due at 2013-03-01"):
        run_story(6, lambda _: run(None) | {"job": "another"})


def test_a_command_that_fails_stops_the_story_and_shows_its_words(tmp_path: Path) -> None:
    lines: list[str] = []
    shell = Terminal(tmp_path, lines.append)
    with pytest.raises(Failed, match="exit status 2"):
        shell.run(("python", "-c", "import sys; sys.exit('  fix: like this' and 2)"))
    assert shell.commands[0].outcome == "failed"
    assert lines[0].startswith("$ python -c")


def test_an_answer_of_no_is_an_answer_where_it_may_be_one(tmp_path: Path) -> None:
    shell = Terminal(tmp_path, lambda _: None)
    no = "print('{\"runs\": []}'); raise SystemExit(1)"
    assert shell.run(("python", "-c", no), may_refuse=True) == {"runs": []}
    assert shell.commands[0].outcome == "the answer is no"
