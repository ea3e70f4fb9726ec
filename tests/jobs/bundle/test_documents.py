"""The pages of a bundle say what a reviewer asks, and are tables that hold."""

import dataclasses
from html.parser import HTMLParser

import mistune
import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlops_nb import markup
from mlops_nb.evaluation.model import Verdict
from mlops_nb.jobs.bundle.documents import BundleFacts, card, dockerfile, review
from mlops_nb.jobs.model import Job, Proof, Schedule
from mlops_nb.notebook.model import Pipeline, Step
from mlops_nb.serving import log_size
from mlops_nb.serving.settings import ServingNotes

JOB = Job(
    name="flights",
    notebook="pipeline.ipynb",
    folder="notebooks",
    source="notebooks/train.ipynb",
    parameters={"depth": 3},
    schedule=Schedule(cron="0 3 1 * *", timezone="Asia/Seoul"),
    model_name="flights",
    model_variable="model",
    secrets={"DB_PASSWORD": {"env": "DB_PASSWORD"}},
)
FACTS = BundleFacts(
    job=JOB,
    pipeline=Pipeline(
        notebook="a",
        parameters=(),
        edges=(),
        cells=(),
        steps=(Step(name="load", title="Load", cells=(0,), makes=("raw",), parameters=("depth",)),),
    ),
    proof=Proof(equal=True, steps=(), because="Bitwise."),
    metrics={"auc": 0.123456789, "a|b": 1.0},
    verdicts=(Verdict(gate="auc >= 0.6", passed=False, value=0.5, because="auc 0.5\nis | not"),),
    left_out=(
        ("In [4]", "only shows something"),
        ("cell 8 (`a|b`)", "sets up what nothing kept uses"),
    ),
    touches={"files": ("data/a.csv",), "hosts": ("example.org",)},
    schema={
        "frames": {"load": {"raw": {"rows": 9, "columns": {"a|b": {"kind": "n", "missing": 0.5}}}}}
    },
    model_type="sklearn.Tree",
    python="3.12.1",
    packages={"numpy": "2"},
    seconds=1.25,
)


def tables(page):
    """Return a page's tables as lists of rows, split where Markdown splits; checks their width."""
    found, rows = [], []
    for line in [*page.splitlines(), ""]:
        if line.startswith("|"):
            cells = line.replace("\\|", "\0").strip("|").split("|")
            rows.append([cell.strip().replace("\0", "|") for cell in cells])
        elif rows:
            assert len({len(row) for row in rows}) == 1, rows
            found.append([rows[0], *rows[2:]])
            rows = []
    return found


def test_the_review_tells_what_was_left_out_and_why():
    page = review(FACTS)
    assert (
        "- In [4]: only shows something\n- cell 8 (a\\|b): sets up what nothing kept uses\n" in page
    )
    nothing = dataclasses.replace(FACTS, left_out=())
    assert review(nothing).endswith("## Left out of the job\n\nnothing\n")


def test_the_review_names_what_the_job_reaches_and_never_a_secret_s_value():
    page = review(FACTS)
    for said in (
        "`pipeline.ipynb` in `notebooks/`",
        "`0 3 1 * *` in Asia/Seoul",
        "`depth = 3`",
        "`model` as `flights`",
        "`DB_PASSWORD`",
        "`data/a.csv`",
        "`example.org`",
        "equal in 0 steps. Bitwise.",
        "3.12.1, 1 packages",
        "1.2 s",
    ):
        assert said in page
    assert "**Environment**: none" in page


def test_pipes_and_line_ends_do_not_break_a_table():
    found = tables(review(FACTS))
    assert found[0][1] == ["load", "", "raw", "depth"]
    assert found[1] == [["column", "kind", "missing", "must be"], ["a|b", "n", "50.00%", ""]]
    assert found[2][1] == ["auc >= 0.6", "NOT met", "auc 0.5 is | not"]
    assert tables(card(FACTS))[0] == [["metric", "value"], ["auc", "0.123457"], ["a|b", "1"]]


def test_a_job_with_little_says_so():
    bare = dataclasses.replace(
        FACTS,
        job=Job(name="a", notebook="n", folder=".", source="a.ipynb"),
        proof=Proof(equal=None),
        verdicts=(),
        metrics={},
        schema={},
    )
    page = review(bare)
    for said in (
        "none, by hand only",
        "**Model**: none",
        "**Proof**: not asked for",
        "every trained model is released",
        "no data frame was loaded",
    ):
        assert said in page
    assert "no metrics" in card(bare)


def test_a_proof_that_is_not_equal_says_so_loudly():
    page = review(dataclasses.replace(FACTS, proof=Proof(equal=False, because="x differs")))
    assert "NOT equal in 0 steps. x differs" in page


def test_the_card_leaves_room_for_a_person():
    page = card(FACTS)
    assert page.startswith("# Model card: flights\n")
    assert "- **Type**: sklearn.Tree" in page
    assert "**Known limits**" in page


def test_the_card_lists_all_columns_that_callers_send_by_kind():
    columns = [
        {"name": f"{kind}{n}", "kind": kind, "missing": kind == "time"}
        for n in range(30)
        for kind in ("int", "time", "text")
    ]
    by_kind = log_size.columns_by_kind({"columns": columns})
    page = card(dataclasses.replace(FACTS, notes=ServingNotes(columns=by_kind)))
    assert "## What callers send: 90 columns\n" in page
    assert "- **whole number**: `int0`, `int1`" in page
    assert "- **time or null**: `time0`" in page
    assert "`text29`" in page
    assert "callers send" not in card(FACTS)


def test_the_dockerfile_runs_the_pipeline_as_nobody_special():
    text = dockerfile(JOB, "3.12.1")
    assert "FROM python:3.12-slim" in text
    assert text.index("USER job") < text.index("ENTRYPOINT")
    assert "ENV MLOPS_NB_FOLDER=/project/notebooks" in text
    assert "--require-hashes" in text


def test_what_schema_json_asks_of_a_column_is_said_in_words():
    columns = {
        "delay": {"kind": "number", "missing": "allowed", "min": -1500, "max": 2700.5},
        "year": {"kind": "number", "missing": "never"},
        "city": {"kind": "text", "missing": "allowed", "categories": ["a"], "new": "refused"},
        "level": {"kind": "number", "missing": "allowed", "max": 3},
    }
    seen = {"delay": {"missing": 0.0213}, "city": {"missing": 0.0}}
    schema = {
        "frames": {"load": {"raw": {"rows": 9, "columns": columns}}},
        "profile": {"load": {"raw": seen}},
    }
    assert tables(review(dataclasses.replace(FACTS, schema=schema)))[1][1:] == [
        ["delay", "number", "2.13%", "-1500 to 2700.5"],
        ["year", "number", "unknown", "never missing"],
        ["city", "text", "0.00%", "one of `a`, others are refused"],
        ["level", "number", "unknown", "to 3"],
    ]


def test_the_card_shows_intervals_where_they_are_of_the_notebook_s_own_value():
    def score(value, n):
        return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": n}

    none = {"value": None, "low": None, "high": None, "n": 2}
    scored = {
        "least": 30,
        "rows": {"city": {"Busan": 40, "Seoul": 2}},
        "whole": {"auc": score(0.7, 42), "recall": score(0.5, 9), "f1": score(0.4, 42)},
        "by": {"auc_by_city": {"Busan": score(0.6, 40), "Seoul": none}},
    }
    facts = dataclasses.replace(FACTS, metrics={"auc": 0.7, "f1": 0.9}, evaluation=scored)
    found = tables(card(facts))
    assert found[0] == [
        ["metric", "value", "95 % interval", "rows"],
        ["auc", "0.7", "0.6 to 0.8", "42"],
        ["recall", "0.5", "0.4 to 0.6", "9"],
        ["f1", "0.9", "", ""],
    ]
    assert found[1][1:] == [
        ["auc by city", "Busan", "0.6", "0.5 to 0.7", "40"],
        ["auc by city", "Seoul", "none", "", "2"],
    ]
    assert "Slices of fewer than 30 rows" in card(facts)


TEXTS = st.one_of(
    st.sampled_from(
        (
            "x\r\r## Gates\r\r| gate | verdict |\r|---|---|\r| auc | passed |\r",
            "<img src=x onerror=alert(1)>",
            "a|b`c",
            "\u2028# d\x85",
            "\\",
        )
    ),
    st.text(min_size=1, max_size=12),
    st.text(alphabet="\\`*_[]()<>&|~$#+-=.:!\r\n 1a\u2028\u202e", min_size=1, max_size=12),
)
render_page = mistune.create_markdown(escape=False, plugins=["table", "strikethrough"])


class Shape(HTMLParser):
    """The tags of a page, and the text of its headings and cells."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(render_page(page))
        self.close()

    def handle_starttag(self, tag, attributes):
        if tag != "code":
            self.tags.append((tag, *attributes))
        self.texts.append("")

    def handle_data(self, data):
        if self.texts:
            self.texts[-1] += data


def everywhere(text):
    """Return facts with a text in each place that data and notebooks fill."""
    column = {"kind": "text", "missing": "allowed", "categories": [text, text], "new": "refused"}
    score = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}
    return BundleFacts(
        job=msgspec.structs.replace(
            JOB,
            source=text,
            folder=text,
            parameters={text: text},
            model_name=text,
            model_variable=text,
            secrets={text: {"env": text}},
        ),
        pipeline=Pipeline(
            notebook=text,
            parameters=(),
            edges=(),
            cells=(),
            steps=(
                Step(
                    name=text,
                    title=text,
                    cells=(0,),
                    uses=(text,),
                    makes=(text,),
                    parameters=(text,),
                ),
            ),
        ),
        proof=Proof(equal=True, steps=(), because=text),
        metrics={text: 1.0},
        verdicts=(Verdict(gate=text, passed=True, value=0.5, because=text),),
        left_out=((text, text), (f"cell 8 (`{text}`)", text)),
        touches=dict.fromkeys(("files", "written", "hosts", "environment"), (text,)),
        schema={
            "frames": {text: {text: {"rows": 9, "columns": {text: column, f"{text}-b": column}}}}
        },
        model_type=text,
        python=text,
        packages={text: text},
        evaluation={
            "least": 30,
            "whole": {text: score},
            "by": {f"{text}_by_{text}": {text: score}},
        },
    )


@pytest.mark.parametrize("document", [review, card])
@settings(deadline=None)
@given(text=TEXTS)
def test_no_text_changes_the_structure_of_a_document(document, text):
    assume(text.split())
    found, plain = Shape(document(everywhere(text))), Shape(document(everywhere("word")))
    assert found.tags == plain.tags
    shown = " ".join(markup.visible(text).split())
    assert shown in [" ".join(t.split()) for t in found.texts]


@settings(deadline=None)
@given(text=TEXTS)
def test_no_folder_adds_an_instruction_to_the_dockerfile(text):
    job = msgspec.structs.replace(JOB, folder=text)
    lines, plain = (dockerfile(j, "3.12").splitlines() for j in (job, JOB))
    assert [line.split(" ")[0] for line in lines] == [line.split(" ")[0] for line in plain]
