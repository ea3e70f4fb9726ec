"""The demo reads the answers of its commands, whatever they are."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pyarrow
import pyarrow.parquet
import pytest

from mlops_nb.demo.callers import Pace
from mlops_nb.demo.results import Command, Results
from mlops_nb.demo.rows import path_of
from mlops_nb.demo.story import Story
from mlops_nb.demo.terminal import Terminal
from mlops_nb.errors import Failed

Answer = dict[str, Any]
SMALL_SERVER = Path(__file__).with_name("small_server.py")
PACE = Pace(callers=4, beat=0.01, least=20)


def run(version: int | None, *, met: bool = True, status: str = "finished") -> Answer:
    gate = {"gate": "auc >= champion - 0.01", "passed": met, "value": 0.7, "champion": 0.65}
    return {"job": "flights", "status": status, "model_version": version, "gates": [gate]}


OWN: dict[str, Answer] = {  # answers of the demo's own programs
    "score": {"auc": 0.6},
    "stop": {},
    "arms": {},
    "streams": {"streams": []},
}


class Script:
    """Answers every command from a table, and lists the commands; a small server is real."""

    def __init__(self, folder: Path, judge: Callable[[str], Answer]) -> None:
        self.folder = folder
        self.judge = judge
        self.commands: list[Command] = []
        self.terminal = Terminal(folder, lambda _: None)
        self.server = 0  # its process
        self.last: Answer = {}
        self.flights = [{"number": number} for number in range(100_000)]
        self.put_into_service(1)

    def put_into_service(self, version: int) -> None:
        self.champion = version
        path = self.folder / "champion.new"
        path.write_text(str(version))
        path.replace(self.folder / "champion")

    def start(self, words: Sequence[str]) -> Answer:
        assert words[:3] == ("mlops-nb", "serve", "flights")
        answer = self.terminal.start(("python", str(SMALL_SERVER)))
        self.server = self.terminal.background[0][1].process.pid
        return answer

    def end(self, *, may_fail: bool = False) -> None:
        self.terminal.end(may_fail=may_fail)

    def run(self, words: Sequence[str], *, may_refuse: bool = False) -> Answer:
        del may_refuse
        if words[0] in OWN:
            return OWN[words[0]]
        if words[0] == "rows":
            (self.folder / "requests").mkdir()
            for month in range(2, int(words[2]) + 1):
                table = pyarrow.Table.from_pylist(self.flights)
                pyarrow.parquet.write_table(table, path_of(self.folder, month))
            return {}
        if words[0] == "logged":
            return {"request_ids": (self.folder / "answered").read_text().split()}
        typed = " ".join(words)
        self.commands.append(Command(typed=typed, began=0, seconds=0, outcome="done"))
        if words[1] == "promote":
            return {"model": {"version": 1}, "gates": run(1)["gates"], "proof": {"equal": True}}
        if words[1] in ("scheduler", "trigger"):
            self.last = self.judge(typed)
            self.put_into_service(self.last["model_version"] or self.champion)
            return {"runs": [self.last]} if words[1] == "scheduler" else self.last
        if words[1] == "rollback":
            self.put_into_service(self.champion - 1)
            return {"champion": self.champion, "previous": self.champion + 1}
        return {"models": [{"name": "flights", "champion": self.champion}]}


def run_story(
    folder: Path, months: int, judge: Callable[[str], Answer]
) -> tuple[Results, list[str], list[str]]:
    lines: list[str] = []
    script = Script(folder, judge)
    results = Story(script, lines.append, PACE).run(months)
    return results, lines, [command.typed for command in script.commands]


def gates_that_catch(typed: str) -> Answer:
    if "2013-05-01T03" in typed:
        return run(None, met=False, status="refused")
    versions = {"2013-03": 2, "2013-04": 3, "2013-05-02T09": 4, "2013-06": 5, "2013-07": 6}
    return run(next(version for day, version in versions.items() if day in typed))


def test_six_months_run_with_one_refusal_a_repair_and_a_rollback(tmp_path: Path) -> None:
    results, lines, typed = run_story(tmp_path, 6, gates_that_catch)
    assert [t.version for t in results.ended("released")] == [1, 2, 3, 4, 5, 6]
    assert [(t.month, t.spoiled) for t in results.ended("refused")] == [(4, True)]
    assert results.rolled_back == (6, 5)
    assert results.gain == pytest.approx(0.1)
    assert any("Planted for this demo" in line for line in lines)
    assert sum("--spoil" in line for line in typed) == 1
    assert typed[-2:] == ["mlops-nb rollback flights", "mlops-nb models"]


def test_a_month_stopped_by_its_data_is_repaired(tmp_path: Path) -> None:
    def checks_that_catch(typed: str) -> Answer:
        if "2013-05-01T03" in typed:
            return run(None, status="failed")
        return gates_that_catch(typed)

    results, lines, _ = run_story(tmp_path, 6, checks_that_catch)
    assert [(t.month, t.spoiled) for t in results.ended("stopped")] == [(4, True)]
    assert results.ended("refused") == ()
    assert any("caught before anything was trained" in line for line in lines)


def test_each_month_is_judged_at_three_in_the_morning_in_seoul(tmp_path: Path) -> None:
    _, _, typed = run_story(tmp_path, 3, gates_that_catch)
    assert [line for line in typed if "scheduler" in line] == [
        "mlops-nb scheduler --once --at 2013-03-01T03:00:00+09:00",
        "mlops-nb scheduler --once --at 2013-04-01T03:00:00+09:00",
    ]


def test_gates_that_miss_the_error_are_not_praised(tmp_path: Path) -> None:
    _, lines, _ = run_story(tmp_path, 4, lambda typed: run(9 if "trigger" in typed else 3))
    assert any("NOT caught" in line for line in lines)


def test_a_run_that_failed_stops_the_story(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="the run of February ended as failed"):
        run_story(tmp_path, 6, lambda _: run(None, status="failed"))


def test_a_scheduler_that_finds_nothing_due_stops_the_story(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="nothing was due at 2013-03-01"):
        run_story(tmp_path, 6, lambda _: run(None) | {"job": "another"})


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


def test_versions_take_over_while_requests_are_answered(tmp_path: Path) -> None:
    results, lines, _ = run_story(tmp_path, 6, gates_that_catch)
    calls = results.calls
    assert calls.failed == 0
    taken = [(t.month, t.version, t.rollback) for t in calls.takeovers]
    released = [(month, month, False) for month in range(2, 7)]
    assert taken == [*released, (6, 5, True)]
    for takeover in calls.takeovers:
        assert takeover.call is not None
        later = [c for c in calls.calls if c.month == takeover.month]
        later = [c for c in later if c.number > takeover.call.number]
        assert sum(c.version == takeover.version for c in later) >= PACE.least - 1
        assert f"version {takeover.version} answers from {takeover.call.request_id}" in str(lines)
    assert all(len(found.versions) == 2 for found in calls.months.values())


def test_each_flight_is_sent_once_in_the_order_of_departure(tmp_path: Path) -> None:
    calls = run_story(tmp_path, 3, gates_that_catch)[0].calls
    ids = [call.request_id for call in calls.months[3].calls]
    assert ids == [f"2013-03-{place:05d}" for place in range(1, len(ids) + 1)]
    assert [call.number for call in calls.calls] == list(range(1, len(calls.calls) + 1))


def test_the_log_is_compared_with_the_answers(tmp_path: Path) -> None:
    calls = run_story(tmp_path, 2, gates_that_catch)[0].calls
    assert calls.log is not None
    assert calls.log.equal
    assert calls.log.rows == calls.answered


def test_requests_that_are_refused_are_counted_and_explained(tmp_path: Path) -> None:
    script = Script(tmp_path, gates_that_catch)
    script.flights[3] = {"number": -1}
    calls = Story(script, lambda _: None, PACE).run(2).calls
    assert calls.errors == [("422: row 0: 'number' is negative", 1)]
    assert calls.calls[3].version is None
    assert calls.log is not None
    assert calls.log.equal


def test_a_server_that_dies_stops_the_story(tmp_path: Path) -> None:
    def kill(_: str) -> Answer:
        psutil.Process(script.server).kill()
        return run(2)

    script = Script(tmp_path, kill)
    with pytest.raises(Failed, match="answers no requests any more"):
        Story(script, lambda _: None, PACE).run(2)


@pytest.mark.parametrize(
    "ending", [KeyboardInterrupt, Failed("no disk", fix="free some"), RuntimeError]
)
def test_a_story_that_breaks_off_leaves_no_server(ending: Any, tmp_path: Path) -> None:
    def break_off(_: str) -> Answer:
        assert psutil.pid_exists(script.server)
        raise ending

    before = set(threading.enumerate())  # those of a server of other tests are not the story's
    script = Script(tmp_path, break_off)
    with pytest.raises(ending if isinstance(ending, type) else type(ending)):
        Story(script, lambda _: None, PACE).run(2)
    assert not psutil.pid_exists(script.server)
    assert set(threading.enumerate()) <= before


def test_a_server_that_never_starts_shows_its_words(tmp_path: Path) -> None:
    lines: list[str] = []
    shell = Terminal(tmp_path, lines.append)
    with pytest.raises(Failed, match="exit status 3"):
        shell.start(("python", "-c", "import sys; print('no port', file=sys.stderr); sys.exit(3)"))
    assert lines[-1] == "  no port"
    shell.end()
