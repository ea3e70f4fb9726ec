"""Notebooks as people write them can be promoted, and the proof compares every estimator."""

import importlib.util
import inspect
import warnings

import pytest
from rooms import notebook, room

LOOPS = (
    "import pandas as pd",
    "train = pd.DataFrame({'a': [1.0, 2.0, 3.0]})\ntest = pd.DataFrame({'a': [4.0, 5.0]})",
    "for frame in [train, test]:\n    frame['b'] = frame['a'] ** 2",
    "both = [train, test]",
    "for frame in both:\n    frame['c'] = frame['b'] + 1",
    "parts = {'train': train, 'test': test}",
    "for name, frame in parts.items():\n    frame['d'] = frame['c'] * 2",
    "for number, frame in enumerate(both):\n    frame['e'] = frame['d'] + number",
    "model = dict(train.sum())",
    "error = float(test[['b', 'c', 'd', 'e']].sum().sum() - model['e'])",
)
HIDDEN = (
    "FEATURES = {}\ndef feature(f):\n    FEATURES[f.__name__] = f\n    return f",
    "@feature\ndef square(x):\n    return x * x",
    "class Rule:\n    known = []\n    def __init_subclass__(cls):\n        Rule.known.append(cls)",
    "class Positive(Rule):\n    def holds(self, x):\n        return x > 0",
    "import fractions\nfractions.Fraction.third = lambda self: self / 3",
    "factor = 3\nwhich = 'factor'",
    "rows = [float(fractions.Fraction(n).third()) for n in range(-3, 4)]",
    "rows = [f(x) for f in FEATURES.values() for x in rows]\n"
    "rows = [x for x in rows if all(rule().holds(x) for rule in Rule.known)]",
    "scale = 10",
    "model = {'sum': sum(rows) * globals()[which] * eval('sca' + 'le')}",
    "text = 'the factor is {factor}'.format(**globals())\nerror = len(text) - model['sum']",
)
GUARDED = (
    "from typing import TYPE_CHECKING\nimport importlib.util",
    "try:\n    import a_package_that_nobody_has as fast\nexcept ImportError:\n    fast = None",
    "if importlib.util.find_spec('another_such_package'):\n    import another_such_package",
    "if TYPE_CHECKING:\n    from a_third_such_package import Rows",
    "def total(rows: 'Rows') -> float:\n    return (fast or __import__('math')).fsum(rows)",
    "model = {'total': total([1.0, 2.0])}",
    "error = model['total'] - 3",
)


@pytest.fixture
def promoted(tmp_path):
    """Promote a notebook of cells, and return the answer."""

    def promote(cells, *words):
        terminal = room(tmp_path / "project", tmp_path / "home")
        notebook(terminal, *cells)
        answer = terminal.type("promote", "n.ipynb", "--name", "job", *words)
        assert answer.status == 0, answer.stderr
        return answer.json | {"terminal": terminal}

    return promote


@pytest.mark.parametrize("cells", [LOOPS, HIDDEN], ids=["loops", "hidden"])
def test_the_bundle_keeps_cells_that_only_a_run_shows(promoted, cells):
    answer = promoted(cells, "--model", "model", "--gate", "error <= 1e9")
    assert answer["proof"]["because"] == "bitwise equal"
    assert answer["left_out"] == []
    assert list(answer["metrics"]) == ["error"]
    path = answer["terminal"].folder / "n.ipynb"
    path.write_text(path.read_text() + "\n")  # saved again, without a change of code
    (job,) = answer["terminal"].type("jobs").json["jobs"]
    assert job["differs_from_notebook"] == []


def test_an_import_behind_a_guard_does_not_stop_a_promotion(promoted):
    answer = promoted(GUARDED, "--model", "model", "--gate", "error <= 0")
    assert answer["proof"]["equal"] is True


TABLE = """import numpy as np
import warnings
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
warnings.simplefilter('ignore')
draw = np.random.RandomState(0)
labels = np.arange(60) % 3
table = np.abs(draw.normal(size=(60, 4)) + labels[:, None])
several = np.column_stack([labels % 2, labels // 2])
pair = table[:, :2]
line = table[:, 0]
texts = [' '.join(['cat', 'dog', 'bird'][: 1 + n % 3]) for n in range(60)]
records = [{'a': float(n % 5), 'b': str(n % 2)} for n in range(60)]
linear = LogisticRegression()
ridge = Ridge()
scale = StandardScaler()"""
ARGUMENTS = (
    "",
    "linear",
    "linear, {'C': [0.1, 1.0]}",
    "[('one', linear)]",
    "[('one', scale)]",
    "[('one', scale, [0, 1])]",
    "[linear]",
    "[('one', ridge)]",
    "n_components=2",
)
TARGETS = ("table, labels", "table, several", "texts", "records", "line, labels", "pair, pair")
BOOSTED = {
    "lightgbm": "LGBMClassifier(n_estimators=5, verbose=-1)",
    "xgboost": "XGBClassifier(n_estimators=5)",
    "catboost": "CatBoostClassifier(iterations=5, verbose=0, allow_writing_files=False)",
}


def scikit_learn_fits():
    """Return estimator → a cell that fits it, for those of scikit-learn that fit a toy table."""
    from sklearn.utils import all_estimators

    space: dict = {}
    exec(TABLE, space)
    return {
        name: cell
        for name, kind in all_estimators()
        if (cell := next((c for c in attempts(name, kind) if works(c, space)), None))
    }


def attempts(name, kind):
    seed = "random_state=0" if "random_state" in inspect.signature(kind).parameters else ""
    for words in ARGUMENTS:
        for target in TARGETS:
            given = ", ".join(word for word in (words, seed) if word)
            yield (
                f"from {kind.__module__} import {name}\nmade_{name} = {name}({given}).fit({target})"
            )


def works(cell, space):
    """Say whether a cell runs: an estimator wants its own kind of arguments and data."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(cell, dict(space))
    except Exception:  # noqa: BLE001  whatever an estimator says of arguments that do not fit
        return False
    return True


def boosted_fits():
    return {
        package: f"import {package}\nmade_{package} = {package}.{call}.fit(table, labels)"
        for package, call in BOOSTED.items()
        if importlib.util.find_spec(package)
    }


def test_every_estimator_that_fits_a_table_is_proven_equal(promoted):
    """Those of scikit-learn, and the boosting libraries that are installed."""
    fits = scikit_learn_fits() | boosted_fits()
    assert len(fits) > 180
    answer = promoted((TABLE, *fits.values()))
    proof = answer["proof"]
    assert proof["equal"] is True
    assert [s for s in proof["steps"] if s["differs"] or s["varying"] or s["uncompared"]] == []
    assert {f"made_{name}".lower() for name in fits} <= {s["name"].lower() for s in proof["steps"]}
