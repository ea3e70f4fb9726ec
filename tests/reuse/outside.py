"""Generates notebooks that read and write files, import local modules, update displays and exit.

A version is (cells, parameters, files): files are written before the run, None is removed. Edits
change the notebook, what lies beside it, or both: cells deleted and moved, a module or a file
edited, a file added or removed.
"""

import json
import random
from collections.abc import Mapping

Cell = str | dict
Files = dict[str, str | None]
LEVEL: Cell = {"code": "level = 1", "tags": ["parameters"]}
START = "import os, sys, glob, json\nfrom IPython.display import display, update_display, HTML"
MODULE = """RATE = {a}
SEEN = []


def scaled(x):
    SEEN.append(x)
    return x * RATE + {b}
"""
LINES = (
    "import rates\nprint(rates.RATE)",
    "from rates import scaled\nv{n} = scaled({a})\nprint(v{n})",
    "import rates\nv{n} = rates.scaled(level)\nprint(v{n}, rates.SEEN)",
    "import rates\nrates.RATE += {a}\nprint(rates.RATE)",
    "v{n} = open('one.txt').read()\nprint(v{n})",
    "v{n} = sum(len(open(p).read()) for p in sorted(glob.glob('*.txt')))\nprint(v{n})",
    "v{n} = sorted(p for p in os.listdir('.') if p.endswith('.txt'))\nprint(v{n})",
    "try:\n    v{n} = open('maybe.txt').read()\nexcept OSError:\n    v{n} = 'none'\nprint(v{n})",
    "print(os.path.exists('maybe.txt'), os.path.getsize('one.txt'))",
    "open('made.json', 'w').write(json.dumps([{a}, level]))",
    "if os.path.exists('made.json'):\n    v{n} = json.load(open('made.json'))\n    print(v{n})",
    "with open('log.txt', 'a') as log{n}:\n    log{n}.write('{a}')",
    "print(open('log.txt').read() if os.path.exists('log.txt') else '')",
    "shown = display(HTML('<b>{a}</b>'), display_id='d{b}')",
    "update_display(HTML('<i>{a} %s</i>' % level), display_id='d{b}')",
    "os.environ['STAGE'] = '{a}'\nprint(os.environ['STAGE'])",
    "print(os.environ.get('STAGE'))",
    "if level > {a}:\n    sys.exit(0)",
    "v{n} = [level, {a}]\nprint(v{n})",
    "print(sorted(n for n in globals() if n.startswith('v')))",
)


def versions(seed: int) -> list[tuple[list[Cell], dict, Files]]:
    """Return four versions of a notebook and of the files beside it."""
    draw = random.Random(seed)
    parts = [_cell(draw, number) for number in range(draw.randint(6, 10))]
    files: Files = {
        "rates.py": MODULE.format(a=draw.randint(1, 5), b=draw.randint(1, 5)),
        "one.txt": "one",
        "two.txt": "two",
        "log.txt": None,
        "made.json": None,
    }
    found = [(_written(parts), {}, dict(files))]
    for _ in range(3):
        values: dict = {}
        how = draw.choice((_edit_cell, _drop, _move, _edit_module, _edit_file, _level))
        parts = how(draw, parts, files, values)
        start: Mapping[str, str | None] = {"log.txt": None, "made.json": None}
        found.append((_written(parts), values, {**files, **start}))
    return json.loads(json.dumps(found))


def _cell(draw: random.Random, number: int) -> str:
    texts = draw.sample(LINES, draw.randint(1, 2))
    return "\n".join(t.format(n=number, a=draw.randint(1, 4), b=draw.randint(1, 2)) for t in texts)


def _written(parts: list[str]) -> list[Cell]:
    steps = [part for n, text in enumerate(parts) for part in ({"markdown": f"## {n}"}, text)]
    return [LEVEL, START, *steps]


def _edit_cell(draw: random.Random, parts: list[str], _: Files, __: dict) -> list[str]:
    place = draw.randrange(len(parts))
    return [*parts[:place], _cell(draw, place), *parts[place + 1 :]]


def _drop(draw: random.Random, parts: list[str], _: Files, __: dict) -> list[str]:
    place = draw.randrange(len(parts))
    return [*parts[:place], *parts[place + 1 :]] if len(parts) > 2 else parts


def _move(draw: random.Random, parts: list[str], _: Files, __: dict) -> list[str]:
    place = draw.randrange(len(parts))
    others = [*parts[:place], *parts[place + 1 :]]
    others.insert(draw.randrange(len(parts)), parts[place])
    return others


def _edit_module(draw: random.Random, parts: list[str], files: Files, _: dict) -> list[str]:
    files["rates.py"] = MODULE.format(a=draw.randint(1, 5), b=draw.randint(1, 5))
    return parts


def _edit_file(draw: random.Random, parts: list[str], files: Files, _: dict) -> list[str]:
    name = draw.choice(("one.txt", "two.txt", "maybe.txt", "three.txt"))
    gone = name != "one.txt" and draw.random() < 0.3
    files[name] = None if gone else f"{name} {draw.randint(0, 9)}"
    return parts


def _level(draw: random.Random, parts: list[str], _: Files, values: dict) -> list[str]:
    values["level"] = draw.randint(1, 5)
    return parts
