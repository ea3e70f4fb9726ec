"""`pipeline.py` leaves behind what the notebook's cells leave behind, run one after the other."""

import ast
import asyncio
import inspect
import json
import os
import subprocess
import sys
import types

import pytest

from mlops_nb.jobs.bundle.pipeline_script import render
from mlops_nb.notebook import cells, pipeline
from mlops_nb.notebook.markers import frozen
from mlops_nb.notebook.static_names import names
from mlops_nb.probe.fingerprint.digest import digest_or_unknown

QUIET = {"load_ext", "reload_ext", "autoreload", "matplotlib", "config", "mlops"}


def read(*parts):
    """Return a frozen notebook; (source, tag…) is a tagged cell, "## …" a heading."""
    found = []
    for part in parts:
        source, *tags = (part,) if isinstance(part, str) else part
        kind = "markdown" if source.startswith("## ") else "code"
        found.append({"cell_type": kind, "source": frozen(source), "metadata": {"tags": tags}})
    return cells.read({"cells": found, "nbformat": 4}, "a.ipynb")


def script(*parts, metrics=(), origin="notebooks/a.ipynb"):
    notebook = read(*parts)
    return render(
        notebook,
        pipeline.pipeline(notebook),
        job="demo",
        origin=origin,
        folder=".",
        metrics=metrics,
    )


class Shell:
    """An IPython that only knows magics without an effect on names."""

    def run_line_magic(self, name, _):
        assert name in QUIET, name


def notebook_run(*parts, **changed):
    """Return the names after running the cells in one namespace, as a kernel does."""
    space = {"__name__": "__main__", "get_ipython": Shell}
    for cell in read(*parts).cells:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(cells.python_of(cell.source), "<cell>", "exec", flags, dont_inherit=True)
        found = eval(code, space)
        if inspect.iscoroutine(found):
            asyncio.run(found)
        if "parameters" in cell.tags:
            space |= changed
    return space


def script_run(tmp_path, *parts, **changed):
    """Return the names after running `pipeline.py`'s own main."""
    text = script(*parts)
    place = tmp_path / "jobs" / "demo" / "pipeline.py"
    place.parent.mkdir(parents=True, exist_ok=True)
    space = {"__name__": "__main__", "__file__": str(place), "get_ipython": Shell}
    asked = [str(place)]
    for name, value in changed.items():
        asked += ["-p", name, str(value)]
    before, path, words = os.getcwd(), list(sys.path), sys.argv
    sys.argv = asked
    try:
        exec(compile(text, str(place), "exec", dont_inherit=True), space)
    finally:
        sys.argv, sys.path[:] = words, path
        os.chdir(before)
    return space


def told(space, wanted):
    """Return what names are bound to: digests, and for modules their names."""
    found = {}
    for name in wanted:
        value = space.get(name, "nothing")
        found[name] = (
            value.__name__ if isinstance(value, types.ModuleType) else (digest_or_unknown(value))
        )
    return found


ZOO = {
    "plain steps": ("%mlops step load\nx = [3, 1, 2]", "%mlops step train\ny = sorted(x)"),
    "annotated assignments": (
        "%mlops step a\nx: int = 1\ny: 'list[int]' = [x]\nz: float\nif x:\n    w: int = 2",
        "%mlops step b\nv: dict[str, int] = {'ä': x}; u: int = 3",
    ),
    "strings over several lines": (
        "%mlops step a\nif True:\n    x = '''one\n  two\n\nthree'''\n"
        "y = f'''{x}\n    {len(x)}\n'''",
        '%mlops step b\nz = (x + """\n\\t""" +\n  y)\n# a comment\nw = r"""\n\\d"""',
    ),
    "bytes and docstrings": (
        '%mlops step a\ndef f():\n    """Say.\n\n    More.\n    """\n    return f.__doc__\n'
        "x = f()\n"
        "y = b'''a\nb'''",
    ),
    "functions that read globals": (
        "N = 2",
        "def scaled(xs):\n    return [x * N + k for x in xs]",
        "%mlops step a\nk = len('abc')\nx = scaled([1, 2])",
        "%mlops step b\nk = 10\ny = scaled(x)",
    ),
    "functions that bind globals": (
        "def fit():\n    global model, count\n    model = [1]\n    count = 3",
        "%mlops step a\nfit()",
        "%mlops step b\nauc = len(model) / count",
    ),
    "functions within functions": (
        "%mlops step a\ndef outer(n):\n    def inner():\n        nonlocal n\n        n += base\n"
        "        return n\n    return inner\nbase = 5\nnext_one = outer(1)\n"
        "x = next_one() + next_one()",
    ),
    "classes": (
        "class Scaler:\n    factor = 2\n    def fit(self, xs):\n"
        "        self.mean = sum(xs) / len(xs)\n"
        "        return self\n    def apply(self, x):\n"
        "        return (x - self.mean) * self.factor",
        "%mlops step a\nscaler = Scaler().fit([1, 2, 3])\nx = [scaler.apply(v) for v in (4, 5)]",
    ),
    "a class within a step": (
        "%mlops step a\nn = 3\nclass A:\n    n = 5\n    v = [n for _ in range(2)]\nx = (A.v, A.n)",
    ),
    "comprehensions in functions": (
        "lim = 2",
        "def keep(xs):\n    return {x: [y for y in xs if y > lim and y != x] for x in xs}",
        "%mlops step a\nx = keep([1, 2, 3])\ny = [a for a in x if a in [b for b in x if b < lim]]",
    ),
    "a walrus in a comprehension": (
        "%mlops step a\nx = [last := n for n in range(3)]",
        "%mlops step b\ny = last",
    ),
    "star imports": (
        "from math import *\nfrom os.path import *",
        "%mlops step a\nfrom string import *\nx = floor(sqrt(17)), digits, basename('a/b')",
    ),
    "imports inside steps": (
        "%mlops step a\nimport os.path as p, json\nfrom math import pi as c\nx = json.dumps([c])",
        "%mlops step b\ny = p.basename('a/b') + x",
    ),
    "future imports": (
        "from __future__ import annotations\nimport math",
        "%mlops step a\n"
        "from __future__ import annotations\ndef f(a: Unknown) -> Never: return a\nx = f(1)",
    ),
    "del": (
        "%mlops step a\nx = [1, 2]\ny = {'a': 1, 'b': 2}\nt = 1",
        "%mlops step b\nz = len(x)\ndel x\ndel y['a'], t",
        "%mlops step c\nw = y\ntmp = 1\ndel tmp",
    ),
    "try and except": (
        "try:\n    import nosuchmodule\nexcept ImportError:\n    nosuchmodule = None",
        "%mlops step a\ntry:\n    x = 1 / 0\nexcept ZeroDivisionError as e:\n    x = str(e)\n"
        "else:\n    x = 'no'\nfinally:\n    y = x",
        "%mlops step b\ne = 'old'\nw = e\ntry:\n    int('x')\nexcept ValueError as e:\n    z = 1",
    ),
    "decorators": (
        "import functools",
        "def twice(f):\n    @functools.wraps(f)\n    def inner(*a):\n        return f(*a) * 2\n"
        "    return inner",
        "%mlops step a\n@twice\ndef g(x):\n    return x + 1\n\nx = g(1)",
    ),
    "top-level await": (
        "import asyncio",
        "async def fetch(x):\n    await asyncio.sleep(0)\n    return x",
        "%mlops step a\nx = await fetch(3)",
        "%mlops step b\nasync def many():\n    for i in range(3):\n        yield i\n"
        "y = [i async for i in many()]",
        "%mlops step c\nasync for i in many():\n    z = i",
        "%mlops step d\nw = x + z",
    ),
    "augmented and chained": (
        "%mlops step a\nx = y = [1]\nn = 1",
        "%mlops step b\nx += [2]\nn += 1\nn **= 3\ny.append(n)",
        "%mlops step c\n(a, [b, *c]), d = (1, [2, 3, 4]), 5\nfor i, j in [(1, 2)]: k = i + j",
    ),
    "match and with": (
        "import io",
        "%mlops step a\nmatch {'k': [1, 2]}:\n    case {'k': [p, *q], **r}:\n"
        "        x = p\n"
        "with io.StringIO('t') as h, io.StringIO('u') as g:\n    y = h.read() + g.read()\n"
        "h = g = None",
    ),
    "lambdas and defaults": (
        "f = lambda a, b=2: a + b + off",
        "%mlops step a\noff = 1\nx = f(1)\ng = lambda: (lambda: off)()\ny = g()",
        "%mlops step b\noff = 7\nz = g() + f(1)",
    ),
    "cells of one step that stand apart": (
        "%mlops step a\nx = 1",
        "%mlops step b\ny = 10",
        "%mlops step a\nx2 = x + 1",
        "%mlops step c\nz = x2 + y",
    ),
    "several cells a step and set-up between": (
        "%mlops step a\nx = 1",
        "x += 1",
        "M = 5\ndef h(): return x + M",
        "y = h()",
        "%mlops step b\nM = 6\nz = h()",
    ),
    "a constant that is bound twice": (
        "N = 1",
        "%mlops step a\nx = N",
        "N = 2",
        "%mlops step b\ny = N",
    ),
    "set-up that reads a step": (
        "%mlops step a\nx = len('abc')",
        "def f(n=x): return n + 1",
        "%mlops step b\nx = 9\ny = f()",
    ),
    "steps named like their values": ("%mlops step x\nx = 1", "%mlops step y\ny = x + 1"),
    "steps named like the module's own names": (
        "%mlops step main\na = 1",
        "%mlops step json\nb = a + 1",
        "%mlops step given\nc = b + 1",
        "%mlops step os\nd = c",
        "%mlops step HERE\ne = d",
        "%mlops step changed\nf = e",
        "%mlops step _typed\ng = f",
        "%mlops step sys\nh = g",
        "%mlops step asyncio\ni = h",
    ),
    "values named like the module's own names": (
        "%mlops step a\nmain = 1\njson = [2]\ngiven = 3\nnames = ['n']\nname = 'n'\nvalue = 4",
        "%mlops step b\nHERE = main\nPROJECT = HERE\nFOLDER = given\nwords = names\nkind = value\n"
        "text = json\nmeasured = text\nchanged = name",
    ),
    "a function called main": (
        "def main():\n    global x\n    x = 3\n    return 4",
        "%mlops step a\ny = main()",
    ),
    "steps named like keywords": (
        "%mlops step class\na = 1",
        "%mlops step for\nb = a",
        "%mlops step None\nc = b",
        "%mlops step lambda\nd = c",
    ),
    "steps named like what Python brings": (
        "%mlops step filter\na = list(filter(None, [0, 1, 2]))",
        "%mlops step sum\nb = sum(filter(None, a))",
        "%mlops step float\nc = float(b)",
        "%mlops step print\nprint(end='')\nd = c",
        "%mlops step globals\ne = len(a)",
    ),
    "steps named like functions": (
        "def load(): return 3",
        "from math import sqrt as train",
        "%mlops step load\nx = load()",
        "%mlops step train\ny = train(x)",
        "%mlops step load-2\nz = load() + y",
    ),
    "names that become one": (
        "%mlops step a-b\nx = 1",
        "%mlops step a_b\ny = x",
        "%mlops step a--b\nz = y",
    ),
    "headings": ("## 데이터 적재", "x = len('a')", '## Train "it" \\ """now"""', "y = x + 1"),
    "quiet magics": (
        "%load_ext autoreload\n%autoreload 2\n%matplotlib inline\nimport math",
        "%mlops step a\n%matplotlib inline\nx = math.pi\n%config A.b = 1",
        "%%time\ny = x",
    ),
    "only comments and nothing": (
        "# a comment",
        "%mlops step a\n# nothing yet",
        "",
        "%mlops step b\nx = 1",
    ),
    "display cells": ("%mlops step a\nx = [1]", "x", "len(x)", "%mlops step b\ny = x"),
    "semicolons and continuations": (
        "%mlops step a\nx = 1; y = 2;\nz = x + \\\n    y\nw = (x,\n\ny)",
        "%mlops step b\nif x: v = 1; u = 2",
    ),
    "tabs": ("%mlops step a\nif True:\n\tx = 1\n\tif x:\n\t\ty = 2",),
    "a parameter that a step binds anew": (
        ("n = 2", "parameters"),
        "%mlops step a\nn = n * 2",
        "m = n",
    ),
}


@pytest.mark.parametrize("parts", ZOO.values(), ids=ZOO.keys())
def test_the_script_leaves_the_values_that_the_notebook_leaves(parts, tmp_path):
    wanted = notebook_run(*parts)
    made = {n for n in wanted if not n.startswith("__")} - {"get_ipython", "annotations"}
    found = script_run(tmp_path, *parts)
    assert made
    assert told(found, made) == told(wanted, made)


@pytest.mark.parametrize("parts", ZOO.values(), ids=ZOO.keys())
def test_what_the_notebook_deletes_the_script_deletes(parts, tmp_path):
    wanted = notebook_run(*parts)
    found = script_run(tmp_path, *parts)
    seen = [names(cell.source) for cell in read(*parts).cells]
    made = set[str]().union(*(one.writes | one.deletes for one in seen))
    assert {n for n in made if n in found} == {n for n in made if n in wanted}


PARAMETERS = (
    ("depth = 3\nrate: float = 0.5\nname = 'x'", "parameters"),
    "def grow(n=depth):\n    return n + depth",
    "class Model:\n    rate = rate",
    "%mlops step train\nmodel = [depth, Model.rate, grow()]",
    "%mlops step evaluate\nauc = model[0] / 10 + rate\nlabel = name + '!'",
)


def test_parameters_reach_every_cell_that_reads_them(tmp_path):
    made = ["model", "auc", "label"]
    plain = told(notebook_run(*PARAMETERS), made)
    assert told(script_run(tmp_path, *PARAMETERS), made) == plain
    changed = {"depth": 5, "rate": 0.25, "name": "z"}
    wanted = told(notebook_run(*PARAMETERS, **changed), made)
    assert wanted != plain
    assert told(script_run(tmp_path, *PARAMETERS, **changed), made) == wanted


def test_an_unknown_parameter_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="there is no parameter 'depht'"):
        script_run(tmp_path, *PARAMETERS, depht=1)


def test_a_step_is_a_function_with_its_code_word_for_word():
    text = script("%mlops step load\nx = { 'a':1 }  # as it was", "%mlops step fit\ny = x")
    functions = [n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)]
    assert [f.name for f in functions][:2] == ["load", "fit"]
    assert "    x = { 'a':1 }  # as it was\n" in text
    assert ast.get_docstring(functions[1]) == "fit.\n\nUses x; makes y."
    assert "    load()\n    fit()\n" in text


def test_the_script_runs_by_itself_with_the_shell_and_prints_its_metrics(tmp_path):
    parts = (
        ("word = 'a'", "parameters"),
        "%mlops step a\nout = !echo {word}b\n%time n = len(out)",
        "%%bash\ntrue",
        "%mlops step b\n!echo shown\nauc = n / 2\nother = 'text'",
    )
    place = tmp_path / "jobs" / "demo" / "pipeline.py"
    place.parent.mkdir(parents=True)
    place.write_text(script(*parts, metrics=("auc", "missing")), encoding="utf-8")
    (tmp_path / ".mlops").mkdir()
    done = subprocess.run(
        [sys.executable, str(place), "--json", "-p", "word", "z"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"IPYTHONDIR": str(tmp_path / "ipython")},
    )
    assert json.loads(done.stdout.splitlines()[-1]) == {"version": 1, "metrics": {"auc": 0.5}}
    assert "shown" in done.stdout


@pytest.mark.parametrize(
    "text", ['a"""\nraise SystemExit(1)\n"""', 'a"', "a\\", "a\\N{x}", "a\rb\x0cc", '"""""']
)
def test_a_path_or_a_title_never_leaves_its_docstring(text):
    plain = ast.parse(script("## b", "x = 1"))
    tree = ast.parse(script(f"## {text.splitlines()[0]}", "x = 1", origin=text))
    assert [type(node) for node in tree.body] == [type(node) for node in plain.body]
    assert "Frozen from " in ast.get_docstring(tree)
