"""Reads the markers in a cell: `%mlops …` lines, `# mlops: …` comments, and `step:` tags."""

import re
import shlex
import unicodedata
from collections.abc import Iterator, Mapping

from mlops_nb.errors import NotebookError
from mlops_nb.notebook.model import Cell, Mark

LINE = re.compile(r"^(?:%%?mlops[ \t]+|#[ \t]*mlops:[ \t]*)(\w[\w-]*)[ \t]*(.*)$")
AGE = re.compile(r"\d+(\.\d+)?[smhd]")
LOOKUP = re.compile(rf"([^\W\d]\w*):max_age=({AGE.pattern})")
SWITCHES = {"--no-reuse"}
REPEATED = {"--lookup"}
OPTIONS = {
    "step": {"--in", "--out", "--after", "--no-reuse", "--snapshot", "--retries", "--timeout"},
    "model": {"--name", "--features", "--decide", "--lookup"},
    "metric": {"--from"},
    "evaluate": {"--truth", "--pred", "--score", "--by", "--min-n", "--quantile", "--query"},
}
MARKS = frozenset(OPTIONS)  # words that declare something; other words are verbs


def is_name(text: str) -> bool:
    """Return whether a step can be called so: letters of any script, digits, `_` and `-`.

    >>> is_name("train_2"), is_name("학습"), is_name("a b"), is_name("--after")
    (True, True, False, False)
    """
    allowed = all(unicodedata.category(c)[0] in "LMN" or c in "_-" for c in text)
    return allowed and text[:1] not in {"", "-"}


def marks(cell: Cell) -> tuple[Mark, ...]:
    """Return the markers of a cell, its `step:NAME` tag included.

    Raises NotebookError for an invalid marker.

    >>> marks(Cell(index=0, position=0, id="a", source="%mlops step load --out raw"))[0].options
    {'--out': 'raw'}
    """
    found = [m for line in cell.source.splitlines() if (m := _mark(line, cell)) is not None]
    steps = [m for m in found if m.word == "step"]
    for tag in sorted(cell.tags):
        if tag.startswith("step:") and not steps:
            found.append(_checked(Mark(word="step", args=(tag[5:],)), cell))
    if sum(m.word == "step" for m in found) > 1:
        raise NotebookError(
            "a cell carries two step marks",
            fix="keep one of them, or split the cell",
            where=cell.label,
        )
    return tuple(found)


def _mark(line: str, cell: Cell) -> Mark | None:
    match = LINE.match(line)
    if match is None or match[1] not in OPTIONS:
        return None
    try:
        words = shlex.split(match[2], comments=True)
    except ValueError as error:
        raise NotebookError(
            f"the mark {line!r} cannot be read: {error}",
            fix="close the quotes",
            where=cell.label,
        ) from None
    args: list[str] = []
    options: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        if word.startswith("--"):
            name, _, value = word.partition("=")
            given = value or ("" if name in SWITCHES else _value(rest, name, line, cell))
            options[name] = f"{options[name]},{given}" if name in REPEATED & set(options) else given
        else:
            args.append(word)
    return _checked(Mark(word=match[1], args=tuple(args), options=options), cell)


def _value(rest: Iterator[str], name: str, line: str, cell: Cell) -> str:
    value = next(rest, None)
    if value is None or value.startswith("--"):
        raise NotebookError(
            f"the mark {line!r} gives {name} no value",
            fix=f"write it as {name} VALUE",
            where=cell.label,
        )
    return value


def _checked(mark: Mark, cell: Cell) -> Mark:
    where = cell.label
    if mark.word == "step" and (len(mark.args) != 1 or not is_name(mark.args[0])):
        raise NotebookError(
            f"{' '.join(mark.args)!r} is no name for a step",
            fix="name it with letters, digits, _ and -, such as `%mlops step train`",
            where=where,
        )
    if mark.word == "model" and not (len(mark.args) == 1 and mark.args[0].isidentifier()):
        raise NotebookError(
            f"{' '.join(mark.args)!r} is no name of a variable that holds a model",
            fix="name one, such as `%mlops model clf --name flights`",
            where=where,
        )
    function = mark.options.get("--from")
    if function is not None and not (
        function.isidentifier() and len(mark.args) == 1 and mark.args[0].isidentifier()
    ):
        raise NotebookError(
            "`%mlops metric … --from` takes one metric and the function that computes it",
            fix="write it like `%mlops metric cost --from business_cost`",
            where=where,
        )
    if unknown := sorted(set(mark.options) - OPTIONS[mark.word]):
        known = ", ".join(sorted(OPTIONS[mark.word]))
        raise NotebookError(
            f"`%mlops {mark.word}` has no option {unknown[0]!r}",
            fix=f"use one of {known}" if known else "leave it out",
            where=where,
        )
    _check_values(mark, where)
    return mark


def _check_values(mark: Mark, where: str) -> None:
    """Raise NotebookError for a value that its option does not take."""
    for option in ("--retries", "--timeout", "--min-n"):
        value = mark.options.get(option, "0")
        if not re.fullmatch(r"\d+(\.\d+)?" if option == "--timeout" else r"\d+", value):
            raise NotebookError(
                f"{option} takes a number, not {value!r}",
                fix=f"write {option} 2",
                where=where,
            )
    quantile = mark.options.get("--quantile")
    if quantile is not None and not re.fullmatch(r"0?\.\d*[1-9]\d*", quantile):
        raise NotebookError(
            f"--quantile takes a number between 0 and 1, not {quantile!r}",
            fix="write --quantile 0.9",
            where=where,
        )
    query = mark.options.get("--query", "_")
    if not query.isidentifier():
        raise NotebookError(
            f"--query takes the name that holds the query of each row, not {query!r}",
            fix="write --query session",
            where=where,
        )
    for lookup in names_in(mark.options.get("--lookup")):
        if not LOOKUP.fullmatch(lookup):
            raise NotebookError(
                f"--lookup takes a table and how old it may be, not {lookup!r}",
                fix="write --lookup NAME:max_age=1d",
                where=where,
            )
    snapshot = mark.options.get("--snapshot")
    if snapshot is not None and not AGE.fullmatch(snapshot):
        raise NotebookError(
            f"--snapshot takes an age, not {snapshot!r}", fix="write --snapshot 12h", where=where
        )


def age(text: str) -> float:
    """Return an age in seconds.

    >>> age("12h"), age("2d")
    (43200.0, 172800.0)
    """
    number, unit = text[:-1], text[-1]
    return float(number) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]


def names_in(option: str | None) -> tuple[str, ...]:
    """Split the comma-separated names of an option.

    >>> names_in("a, b")
    ('a', 'b')
    """
    return tuple(part for part in re.split(r"[,\s]+", option or "") if part)


def functions_of(evaluation: Mapping[str, str]) -> dict[str, str]:
    """Return metric → the function that computes it, of an evaluation mark.

    >>> functions_of({"truth": "y", "computed": "cost,gain", "from": "cost_of,gain_of"})
    {'cost': 'cost_of', 'gain': 'gain_of'}
    """
    names = (names_in(evaluation.get(key)) for key in ("computed", "from"))
    return dict(zip(*names, strict=True))


def lookups_in(option: str | None) -> dict[str, float]:
    """Return table → how old it may be, s.

    >>> lookups_in("weather:max_age=1d,rates:max_age=2h")
    {'weather': 86400.0, 'rates': 7200.0}
    """
    found = (LOOKUP.fullmatch(part) for part in names_in(option))
    return {match[1]: age(match[2]) for match in found if match}


def frozen(source: str) -> str:
    """Return the text of a cell with its `%mlops` lines as comments, which need no extension.

    >>> frozen("%mlops step load\\nx = 1")
    '# mlops: step load\\nx = 1'
    """
    lines = []
    for line in source.splitlines():
        if re.match(r"^%%?mlops\b", line):
            lines.append(re.sub(r"^%%?mlops[ \t]*", "# mlops: ", line))
        elif re.match(r"^%(?:load_ext|reload_ext)[ \t]+mlops_nb\s*$", line):
            lines.append("# mlops: the extension is not needed in a job")
        else:
            lines.append(line)
    return "\n".join(lines)
