"""No text of a notebook or a journal becomes markup in an answer: the tags stay the same."""

from html.parser import HTMLParser

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_nb.jupyter.widgets import explain, jobs, models, runs, steps
from mlops_nb.jupyter.widgets.command import Reply
from mlops_nb.markup import visible

ATTACKS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><b>",
    "</pre></td></table><h1>",
    "+<i>\n-<u>\t\r@@",
    "&lt;script&gt;",
    "\x1b[31m\u202e",
)
TEXTS = st.sampled_from(ATTACKS) | st.text(max_size=30)


class Tags(HTMLParser):
    """The tags of some HTML, with the names of their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, *(name for name, _ in attributes)))

    def handle_comment(self, data):
        self.found.append(("comment", data))


def answers(text):
    """Return the HTML and the text of each answer, with a text wherever one may be."""
    yield "runs", runs.render([run(text)], 1)
    job = {
        "job": text,
        "status": text,
        "schedule": {"cron": text, "timezone": text},
        "triggers": [text],
        "next": f"1{text}",
        "last": {"status": text},
        "differs_from_notebook": [text],
    }
    yield (
        "jobs",
        jobs.render(
            Reply(answer={"jobs": [job], "scheduler": {"seen": text or None}}, said=f"1{text}")
        ),
    )
    version = {"version": 1, "status": text, "metrics": {text: text}, "created": text, "run": text}
    model = {"name": text, "champion": 1, "versions": [version]}
    yield "models", models.render(Reply(answer={"models": [model]}, said=f"1{text}"))
    yield "diff", explain.render_diff(Reply(answer=difference(text), said=""))
    nodes = [{"id": key, "kind": "value", "label": text, "digest": text} for key in ("a", "b")]
    yield "lineage", explain.render_lineage({"nodes": nodes, "edges": [["a", "b"]]})
    yield "watch", explain.render_watch(Reply(answer=watched(text), said=text))
    state = pipeline(text)
    yield "status", (steps.html_steps(state), steps.text_steps(state))
    yield "graph", (steps.draw_pipeline(state, text), steps.text_graph(state))


def run(text):
    return {
        "run": text,
        "notebook": text,
        "status": text,
        "seconds": 1.0,
        "parameters": {text: text},
        "metrics": {text: 1.0},
        "error": text,
    }


def difference(text):
    change = {"name": text, "from": text, "to": text}
    return {
        "runs": [text, text],
        "same": False,
        "code": [{"label": text, "step": f"1{text}", "diff": f" {visible(text)}"}],
        "parameters": [change],
        "metrics": [change],
        "packages": [change],
        "data": [{**change, "kind": text, "step": text}],
        "steps": [{"name": text, "from": None, "to": {"status": text, "seconds": 1.0}}],
        "not_recorded": [text],
    }


def watched(text):
    metric = {
        "metric": text,
        "model_version": None,
        "value": 1.0,
        "low": None,
        "high": 1.0,
        "labels": 1,
        "coverage": 1.0,
    }
    moved = {
        "column": text,
        "drifted": True,
        "direction": text,
        "statistic": text,
        "value": 1.0,
        "threshold": 1.0,
    }
    alert = {"kind": text, "what": text, "since": text}
    return {
        "model": text,
        "rows": 1,
        "dropped": 1,
        "metrics": [metric],
        "drift": [moved],
        "alerts": [alert],
    }


def pipeline(text):
    step = {"name": text, "title": text, "uses": [text], "makes": [text], "parameters": [text]}
    state = {"state": f"1{text}", "because": f"1{text}", "seconds": 1.0}
    graph = {"steps": [step], "edges": [[text, text, [text]]]}
    return {"graph": graph, "steps": {text: state}}


PLAIN = {name: Tags(html).found for name, (html, _) in answers("word")}


@settings(deadline=None, max_examples=60)
@given(text=TEXTS)
@example(text=ATTACKS[0])
@example(text=ATTACKS[1])
@example(text=ATTACKS[3])
def test_no_text_is_markup(text):
    for name, (html, _) in answers(text):
        assert Tags(html).found == PLAIN[name], name


def test_code_of_a_diff_keeps_its_lines_and_colors_only_its_own():
    diff = "@@ -1 +1 @@\n-a = '<b>'\n+a = '<i>'\n\tb"
    answer = {**difference("word"), "code": [{"label": "c", "step": "", "diff": diff}]}
    html, _ = explain.render_diff(Reply(answer=answer, said=""))
    assert html.count("<span style=") == 2
    assert "-a = &#x27;&lt;b&gt;&#x27;</span>\n" in html
    assert "    b</pre>" in html


def test_a_question_says_which_version_serves_now_and_which_will():
    model = {
        "name": "m",
        "champion": 3,
        "versions": [
            {"version": 2, "status": "previous"},
            {"version": 3, "status": "champion"},
            {"version": 4, "status": "waiting"},
            {"version": 5, "status": "waiting"},
        ],
    }
    found = models.acts(model)
    assert [act.label for act in found] == [
        "Roll back to version 2",
        "Approve version 4",
        "Approve version 5",
    ]
    assert found[0].words == ("rollback", "--to", "2", "--", "m")
    question = found[0].question(model)
    assert "Version 3 serves now; from then on version 2 is the champion" in question
