"""The output and the report of the demo show what was measured, a gain or a loss."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mlops_nb.demo import commands, messages, story, terminal
from mlops_nb.demo import folder as demo_folder
from mlops_nb.demo.calls import Call, Calls, LogCheck, Takeover
from mlops_nb.demo.report import render
from mlops_nb.demo.results import Command, Results, Trial, read_trial
from mlops_nb.errors import Refused

FLOOR, RELATIVE = "auc >= 0.55", "auc >= champion - 0.01"
HOSTILE = '<script src="https://evil.example/x.js">&"'


def trial(month: int, value: float, champion: float | None, **more: object) -> Trial:
    row = {
        "status": "finished",
        "model_version": month,
        "gates": [
            {"gate": FLOOR, "passed": True, "value": value, "champion": None},
            {"gate": RELATIVE, "passed": True, "value": value, "champion": champion},
        ],
    }
    spoiled = bool(more.pop("spoiled", False))
    return read_trial(row | more, month=month, verb="scheduler", spoiled=spoiled)


def make_results(**more: object) -> Results:
    fields: dict[str, object] = {
        "trials": (
            trial(1, 0.64, None),
            trial(2, 0.66, 0.62),
            trial(3, 0.57, 0.61, status="refused", model_version=None, spoiled=True),
            trial(3, 0.69, 0.67),
        ),
        "without": {1: 0.64, 2: 0.62, 3: 0.63},
        "commands": (Command(typed="mlops-nb jobs", began=61.2, seconds=3.0, outcome="done"),),
        "rolled_back": (3, 2),
        "seconds": 200.0,
    }
    return Results(**(fields | more))  # type: ignore[arg-type]


class Page(HTMLParser):
    """The tags and words of a page; every tag must be closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def marks(self, kind: str) -> Iterator[tuple[int, float]]:
        """Yield month and value of each mark of a kind."""
        for _, attributes in self.tags:
            if attributes.get("class") == kind and attributes.get("data-month"):
                yield int(attributes["data-month"] or 0), float(attributes["data-value"] or 0)


def test_both_curves_pass_through_what_was_measured() -> None:
    seen = Page(render(make_results()))
    assert list(seen.marks("without")) == [(1, 0.64), (2, 0.62), (3, 0.63)]
    assert list(seen.marks("retrained")) == [(1, 0.64), (2, 0.66), (3, 0.69)]


def test_a_higher_value_is_drawn_higher_and_a_later_month_further_right() -> None:
    dots = [a for tag, a in Page(render(make_results())).tags if tag == "circle"]
    retrained = [dot for dot in dots if dot["class"] == "retrained"]
    across = [float(dot["cx"] or 0) for dot in retrained]
    down = [float(dot["cy"] or 0) for dot in retrained]
    assert across == sorted(across)
    assert down == sorted(down, reverse=True)


def test_a_refused_model_is_marked_and_is_no_point_of_a_curve() -> None:
    assert list(Page(render(make_results())).marks("refused")) == [(3, 0.57)]


def test_the_page_loads_nothing_from_a_server() -> None:
    text = render(make_results())
    assert not re.search(r"https?:|//\w|@import|url\(", text)
    assert not [tag for tag, a in Page(text).tags if {"src", "href", "data"} & set(a)]
    assert "prefers-color-scheme: dark" in text


def test_hostile_text_stays_text() -> None:
    gates = ({"gate": f"auc >= {HOSTILE}", "passed": False, "value": 0.5, "champion": None},)
    hostile = Trial(month=2, verb="trigger", status="odd", because=HOSTILE, gates=gates)
    command = Command(typed=HOSTILE, began=0, seconds=0, outcome=HOSTILE)
    seen = Page(render(make_results(trials=(trial(1, 0.6, None), hostile), commands=(command,))))
    assert "script" not in {tag for tag, _ in seen.tags}
    assert "".join(seen.words).count(HOSTILE) == 4


def test_the_chart_can_be_read_by_a_screen_reader() -> None:
    seen = Page(render(make_results()))
    drawing = next(a for tag, a in seen.tags if tag == "svg")
    assert drawing["role"] == "img"
    named = {a.get("id") for _, a in seen.tags}
    assert set((drawing["aria-labelledby"] or "").split()) <= named
    heads = [a for tag, a in seen.tags if tag == "th"]
    assert heads
    assert all(a.get("scope") in ("col", "row") for a in heads)


def test_the_gain_is_the_mean_over_the_months_after_the_first() -> None:
    assert make_results().gain == pytest.approx(0.05)
    assert "gained 0.050" in messages.verdict(make_results())
    assert "+0.050" in render(make_results())


def test_a_loss_is_called_a_loss() -> None:
    worse = make_results(without={1: 0.64, 2: 0.7, 3: 0.7})
    assert "lost 0.025" in messages.verdict(worse)
    assert "-0.025" in render(worse)


def test_the_report_says_that_the_error_was_planted() -> None:
    caught = render(make_results())
    assert "was planted for this demo" in caught
    assert "kept the model that had learned from it out of service" in caught
    passed = make_results(trials=(trial(1, 0.6, None), trial(3, 0.6, 0.6, spoiled=True)))
    assert "was planted for this demo" in render(passed)
    assert "Neither the data checks nor the gates caught it" in render(passed)
    assert "NOT caught" in "".join(messages.judged(passed.trials[1]))


def test_a_stopped_month_names_the_column_and_has_no_point() -> None:
    why = "column 'arr_delay' of 'flights' is above 3000"
    stopped = trial(3, 0.6, 0.6, spoiled=True, status="failed", because=why, gates=())
    results = make_results(trials=(trial(1, 0.6, None), stopped))
    assert "arr_delay" in render(results)
    assert "stopped by its data" in render(results)
    assert "caught before anything was trained" in "".join(messages.judged(stopped))
    assert list(Page(render(results)).marks("refused")) == []
    assert results.months[-1].retrained is None


def test_a_refused_month_counts_with_the_model_that_stayed() -> None:
    refused = trial(2, 0.5, 0.61, status="refused", model_version=None)
    months = make_results(trials=(trial(1, 0.64, None), refused)).months
    assert months[1].retrained == 0.61


def make_calls(*failures: str, extra: int = 0) -> Calls:
    versions = [1] * 400 + [2] * 600
    calls = [
        Call(number=n, request_id=f"2013-02-{n:05d}", month=2, version=version, seconds=n / 1e4)
        for n, version in enumerate(versions, 1)
    ]
    for n, error in enumerate(failures, len(calls) + 1):
        call = Call(number=n, request_id="", month=2, version=None, seconds=9, error=error)
        calls.append(call)
    takeover = Takeover(version=2, month=2, call=calls[400])
    log = LogCheck(rows=1000 + extra, missing=0, extra=extra)
    return Calls(calls=tuple(calls), takeovers=(takeover,), log=log)


def test_the_requests_are_shown_by_month_and_by_version() -> None:
    words = " ".join(" ".join(Page(render(make_results(calls=make_calls()))).words).split())
    assert "1,000 were answered and none failed" in words
    assert "v1: 400 v2: 600 v2 from 2013-02-00401 50 ms 99 ms" in words
    assert "log has each of the 1,000 answered requests once" in words


def test_failed_requests_are_shown_with_their_reasons() -> None:
    results = make_results(calls=make_calls("503: busy", HOSTILE, "503: busy"))
    words = " ".join(" ".join(Page(render(results)).words).split())
    assert "1,000 were answered and 3 failed" in words
    assert "2 failed : 503: busy" in words
    assert HOSTILE in words
    lines = list(messages.served(results.calls))
    assert "  2 failed: 503: busy" in lines
    assert "3 failed" in lines[0]
    assert "p99 99 ms" in lines[0]


def test_a_log_that_differs_is_reported() -> None:
    results = make_results(calls=make_calls(extra=2))
    assert "2 are too many" in render(results)
    assert "2 are too many" in "".join(messages.served(results.calls))


def test_a_version_that_never_answered_is_reported() -> None:
    takeover = Takeover(version=2, month=2, call=None)
    results = make_results(calls=replace(make_calls(), takeovers=(takeover,)))
    assert '<span class="bad">never</span>' in render(results)
    assert "NONE" in messages.took_over(takeover)


def test_the_output_ends_with_every_month_and_the_report(tmp_path: Path) -> None:
    lines = list(messages.summary(make_results(), tmp_path / "r.html"))
    assert any(line.split() == ["February", "0.620", "0.660", "+0.040"] for line in lines)
    assert "3 models released, 1 refused, 0 stopped" in "".join(lines)
    assert lines[-1].endswith("r.html")
    assert "3:20" in lines[-1]


def test_a_command_is_shown_as_it_would_be_typed() -> None:
    lines = terminal.wrapped(commands.promote())
    assert lines[0].startswith("$ mlops-nb promote notebooks/flights.ipynb --name flights")
    assert '--gate "auc >= champion - 0.01"' in "\n".join(lines)
    assert all(line.endswith("\\") for line in lines[:-1])
    assert all(len(line) <= 100 for line in lines)


def test_a_demo_never_writes_to_a_real_server() -> None:
    given = {"PATH": "/bin", "MLFLOW_TRACKING_URI": "http://prod", "MLOPS_NB_JOURNAL": "x"}
    assert terminal.without_servers(given) == {"PATH": "/bin"}


def test_a_folder_with_other_files_is_refused_and_unchanged(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(Refused, match="not empty"):
        story.run_demo(tmp_path, out=lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_old_demo_is_cleared_and_only_it(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    assert demo_folder.set_up(folder) is False
    (folder / "jobs").mkdir()
    (folder / "mine.txt").write_text("kept")
    assert demo_folder.set_up(folder) is True
    names = {path.name for path in folder.iterdir()}
    assert names == {"mlops-nb.toml", "notebooks", "mine.txt"}


@pytest.mark.parametrize("months", [0, 1, 13])
def test_too_few_or_many_months_are_refused_before_any_write(months: int, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot run"):
        story.run_demo(tmp_path / "demo", months, out=lambda _: None)
    assert not (tmp_path / "demo").exists()


ARMS = {
    "months": [
        {
            "month": 2,
            "auc": {"frozen": 0.6, "schedule": 0.62, "triggered": 0.61, "oracle": 0.65},
            "gain": {
                arm: {"value": gain, "low": gain - 0.01, "high": gain + 0.01}
                for arm, gain in (
                    ("frozen", 0.0),
                    ("schedule", 0.02),
                    ("triggered", 0.01),
                    ("oracle", 0.05),
                )
            },
        }
    ],
    "alarms": [{"day": "2013-05-02", "since": "2013-04-20"}],
}
STREAM = {
    "title": "a sudden change",
    "seeds": 20,
    "early": 0,
    "alarm": 9,
    "labels": None,
    "lag": 7,
    "mend": "retrain",
    "mended": 14,
}


def test_the_four_ways_and_the_streams_are_shown_as_they_were_measured() -> None:
    arms = {**ARMS, "all": {**ARMS["months"][0], "month": None}}
    words = " ".join(Page(render(make_results(arms=arms, streams=(STREAM,)))).words)
    text = " ".join(words.split())
    assert "+0.020 (95 % +0.010 to +0.030)" in text
    assert "2013-05-02, of a change since 2013-04-20" in text
    assert "harm found after 9 days: 7 of waiting for labels, 2 to detect it" in text
    assert "retrain 5 days later" in text
    assert "Was it worth it?" not in render(make_results())
