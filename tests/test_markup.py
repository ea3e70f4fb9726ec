"""Texts of data and notebooks are never markup: they are read back by real parsers."""

from html import unescape
from html.parser import HTMLParser
from xml.etree import ElementTree

import mistune
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mlops_nb import markup
from mlops_nb.jupyter import svg, sweep_chart
from mlops_nb.jupyter.widgets import static
from mlops_nb.lineage import graph
from mlops_nb.notebook.model import Edge, Pipeline, Step
from mlops_nb.notebook.render import as_mermaid

ATTACKS = (
    "x\r\r## Gates\r\r| gate | verdict |\r|---|---|\r| auc | passed |\r",
    "a\n\n# b",
    "# a",
    "## a ##",
    "- a",
    "1. a",
    "---",
    "===",
    "> a",
    "    code",
    "```",
    "a`b``c",
    "| a | b |",
    "a\\|b",
    "a\\",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt; &#60;",
    "[a](javascript:alert(1))",
    "![a](b)",
    "[a]: /b",
    "<http://a.b>",
    "http://a.b www.a.b",
    "**a** __b__ ~~c~~ *d* _e_ a_b_c",
    "$x$ #35; %%{init: {}}%% fa:fa-car",
    "\u202eabc\u2066d",
    "\v\f\x1c\x1d\x1e\x85\u2028\u2029\0\x1b[31m",
    "\ud800\ufffe\ufdd0",
    "<!-- a",
    "]]> <![CDATA[ </title></svg><script>",
    "\"' onload='x",
    "",
    " ",
)
TEXTS = st.one_of(
    st.sampled_from(ATTACKS),
    st.text(max_size=20),
    st.text(alphabet="\\`*_[]()<>&|~$#+-=.:!\"'\r\n\t 1aé\u2028\u202e{}^@/", max_size=20),
    st.lists(st.sampled_from(ATTACKS), min_size=2, max_size=3).map("".join),
)
RENDERERS = {
    "mistune": mistune.create_markdown(
        escape=False, plugins=["table", "strikethrough", "footnotes", "task_lists", "def_list"]
    ),
    "markdown-it": MarkdownIt("commonmark").enable(["table", "strikethrough"]).render,
}


class Page(HTMLParser):
    """The tags of a page in order, and the text in each cell and item."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.texts = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        if tag not in {"code", "tbody"}:
            self.tags.append((tag, *attributes))
        if tag in {"h1", "h2", "th", "td", "li", "p"}:
            self.texts.append("")

    def handle_comment(self, data):
        self.tags.append(("comment", data))

    def handle_data(self, data):
        if self.texts:
            self.texts[-1] += data


def blank(text):
    """Return a text as a reader sees it: white space is one blank."""
    return " ".join(text.split())


def page(text, write):
    """Return Markdown with a text wherever a template may insert one."""
    part = write(text)
    return (
        f"# Head {part}\n\n{part}\n\n- {part}\n- **a**: {part}, {part}\n\n"
        f"| a | b |\n|---|---|\n| {part} | x |\n| y | {part}, {part} |\n\n## End\n"
    )


@pytest.mark.parametrize("render", RENDERERS.values(), ids=RENDERERS)
@pytest.mark.parametrize("write", [markup.markdown, markup.code], ids=["text", "code"])
@settings(deadline=None)
@given(text=TEXTS)
def test_no_text_changes_the_structure_of_a_markdown_page(render, write, text):
    assume(text.split())
    found = Page(render(page(text, write)))
    assert found.tags == Page(render(page("word", write))).tags
    wanted = markup.visible(text).strip(" ")
    both = f"{wanted}, {wanted}"
    texts = (
        f"Head {wanted}",
        wanted,
        wanted,
        f"a: {both}",
        "a",
        "b",
        wanted,
        "x",
        "y",
        both,
        "End",
    )
    assert [blank(t) for t in found.texts] == [blank(t) for t in texts]


def test_an_empty_text_is_no_fence_of_code():
    assert [markup.code(text) for text in ("", " ", "a ", "`", "a")] == [
        '""',
        '" "',
        "a",
        "\\`",
        "`a`",
    ]


@settings(deadline=None)
@given(text=TEXTS)
def test_no_text_leaves_its_element_of_html_or_svg(text):
    html = Page(f'<p title="{markup.html(text)}">{markup.html(text)}</p>')
    assert html.tags == [("p", ("title", markup.visible(text)))]
    assert html.texts == [markup.visible(text)]
    node = {"id": text, "kind": "step", "label": text, "title": text, "because": text}
    drawn = ElementTree.fromstring(svg.graph([node, node | {"id": "b"}], [(text, "b", [text])]))
    plain = ElementTree.fromstring(
        svg.graph([{**node, "id": "a"}, {**node, "id": "b"}], [("a", "b", ["a"])])
    )
    if text != "b":
        assert [e.tag for e in drawn.iter()] == [e.tag for e in plain.iter()]


@settings(deadline=None)
@given(text=TEXTS)
def test_no_text_leaves_its_label_of_mermaid(text):
    label = markup.mermaid(text)
    assert not set('"<>`\\#%$:') & set(label)
    assert len(label.splitlines()) <= 1
    assert unescape(label) == markup.visible(text)


def sweep(text):
    runs = [
        {
            "run": f"{text}{number}",
            "status": status,
            "seconds": 1.0,
            "parameters": {f"p{text}": f"{text}{number}"},
            "metrics": {f"m{text}": float(number)},
        }
        for number, status in enumerate(("finished", "failed"))
    ]
    return {"runs": runs, "best": f"{text}0"}


@settings(deadline=None)
@given(text=TEXTS)
def test_no_text_leaves_its_place_in_a_chart_or_a_table(text):
    found, plain = (ElementTree.fromstring(sweep_chart.chart(sweep(t))) for t in (text, "word"))
    assert [e.tag for e in found.iter()] == [e.tag for e in plain.iter()]
    rows = [[text, text], [text, text]]
    shown = Page(static.table((text, "b"), rows, foot=text).data)
    assert [tag for tag, *_ in shown.tags] == [
        "table",
        *["tr", "th", "th"],
        *["tr", "td", "td"] * 2,
        "p",
    ]
    assert shown.texts[2:6] == [markup.visible(text)] * 4


@settings(deadline=None)
@given(text=TEXTS)
def test_no_text_adds_a_line_to_a_flowchart(text):
    steps = tuple(Step(name=name, title=text, cells=(0,)) for name in (text, f"{text}2"))
    edge = Edge(source=text, target=f"{text}2", names=(text, text))
    drawn = as_mermaid(Pipeline(notebook=text, parameters=(), cells=(), steps=steps, edges=(edge,)))
    assert [line[:6] for line in drawn.splitlines()] == ["flowch", "    s0", "    s1", "    s0"]
    part = graph.Graph()
    part.edge(part.node("file", text, text), part.node("step", text, text))
    assert len(graph.as_mermaid(part).splitlines()) == 4
