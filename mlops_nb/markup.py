"""Escapes texts of data and notebooks for Markdown, HTML, SVG and Mermaid: they are never markup.

Every function but `page`, `lines` and `table` returns one line, in which control characters, line
breaks and characters that change the direction of text are written as Python escapes.
"""

import html as stdlib_html
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from typing import Any

HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # categories of characters without a shape of their own
JOINERS = "\u200c\u200d"  # which belong to the spelling of words and to emoji
NO_CHARACTERS = re.compile(r"[\ufdd0-\ufdef\ufffe\uffff]")  # which HTML or XML forbids

MARKDOWN = re.compile(
    r"""
    [\\`*\[\]<|~$\#]                    # everywhere
    | (?<![^\W_])_ | _(?![^\W_])         # emphasis, but not within a word
    | (?<=:)/(?=/) | (?<=\bwww)\.        # an address would become a link
    """,
    re.VERBOSE,
)
# what would make a heading, an item, a quote or a line of the text that it begins
BLOCK = re.compile(r"(?P<number>\d*)(?P<mark>(?<=\d)[.)](?!\S)|(?<!\d)(?:[=>]|[-+:](?![^\s-])))")

MERMAID = str.maketrans(
    {
        "&": "&amp;",
        '"': "&quot;",
        "<": "&lt;",
        ">": "&gt;",
        "`": "&grave;",
        "\\": "&bsol;",
        "#": "&num;",
        "%": "&percnt;",
        "$": "&dollar;",
        ":": "&colon;",
    }
)


def visible(text: str) -> str:
    r"""Return a text in one line, with an escape for each character that cannot be seen.

    >>> print(visible("a\rb\u202e"))
    a\rb\u202e
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(c) if _is_hidden(c) else c for c in text)


def lines(text: str) -> str:
    """Return a text of several lines for a terminal, each of them visible."""
    return "\n".join(visible(line) for line in text.split("\n"))


def _is_hidden(character: str) -> bool:
    if character in JOINERS:
        return False
    hidden = unicodedata.category(character) in HIDDEN
    return hidden or NO_CHARACTERS.match(character) is not None


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def sentence(text: str) -> str:
    r"""Return a message in one line, with a space for each line break.

    >>> sentence("a\n  b")
    'a b'
    """
    return visible(" ".join(text.split()))


def markdown(text: str) -> str:
    r"""Return a text for Markdown: for a paragraph, a heading, an item of a list or a cell.

    >>> print(markdown("a|b <c> __d__ e_f"))
    a\|b \<c> \_\_d\_\_ e_f
    >>> print(markdown("# no\rheading"), markdown("1. no list"))
    \# no\\rheading 1\. no list
    """
    shown = visible(text).strip(" ").replace("&", "&amp;")
    escaped = MARKDOWN.sub(r"\\\g<0>", shown)
    return BLOCK.sub(r"\g<number>\\\g<mark>", escaped, count=1) if BLOCK.match(escaped) else escaped


def code(text: str) -> str:
    r"""Return a text as inline code of Markdown, or as plain text if no code can hold it.

    >>> print(code("a.csv"), code("<b>"), code("a|b"), code(""))
    `a.csv` `<b>` a\|b ""
    """
    shown = visible(text)
    if not shown.strip(" "):
        return f'"{shown}"'
    if shown != shown.strip(" ") or "`" in shown or "|" in shown:
        return markdown(text)
    return f"`{shown}`"


def html(value: object) -> str:
    """Return a value as text that is safe between tags and in attributes of HTML and SVG.

    >>> html("<b>"), html(2.0), html(0.123456789)
    ('&lt;b&gt;', '2', '0.123457')
    """
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return stdlib_html.escape(visible(text))


def page(package: str, filters: Mapping[str, Callable[..., Any]], **values: object) -> str:
    """Return the page of a package's template `report.html`.

    All that is inserted is escaped, except for what says that it is HTML, as drawings do.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def escaped(value: object) -> object:
        return value if hasattr(value, "__html__") else Markup(html(value))  # noqa: S704

    made = Environment(
        autoescape=True,
        finalize=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= dict(filters)
    source = resources.files(package).joinpath("report.html").read_text("utf-8")
    return made.from_string(source).render(**values)


def mermaid(text: str) -> str:
    """Return a text for a quoted label of Mermaid.

    >>> print(mermaid('a "b" #35;'))
    a &quot;b&quot; &num;35;
    """
    return visible(text).translate(MERMAID)


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return rows as aligned columns.

    >>> print(table(["a", "b"], [["x", 1]]))
    a  b
    x  1
    """
    lines = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
