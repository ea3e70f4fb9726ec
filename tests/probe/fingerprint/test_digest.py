"""Different values have different digests; the same value has one, in every process."""

import collections
import dataclasses
import datetime
import decimal
import functools
import itertools
import os
import pickle
import random
import re
import subprocess
import sys
import textwrap
import threading
import types
import zoneinfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlops_nb import probe
from mlops_nb.probe.fingerprint.digest import Unknown, digest, digest_or_unknown

F = pd.DataFrame
SLOW = settings(max_examples=150, deadline=None)


def series(values, kind):
    return pd.Series(values, dtype=kind)


def arrow(values, kind):
    return pd.Series(values, dtype=pd.ArrowDtype(kind))


def categories(values, **more):
    return pd.Series(pd.Categorical(values, **more))


def closing_over(value):
    def inner():
        return value

    return inner


def with_attrs(frame, **attrs):
    frame.attrs.update(attrs)
    return frame


def generator(draws=0):
    made = np.random.default_rng(0)
    made.random(draws)
    return made


def legacy(draws=0):
    made = np.random.RandomState(0)
    made.rand(draws)
    return made


def plain(draws=0):
    made = random.Random(0)
    for _ in range(draws):
        made.random()
    return made


class Slotted:
    __slots__ = ("a",)

    def __init__(self, a):
        self.a = a


@dataclasses.dataclass
class Record:
    a: object


Pair = collections.namedtuple("Pair", "a b")  # noqa: PYI024  the old way is a way too
SQUARE = np.arange(4).reshape(2, 2)
NEW_YEAR = datetime.datetime(2020, 1, 1)  # noqa: DTZ001  a naive one is meant
SEOUL, TOKYO = zoneinfo.ZoneInfo("Asia/Seoul"), zoneinfo.ZoneInfo("Asia/Tokyo")
LISTS = pa.list_(pa.int64())
MULTI = pd.MultiIndex.from_tuples([(1, "a"), (2, "b")])

DIFFERENT = {
    "shapes": (np.zeros((2, 3)), np.zeros((3, 2))),
    "empty shapes": (np.zeros(0), np.zeros((0, 3))),
    "int and float zeros": (np.zeros(3, int), np.zeros(3)),
    "A and A.T": (SQUARE, SQUARE.T),
    "signed zeros": (0.0, -0.0),
    "signed zeros in arrays": (np.array([0.0]), np.array([-0.0])),
    "widths of integers": (np.int32(1), np.int64(1)),
    "a scalar and an array of no dimension": (np.float64(1), np.array(1.0)),
    "a numpy and a Python number": (np.float64(1), 1.0),
    "units of dates": (np.array(["2020"], "M8[D]"), np.array(["2020"], "M8[ns]")),
    "texts in arrays": (np.array(["a", "bc"]), np.array(["ab", "c"])),
    "nested objects in arrays": (np.array([[1, 2], [3]], object), np.array([[1], [2, 3]], object)),
    "masks": (np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0])),
    "masked and not": (np.ma.array([1, 2], mask=[0, 0]), np.array([1, 2])),
    "fill values": (np.ma.array([1], mask=[1], fill_value=3), np.ma.array([1], mask=[1])),
    "fields": (np.array([(1,)], [("a", int)]), np.array([(1,)], [("b", int)])),
    "a record array": (
        np.array([(1,)], [("a", int)]),
        np.array([(1,)], [("a", int)]).view(np.recarray),
    ),
    "renamed columns": (F({"a": [1]}), F({"b": [1]})),
    "another index": (F({"a": [1, 2]}), F({"a": [1, 2]}, index=[1, 2])),
    "a named index": (F({"a": [1]}), F({"a": [1]}).rename_axis("i")),
    "named columns": (F({"a": [1]}), F({"a": [1]}).rename_axis("i", axis=1)),
    "a named index of a series": (pd.Series([1]), pd.Series([1]).rename_axis("i")),
    "a named series": (pd.Series([1]), pd.Series([1], name="a")),
    "rows under a duplicate index": (
        F({"a": [1, 2]}, index=[0, 0]),
        F({"a": [2, 1]}, index=[0, 0]),
    ),
    "columns of one name": (F([[1, 2]], columns=["a", "a"]), F([[2, 1]], columns=["a", "a"])),
    "order of columns": (F({"a": [1], "b": [2]}), F({"b": [2], "a": [1]})),
    "kinds of columns": (F({"a": [1]}), F({"a": [1.0]})),
    "attrs": (F({"a": [1]}), with_attrs(F({"a": [1]}), unit="m")),
    "empty frames": (F(columns=["a"]), F()),
    "rows of an empty frame": (F(index=[1]), F()),
    "a late cell of a long frame": (F({"a": [0] * 20_000}), F({"a": [0] * 19_999 + [1]})),
    "None and a missing number": (series([None], object), series([float("nan")], object)),
    "None and 'None'": (series([None], object), series(["None"], object)),
    "texts in columns": (pd.Series(["a", "bc"]), pd.Series(["ab", "c"])),
    "objects in columns": (series([1, "1"], object), series(["1", 1], object)),
    "text and object columns": (series(["a"], "string"), series(["a"], object)),
    "categories and texts": (categories(["a"]), pd.Series(["a"])),
    "unused categories": (categories(["a"]), categories(["a"], categories=["a", "b"])),
    "order of categories": (
        categories(["a"], categories=["a", "b"]),
        categories(["a"], categories=["b", "a"]),
    ),
    "ordered categories": (categories(["a"]), categories(["a"], ordered=True)),
    "missing and zero": (series([1, None], "Int64"), series([1, 0], "Int64")),
    "nullable and plain": (series([True], "boolean"), series([True], bool)),
    "arrow widths": (arrow([1], pa.int64()), arrow([1], pa.int32())),
    "arrow lists": (arrow([[1], [2]], LISTS), arrow([[1, 2], []], LISTS)),
    "arrow structs": (
        arrow([{"a": 1}], pa.struct([("a", pa.int64())])),
        arrow([{"a": 2}], pa.struct([("a", pa.int64())])),
    ),
    "zones of an index": (
        pd.date_range("2020", periods=2, tz=SEOUL),
        pd.date_range("2020", periods=2, tz=TOKYO),
    ),
    "periods": (
        pd.period_range("2020", periods=2, freq="D"),
        pd.period_range("2020", periods=2, freq="M"),
    ),
    "closed sides": (
        pd.Series(pd.interval_range(0, 2)),
        pd.Series(pd.interval_range(0, 2, closed="left")),
    ),
    "order in a multi-index": (MULTI, MULTI[::-1]),
    "names of a multi-index": (MULTI, MULTI.rename(["x", "y"])),
    "aware and naive Timestamps": (pd.Timestamp("2020"), pd.Timestamp("2020", tz="UTC")),
    "units of Timestamps": (pd.Timestamp("2020").as_unit("s"), pd.Timestamp("2020").as_unit("ns")),
    "NaT and NA": (pd.NaT, pd.NA),
    "aware and naive datetimes": (NEW_YEAR, NEW_YEAR.replace(tzinfo=datetime.UTC)),
    "zones": (NEW_YEAR.replace(tzinfo=SEOUL), NEW_YEAR.replace(tzinfo=TOKYO)),
    "folds": (NEW_YEAR, NEW_YEAR.replace(fold=1)),
    "folds of times": (datetime.time(1), datetime.time(1, fold=1)),
    "a date and a datetime": (NEW_YEAR.date(), NEW_YEAR),
    "Decimals": (decimal.Decimal("1.0"), decimal.Decimal("1.00")),
    "list and tuple": ([1], (1,)),
    "nesting": ([[1], [2]], [[1, 2]]),
    "deep leaves": ({"a": {"b": [1, {"c": 1}]}}, {"a": {"b": [1, {"c": 2}]}}),
    "order of a dict": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "lengths of texts": (("a", "bc"), ("ab", "c")),
    "one list twice and two lists": ([[1]] * 2, [[1], [1]]),
    "slots": (Slotted(1), Slotted(2)),
    "records": (Record([1]), Record([2])),
    "a named tuple and a tuple": (Pair(1, 2), (1, 2)),
    "closure values": (closing_over(1), closing_over(2)),
    "default arguments": (lambda a=1: a, lambda a=2: a),
    "keyword defaults": (lambda *, a=1: a, lambda *, a=2: a),
    "constants in a body": (lambda: 1, lambda: "1"),
    "signed zeros in a body": (lambda: 0.0, lambda: -0.0),
    "names in a body": (lambda: len, lambda: max),
    "patterns": (re.compile("a"), re.compile("a", re.IGNORECASE)),
    "patterns of bytes": (re.compile("a"), re.compile(b"a")),
    "generators' states": (generator(), generator(1)),
    "legacy generators' states": (legacy(), legacy(1)),
    "plain generators' states": (plain(), plain(1)),
    "partials": (functools.partial(print, 1), functools.partial(print, 2)),
    "bounded deques": (collections.deque([1], 3), collections.deque([1], 4)),
    "factories": (collections.defaultdict(list), collections.defaultdict(dict)),
    "bound methods": ([1].append, [2].append),
    "errors": (ValueError("a"), ValueError("b")),
}


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_what_differs_has_different_digests(pair):
    assert digest(pair[0]) != digest(pair[1])


ONES = [
    1,
    "1",
    True,
    1.0,
    b"1",
    bytearray(b"1"),
    1 + 0j,
    decimal.Decimal(1),
    np.int64(1),
    np.float64(1),
    np.bool_(True),
    np.array(1),
    (1,),
    [1],
    {1},
    frozenset({1}),
    {1: None},
    range(1),
    None,
    pd.Series([1]),
    pd.Index([1]),
    F([1]),
]


def test_no_two_kinds_of_one_share_a_digest():
    found = collections.defaultdict(list)
    for one in ONES:
        found[digest(one)].append(one)
    assert [same for same in found.values() if len(same) > 1] == []


def chunked(values):
    """Return a text column whose Arrow data lies in several chunks."""
    return pd.concat([pd.Series([v]) for v in values], ignore_index=True)


def masked_over(under):
    made = series([1, under], "Int64")
    made[1] = None
    return made


def padded(rubbish):
    kind = np.dtype({"names": ["a", "b"], "formats": ["u1", "u4"]}, align=True)
    made = np.zeros(2, kind)
    made.view("u1")[1] = rubbish
    return made


def consolidated(frame):
    frame.to_numpy()
    return frame.copy()


SAME = {
    "NaN and NaN": (float("nan"), -float("nan")),
    "NaN in arrays": (np.array([np.nan]), -np.array([np.nan])),
    "NaN in frames": (F({"a": [np.nan, 1]}), F({"a": [float("nan"), 1]})),
    "NaN objects": (series([np.nan, "a"], object), series([float("nan"), "a"], object)),
    "orders in memory": (SQUARE, np.asfortranarray(SQUARE)),
    "strides": (np.arange(4), np.arange(8)[::2] // 2),
    "padding": (padded(0), padded(7)),
    "sets": ({"a", "b", "c"}, {"c", "b", "a"}),
    "chunks of texts": (pd.Series(["a", "b", "a"]), chunked(["a", "b", "a"])),
    "slices of texts": (pd.Series(["a", "b"]), pd.Series(["a", "b", "c"]).iloc[:2]),
    "missing texts": (series(["a", None], "string"), chunked(["a", None]).astype("string")),
    "arrow lists": (arrow([[1], None], LISTS), arrow([[1], None], LISTS)),
    "what lies under a mask": (series([1, None], "Int64"), masked_over(5)),
    "missing categories": (categories(["a", None]), categories(["a", np.nan])),
    "blocks": (F({"a": [1], "b": [2]}), consolidated(F({"a": [1]}).assign(b=[2]))),
    "multi-index levels": (MULTI[:1], pd.MultiIndex.from_tuples([(1, "a")])),
    "NaT": (pd.NaT, pd.Series([None], dtype="M8[ns]")[0]),
    "sparse columns": (
        pd.Series(pd.arrays.SparseArray([0, 1])),
        pd.Series(pd.arrays.SparseArray([0, 1])),
    ),
    "closures": (closing_over([1]), closing_over([1])),
    "slots": (Slotted([1]), Slotted([1])),
    "records": (Record(1), Record(1)),
    "texts of one content": (["ab" * 40] * 2, ["ab" * 40, "abab" * 20]),
    "generators' states": (generator(3), generator(3)),
}


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME.keys())
def test_what_is_the_same_has_one_digest(pair):
    assert digest(pair[0]) == digest(pair[1])


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


def spelt(value):
    """Return a value with every kind written beside it, so that 1 == True is told apart."""
    if isinstance(value, list | tuple):
        return (type(value).__name__, [spelt(item) for item in value])
    if isinstance(value, dict):
        return ("dict", [(spelt(k), spelt(v)) for k, v in value.items()])
    return (type(value).__name__, repr(value))


@SLOW
@given(VALUES, VALUES)
def test_values_share_a_digest_only_if_they_are_the_same(one, other):
    assert (digest(one) == digest(other)) == (spelt(one) == spelt(other))


@SLOW
@given(VALUES)
def test_a_value_keeps_its_digest_through_a_pickle(value):
    assert digest(pickle.loads(pickle.dumps(value))) == digest(value)


@SLOW
@given(
    st.lists(st.integers(-9, 9), min_size=1, max_size=6),
    st.data(),
    st.sampled_from(["int64", "float32", "Int64", "int64[pyarrow]", "object", "category", "str"]),
)
def test_one_changed_cell_changes_a_frame(values, data, kind):
    place = data.draw(st.integers(0, len(values) - 1))
    other = data.draw(st.integers(-9, 9))
    assume(other != values[place])
    changed = [*values[:place], other, *values[place + 1 :]]
    one, two = (F({"a": pd.Series(v).astype(kind)}) for v in (values, changed))
    assert digest(one) != digest(two)
    assert digest(one) == digest(one.copy())


@SLOW
@given(st.lists(st.text(max_size=5) | st.none(), max_size=5), st.lists(st.text(max_size=5)))
def test_text_columns_share_a_digest_only_if_they_are_the_same(one, other):
    columns = [pd.Series(values, dtype="str") for values in (one, other)]
    assert (digest(columns[0]) == digest(columns[1])) == (one == other)


UNKNOWN = {
    "generator": (i for i in [1]),
    "lock": threading.Lock(),
    "view": {}.keys(),
    "inside a list": [threading.Lock()],
}


@pytest.mark.parametrize("value", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_what_has_no_content_of_its_own_is_unknown(value):
    with pytest.raises(Unknown):
        digest(value)
    assert digest_or_unknown(value) == "unknown"


def test_an_open_file_is_unknown(tmp_path):
    with (tmp_path / "a").open("w") as file:
        assert digest_or_unknown(file) == "unknown"


def test_what_is_nested_too_deep_is_unknown_and_circles_are_not():
    deep = []
    for _ in range(5000):
        deep = [deep]
    assert digest_or_unknown(deep) == "unknown"
    circle, other = [], []
    circle.append(circle)
    other.append(other)
    assert digest(circle) == digest(other)


def test_an_object_whose_own_code_raises_is_unknown():
    class Odd:
        def __reduce_ex__(self, protocol):
            raise ZeroDivisionError

    assert digest_or_unknown(Odd()) == "unknown"


def test_an_iterator_that_moved_on_differs():
    moved = iter([1, 2])
    before = digest(moved)
    next(moved)
    assert digest(moved) != before


NOTEBOOK = """
import abc, collections, dataclasses, functools

class Plain:
    rate = 0.5
    def __init__(self, a): self.a = a
    def scaled(self): return self.a * self.rate

class Full(Plain):
    @property
    def twice(self): return self.a * 2
    @staticmethod
    def one(): return 1
    @classmethod
    def make(cls): return cls(1)
    @functools.cached_property
    def cached(self): return 3
    def scaled(self): return super().scaled() + 1

@dataclasses.dataclass
class Data:
    a: int
    b: list = dataclasses.field(default_factory=list)

class Abstract(abc.ABC):
    @abc.abstractmethod
    def f(self): ...

class Concrete(Abstract):
    def __init__(self, a): self.a = a
    def f(self): return self.a

Pair = collections.namedtuple("Pair", "a b")
"""


def defined(code=NOTEBOOK):
    """Return the names that a notebook's cell defines, as a kernel would: in `__main__`."""
    space = {"__name__": "__main__"}
    exec(compile(code, "<cell>", "exec"), space)
    return types.SimpleNamespace(**space)


@pytest.mark.parametrize(
    "make",
    [
        lambda n, a: n.Plain(a),
        lambda n, a: n.Full(a),
        lambda n, a: n.Data(a),
        lambda n, a: n.Concrete(a),
        lambda n, a: n.Pair(a, 1),
        lambda n, a: [n.Full(a)],
    ],
    ids=["plain", "full", "data", "abstract", "pair", "in a list"],
)
def test_an_object_of_a_class_of_the_notebook_is_told_by_its_content(make):
    first = defined()
    assert digest(make(first, 1)) == digest(make(first, 1))
    assert digest(make(first, 1)) == digest(make(defined(), 1))
    assert digest(make(first, 1)) != digest(make(first, 2))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rate = 0.5", "rate = 0.6"),
        ("self.a * self.rate", "self.a / self.rate"),
        ("return self.a * 2", "return self.a * 3"),
        ("return 1", "return 2"),
        ("return cls(1)", "return cls(2)"),
        ("return 3", "return 4"),
        ("class Full(Plain)", "class Full(list)"),
        ("self.a * self.rate", "self.a * self.ratio"),
    ],
)
def test_a_changed_class_of_the_notebook_changes_its_objects(old, new):
    changed = defined(NOTEBOOK.replace(old, new))
    assert digest(changed.Full) != digest(defined().Full) or digest(changed.Plain) != digest(
        defined().Plain
    )
    assert digest(defined().Full) == digest(defined().Full)


def test_asking_for_a_digest_does_not_change_it():
    made = defined()
    before = digest(made.Plain)
    made.Plain(1).__reduce_ex__(4)  # Python notes `__slotnames__` in the class
    made.Plain.__annotations__  # noqa: B018  and `__annotations__`
    assert digest(made.Plain) == before


FUNCTIONS = [
    "def f(a, b=1, *, c=2):\n    return a + b + c + N",
    "def f(xs):\n    return [x + N for x in xs if x not in {1, 2, 3}]",
    "def f(a):\n    def g(b):\n        return a + b\n    return g(1)",
    "def f(a):\n    class A:\n        x = a\n    return A",
    "async def f(a):\n    return a",
    "def f(a):\n    yield a",
    "f = lambda a: a + N",
]


@pytest.mark.parametrize("code", FUNCTIONS)
def test_a_function_is_the_same_at_the_top_and_inside_another_one(code):
    inside = "def around():\n    global f\n" + textwrap.indent(code, "    ") + "\naround()"
    assert digest(defined(inside).f) == digest(defined(code).f)
    assert digest(defined("\n\n\n" + code).f) == digest(defined(code).f)


def values_to_compare():
    """Return values that a fresh process must digest as this one does."""
    return [
        {"a", "b", "c"},
        frozenset("abcdef"),
        {"x": {1, 2}},
        lambda x: x in {"a", "b"},
        F({"t": ["a", None], "n": [1.5, np.nan], "c": pd.Categorical(["x", "y"])}),
        np.arange(6).reshape(2, 3),
        re.compile("a"),
        defined().Full(3),
        defined().Data(1),
        defined(FUNCTIONS[2]).f,
        NEW_YEAR.replace(tzinfo=SEOUL),
    ]


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_another_process_tells_the_same_digests(seed):
    code = (
        f"import importlib.util as u\ns = u.spec_from_file_location('t', {__file__!r})\n"
        "m = u.module_from_spec(s)\ns.loader.exec_module(m)\n"
        "print(*[m.digest(v) for v in m.values_to_compare()])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": seed},
    )
    spec = subprocess.list2cmdline(done.stdout.split())
    assert spec == " ".join(digest(v) for v in values_to_compare())


def test_the_module_runs_where_only_the_standard_library_is():
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('alone', {probe.__file__!r})\n"
        "sys.modules['alone'] = module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "from alone.fingerprint.digest import digest\n"
        "print(digest([1, {'a': (2.5, None)}]))\n"
        "assert 'numpy' not in sys.modules and 'mlops_nb' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == digest([1, {"a": (2.5, None)}])


def fitted():
    """Yield fitted estimators of several kinds."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    frame = F({"n": np.arange(40.0), "t": list("abcd") * 10})
    truth = np.arange(40) % 3 % 2
    for made in (
        LogisticRegression(),
        KNeighborsClassifier(3),
        DecisionTreeClassifier(),
        RandomForestClassifier(3, random_state=0),
        HistGradientBoostingClassifier(max_iter=3),
    ):
        yield made.fit(frame[["n"]], truth), frame[["n"]]
    columns = make_column_transformer((OneHotEncoder(), ["t"]), (StandardScaler(), ["n"]))
    yield make_pipeline(columns, LogisticRegression()).fit(frame, truth), frame


@pytest.mark.parametrize("place", range(6))
def test_a_fitted_estimator_keeps_its_digest_through_a_pickle(place):
    model, _ = next(itertools.islice(fitted(), place, None))
    again = pickle.loads(pickle.dumps(model))
    assert digest(again) == digest(model)
    assert digest(pickle.loads(pickle.dumps(again))) == digest(model)


def test_fitted_coefficients_are_told_apart():
    model, _ = next(fitted())
    before = digest(model)
    model.coef_[0, 0] += 1e-12
    assert digest(model) != before
