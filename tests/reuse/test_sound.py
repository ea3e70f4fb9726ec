"""A run that reuses results shows what a fresh run shows: in generated notebooks, and in cases."""

import json
import subprocess
import sys
from pathlib import Path

import oracle
import outside
import sharing

from mlops_nb.project import open_project

ORACLE = Path(__file__).with_name("oracle.py")
SETUP = "CFG = {'rate': 1}\nSEEN = []\ndef keep(f):\n    SEEN.append(f)\n    return f"
FRAMES = "import pandas as pd\na, b = (pd.DataFrame({'x': [n]}) for n in (1, 2))"
LEVEL = {"code": "level = 1", "tags": ["parameters"]}
# name → two versions of the cells; every cell is a step of its own
CASES = {
    "two names of one list": (
        ["a = [1]\nb = a", "a.append(2)", "print(b)"],
        ["a = [1]\nb = a", "a.append(3)", "print(b)"],
    ),
    "an alias that a step of its own makes": (
        ["a = [1]", "b = a", "a.append(2)", "print(b)"],
        ["a = [1]", "b = a", "a.append(3)", "print(b)"],
    ),
    "restored, and changed by its other name": (
        ["a = [1]", "b = a", "print(len(b))"],
        ["a = [1]", "b = a", "b.append(2)\nprint(a)"],
    ),
    "a view of an array": (
        ["import numpy as np\na = np.arange(4)\nb = a[1:]", "a[2] = 7", "print(b)"],
        ["import numpy as np\na = np.arange(4)\nb = a[1:]", "a[2] = 8", "print(b)"],
    ),
    "set-up that a new cell changes in place": (
        [SETUP, "x = 1", "print(CFG['rate'])"],
        [SETUP, "x = 1\nCFG['rate'] = 5", "print(CFG['rate'])"],
    ),
    "a registry that decorators fill": (
        [SETUP, "@keep\ndef f(x): return x + 1", "print([g(1) for g in SEEN])"],
        [SETUP, "@keep\ndef f(x): return x + 2", "print([g(1) for g in SEEN])"],
    ),
    "a loop over two frames": (
        [FRAMES, "for d in [a, b]:\n    d['y'] = d['x'] * 2", "print(a, b)"],
        [FRAMES, "for d in [a, b]:\n    d['y'] = d['x'] * 3", "print(a, b)"],
    ),
    "attributes of a class": (
        ["class C:\n    made = []", "C.made.append(1)", "print(C.made)"],
        ["class C:\n    made = []", "C.made.append(2)", "print(C.made)"],
    ),
    "what a function remembers": (
        ["def f(to=[]):\n    to.append(1)\n    return len(to)", "f()", "print(f())"],
        ["def f(to=[]):\n    to.append(1)\n    return len(to)", "f(); f()", "print(f())"],
    ),
    "a loop variable that leaves the list whose item it was": (
        [
            "a = [[1]]\nfor g in a:\n    pass",
            "x = 1",
            "b = [[2]]\nfor g in b:\n    pass",
            "print(a)",
        ],
        [
            "a = [[1]]\nfor g in a:\n    pass",
            "x = 1\nfor g in a:\n    g.append(5)",
            "b = [[2]]\nfor g in b:\n    pass",
            "print(a)",
        ],
    ),
    "a builtin that a cell shadows": (
        ["x = [3, 1]", "y = 1", "print(sorted(x))"],
        ["x = [3, 1]", "y = 1\ndef sorted(x): return 'mine'", "print(sorted(x))"],
    ),
}
CACHE = "import functools\n@functools.lru_cache\ndef of_{0}():\n    return [8]\n{0} = of_{0}()\n"
REPEATED = (
    CACHE.format("c") + "import pandas as pd\na = pd.DataFrame({'x': [1]})",
    "b = a\nd = a\nb = b.assign(q=6)",
    "e = b\nf = a\n" + CACHE.format("g"),
    "b.loc[0, 'x'] = 5\nprint(g)",
    "d['z'] = d['x'] * 8\nprint(g)",
    "print(a, b, d, e, f, g)",
)
CASES["made again, while what follows waits to be restored"] = (
    [*REPEATED],
    [*REPEATED[:4], "d['z'] = d['x'] * 1\nprint(g)", REPEATED[5]],
)
# code that reads `a` by a text that stands nowhere
DOORS = (
    "print(eval(chr(97)))",
    "exec('q = ' + chr(97))\nprint(q)",
    "def f(text):\n    return eval(text)\nprint(f(chr(97)))",
    "print(globals()[chr(97)])",
    "def f(name):\n    return globals()[name]\nprint(f(chr(97)))",
    "print(vars()[chr(97)], sorted(n for n in dir() if n == 'new'))",
    "print('{a}'.format(**globals()))",
    "print(get_ipython().user_ns[chr(97)])",
    "import sys\nprint(getattr(sys.modules['__main__'], chr(97)))",
    "import inspect\nprint(inspect.currentframe().f_globals[chr(97)])",
    "import pandas as pd\nprint(pd.eval(chr(97) + ' + 1'))",
)
CASES |= {
    f"a name in a text: {door}": (
        ["a = 1", "b = 2", door],
        ["a = 3", "b = 2", door],
        ["a = 3\nnew = 1", "b = 2", door],
    )
    for door in DOORS
}

# what sets the state of a package, and what shows it
PACKAGES = (
    ("import math\nsetattr(math, 'q', {v})", "import math\nprint(getattr(math, 'q', None))"),
    ("import math\nmath.r = {v}", "import math\nprint(getattr(math, 'r', None))"),
    ("import string\nvars(string)['q'] = {v}", "import string\nprint(string.q)"),
    ("import numpy as np\nnp.mean = lambda x: {v}", "print(np.mean([1, 2]))"),
    ("import pandas as pd\npd.DataFrame.q = lambda s: {v}", "print(pd.DataFrame().q())"),
    (
        "@pd.api.extensions.register_series_accessor('geo')\nclass Geo:\n"
        "    def __init__(self, d):\n        self.q = {v}",
        "print(pd.Series([1]).geo.q)",
    ),
    ("import logging\nlogging.getLogger('a').setLevel({v})", "print(logging.getLogger('a').level)"),
    ("log = logging.getLogger('b')\nlog.setLevel({v})", "print(logging.getLogger('b').level)"),
    ("def quiet():\n    logging.getLogger('c').setLevel({v})", "print(1)"),
    ("quiet()", "print(logging.getLogger('c').level)"),
    ("import builtins\nbuiltins.answer = {v}", "print(answer)"),
    ("import sys\nsys.setrecursionlimit(3000 + {v})", "print(sys.getrecursionlimit())"),
    ("import decimal\ndecimal.getcontext().prec = {v}", "print(decimal.Decimal(1) / 3)"),
    (
        "import copyreg\ncopyreg.pickle(slice, lambda s: (slice, ({v},)))",
        "print(copyreg.dispatch_table[slice](slice(1)))",
    ),
    (
        "import codecs\ncodecs.register_error('q', lambda e: ('{v}', e.end))",
        "print('\xe9'.encode('ascii', 'q'))",
    ),
    ("import mimetypes\nmimetypes.add_type('a/b{v}', '.q')", "print(mimetypes.guess_type('a.q'))"),
    ("import keyword\nkeyword.kwlist.append('q{v}')", "print(keyword.kwlist[-1])"),
    (
        "from IPython.core.magic import register_line_magic\n@register_line_magic\n"
        "def q(line):\n    print('magic {v}')",
        "%q",
    ),
    (
        "from IPython.core.interactiveshell import InteractiveShell as Shell\n"
        "Shell.ast_node_interactivity = 'all' if {v} == 3 else 'last_expr'",
        "1\n2",
    ),
    ("%precision {v}", "0.123456789"),
    ("frame = pd.DataFrame({{'a': [1]}})\nframe._q = {v}", "print(frame._q)"),
)


def compared(notebooks: list) -> list[dict]:
    """Return what differs between reused and fresh runs of each notebook's versions."""
    words = [sys.executable, "-W", "ignore", str(ORACLE)]
    done = subprocess.run(
        words, input=json.dumps(notebooks), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[dict] = json.loads(done.stdout)
    return found


def marked(cells: list[str]) -> list:
    """Return cells as steps, but for the set-up, below a cell of parameters."""
    steps = [c if c == SETUP else f"# mlops: step s{n}\n{c}" for n, c in enumerate(cells)]
    return [LEVEL, *steps]


def test_generated_notebooks_show_what_fresh_runs_show():
    seeds = [*range(12), 204]
    found = compared([sharing.versions(seed) for seed in seeds])
    wrong = {seed: one["wrong"] for seed, one in zip(seeds, found, strict=True) if one["wrong"]}
    assert wrong == {}
    assert any(one["reused"] for one in found)


def test_notebooks_with_files_modules_and_displays_show_what_fresh_runs_show():
    found = compared([outside.versions(seed) for seed in range(8)])
    assert {n: one["wrong"] for n, one in enumerate(found) if one["wrong"]} == {}
    assert any(one["reused"] for one in found)


def test_what_cells_set_in_packages_is_there_for_later_steps():
    """Edit what shows the state, so that it runs again, then what sets it."""

    def cells(value: int, mark: str) -> list:
        sets = [text.format(v=value) for text, _ in PACKAGES]
        shows = [f"{mark}\n{text}" if mark and text[0] != "%" else text for _, text in PACKAGES]
        return marked([SETUP, *sets, *shows])

    versions = [(cells(3, ""), {}), (cells(3, "mark = 1"), {}), (cells(4, "mark = 1"), {})]
    (found,) = compared([versions])
    assert (found["wrong"], found["failed"]) == ([], 0)


def test_the_points_of_a_sweep_show_what_fresh_runs_show(tmp_path):
    """A second sweep, of an edited notebook, in the processes and kernels of a real sweep."""
    for number, (cells, _) in enumerate(sharing.versions(11)[:2]):
        kept = project(tmp_path / "kept", cells)
        points = kept.sweep("n.ipynb", {"level": [1, 4]}, workers=2).runs
        for run in points:
            name = f"new{number}{run.parameters['level']}"
            fresh = project(tmp_path / name, cells).run("n.ipynb", run.parameters)
            assert oracle.shown(run.output) == oracle.shown(fresh.output)
            assert run.status == fresh.status
    assert any(s["status"] == "reused" for run in points for s in run.steps.values())


def project(folder, cells):
    """Open a project with a notebook."""
    (folder / ".git").mkdir(parents=True, exist_ok=True)
    oracle.write(folder / "n.ipynb", cells)
    return open_project(folder)


def test_cases_of_shared_state_show_what_fresh_runs_show():
    notebooks = [[(marked(cells), {}) for cells in versions] for versions in CASES.values()]
    found = dict(zip(CASES, compared(notebooks), strict=True))
    assert {name: one["wrong"] for name, one in found.items() if one["wrong"]} == {}
