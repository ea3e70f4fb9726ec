"""Makes images of charts: each an SVG that carries its colours, where no style sheet reaches it."""

from string import Template

COLOURS = {
    "light": {
        "ink": "#1c1d21",
        "soft": "#5c606b",
        "rule": "#e3e1da",
        "line": "#0b6bcb",
        "band": "#0b6bcb2e",
        "open": "#1c1d2114",
        "mark": "#8a4b08",
        "none": "#0b6bcb17",
        "some": "#f2c14e",
        "more": "#e2711d",
        "most": "#b3261e",
    },
    "dark": {
        "ink": "#ecebe7",
        "soft": "#b4b7c0",
        "rule": "#44474f",
        "line": "#6db3ff",
        "band": "#6db3ff33",
        "open": "#ffffff1a",
        "mark": "#f0a35e",
        "none": "#6db3ff1f",
        "some": "#a8842f",
        "more": "#d2722a",
        "most": "#ff6f61",
    },
}
STYLE = Template("""<style>
text { font: 12px system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; fill: $soft; }
text.name { fill: $ink; }
.grid { stroke: $rule; fill: none; }
.band { fill: $band; }
.line { fill: none; stroke: $line; stroke-width: 2; stroke-linejoin: round; }
.day { fill: none; stroke: $line; stroke-width: 1; opacity: .45; }
.dot { fill: $line; }
.bars { fill: $line; opacity: .75; }
.open { fill: $open; }
path.mark { stroke: $mark; stroke-dasharray: 4 3; fill: none; }
text.mark { fill: $mark; font-weight: 600; }
.none { fill: $none; } .some { fill: $some; } .more { fill: $more; } .most { fill: $most; }
</style>""")


def image(svg: str, theme: str) -> str:
    """Return a chart as an image of its own.

    >>> image('<svg viewBox="0 0 9 9"></svg>', "dark")[:52]
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0'
    """
    opening, _, rest = svg.partition(">")
    named = opening.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return f"{named}>{STYLE.substitute(COLOURS[theme])}{rest}"
