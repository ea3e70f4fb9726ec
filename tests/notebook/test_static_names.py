"""What a cell reads, binds and changes is told from its text."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_nb.notebook.static_names import names


@pytest.mark.parametrize(
    ("source", "reads", "writes"),
    [
        ("y = x + 1", ("x",), {"y"}),
        ("x += 1", ("x",), {"x"}),
        ("a, (b, *c) = d", ("d",), {"a", "b", "c"}),
        ("a = b = c", ("c",), {"a", "b"}),
        ("x = 1\ny = x", (), {"x", "y"}),
        ("y = x\nx = 1", ("x",), {"x", "y"}),
        ("y = [i for i in xs if i > lim]", ("xs", "lim"), {"y"}),
        ("y = [x for x in x]", ("x",), {"y"}),
        ("y = {k: v for k, v in d.items()}", ("d",), {"y"}),
        ("class A(B):\n    c = d\n    e = c", ("B", "d"), {"A"}),
        ("def f(a=b) -> c: return d", ("c", "b"), {"f"}),
        ("@deco\ndef f(): pass", ("deco",), {"f"}),
        ("f = lambda x: x + y", (), {"f"}),
        ("r = sorted(xs, key=lambda x: x[k])", ("sorted", "xs", "k"), {"r"}),
        ("if (n := g()): m = n", ("g",), {"n", "m"}),
        ("s = f'{x!r:>{w}}'", ("x", "w"), {"s"}),
        ("r = df.query('a > @lim')", ("df", "lim"), {"r"}),
        ("import a.b, c as d\nfrom e import f as g", (), {"a", "d", "g"}),
        ("with o() as h: t = h.read()", ("o",), {"h", "t"}),
        ("for i, v in e: t = v", ("e",), {"i", "v", "t"}),
        ("match v:\n    case {'a': p, **r}: w = p", ("v",), {"p", "r", "w"}),
        ("if False:\n    y = x\nz = 0", (), {"z"}),
        ("y: int\nz: T = x", ("int", "T", "x"), {"z"}),
        ("r = await g(x)", ("g", "x"), {"r"}),
        ("async with a as b:\n    c = b", ("a",), {"b", "c"}),
        ("async for i in a:\n    c = i", ("a",), {"i", "c"}),
    ],
)
def test_reads_come_in_order_and_writes_are_told(source, reads, writes):
    found = names(source)
    assert found.reads == reads
    assert found.writes == writes
    assert not found.error


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("x[0] = 1", {"x"}),
        ("x.a.b = 1", {"x"}),
        ("del x['a']", {"x"}),
        ("x.append(1)", {"x"}),
        ("clf.fit(X, y)", {"clf"}),
        ("df.drop('a', inplace=True)", {"df"}),
        ("df.drop('a', inplace=False)", set()),
        ("x.b[0].sort()", {"x"}),
        ("import random\nrandom.shuffle(x)", {"x"}),
        ("np.add(a, b, out=c)", {"c"}),
        ("heads = df.head()", set()),
        ("df.plot()", set()),
        ("%time clf.fit(X, y)", {"clf"}),
    ],
)
def test_what_is_changed_in_place_is_told(source, changes):
    assert names(source).changes == changes


@pytest.mark.parametrize(
    ("source", "changed", "read"),
    [
        ("import numpy as np\nnp.random.seed(0)", {"rng:numpy"}, set()),
        ("x = np.random.rand(3)", {"rng:numpy"}, {"rng:numpy"}),
        ("rng = np.random.default_rng(0)", set(), set()),
        ("import random as r\nr.seed(1)", {"rng:random"}, set()),
        ("import os\nos.environ['A'] = '1'", {"env"}, set()),
        ("import os\nos.chdir('x')", {"cwd"}, set()),
        ("import pandas as pd\npd.set_option('a', 1)", {"pandas.options"}, set()),
        ("df.to_csv('o.csv')", {"file:o.csv"}, set()),
        ("df = pd.read_csv('i.csv')", set(), {"file:i.csv"}),
        ("df.to_csv(path)", {"file:*"}, set()),
        ("open('a', 'w').close()", {"file:a"}, set()),
        ("t = open('a').read()", set(), {"file:a"}),
        ("!wget x", {"shell"}, {"shell"}),
        ("%env A=1", {"env"}, set()),
        ("%cd data", {"cwd"}, set()),
    ],
)
def test_what_is_no_name_goes_through_a_channel(source, changed, read):
    found = names(source)
    assert found.channels_changed == changed
    assert found.channels_read == read


def test_the_shell_is_given_names_of_the_notebook_and_its_own_are_not_ours():
    assert set(names("!cp {src} $dst $$pid").reads) >= {"src", "dst"}
    assert "pid" not in names("!echo $$pid").reads
    assert set(names("%%sx\ncp {src} $dst").reads) >= {"src", "dst"}
    assert set(names("%%bash -s {src}\nA=1\necho $A {b} $HOME").reads) == {"get_ipython", "src"}


def test_a_line_that_is_no_python_may_be_a_magic_without_its_sign():
    assert set(names("timeit f(x)").reads) == {"get_ipython", "f", "x"}
    assert names("time y = x + 1").writes == {"y"}
    assert names("time = 3").writes == {"time"}
    assert names("rm x\ny = 1").error


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "N = 3",
        "def f(): return x",
        "class A: pass",
        "A, B = 1, 2",
        "X: int = 3",
        "'''text'''",
        "%matplotlib inline",
        "%load_ext autoreload\n%autoreload 2",
        "try:\n    import q\nexcept ImportError:\n    q = None",
        "f = lambda: 1",
    ],
)
def test_imports_definitions_and_constants_only_set_up(source):
    assert names(source).only_sets_up


@pytest.mark.parametrize(
    "source",
    [
        "x = f()",
        "df['flag'] = 0",
        "df.loc[0] = 1",
        "model.threshold = 0.5",
        "x += 1",
        "import numpy as np\nnp.random.seed(0)",
        "import os\nos.environ['A'] = 'b'",
        "df",
    ],
)
def test_work_is_no_set_up(source):
    assert not names(source).only_sets_up


@pytest.mark.parametrize(
    "source",
    [
        "df",
        "df.describe()",
        "print(x)",
        "plt.plot(x)\nplt.show()",
        "%timeit f(x)",
        "%time f(x)",
        "fig, ax = plt.subplots()\nax.plot(x)",
        "for c in cols:\n    print(c)",
        "display(df)",
        "import seaborn as sns\nsns.heatmap(df)",
        "df.head(); df.info()",
    ],
)
def test_looking_is_no_work(source):
    assert names(source).only_shows


@pytest.mark.parametrize(
    "source",
    [
        "y = x",
        "x.append(1)",
        "df.to_csv('a.csv')",
        "%time y = f(x)",
        "%time clf.fit(x)",
        "exec('x = 1')",
        "%run other.py",
        "(n := 5)",
        "plt.plot(x)\nplt.savefig('a.png')",
        "!ls",
        "%cd data",
        "assert x",
    ],
)
def test_work_is_not_only_looking(source):
    assert not names(source).only_shows


@pytest.mark.parametrize("source", ["exec(s)", "y = eval(s)", "globals()['q'] = 1", "%run a.py"])
def test_where_text_cannot_tell_anything_may_be_read(source):
    found = names(source)
    assert found.reads_anything
    assert found.assumed


@pytest.mark.parametrize("source", ["x = (", "\x00", "def f(:", "\ud800", "1 +", "if x:\nprint(1)"])
def test_what_is_no_python_is_said_and_assumed_to_read_anything(source):
    found = names(source)
    assert found.error
    assert found.assumed
    assert found.reads_anything


def test_imports_are_told_by_their_path():
    found = names("import numpy as np, os.path\nfrom sklearn.svm import SVC as S\nfrom . import u")
    assert found.imports == {
        "np": "numpy",
        "os": "os",
        "S": "sklearn.svm.SVC",
        "u": "..u",
    }


def test_an_import_of_an_earlier_cell_is_known_here():
    found = names("r.seed(0)", {"r": "random"})
    assert found.channels_changed == {"rng:random"}
    assert names("r.seed(0)").channels_changed == set()


def test_metrics_logged_under_a_literal_name_are_told():
    found = names("import mlflow\nmlflow.log_metric('auc', a)\nmlflow.log_metric(n, b)")
    assert found.logged == {"auc"}


def test_a_function_is_told_by_what_calling_it_touches():
    source = "def f(a, b):\n    global g\n    g = h\n    a.append(1)\n    k.append(2)\n"
    function = names(source).functions["f"]
    assert function.reads == {"h", "k"}
    assert function.writes == {"g"}
    assert function.changes == {"k"}
    assert function.mutates == {(0, "a")}


def test_a_name_bound_on_every_way_is_sure():
    assert names("if c:\n    x = 1\nelse:\n    x = 2").sure == {"x"}
    assert names("if c:\n    x = 1").sure == set()
    assert names("try:\n    x = 1\nexcept E:\n    x = 2").sure == {"x"}
    assert names("for i in e:\n    x = 1").sure == set()


PIECES = [
    "x",
    "y = ",
    "def f():",
    "\n",
    "    ",
    "%",
    "!",
    "%%bash\n",
    "(",
    ")",
    "[i for i in ",
    "]",
    "lambda: ",
    "await ",
    "@",
    "'",
    '"',
    "{",
    "}",
    "match x:",
    "case ",
    "import ",
    "from . import *",
    "class A:",
    "if ",
    "else:",
    "del ",
    "global x",
    "?",
    "\\",
    "\x00",
    "# mlops: step a",
    ":=",
    "*",
    "yield ",
    "return",
    "try:",
    "except* E as e:",
    "async ",
]


@settings(max_examples=200, deadline=None)
@given(st.text() | st.lists(st.sampled_from(PIECES), max_size=15).map("".join))
@example("lambda: (yield)")
@example("(" * 300)
@example("x = " + "-" * 3000 + "1")
@example("class A:\n    [x for x in (lambda: __class__)()]")
@example("global x")
@example("def f():\n    nonlocal x")
@example("return [(yield) for _ in x]")
@example("print(*a, **b)(c)[d].e.append(f)")
def test_no_text_whatever_makes_it_raise(source):
    found = names(source)
    assert isinstance(found.reads, tuple)
    assert set(found.sure) <= set(found.writes)
