"""Fingerprints of more kinds of values, told by `digest` and by `quick` alike."""

import array
import collections
import copy
import datetime
import enum
import functools
import io
import itertools
import pathlib
import pickle
import sqlite3
import subprocess
import sys
import threading
import types
import uuid
import weakref
import zoneinfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import sparse

from mlops_nb.probe.fingerprint import digest as fingerprint_digest
from mlops_nb.probe.fingerprint.digest import digest, digest_or_unknown, quick

FAST = settings(max_examples=60, deadline=None)
F = pd.DataFrame
NAN = float("nan")
WAYS = (digest, quick)


class Set(set):
    """A set of a class of its own."""


class Array(np.ndarray):
    """An array of a class of its own."""


class Frame(F):
    """A frame that carries something along."""

    _metadata = ["unit"]  # noqa: RUF012  pandas asks for a list


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Flags(enum.Flag):
    A = 1
    B = 2


Pair = collections.namedtuple("Pair", "a b")  # noqa: PYI024
Twin = collections.namedtuple("Twin", "a b")  # noqa: PYI024


def read(stream, size):
    stream.read(size)
    return stream


def moved(iterator):
    next(iterator)
    return iterator


def carrying(value, **held):
    for name, item in held.items():
        setattr(value, name, item)
    return value


def shared(*, twice):
    one = [1]
    return [one, one] if twice else [one, [1]]


def met_again(second):
    rows = [[1], [2]]
    return [rows, rows[second]]


def defaulting(value):
    def inner(a=value):
        return a

    return inner


def cached(calls=0):
    made = functools.lru_cache(len)
    for _ in range(calls):
        made("a")
    return made


NEST = np.zeros(2, [("a", "f8"), ("b", [("c", "i4"), ("d", "f4", (2,))])])
NESTED = NEST.copy()
NESTED["b"]["d"][1, 1] = 3
LONG = np.array([1.5], "longdouble")
TABLE = pa.table(
    {
        "number": [1, 2, None],
        "text": ["x", None, "z"],
        "list": [[1], [], None],
        "record": [{"q": 1}, None, {"q": 2}],
        "truth": [True, None, False],
        "code": pa.array(["u", "v", "u"]).dictionary_encode(),
        "float": [1.0, NAN, None],
        "bytes": [b"1", b"", None],
        "decimal": pa.array([1, 2, None], pa.decimal128(5)),
        "when": [datetime.datetime(2020, 1, 1), None, datetime.datetime(2021, 1, 1)],  # noqa: DTZ001
        "fixed": pa.array([[1, 2], [3, 4], None], pa.list_(pa.int8(), 2)),
        "half": pa.array([1.5, None, 2], pa.float16()),
    }
)
POLARS = pl.from_arrow(
    TABLE.select(["number", "text", "list", "record", "truth", "float", "bytes", "when"])
).with_columns(
    pl.col("text").cast(pl.Categorical).alias("category"),
    pl.col("number").cast(pl.Decimal(10, 2)).alias("decimal"),
    pl.col("number").cast(pl.Int128).alias("wide"),
)

DIFFERENT = {
    "bool keys": ({1: 2}, {True: 2}),
    "float keys": ({1: 2}, {1.0: 2}),
    "truths in sets": ({1}, {True}),
    "sets of a class": (Set("ab"), set("ab")),
    "aliases": (shared(twice=True), shared(twice=False)),
    "which row is met again": (met_again(0), met_again(1)),
    "at a chunk's end": ([1] * 16_384 + [[1]], [1] * 16_384 + [1]),
    "long texts": ("x" * 70_000, "x" * 69_999 + "y"),
    "long bytes": (b"x" * 70_000, "x" * 70_000),
    "big integers": (2**200, 2**200 + 1),
    "nesting of texts": (["a", ["b"]], [["a"], "b"]),
    "numpy scalars in lists": ([np.float64(1)], [1.0]),
    "widths in lists": ([np.float64(1)], [np.float32(1)]),
    "named tuples": (Pair(1, 2), Twin(1, 2)),
    "members": (Colour.RED, Colour.BLUE),
    "counters": (collections.Counter("a"), {"a": 1}),
    "ordered dicts": (collections.OrderedDict(a=1), {"a": 1}),
    "streams": (io.StringIO("a"), io.StringIO("b")),
    "a stream's place": (io.StringIO("ab"), read(io.StringIO("ab"), 1)),
    "streams of bytes": (io.BytesIO(b"ab"), read(io.BytesIO(b"ab"), 1)),
    "views of memory": (memoryview(b"a"), memoryview(b"b")),
    "arrays of the standard library": (array.array("d", [1]), array.array("f", [1])),
    "uuids": (uuid.UUID(int=1), uuid.UUID(int=2)),
    "paths": (pathlib.Path("a"), "a"),
    "time zones": (zoneinfo.ZoneInfo("Asia/Seoul"), zoneinfo.ZoneInfo("Asia/Tokyo")),
    "slices": (slice(1), slice(2)),
    "iterators": (enumerate([1]), moved(enumerate([1]))),
    "calls of a cached function": (cached(), cached(1)),
    "attributes of a function": (lambda: 1, carrying(lambda: 1, a=1)),
    "keyword-only arguments": (lambda a, *, b: a + b, lambda a, b: a + b),
    "C functions": (np.sin, np.cos),
    "functions of numpy": (np.sum, np.mean),
    "classes of arrays": (np.arange(3).view(Array), np.arange(3)),
    "what hangs on an array": (carrying(np.arange(3).view(Array), a=1), np.arange(3).view(Array)),
    "inner fields": (NEST, NESTED),
    "long doubles": (LONG, LONG + np.longdouble(2) ** -60),
    "units of dates": (np.datetime64("2020", "D"), np.datetime64("2020", "s")),
    "texts of any length": (
        np.array(["a"], np.dtypes.StringDType()),
        np.array(["b"], np.dtypes.StringDType()),
    ),
    "infinities": (np.full(9, np.inf), np.full(9, -np.inf)),
    "half floats": (np.array([1, NAN], "f2"), np.array([2, NAN], "f2")),
    "missing in frames": (
        pd.Series(["a", None], dtype=object),
        pd.Series(["a", NAN], dtype=object),
    ),
    "arrays in frames": (pd.Series([np.array([1])]), pd.Series([np.array([2])])),
    "classes of frames": (Frame({"a": [1]}), F({"a": [1]})),
    "what a frame carries": (carrying(Frame({"a": [1]}), unit=1), Frame({"a": [1]})),
    "frequencies": (
        pd.DatetimeIndex(["2020-01-01", "2020-01-02"]),
        pd.date_range("2020", periods=2),
    ),
    "sparse matrices": (sparse.csr_matrix(np.eye(3)), sparse.csr_matrix(2 * np.eye(3))),
    "formats of sparse matrices": (sparse.csr_matrix(np.eye(3)), sparse.csc_matrix(np.eye(3))),
    "arrow and its chunks": (TABLE["number"], TABLE["number"].chunk(0)),
    "missing in arrow": (pa.array([0, None]), pa.array([None, 0])),
    "missing texts in arrow": (pa.array(["", None]), pa.array([None, ""])),
    "metadata": (TABLE, TABLE.replace_schema_metadata({"a": "b"})),
    "names in polars": (pl.DataFrame({"a": [1]}), pl.DataFrame({"b": [1]})),
    "texts in polars": (pl.Series(["a", "bc"]), pl.Series(["ab", "c"])),
    "widths in polars": (pl.Series([1], dtype=pl.Int8), pl.Series([1])),
}


@pytest.mark.parametrize("told", WAYS)
@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_what_differs_is_told_apart(pair, told):
    assert None is not told(pair[0]) != told(pair[1]) is not None


RANDOM = np.random.default_rng(0)
TALL, WIDE = RANDOM.random((100_000, 3)), RANDOM.random((3, 100_000))
DEEP = RANDOM.random((4, 5, 20_000))
FORTRAN = np.asfortranarray
SAME = {
    "tall": (TALL, FORTRAN(TALL)),
    "wide": (WIDE, FORTRAN(WIDE)),
    "deep": (DEEP, FORTRAN(DEEP)),
    "tall records": (NEST, NEST[::-1][::-1]),
    "long doubles": (LONG, np.array([1.5], LONG.dtype)),
    "long doubles in any order": (TALL.astype("g"), FORTRAN(TALL.astype("g"))),
    "backwards": (np.arange(5.0)[::-1], np.array([4.0, 3, 2, 1, 0])),
    "one for all": (np.broadcast_to(1.0, (3, 4)), np.ones((3, 4))),
    "infinities": (np.array([np.inf, -np.inf]), np.array([np.inf, -np.inf])),
    "aliases": (shared(twice=True), [[1]] * 2),
    "tuples": ([(1, 2)] * 2, [(1, 2), (1, int(2.0))]),
    "floats": ([-NAN, 1], [NAN, 1]),
    "NaN in tuples": ([(1, NAN)], [(1, -NAN)]),
    "NaN in dicts": ({"a": NAN}, {"a": -NAN}),
    "NaN in complex": (complex(NAN, 1), complex(-NAN, 1)),
    "numpy scalars": ([np.float64(1)] * 2, [np.float64(1), np.float64(1)]),
    "numpy NaN": ([np.float64(NAN)], [-np.float64(NAN)]),
    "numbers": (array.array("d", [NAN]), array.array("d", [-NAN])),
    "paths": ([pathlib.Path("a")] * 2, [pathlib.Path("a"), pathlib.Path("a")]),
    "sets of anything": ({1, "a", None, (1, 2)}, {(1, 2), None, "a", 1}),
    "sets of tuples": ({(1, "a"), (2, NAN)}, {(2, -NAN), (1, "a")}),
    "sets of sets": ({frozenset("ab"), frozenset("c")}, {frozenset("c"), frozenset("ba")}),
    "streams": (io.StringIO("a"), io.StringIO("a")),
    "chunks": (TABLE, pa.concat_tables([TABLE[:1], TABLE[1:]])),
    "offsets": (TABLE[1:], pa.concat_tables([TABLE[1:2], TABLE[2:]])),
    "chunks of polars": (POLARS, pl.concat([POLARS[:1], POLARS[1:]], rechunk=False)),
    "blocks": (F(TALL[:99], copy=False), F(FORTRAN(TALL[:99]), copy=False)),
}


@pytest.mark.parametrize("told", WAYS)
@pytest.mark.parametrize("pair", SAME.values(), ids=SAME.keys())
def test_what_is_the_same_is_told_the_same(pair, told):
    assert None is not told(pair[0]) == told(pair[1])


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "c8", "c16", "g", "G", ">f8", ">c16"])
def test_any_nan_of_a_long_array_agrees_with_any_other(kind):
    one = np.zeros(70_000, kind)
    one[66_000] = np.nan
    other = np.zeros(70_000, kind)
    other[66_000] = -np.nan
    assert digest(one) == digest(other)
    other[3] = 1
    assert digest(one) != digest(other)


def test_a_nan_keeps_no_payload():
    patterns = np.array([0x7FF8000000000000, 0x7FF8000000000001, 0xFFF0000000000001], "u8")
    found = {digest(one) for one in patterns.view("f8").reshape(3, 1)}
    assert len(found) == 1


@pytest.mark.parametrize("name", TABLE.column_names)
def test_every_kind_of_arrow_column_is_told_by_its_values(name):
    column = TABLE[name]
    turned = pa.chunked_array([column.chunk(0).take(pa.array([2, 1, 0]))])
    if name != "code":  # which reads the same from behind
        assert digest(column) != digest(turned)
    assert digest(turned) == digest(
        pa.concat_tables(
            [
                TABLE.select([name]).take([2]),
                TABLE.select([name]).take([1]),
                TABLE.select([name]).take([0]),
            ]
        )[name]
    )


@pytest.mark.parametrize("name", POLARS.columns)
def test_every_kind_of_polars_column_is_told_by_its_values(name):
    assert digest(POLARS[name]) != digest(POLARS[name].reverse())
    assert digest(POLARS[name]) == digest(POLARS[name].reverse().reverse())


UNKNOWN = {
    "object": object(),
    "weak reference": weakref.ref(Set()),
    "thread": threading.Thread(),
    "counter": itertools.count(),
    "event": threading.Event(),
    "output": sys.stdout,
    "thread's own": threading.local(),
    "frame": sys._getframe(),
    "weak dict": weakref.WeakValueDictionary(),
    "query": pl.DataFrame({"a": [1]}).lazy(),
    "in a dict": {"a": [object()]},
    "in a default": defaulting(object()),
}


@pytest.mark.parametrize("value", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_what_has_no_content_is_unknown_to_both(value):
    assert (digest_or_unknown(value), quick(value)) == ("unknown", None)


def test_a_connection_and_a_closed_stream_are_unknown(tmp_path):
    connection = sqlite3.connect(tmp_path / "a.db")
    assert (quick(connection), quick(connection.cursor())) == (None, None)
    connection.close()
    stream = io.BytesIO(b"a")
    stream.close()
    assert quick(stream) is None


def raising(error):
    def reduce(self, protocol):
        raise error

    return type("Raising", (), {"__reduce_ex__": reduce})()


def test_quick_never_raises_but_for_an_interrupt():
    assert quick(raising(ZeroDivisionError())) is None
    assert quick(raising(SystemExit())) is None
    with pytest.raises(KeyboardInterrupt):
        quick(raising(KeyboardInterrupt()))
    deep = functools.reduce(lambda inner, _: [inner], range(5000), [])
    assert quick(deep) is None


def test_quick_does_without_xxhash(monkeypatch):
    monkeypatch.setitem(sys.modules, "xxhash", None)
    monkeypatch.setattr(fingerprint_digest, "_hasher", None)
    assert len(quick([1])) == 16
    assert quick([1]) == quick([1]) != quick([2])


def test_a_figure_is_unknown_at_once():
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.add_subplot()
    assert [quick(figure), quick(axes), quick([figure]), quick(axes.plot([1]))] == [None] * 4


def test_a_combined_flag_leaves_its_class_as_it_was():
    namespace = {"__name__": "__main__"}
    exec("import enum\nclass Flags(enum.Flag):\n    A = 1\n    B = 2", namespace)
    before = digest(namespace["Flags"])
    namespace["Flags"](3)
    assert digest(namespace["Flags"]) == before
    assert digest(Flags.A) != digest(Flags(3))


def test_defining_a_class_again_leaves_its_old_instances_as_they_were():
    namespace = {"__name__": "__main__"}
    code = "class A:\n    def f(self): return self.a"
    exec(code, namespace)
    old = namespace["A"]()
    old.a = [1]
    before = digest(old), quick(old)
    exec(code, namespace)
    assert (digest(old), quick(old)) == before
    exec(code.replace("self.a", "self.b"), namespace)
    assert (digest(old), quick(old)) == before


def test_circles_through_dicts_and_objects_end():
    def circle():
        made = types.SimpleNamespace(a={})
        made.a["self"] = made
        made.d = vars(made)
        return made

    assert digest(circle()) == digest(circle())
    assert digest(circle()) == digest(pickle.loads(pickle.dumps(circle())))


def ring(size):
    made = [Node() for _ in range(size)]
    for place, node in enumerate(made):
        node.near = {made[place - 1], made[(place + 1) % size]}
    return made


class Node:
    """A node of a graph that keeps its neighbours in a set."""


def test_a_graph_of_sets_is_unknown_before_it_takes_long():
    assert quick(ring(30)) is None
    leaf, other = Node(), Node()
    leaf.near, other.near = {1}, {2}
    assert None is not quick({leaf}) != quick({other})


def many_columns():
    return F(
        {
            "number": [1, 2],
            "float": [0.5, NAN],
            "text": ["x", None],
            "list": [[1], {"a": 2}],
            "category": pd.Categorical(["x", "y"]),
            "nullable": pd.array([1, None], "Int64"),
            "zoned": pd.date_range("2020", periods=2, tz="Asia/Seoul"),
            "interval": pd.interval_range(0, 2),
            "period": pd.period_range("2020", periods=2),
            "sparse": pd.arrays.SparseArray([0, 1]),
            "delta": pd.to_timedelta([1, 2], "s"),
            "python": pd.array(["a", None], dtype="string[python]"),
            "truth": pd.array([True, None], "boolean"),
            "complex": [1j, 2],
        }
    )


@pytest.mark.parametrize("told", WAYS)
def test_reading_a_frame_leaves_it_as_it_was(told):
    frame = many_columns()
    before = told(frame)
    frame.drop(columns="complex").describe()
    repr(frame), frame.to_numpy(), frame.iloc[0], frame.loc[0], frame.T, frame["float"].mean()
    frame.sort_values("number"), frame.memory_usage(deep=True), frame.index.is_unique
    frame.info(buf=io.StringIO())
    assert told(frame) == before
    assert told(frame) == told(many_columns()) == told(pickle.loads(pickle.dumps(frame)))


@pytest.mark.parametrize("name", many_columns().columns)
def test_every_column_of_a_frame_counts(name):
    frame, turned = many_columns(), many_columns()
    turned[name] = turned[name].iloc[::-1].array
    assert digest(frame) != digest(turned)


@pytest.mark.parametrize(
    "make",
    [
        sparse.csr_matrix,
        sparse.csc_matrix,
        sparse.coo_matrix,
        sparse.csr_array,
        sparse.lil_matrix,
        sparse.dok_matrix,
        sparse.bsr_matrix,
        sparse.dia_matrix,
        sparse.coo_array,
    ],
)
def test_reading_a_sparse_matrix_leaves_it_as_it_was(make):
    matrix = make(np.eye(4))
    before = digest(matrix)
    matrix.sum(), matrix @ np.ones(4), repr(matrix), matrix.toarray()
    assert digest(matrix) == before == digest(pickle.loads(pickle.dumps(matrix)))


@pytest.mark.parametrize("told", WAYS)
@pytest.mark.parametrize("algorithm", ["kd_tree", "ball_tree", "brute"])
def test_predicting_leaves_neighbours_as_they_were(algorithm, told):
    from sklearn.neighbors import KNeighborsClassifier

    data = RANDOM.random((50, 2))
    model = KNeighborsClassifier(3, algorithm=algorithm).fit(data, data[:, 0] > 0.5)
    before = told(model)
    model.predict(data)
    assert None is not told(model) == before
    assert told(pickle.loads(pickle.dumps(model))) == before


def test_a_tensor_is_told_by_its_values(monkeypatch):
    class Tensor:  # as much of torch as is asked: torch itself is too large for these tests
        layout, device, requires_grad, is_leaf, grad = "strided", "cpu", False, True, None

        def __init__(self, data):
            self.data, self.dtype = np.array(data), "float32"

        def detach(self):
            return self

        cpu = detach

        def numpy(self):
            return self.data

    Tensor.__module__, Tensor.__qualname__ = "torch", "Tensor"
    monkeypatch.setitem(
        sys.modules, "torch", types.SimpleNamespace(Tensor=Tensor, strided="strided")
    )
    assert digest(Tensor([1.0])) == digest(Tensor([1.0])) != digest(Tensor([2.0]))
    assert quick(carrying(Tensor([1.0]), layout="sparse")) is None


ARRAYS = st.sampled_from(["i1", "u4", "f4", "f8", "c8", "?", "M8[s]", "U3"]).flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(max_dims=3, max_side=4))
)


@FAST
@given(ARRAYS, st.integers(0, 10**6))
def test_arrays_are_told_by_values_and_not_by_layout(made, place):
    assert quick(made) == quick(FORTRAN(made)) == quick(copy.deepcopy(made))
    assert digest(made) == digest(FORTRAN(made)) == digest(pickle.loads(pickle.dumps(made)))
    changed = made.copy()
    at = np.unravel_index(place % made.size, made.shape)
    changed[at] = np.zeros((), made.dtype) if made[at] != np.zeros((), made.dtype) else 1
    assert quick(changed) != quick(made)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
DICTS = st.dictionaries(st.text(max_size=2), SCALARS, max_size=2)
ROWS = st.lists(
    SCALARS | st.tuples(SCALARS, SCALARS) | st.lists(SCALARS, max_size=2) | DICTS, max_size=4
)


@FAST
@given(ROWS, ROWS)
def test_rows_share_a_fingerprint_only_if_they_are_the_same(one, other):
    def spelt(value):
        if isinstance(value, list | tuple):
            return f"{type(value).__name__}({','.join(map(spelt, value))})"
        if isinstance(value, dict):
            return f"dict({','.join(spelt(pair) for pair in value.items())})"
        return repr(value)

    assert (quick(one) == quick(other)) == (spelt(one) == spelt(other))
    assert quick(copy.deepcopy(one)) == quick(one)


def test_sets_and_enums_have_one_digest_whatever_the_seed_of_hashes():
    code = (
        "from mlops_nb.probe.fingerprint.digest import digest\nimport pandas as pd\n"
        "print(digest([{'a', 'b', ('c', 1)}, {frozenset('ab'), 2.5}, pd.DataFrame({'a': ['x']}),"
        " pd.Categorical(['u', 'v']), lambda x: x in {'p', 'q', 'r'}]))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in "013"
    }
    assert len(found) == 1
